"""Bundles whose codebook normalises features: the same units wherever they are assigned."""

import pytest
import tiny
import torch
from padded import load_padded_dump

from espnet_entropy.bin import bundle
from espnet_entropy.bundle.bundle import Bundle, load_extractor
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.segment.points import unit_points
from espnet_entropy.units.normalization import Normalization


@pytest.fixture(scope="module", params=["frame", "dimension"])
def made(request, tmp_path_factory):
    """(kind, parts) of a units1 recipe with this normalisation."""
    root = tmp_path_factory.mktemp(request.param)
    return request.param, tiny.make_parts(root, normalize=request.param)


def padded_waves(parts):
    recordings = read_recordings(parts.wav_scp).values()
    waves = [torch.from_numpy(recording.samples(16000)) for recording in recordings]
    lengths = torch.tensor([len(wave) for wave in waves])
    return torch.nn.utils.rnn.pad_sequence(waves, batch_first=True, padding_value=0.3), lengths


def test_dump_and_tokenizer_assign_normalised_features(parts, made):
    """Alone in the dump's commands, in a padded batch with the tokenizer, and by hand."""
    kind, own = made
    units, _, frames = load_padded_dump(own.dump)
    tokens = UnitTokenizer.from_bundle(own.bundle)(*padded_waves(own))
    assert torch.equal(tokens.lengths, frames)
    codebook, extractor = Bundle.open(own.bundle).codebook(), load_extractor(own.bundle)
    assert codebook.normalization.kind == kind
    for row, recording in enumerate(read_recordings(own.wav_scp).values()):
        wave = torch.from_numpy(recording.samples(16000))
        features = extractor(wave[None], torch.tensor([len(wave)]))[0][0]
        by_hand = torch.cdist(codebook.normalization(features), codebook.centroids).argmin(1)
        assert torch.equal(by_hand, units[row, : frames[row]])
        assert torch.equal(by_hand, tokens.units[row, : frames[row]])
    plain, _, _ = load_padded_dump(parts.dump)
    assert not torch.equal(plain, units)


def test_the_bundle_keeps_and_shows_it(parts, made, tmp_path, capsys):
    kind, own = made
    tiny.command(bundle, "info", bundle=own.bundle)
    assert f"normalize: {kind}" in capsys.readouterr().out
    tiny.command(bundle, "unpack", bundle=own.bundle, output=tmp_path / "parts")
    folders = dict(codebook=tmp_path / "parts/codebook", calibration=own.calibration)
    options = dict(unit_lm=tmp_path / "parts/lm/valid.loss.best.pth", output=tmp_path / "again")
    tiny.command(bundle, "pack", **folders, **options)
    again = Bundle.open(tmp_path / "again")
    assert again.config["files"] == Bundle.open(own.bundle).config["files"]
    assert again.origin.codebook != Bundle.open(parts.bundle).origin.codebook
    assert Bundle.open(parts.bundle).codebook().normalization == Normalization()
    verify = dict(bundle=tmp_path / "again", dump=own.dump, wav_scp=own.wav_scp)
    tiny.command(bundle, "verify", **verify)


def test_a_frontend_on_waveforms_and_content(made, tmp_path):
    """content compares units where k-means did: its points are of these centroids."""
    _, own = made
    weights = "{components: 3, gap_cost: 0.25}"
    options = dict(bundle=own.bundle, dump=own.dump, output=tmp_path / "bundle", content=weights)
    tiny.command(bundle, "calibrate", **options)
    opened = Bundle.open(tmp_path / "bundle")
    centroids = opened.codebook().centroids
    assert torch.equal(opened.calibration().points, unit_points(centroids, 3))
    conf = dict(segmenter="content", rate=12, output_size=16, aggregator="mean")
    model = EntropyFrontend(bundle=str(tmp_path / "bundle"), **conf).eval()
    units, entropies, frames = load_padded_dump(own.dump)
    of_dump = model(torch.stack([units.float(), entropies], dim=2), frames)
    of_sound = model(*padded_waves(own))
    assert torch.equal(of_dump[1], of_sound[1]) and of_dump[1].sum() > 20
    torch.testing.assert_close(of_dump[0], of_sound[0])
    assert len(read_table(own.wav_scp)) == len(frames)
