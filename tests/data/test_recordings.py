"""Recordings: cut by segments, one of their channels, or from arks."""

import subprocess
import sys
from pathlib import Path

import kaldiio
import launching
import numpy as np
import pytest
import soundfile
import tiny

from espnet_entropy.bin import (
    bundle,
    dump,
    dump_acoustics,
    dump_units,
    force_align,
    learn_codebook,
    merge_shards,
    plot_utterance,
    split_table,
    tokenize_recordings,
    vocoder_wavs,
)
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data import recordings
from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.dump import read_dump, read_units
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.data.recordings import read_recordings, read_source
from espnet_entropy.evaluate import align_set

RATE = tiny.SAMPLE_RATE
SEGMENTS = {"long": "long 0.5 1.25", "other": "long 1.25 -1", "short": "short 0 0.9"}


@pytest.fixture
def cut(tmp_path):
    """A data folder of two recordings with `segments`; one utterance has its recording's name."""
    folder = tiny.make_data(tmp_path / "cut", {"long": 2.0, "short": 0.9})
    write_table(folder / "segments", SEGMENTS)
    write_table(folder / "text", {"long": "one", "other": "two", "short": "three"})
    write_table(folder / "utt2spk", dict.fromkeys(SEGMENTS, "speaker"))
    return folder


def sound_of(folder, utt):
    """The sound of a segment, read with soundfile."""
    name, start, end = SEGMENTS[utt].split()
    wave, _ = soundfile.read(folder / f"{name}.wav", dtype="float32")
    return wave[int(float(start) * RATE) : None if end == "-1" else int(float(end) * RATE)]


def test_consecutive_segments_decode_a_recording_once(cut, monkeypatch):
    calls = []

    def counted(source, *args, **options):
        calls.append(source)
        return read_source(source, *args, **options)

    monkeypatch.setattr(recordings, "read_source", counted)
    made = list(read_recordings(cut / "wav.scp").values())
    first = [recording.samples(RATE) for recording in made]
    assert len(calls) == 2
    first[0][:] = 0  # a caller that changes its samples does not change the next segment
    np.testing.assert_array_equal(made[1].samples(RATE), first[1])
    soundfile.write(cut / "long.wav", 0.5 * np.ones(3 * RATE), RATE, subtype="FLOAT")
    assert (made[1].samples(RATE) == 0.5).all() and len(made[1].samples(RATE)) == 1.75 * RATE


@pytest.mark.parametrize(("num_shards", "is_split"), [(1, False), (2, True)])
def test_a_dump_is_of_the_segments(cut, parts, tmp_path, num_shards, is_split):
    output, wav_scp = tmp_path / "raw", cut / "wav.scp"
    if is_split:
        tiny.command(split_table, table=wav_scp, output=output, num_shards=num_shards)
    for shard in range(1, num_shards + 1):
        numbers = dict(num_shards=num_shards, shard=shard)
        tiny.command(dump, wav_scp=wav_scp, bundle=parts.bundle, output=output, **numbers)
    tiny.command(merge_shards, output=output, num_shards=num_shards, expect=wav_scp, data=cut)
    tokenizer, seen = UnitTokenizer.from_bundle(parts.bundle), []
    for utt, units, _ in read_dump(output):
        seen.append(utt)
        expected = tokenizer.tokenize(sound_of(cut, utt)).units[0]
        assert units.tolist() == expected.tolist()
    assert seen == list(SEGMENTS) == list(read_table(output / "text"))
    verify = dict(bundle=parts.bundle, dump=output, wav_scp=wav_scp)
    tiny.command(bundle, "verify", **verify)
    picture = dict(dump=output, wav_scp=wav_scp, utt="other", calibration=parts.calibration)
    tiny.command(plot_utterance, **picture, output=tmp_path / "a.png")


