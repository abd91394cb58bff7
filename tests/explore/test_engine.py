"""What the page shows is what the package computes."""

import shutil

import numpy as np
import pytest
import soundfile
import tiny

from espnet_entropy.bundle.segmented import Segmentation
from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.decoding import Decoder
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.explore.engine import MOST_COLUMNS, Explorer, find_examples, spectrogram


@pytest.mark.parametrize("method", ["dp", "global+on_change", "dedup"])
def test_segments_are_those_of_the_package(parts, explorer, method):
    path = read_table(parts.wav_scp)["utt-d"]
    sound = explorer.add(path, "d.wav")
    segmenter, _, on_change = method.partition("+")
    expected = Segmentation.from_bundle(
        parts.bundle, segmenter=segmenter, on_change=bool(on_change), rate_hz=10.0
    )(path)
    made = explorer.segmented(sound, method, 10.0)
    assert made.segments == expected.segments and len(made.segments) > 3
    assert (made.entropies == expected.entropies).all()


def test_methods_can_be_asked_for_at_both_ends_of_their_rates(parts, explorer):
    sound = explorer.add(read_table(parts.wav_scp)["utt-a"], "a.wav")
    methods = explorer.methods()
    assert methods[0]["name"] == "dp" and "stored" not in [method["name"] for method in methods]
    assert {"peaks+on_change", "uniform", "dedup", "dense"} < {m["name"] for m in methods}
    for method in methods:
        for rate_hz in (method["min_hz"] or 5.0, method["max_hz"] or 5.0):
            assert explorer.segmented(sound, method["name"], rate_hz).segments


@pytest.mark.parametrize(
    ("method", "rate_hz", "message"),
    [
        ("dp", 0.1, "rate 0.1 Hz is outside of what 'dp' reached"),
        ("uniform", float("nan"), "rate_hz is nan"),
        ("stored", 15.0, "method 'stored' segments dumps"),
        ("peaks+nonsense", 15.0, "method 'peaks.nonsense' is not a segmenter"),
        ("uniform+on_change", 15.0, "on_change works with"),
    ],
)
def test_rates_and_methods_that_are_refused(parts, explorer, method, rate_hz, message):
    with pytest.raises(ValueError, match=message):
        explorer.segmentation(method, rate_hz)


def test_sounds_that_are_refused(tmp_path, explorer):
    noise, short, long = (tmp_path / name for name in ("noise", "short", "long"))
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    soundfile.write(short, tiny.wave(0, 0.005), 16000, format="WAV")
    soundfile.write(long, np.zeros(16000 * 6), 16000, format="FLAC")
    for path, message in (
        (noise, "cannot be decoded"),
        (short, r"80 samples \(0.0050 s\) are too short"),
        (long, "longer than 5 s"),
    ):
        with pytest.raises(ValueError, match=f"^x.wav: .*{message}") as error:
            explorer.add(path, "x.wav")
        assert str(tmp_path) not in str(error.value)


def test_a_long_sound_is_refused_before_it_is_decoded_whole(tmp_path, monkeypatch):
    path = tmp_path / "silence.flac"
    soundfile.write(path, np.zeros(16000 * 600, np.int16), 16000)
    decoded, blocks = [], Decoder.blocks

    def counted(decoder):
        for block in blocks(decoder):
            decoded.append(len(block))
            yield block

    monkeypatch.setattr(Decoder, "blocks", counted)
    with pytest.raises(ValueError, match="longer than 2 s"):
        read_audio(path, 16000, max_sec=2.0)
    assert 2 * 16000 < sum(decoded) < 3 * 16000


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{sound}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {name}\n",
    ],
    ids=["hls", "concat"],
)
def test_a_playlist_opens_nothing(parts, explorer, tmp_path, playlist):
    sound = tmp_path / "secret.wav"
    soundfile.write(sound, tiny.wave(0, 1.0), 16000)
    path = tmp_path / "list"
    path.write_text(playlist.format(sound=sound, name=sound.name))
    with pytest.raises(ValueError, match="cannot be decoded"):
        explorer.add(path, "list")


def test_the_sound_longest_unused_makes_room(parts):
    explorer = Explorer(parts.bundle, max_sounds=2)
    path = read_table(parts.wav_scp)["utt-b"]
    first, second = (explorer.add(path, name).key for name in "ab")
    assert explorer.sound(first).name == "a"
    third = explorer.add(path, "c").key
    assert explorer.sound(second) is None
    assert explorer.sound(first) and explorer.sound(third)


def test_examples(parts, tmp_path):
    found = find_examples(parts.data)
    assert [example.name for example in found] == list(tiny.SECONDS)
    assert found[0].text == "one two"
    soundfile.write(tmp_path / "a.wav", tiny.wave(0, 1.0), 16000)
    (tmp_path / "a.txt").write_text("hello\n")
    (tmp_path / "notes.md").write_text("no sound")
    assert [(e.name, e.text) for e in find_examples(tmp_path)] == [("a.wav", "hello")]
    assert find_examples(None) == []
    for folder in (tmp_path / "none", parts.bundle):
        with pytest.raises(ValueError, match="is no folder|holds neither"):
            find_examples(folder)


def test_examples_are_cut_by_segments(parts, tmp_path):
    shutil.copy(parts.wav_scp, tmp_path / "wav.scp")
    (tmp_path / "segments").write_text("x utt-a 0.2 0.8\ny utt-d 0 5\n")
    (tmp_path / "text").write_text("x one\ny two\n")
    examples = find_examples(tmp_path)
    assert [(example.name, example.text) for example in examples] == [("x", "one"), ("y", "two")]
    explorer = Explorer(parts.bundle, examples=examples, max_sec=1.0)
    sound = explorer.add_example(0)  # a segment of a recording that is longer than max_sec
    assert sound.name == "x" and len(sound.waveform) == 9600
    with pytest.raises(ValueError, match="y: the segment .* within the file, which is 1.62 s long"):
        explorer.add_example(1)


def test_spectrogram_shows_a_tone_at_its_frequency():
    tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    made, hop = spectrogram(tone)
    assert made.shape == (101, 128) and made.dtype == np.uint8 and hop == 160
    assert made[50].argmax() in (15, 16)  # of 128 rows up to 8 kHz
    assert len(spectrogram(np.zeros(16000 * 200, np.float32))[0]) <= MOST_COLUMNS + 1
    assert len(spectrogram(tone[:100])[0]) == 1
