"""Alignments of the known text of a set's recordings: phones, syllables and words."""

import hashlib
import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import astuple
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from espnet_entropy.data.kaldi import atomic_text, read_table, write_table
from espnet_entropy.data.provenance import Provenance, Source, stale
from espnet_entropy.data.recordings import Recording, read_recordings
from espnet_entropy.data.running import progress
from espnet_entropy.evaluate.alignment import Interval, write_ctm
from espnet_entropy.evaluate.force_align import (
    SAMPLE_RATE,
    Aligner,
    in_noise,
    sphinx_aligner,
    whisper_aligner,
)
from espnet_entropy.evaluate.syllables import syllables_of

# Number of utterances in a part; an interrupted run makes its current part again.
PART_SIZE = 100

Row = tuple[Recording, str]  # a recording and its text


class Listener(NamedTuple):
    """Which aligner it is.

    Attributes:
        whisper: folder of a Whisper model; None is PocketSphinx.
        guess_words: whether PocketSphinx guesses pronunciations of words outside its dictionary.
        snr_db: of the noise that is added; None adds none.
    """

    whisper: str | None = None
    guess_words: bool = False
    snr_db: float | None = None

    @property
    def key(self) -> list:
        """What the names of parts depend on; that of earlier versions where nothing is added."""
        return [self.whisper] if self[1:] == SPHINX[1:] else list(self)

    def aligner(self) -> Aligner:
        """The aligner; ValueError if it is not there."""
        if self.whisper:
            align = whisper_aligner(self.whisper)
        else:
            align = sphinx_aligner(guess_words=self.guess_words)
        return align if self.snr_db is None else in_noise(align, self.snr_db)


SPHINX = Listener()


class AlignedSet(NamedTuple):
    """Numbers of utterances that were aligned and left out, and seconds of sound aligned."""

    aligned: int
    left_out: int
    seconds: float


def align_set(
    data: Path | str,
    output: Path | str,
    *,
    channel: int | None = None,
    listener: Listener = SPHINX,
    max_left_out_share: float = 0.2,
    num_jobs: int = 1,
) -> AlignedSet:
    """Align part by part, skip finished parts, then write the tables.

    Args:
        data: data folder with wav.scp, text, segments.
        output: folder to write.
        channel: channel of all recordings.
        listener: the aligner.
        max_left_out_share: share of the utterances that may be left out.
        num_jobs: number of processes.

    Raises:
        ValueError: the data cannot be read, or more utterances could not be aligned.
    """
    if num_jobs < 1:
        raise ValueError(f"--nj is {num_jobs}, but must be at least 1")
    rows, output = _read_rows(Path(data), channel), Path(output)
    parts = [rows[first : first + PART_SIZE] for first in range(0, len(rows), PART_SIZE)]
    files = [_part_path(output, part, listener) for part in parts]
    _align_parts(parts, files, listener, num_jobs)
    made = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    left_out = {utt: reason for part in made for utt, reason in part["left_out"].items()}
    if len(left_out) > max_left_out_share * len(rows) or len(left_out) == len(rows):
        raise ValueError(
            f"{len(left_out)} of {len(rows)} utterances could not be aligned, "
            f"{max_left_out_share:g} of them are tolerated (--max_left_out_share): "
            + ", ".join(f"{utt}: {reason}" for utt, reason in list(left_out.items())[:3])
        )
    for name in ("phones.ctm", "syllables.ctm", "words.ctm", "agreement.json"):
        # From other recordings or another aligner, which may not make all of these files.
        (output / name).unlink(missing_ok=True)
    write_table(output / "left_out", left_out)
    tiers = {
        tier: {u: [Interval(*i) for i in v] for part in made for u, v in part[tier].items()}
        for tier in ("phones", "words")
    }
    if any(tiers["phones"].values()):
        tiers["syllables"] = {
            utt: syllables_of(phones, tiers["words"][utt])
            for utt, phones in tiers["phones"].items()
        }
    for tier, alignments in tiers.items():
        if any(alignments.values()):
            write_ctm(output / f"{tier}.ctm", alignments)
    seconds = sum(part["seconds"] for part in made)
    return AlignedSet(len(rows) - len(left_out), len(left_out), seconds)


def _read_rows(data: Path, channel: int | None) -> list[Row]:
    """Utterances with recording and text, in order.

    Raises:
        ValueError: there are no recordings, or one has no text.
    """
    recordings = read_recordings(data / "wav.scp", channel=channel)
    texts = read_table(data / "text")
    lacking = sorted(recordings.keys() - texts.keys())
    if lacking:
        raise ValueError(f"{data}/text lacks {len(lacking)} utterances ({lacking[0]}, ...)")
    if not recordings:
        raise ValueError(f"{data}/wav.scp holds no recordings; make the data again")
    return [(recordings[utt], texts[utt]) for utt in sorted(recordings)]


def _part_path(output: Path, rows: list[Row], listener: Listener) -> Path:
    """Path of a part; its name depends on the recordings, the texts and the aligner."""
    key = json.dumps([[(astuple(recording), text) for recording, text in rows], *listener.key])
    return output / "parts" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def _align_parts(
    parts: list[list[Row]], files: list[Path], listener: Listener, num_jobs: int
) -> None:
    """Make the parts that are missing or were made from other files, in nj processes."""
    missing = [
        (rows, file)
        for rows, file in zip(parts, files, strict=True)
        if not file.exists() or stale(_record(file), {}, _sources(rows, listener))
    ]
    if num_jobs == 1 or len(missing) < 2:
        align = listener.aligner() if missing else None
        for rows, file in missing:
            _align_part(rows, file, align, listener, show=True)
        return
    # Spawned, because a forked process may hang if its parent has threads.
    with ProcessPoolExecutor(num_jobs, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_part_job, rows, file, listener) for rows, file in missing]
        for job in progress(as_completed(jobs), "parts", total=len(jobs)):
            job.result()


def _part_job(rows: list[Row], file: Path, listener: Listener) -> None:
    _align_part(rows, file, listener.aligner(), listener, show=False)


def _record(file: Path) -> Path:
    return file.with_suffix(".made_from")


def _sources(rows: list[Row], listener: Listener) -> dict[str, Source]:
    """The files that a part depends on: its recordings and the model."""
    whisper = listener.whisper
    model = {"": Source(f"{whisper}/model.bin")} if whisper else {}
    return model | {recording.utterance: recording.origin for recording, _ in rows}


def _align_part(rows: list[Row], file: Path, align, listener: Listener, *, show: bool) -> None:
    """Align some utterances and write them as JSON, after the record of their input."""
    file.unlink(missing_ok=True)
    made_from = Provenance({})
    for name, source in _sources(rows, listener).items():
        made_from.note(name, source)
    made_from.save(_record(file))
    made = dict(words={}, phones={}, left_out={}, seconds=0.0)
    for recording, text in progress(rows, "utterances") if show else rows:
        utt = recording.utterance
        try:
            waveform = recording.samples(SAMPLE_RATE)
            made["words"][utt], made["phones"][utt] = align(waveform, text)
        except ValueError as error:
            made["left_out"][utt] = " ".join(str(error).split())
            continue
        made["seconds"] += len(waveform) / SAMPLE_RATE
    with atomic_text(file) as stream:
        json.dump(made, stream)
