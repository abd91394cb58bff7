"""plot_utterance: a picture of the utterance asked for."""

import pytest
import tiny

from espnet_entropy.bin import plot_utterance
from espnet_entropy.data.kaldi import read_table, write_table


def draw(parts, output, **options):
    paths = dict(dump=parts.dump, wav_scp=parts.wav_scp, calibration=parts.calibration)
    tiny.command(plot_utterance, **(paths | options), rate=10, output=output)


@pytest.mark.parametrize(
    "options, utt", [({}, "utt-d"), (dict(utt="utt-b", segmenter="uniform"), "utt-b")]
)
def test_picture(parts, tmp_path, capsys, options, utt):
    """Without --utt it is the one nearest to 4 s, here the longest."""
    draw(parts, tmp_path / "a.png", **options)
    assert f"picture of {utt}" in capsys.readouterr().out
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_utterances_that_are_not_there(parts, tmp_path):
    with pytest.raises(SystemExit, match="error: .* has no utterance utt-z"):
        draw(parts, tmp_path / "a.png", utt="utt-z")
    write_table(tmp_path / "wav.scp", {"utt-a": read_table(parts.wav_scp)["utt-a"]})
    with pytest.raises(SystemExit, match="error: .*wav.scp has no utterance utt-b"):
        draw(parts, tmp_path / "a.png", utt="utt-b", wav_scp=tmp_path / "wav.scp")
    assert not (tmp_path / "a.png").exists()


def test_words(parts, tmp_path):
    ctm = tmp_path / "words.ctm"
    ctm.write_text(
        ";; made by hand\nutt-a 1 0.1 0.5 no\nutt-d 1 0.25 0.5 one\nutt-d 1 1 0.5 two 1\n"
    )
    assert plot_utterance.words_of(ctm, "utt-d") == [(0.25, 0.75, "one"), (1.0, 1.5, "two")]
    draw(parts, tmp_path / "a.png", ctm=ctm)
    draw(parts, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