@pytest.mark.parametrize("is_split", [False, True])
def test_other_segments_or_another_channel_are_dumped_again(cut, parts, tmp_path, is_split):
    output, wav_scp = tmp_path / "units", cut / "wav.scp"

    def dumped():
        if is_split:
            tiny.command(split_table, table=wav_scp, output=output)
        tiny.command(dump_units, wav_scp=wav_scp, codebook=parts.codebook, output=output)
        tiny.command(merge_shards, output=output, expect=wav_scp)
        return {utt: units.tolist() for utt, units in read_units(output / "units.scp")}

    first = dumped()
    stereo = np.stack([sound_of(cut, "short"), tiny.wave(5, 0.9)], 1)
    soundfile.write(cut / "short.wav", stereo, RATE, subtype="FLOAT")
    channels = []
    for number in (1, 2):
        table = {"long": "long 1", "short": f"short {number}"}
        write_table(cut / "reco2file_and_channel", table)
        channels.append(dumped()["short"])
    assert channels[0] == first["short"] != channels[1]
    write_table(cut / "segments", SEGMENTS | {"long": "long 0.5 1"})
    again = dumped()
    assert again["long"] == first["long"][:25] and again["other"] == first["other"]


def test_commands_read_segments(cut, parts, tmp_path, capsys, monkeypatch):
    tiny.command(
        tokenize_recordings, bundle=parts.bundle, wav_scp=cut / "wav.scp", segmenter="dense"
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(SEGMENTS)
    # Half a recording gives the same codebook as a file with that half.
    write_table(cut / "segments", {"half": "long 0.5 1.25"})
    soundfile.write(tmp_path / "half.wav", sound_of(cut, "long"), RATE, subtype="FLOAT")
    write_table(tmp_path / "half.scp", {"half": tmp_path / "half.wav"})
    for scp, output in ((cut / "wav.scp", "a"), (tmp_path / "half.scp", "b")):
        options = dict(wav_scp=scp, num_units=4, output=tmp_path / output)
        tiny.command(learn_codebook, extractor="mfcc", **options)
    made = [(tmp_path / name / "codebook.safetensors").read_bytes() for name in "ab"]
    assert made[0] == made[1]
    lengths = []

    def aligner(waveform, text):
        lengths.append(len(waveform))
        return [], []

    monkeypatch.setattr(align_set, "sphinx_aligner", lambda **_: aligner)
    write_table(cut / "text", {"half": "one"})
    tiny.command(force_align, data=cut, output=tmp_path / "aligned")
    assert lengths == [0.75 * RATE]


def test_voice_conversion_reads_segments(cut, tmp_path):
    options = dict(wav_scp=cut / "wav.scp", output=tmp_path / "mel", what="mel")
    tiny.command(dump_acoustics, **options)
    tiny.command(merge_shards, output=tmp_path / "mel", expect=cut / "wav.scp", name="mel")
    made = dict(mels=tmp_path / "mel/mel.scp", output=tmp_path / "wavs")
    tiny.command(vocoder_wavs, wav_scp=cut / "wav.scp", **made)
    for utt, path in read_table(tmp_path / "wavs/wav.scp").items():
        np.testing.assert_allclose(read_audio(path, RATE), sound_of(cut, utt), atol=1e-4)


@pytest.fixture
def stereo(tmp_path):
    """Two speakers on two channels."""
    left, right = tiny.wave(1, 0.8), tiny.wave(2, 0.8)
    soundfile.write(tmp_path / "two.wav", np.stack([left, right], 1), RATE, subtype="FLOAT")
    write_table(tmp_path / "wav.scp", dict.fromkeys(("call-A", "call-B"), tmp_path / "two.wav"))
    return tmp_path, left, right


@pytest.mark.parametrize("names", [("A", "B"), ("1", "2")])
def test_channels_of_a_table(stereo, names):
    folder, *waves = stereo
    table = dict(zip(("call-A", "call-B"), (f"call {name}" for name in names), strict=True))
    write_table(folder / "reco2file_and_channel", table)
    write_table(folder / "segments", {"a": "call-A 0 0.5", "b": "call-B 0.1 -1"})
    a, b = (made.samples(RATE) for made in read_recordings(folder / "wav.scp").values())
    np.testing.assert_array_equal(a, waves[0][:8000])
    np.testing.assert_array_equal(b, waves[1][1600:])
    for made in read_recordings(folder / "wav.scp", channel=2).values():
        assert made.channel == 2


def test_commands_take_a_channel(stereo, parts, tmp_path, capsys):
    folder, _, right = stereo
    segments = {"a": "call-A 0 0.5"}
    write_table(folder / "segments", segments)
    expected = UnitTokenizer.from_bundle(parts.bundle).tokenize(right[:8000]).units[0].tolist()
    tiny.command(
        dump, wav_scp=folder / "wav.scp", bundle=parts.bundle, output=tmp_path / "raw", channel=2
    )
    write_table(tmp_path / "utt2spk", {"a": "speaker"})
    options = dict(expect=folder / "wav.scp", data=tmp_path, output=tmp_path / "raw")
    tiny.command(merge_shards, **options)
    assert [units.tolist() for _, units, _ in read_dump(tmp_path / "raw")] == [expected]
    soundfile.write(tmp_path / "right.wav", right, RATE, subtype="FLOAT")
    capsys.readouterr()
    lines = []
    for name, channel in (("two.wav", ["--channel", "2"]), ("right.wav", [])):
        words = [str(tmp_path / name), *channel, "--segmenter", "dense"]
        tiny.command(tokenize_recordings, *words, bundle=parts.bundle)
        lines.append(capsys.readouterr().out.partition(" ")[2])
    assert lines[0] == lines[1]


INT16 = (10_000 * tiny.wave(3, 0.6)).astype(np.int16)


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(write_function="soundfile", write_kwargs=dict(format="flac")),
        dict(write_function="soundfile", write_kwargs=dict(format="wav", subtype="PCM_24")),
    ],
)
def test_sounds_in_arks(tmp_path, options):
    """ESPnet's `flac.ark` and `wav.ark`, and Kaldi's wav arks."""
    sounds = {"a": (RATE, INT16), "b": (RATE, INT16[::-1].copy()), "c": (8000, INT16)}
    kaldiio.save_ark(str(tmp_path / "w.ark"), sounds, scp=str(tmp_path / "wav.scp"), **options)
    made = read_recordings(tmp_path / "wav.scp")
    for name, (rate, wave) in sounds.items():
        samples = made[name].samples(rate)
        np.testing.assert_allclose(samples, wave / 32768, atol=1e-4)
    write_table(tmp_path / "segments", {"x": "b 0.2 0.3"})
    (cut,) = read_recordings(tmp_path / "wav.scp").values()
    np.testing.assert_allclose(cut.samples(RATE), INT16[::-1][3200:4800] / 32768, atol=1e-4)


