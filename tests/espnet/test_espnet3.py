"""espnet3 trains on entropy units: by `task:`, with its own trainer, and by Hydra's `_target_`."""

import importlib.util

import launching
import pytest
import tiny
import torch
import yaml

from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.espnet.speech2text import Speech2Text

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("espnet3") is None, reason="this ESPnet has no espnet3 (202609 has)"
)
RUN = """
import espnet_entropy
from espnet3.systems.esp2_asr.system import ASRSystem
from espnet3.systems.launch import launch

if __name__ == "__main__":
    launch(ASRSystem)
"""
BATCHES = dict(iter_factory=dict(batches=dict(type="unsorted", batch_size=2)))


def write_recipe(parts, folder, task):
    """run.py and training.yaml; a tokenizer of characters, which espnet3 looks for as files."""
    source = dict(
        data_src="espnet_entropy.espnet3_dataset", data_src_args=dict(dump=str(parts.dump))
    )
    tokens = folder / "tokens.txt"
    tokens.write_text("\n".join(launching.TOKENS) + "\n")
    for suffix in ("model", "vocab"):
        (folder / f"char.{suffix}").touch()
    conf = dict(bundle=str(parts.bundle), num_units=tiny.NUM_UNITS, rate=20, min_rate=15)
    config = dict(
        task=task,
        recipe_dir=str(folder),
        exp_dir=str(folder / "exp"),
        stats_dir=str(folder / "stats"),
        dataset=dict(
            train=[source],
            valid=[source],
            preprocessor=dict(
                _target_="espnet2.train.preprocessor.CommonPreprocessor",
                token_type="char",
                token_list=str(tokens),
            ),
        ),
        tokenizer=dict(save_path=str(folder), model_type="char"),
        model=dict(
            vocab_size=len(launching.TOKENS),
            token_list=str(tokens),
            frontend="entropy",
            frontend_conf=conf | launching.AGGREGATOR,
            normalize=None,
            specaug=None,
            model_conf=dict(ctc_weight=0.5, extract_feats_in_collect_stats=False),
            **launching.SMALL,
        ),
        parallel=None,
        dataloader=dict(train=BATCHES, valid=BATCHES),
        trainer=dict(accelerator="cpu", max_epochs=2, log_every_n_steps=1),
    )
    (folder / "training.yaml").write_text(yaml.safe_dump(config))
    (folder / "run.py").write_text(RUN)


@pytest.mark.parametrize(
    "task", ["espnet2.tasks.asr.ASRTask", "espnet3.systems.esp2_asr.task.ASRTask"]
)
def test_a_recipe_of_espnet3_trains_and_its_model_takes_recordings(parts, tmp_path, task):
    write_recipe(parts, tmp_path, task)
    words = ["run.py", "--stages", "collect_stats", "train", "--training_config", "training.yaml"]
    launching.launch(*words, cwd=tmp_path)
    (checkpoint,) = (tmp_path / "exp").glob("valid.loss.ave*.pth")
    speech2text = Speech2Text(
        tmp_path / "exp/config.yaml", checkpoint, beam_size=1, maxlenratio=-4.0
    )
    made = speech2text(read_table(parts.wav_scp)["utt-a"])
    units = {utt: units.tolist() for utt, units, _ in read_dump(parts.dump)}
    assert made.units.tolist() == units["utt-a"] and made.segments
    decode_by_espnet3(parts, speech2text.espnet)


def decode_by_espnet3(parts, model):
    """With `batch_size: null` it decodes one by one; batches as in the template are refused."""
    from espnet3.systems.esp2_asr.inference import ASRInferenceRunner

    from espnet_entropy.espnet.espnet3_dataset import Dataset

    def decode(indices):
        given = dict(dataset=Dataset(parts.dump), model=model, input_key="speech")
        return ASRInferenceRunner.forward(indices, **given)

    assert isinstance(decode(0)["text"], str)
    message = r"not a waveform: .* flattened \(81, 2\) matrix .*set batch_size: null in its"
    with pytest.raises(ValueError, match=message):
        decode([0, 1, 2, 3])


def test_hydra_makes_the_frontend(parts):
    from hydra.utils import instantiate

    frontend = instantiate(
        dict(
            _target_="espnet_entropy.frontend.EntropyFrontend",
            bundle=str(parts.bundle),
            segmenter="uniform",
            rate=10,
            output_size=8,
        )
    )
    vectors, lengths = frontend.eval()(torch.ones(1, 50, 2), torch.tensor([50]))
    assert vectors.shape == (1, 10, 8) and lengths.tolist() == [10]


def test_the_data_set_is_the_dump(parts):
    from espnet_entropy.espnet.espnet3_dataset import Dataset

    dataset = Dataset(parts.dump)
    texts = read_table(parts.dump / "text")
    assert len(dataset) == len(texts)
    for index, (utt, units, entropies) in enumerate(read_dump(parts.dump)):
        item = dataset[index]
        assert item["text"] == texts[utt]
        torch.testing.assert_close(item["speech"][:, 0], units.astype("float32"))
        torch.testing.assert_close(item["speech"][:, 1], entropies)


def test_an_utterance_without_text_is_named(parts, tmp_path):
    from espnet_entropy.data.kaldi import write_table
    from espnet_entropy.espnet.espnet3_dataset import Dataset

    write_table(tmp_path / "wav.scp", read_table(parts.dump / "wav.scp"))
    write_table(tmp_path / "text", {"utt-a": "one"})
    with pytest.raises(ValueError, match="utterance utt-b has no text"):
        Dataset(tmp_path)
