"""learn_codebook: what it writes, and that a seed fixes it."""

import shutil

import pytest
import tiny

from espnet_entropy.bin import learn_codebook
from espnet_entropy.bundle import build
from espnet_entropy.bundle.bundle import load_extractor
from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.units.codebook import Codebook
from espnet_entropy.units.normalization import NORMALIZE


def learn(parts, output, **options):
    settings = dict(
        wav_scp=parts.wav_scp,
        extractor="mfcc",
        extractor_conf="{num_mel: 20, num_ceps: 5, deltas: false}",
        num_units=tiny.NUM_UNITS,
        output=output,
    )
    tiny.command(learn_codebook, **(settings | options))
    return output


def test_same_seed_same_bytes(parts, tmp_path):
    again = learn(parts, tmp_path / "again")
    for name in ("codebook.safetensors", "config.yaml", "tokens.txt"):
        assert (again / name).read_bytes() == (parts.codebook / name).read_bytes()
    other = learn(parts, tmp_path / "other", seed=1)
    name = "codebook.safetensors"
    assert (other / name).read_bytes() != (parts.codebook / name).read_bytes()


def test_what_is_written(parts):
    tokens = (parts.codebook / "tokens.txt").read_text().splitlines()
    assert tokens == [*map(str, range(tiny.NUM_UNITS)), "<unk>", "<sos/eos>"]
    config = read_yaml(parts.codebook / "config.yaml")
    frames = sum(round(seconds * 50) for seconds in tiny.SECONDS.values())
    assert config["num_units"] == tiny.NUM_UNITS and config["dim"] == 5
    assert config["codebook"]["frames"] == frames
    codebook = Codebook.load(parts.codebook / "codebook.safetensors")
    assert (codebook.num_units, codebook.dim) == (tiny.NUM_UNITS, 5)


def test_max_frames_bounds_the_sample(parts, tmp_path, capsys):
    learn(parts, tmp_path, max_frames=100)
    assert read_yaml(tmp_path / "config.yaml")["codebook"]["frames"] == 100
    assert "12 units from 100 frames" in capsys.readouterr().out


@pytest.mark.parametrize("normalize", NORMALIZE)
def test_the_share_of_the_largest_dimensions(parts, tmp_path, normalize, capsys):
    options = dict(extractor_conf="{num_mel: 20, num_ceps: 20}", normalize=normalize)
    learn(parts, tmp_path, **options)
    printed = capsys.readouterr()
    codebook = read_yaml(tmp_path / "config.yaml")["codebook"]
    share = codebook["variance_share_of_largest"]
    assert f"5 of 60 dimensions hold {100 * share:.0f} % of the variance" in printed.out
    assert codebook["normalize"] == normalize
    if normalize == "dimension":
        assert share == pytest.approx(5 / 60)
    # MFCCs without it are little else than their first coefficients.
    assert ("compare with --normalize dimension" in printed.err) == (normalize != "dimension")


def test_a_kill_leaves_no_mixture_of_two_codebooks(parts, tmp_path, monkeypatch):
    """New centroids beside the old config.yaml would pass for the old codebook."""
    folder = shutil.copytree(parts.codebook, tmp_path / "codebook")

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "write_yaml", killed)
    with pytest.raises(KeyboardInterrupt):
        learn(parts, folder, seed=1)
    with pytest.raises(ValueError, match="codebook/config.yaml cannot be read"):
        load_extractor(folder)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(wav_scp="none.scp"), "none.scp cannot be read"),
        (dict(max_frames=-5), "--num_units is 12 and --max_frames -5"),
        (dict(device="foo"), "device 'foo' cannot be used: .*; try --device cpu"),
    ],
)
def test_errors(parts, tmp_path, options, message):
    with pytest.raises(SystemExit, match=f"error: .*{message}"):
        learn(parts, tmp_path / "codebook", **options)
    assert not (tmp_path / "codebook").exists()
