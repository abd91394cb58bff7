"""export_vectors: what the model computes, in a folder that ESPnet reads as features."""

from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch

from espnet_entropy.bin import export_vectors, merge_shards
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_table, write_yaml
from espnet_entropy.espnet.frontend import EntropyFrontend

CONF = dict(num_units=tiny.NUM_UNITS, segmenter="peaks", rate=10, aggregator="mean", output_size=8)


def save_model(folder, parts, **conf):
    """Config and checkpoint of a model, as ESPnet's training leaves them."""
    conf = CONF | dict(bundle=str(parts.bundle)) | conf
    torch.manual_seed(3)
    frontend = EntropyFrontend(**conf).eval()
    write_yaml(folder / "config.yaml", dict(frontend="entropy", frontend_conf=conf))
    state = {f"frontend.{name}": value for name, value in frontend.state_dict().items()}
    torch.save(state | {"ctc.weight": torch.zeros(2)}, folder / "valid.loss.best.pth")
    return SimpleNamespace(
        frontend=frontend,
        options=dict(
            model_config=folder / "config.yaml", model_file=folder / "valid.loss.best.pth"
        ),
    )


@pytest.fixture
def model(parts, tmp_path):
    return save_model(tmp_path, parts)


def export(model, parts, output, num_shards=2, **options):
    for shard in range(1, num_shards + 1):
        tiny.command(
            export_vectors,
            **(model.options | options),
            dump=parts.dump,
            output=output,
            num_shards=num_shards,
            shard=shard,
        )
    tiny.command(
        merge_shards,
        output=output,
        num_shards=num_shards,
        expect=parts.dump / "wav.scp",
        data=parts.dump,
    )


def test_espnet_reads_what_the_model_computes(parts, model, tmp_path):
    from espnet2.train.dataset import ESPnetDataset

    export(model, parts, tmp_path / "vectors")
    dataset = ESPnetDataset([(str(tmp_path / "vectors/feats.scp"), "speech", "kaldi_ark")])
    shapes = read_table(tmp_path / "vectors/feats_shape")
    times = [line.split() for line in (tmp_path / "vectors/segment_times").open()]
    assert {utt for utt, *_ in times} == set(shapes)
    for utt, units, entropies in read_dump(parts.dump):
        batch = torch.stack((torch.from_numpy(units), torch.from_numpy(entropies)), 1).float()
        encoded = model.frontend.encode(batch[None], torch.tensor([len(units)]))
        vectors = dataset[utt][1]["speech"]
        np.testing.assert_array_equal(vectors, encoded.vectors[0].detach().numpy())
        assert shapes[utt] == f"{len(vectors)},8"
        ends = (encoded.segment_lengths[0].cumsum(0) / 50).tolist()
        starts = [0.0, *ends[:-1]]
        found = [[float(start), float(end)] for name, start, end in times if name == utt]
        np.testing.assert_allclose(found, list(zip(starts, ends, strict=True)), atol=1e-6)


def test_the_folder_is_that_of_extracted_features(parts, model, tmp_path):
    export(model, parts, tmp_path / "vectors")
    for name in ("text", "utt2spk", "spk2utt"):
        assert read_table(tmp_path / "vectors" / name) == read_table(parts.dump / name)
    assert (tmp_path / "vectors/feats_type").read_text() == "extracted\n"
    assert (tmp_path / "vectors/feats_dim").read_text() == "8\n"


def test_a_model_of_many_rates_takes_one(parts, tmp_path):
    model = save_model(tmp_path, parts, segmenter="uniform", rate_range=[7, 50])
    for rate in (10, 25):
        export(model, parts, tmp_path / str(rate), rate=rate)
    tables = (read_table(tmp_path / rate / "feats_shape") for rate in ("10", "25"))
    low, high = (sum(int(shape.split(",")[0]) for shape in table.values()) for table in tables)
    assert high == pytest.approx(2.5 * low, rel=0.1)


def test_a_whole_shard_is_kept_and_a_half_one_is_made_again(parts, model, tmp_path, capsys):
    export(model, parts, tmp_path / "vectors")
    scp, times = (tmp_path / "vectors/shards" / name for name in ("units.1.scp", "segment_times.1"))
    before = times.read_bytes()
    export(model, parts, tmp_path / "vectors")
    assert "shard 1 of" in capsys.readouterr().out
    scp.unlink()
    times.write_text("utt-a 0.00 9.00\n")
    export(model, parts, tmp_path / "vectors")
    assert times.read_bytes() == before


def test_refusals(parts, model, tmp_path):
    def refused(message, **options):
        with pytest.raises(SystemExit, match=message):
            export(model, parts, tmp_path / "vectors", **options)
        assert not (tmp_path / "vectors/feats.scp").exists()

    refused("was trained for .*rate_hz=10 ", rate=7)
    refused("none.pth cannot be read: .*No such file", model_file=tmp_path / "none.pth")
    write_yaml(tmp_path / "other.yaml", dict(frontend="default"))
    refused("other.yaml has frontend: default", model_config=tmp_path / "other.yaml")
    conf = CONF | dict(output_size=16)
    write_yaml(tmp_path / "wide.yaml", dict(frontend="entropy", frontend_conf=conf))
    message = r"best.pth does not fit .*wide.yaml; .*other shapes: frontend\.\S+ \["
    refused(message, model_config=tmp_path / "wide.yaml")
    conf = CONF | dict(num_units=tiny.NUM_UNITS - 5)
    write_yaml(tmp_path / "few.yaml", dict(frontend="entropy", frontend_conf=conf))
    refused("best.pth does not fit .*few.yaml", model_config=tmp_path / "few.yaml")


def test_an_id_that_is_no_unit_names_its_utterance(parts, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    model = save_model(few, parts)
    state = torch.load(few / "valid.loss.best.pth", weights_only=True)
    name = "frontend.encoder.embedding.weight"
    torch.save(state | {name: state[name][:3]}, few / "valid.loss.best.pth")
    conf = CONF | dict(num_units=3)
    write_yaml(few / "config.yaml", dict(frontend="entropy", frontend_conf=conf))
    with pytest.raises(SystemExit, match="error: utt utt-[a-e]: "):
        export(model, parts, tmp_path / "vectors")
    assert not list((tmp_path / "vectors").rglob("*.scp"))


def test_vectors_of_another_model_or_dump_are_made_again(parts, model, tmp_path, capsys):
    export(model, parts, tmp_path / "vectors", 1)
    before = read_table(tmp_path / "vectors/feats_shape")
    other = save_model(tmp_path / "other", parts, rate=15)
    export(other, parts, tmp_path / "vectors", 1)
    assert "is made again: it was made with another model_config" in capsys.readouterr().out
    assert read_table(tmp_path / "vectors/feats_shape") != before
    export(other, parts, tmp_path / "vectors", 1)
    assert "is complete" in capsys.readouterr().out
