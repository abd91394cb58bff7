"""What the preparations of large corpora share: clips into data folders in Kaldi form."""

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import soundfile
from tqdm import tqdm

from espnet_entropy.data.kaldi import write_table

MAX_MISSING = 0.01  # of the clips that the transcripts name


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance of a corpus; `texts` by file name, such as `text` or `text.tc.fr`."""

    utt: str  # begins with the speaker and a hyphen, so that both columns of utt2spk are sorted
    speaker: str
    audio: Path
    texts: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None  # None: read from the file's header


def write_set(
    folder: Path,
    clips: list[Clip],
    left_out: Counter,
    *,
    nj: int = 8,
    max_missing: float = MAX_MISSING,
) -> None:
    """wav.scp, texts, utt2spk, spk2utt, utt2dur of clips whose sound is there.

    Args:
        folder: to write.
        clips: of one set.
        left_out: what was left out earlier, by reason; told with what is left out here.
        nj: files whose headers are read at a time.
        max_missing: share of the clips that may be missing.

    Raises:
        ValueError: more of the clips are missing, none is left, or ids repeat.
    """
    there: list[Clip] = []
    missing: list[str] = []
    for clip in clips:
        if clip.audio.is_file():
            there.append(clip)
        else:
            missing.append(clip.utt)
    left_out = left_out + Counter({"clip missing": len(missing)})
    if len(missing) > max_missing * len(clips):
        raise ValueError(
            f"{folder.name}: {len(missing)} of {len(clips)} clips are missing ({missing[0]}, ...); "
            "the copy is incomplete: unpack the archive again"
        )
    if not there:
        raise ValueError(f"{folder.name}: no clips; is --data_dir the corpus that is asked for?")
    if len({clip.utt for clip in there}) != len(there):
        twice = Counter(clip.utt for clip in there).most_common(1)[0][0]
        raise ValueError(
            f"{folder.name}: utterance {twice} occurs more than once in the transcripts"
        )
    seconds = _durations(there, folder.name, nj)
    speakers: dict[str, list[str]] = {}
    for clip in sorted(there, key=lambda clip: clip.utt.encode()):
        speakers.setdefault(clip.speaker, []).append(clip.utt)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wav.scp").unlink(missing_ok=True)
    for name in sorted({name for clip in there for name in clip.texts}):
        write_table(folder / name, {c.utt: c.texts[name] for c in there if name in c.texts})
    write_table(folder / "utt2spk", {clip.utt: clip.speaker for clip in there})
    write_table(folder / "spk2utt", {name: " ".join(utts) for name, utts in speakers.items()})
    write_table(folder / "utt2dur", {utt: f"{value:.3f}" for utt, value in seconds.items()})
    write_table(folder / "wav.scp", {clip.utt: str(clip.audio.resolve()) for clip in there})
    told = "".join(f", {n} {reason}" for reason, n in sorted((+left_out).items()))
    hours = sum(seconds.values()) / 3600
    print(f"{folder}: {len(there)} utterances, {hours:.2f} hours, {len(speakers)} speakers{told}")


def _durations(clips: list[Clip], name: str, nj: int) -> dict[str, float]:
    """Seconds by utterance; headers are read where the corpus does not say."""
    known = {clip.utt: clip.seconds for clip in clips if clip.seconds is not None}
    unknown = [clip for clip in clips if clip.seconds is None]
    with ThreadPoolExecutor(nj) as pool:
        found = tqdm(
            pool.map(_seconds_of_file, unknown), desc=name, total=len(unknown), file=sys.stderr,
            mininterval=0.1 if sys.stderr.isatty() else 10, disable=not unknown,
        )  # fmt: skip
        return known | dict(zip((clip.utt for clip in unknown), found, strict=True))


def _seconds_of_file(clip: Clip) -> float:
    try:
        return soundfile.info(clip.audio).duration
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(
            f"utt {clip.utt}: {clip.audio} cannot be read ({error}); unpack its archive again"
        ) from error


def read_lines(path: Path) -> Iterator[str]:
    """Lines of a transcript, one after the other, without their ends (also CRLF) and empty ones."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            for line in file:
                if line.strip():
                    yield line.rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def run(main) -> None:
    """Bad input ends a preparation with its message."""
    try:
        main()
    except ValueError as problem:
        sys.exit(f"{Path(sys.argv[0]).name}: {problem}")