def test_speed_perturbation_cuts_originals_and_copies(cut, tmp_path):
    script = Path(__file__).parents[2] / "egs2/core_sounds/units1/local/perturb_speed.py"
    output = tmp_path / "perturbed"
    words = [script, "--data", cut, "--output", output, "--factors", "0.9", "--nj", "1"]

    def perturbed():
        command = [sys.executable, *map(str, words)]
        subprocess.run(command, check=True, env=launching.environment(), capture_output=True)
        return read_recordings(output / "wav.scp")

    write_table(cut / "reco2file_and_channel", {"long": "long 1", "short": "short 1"})
    made = perturbed()
    assert list(made) == [*SEGMENTS, *(f"sp0.9-{utt}" for utt in SEGMENTS)]
    assert list(read_table(output / "text")) == list(read_table(output / "utt2spk")) == list(made)
    for utt in SEGMENTS:
        np.testing.assert_array_equal(made[utt].samples(RATE), sound_of(cut, utt))
        assert len(made[f"sp0.9-{utt}"].samples(RATE)) == -(-len(sound_of(cut, utt)) * 10 // 9)
    former = made["sp0.9-long"].samples(RATE)
    # Segments of the same length at another place.
    write_table(cut / "segments", SEGMENTS | {"long": "long 0.25 1"})
    assert np.abs(perturbed()["sp0.9-long"].samples(RATE) - former).max() > 0.1
    # Whole recordings again: no segments are left.
    for name in ("segments", "reco2file_and_channel"):
        (cut / name).unlink()
    assert list(perturbed()) == ["long", "short", "sp0.9-long", "sp0.9-short"]


def test_a_list_from_standard_input(parts):
    paths = [f"{parts.data}/utt-{letter}.wav" for letter in "ab"]
    words = ["--bundle", parts.bundle, "--list", "-"]
    done = subprocess.run(
        [sys.executable, "-m", "espnet_entropy.bin.tokenize_recordings", *map(str, words)],
        input="".join(f"{path}\r\n" for path in paths),
        capture_output=True,
        text=True,
        env=launching.environment(),
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == paths


def test_files_whose_names_look_like_entries_of_arks(tmp_path):
    soundfile.write(tmp_path / "a:12", tiny.wave(1, 0.5), RATE, format="WAV")
    assert len(read_source(str(tmp_path / "a:12"), RATE)) == 8000
