"""Recordings as the trainings of parallel_wavegan read them: 16-bit WAV files."""

from pathlib import Path

import soundfile

from espnet_entropy.data.audio import write_wave
from espnet_entropy.data.kaldi import write_table
from espnet_entropy.data.provenance import Journal, fingerprint
from espnet_entropy.data.recordings import Recording
from espnet_entropy.data.running import progress


def write_wavs(recordings: dict[str, Recording], output: Path | str, sample_rate: int) -> int:
    """Copy recordings that have another format; the table names the others where they are.

    Args:
        recordings: recordings by utterance.
        output: folder for wav.scp, and copies.
        sample_rate: Hz.

    Returns:
        The number of copies.

    Raises:
        ValueError: a recording (which is named) cannot be read.
    """
    output, table, copies = Path(output), {}, 0
    journal = Journal(output / "made_from.jsonl", {"sample_rate": sample_rate})
    for utt, recording in progress(recordings.items(), "recordings"):
        table[utt] = recording.source
        if not _is_fit(recording, sample_rate):
            copies += 1
            table[utt] = str(output / "wavs" / f"{utt}.wav")
            if not (journal.has(utt, recording.origin) and Path(table[utt]).exists()):
                _copy(recording, Path(table[utt]), journal)
    write_table(output / "wav.scp", table)
    return copies


def _copy(recording: Recording, target: Path, journal: Journal) -> None:
    """Write a recording in the vocoder's format, after its record."""
    target.unlink(missing_ok=True)
    rate = journal.settings["sample_rate"]
    journal.add(recording.utterance, fingerprint(recording.origin))
    try:
        wave = recording.samples(rate)
    except ValueError as error:
        raise ValueError(f"utt {recording.utterance}: {error}") from error
    write_wave(target, wave, rate)


def _is_fit(recording: Recording, sample_rate: int) -> bool:
    if recording.is_cut or recording.channel is not None:
        return False
    try:
        info = soundfile.info(recording.source)
    except soundfile.LibsndfileError:
        return False
    form = (info.format, info.subtype, info.channels, info.samplerate)
    return form == ("WAV", "PCM_16", 1, sample_rate)
