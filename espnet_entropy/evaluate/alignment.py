"""Alignments: when phones or words are spoken. Read, checked, and turned into what is scored."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_entropy.data.kaldi import atomic_text
from espnet_entropy.data.textgrid import read_textgrid

# Labels, in lower case, of what nobody says: those of MFA, Kaldi, HTK and PocketSphinx. `spn` is
# speech that the aligner could not name, so it is not among them.
SILENCES = frozenset(
    ["", "sil", "sp", "<sil>", "<eps>", "<s>", "</s>", "pau", "h#", "#", "[noise]", "[cough]"]
    + ["++noise++", "++breath++", "++smack++", "++cough++", "nsn", "!sil"]
)
SILENCE = "sil"
# Aligners count in frames of 10 ms, units in 20 ms; intervals may pass the end by so much, or each
# other by half a millisecond of rounding.
END_TOLERANCE_SEC = 0.05
OVERLAP_TOLERANCE_SEC = 0.0005
NAMED_IDS = 5


class Interval(NamedTuple):
    """A stretch of an utterance and what is said there; seconds, half open."""

    start_sec: float
    end_sec: float
    label: str

    @property
    def is_silence(self) -> bool:
        """Whether nothing is said in it."""
        return self.label.lower() in SILENCES


# Utterance -> its intervals in order. What lies between them is silence.
Alignments = dict[str, list[Interval]]


def read_alignments(path: Path | str, tier: str | None = None) -> Alignments:
    """Alignments of a set.

    Args:
        path: a CTM file, or a folder of TextGrids (at any depth) named after the utterances.
        tier: of the TextGrids; for CTM files None.

    Raises:
        ValueError: nothing there, or something that is neither; a tier missing, or named for a CTM.
    """
    path = Path(path)
    if not path.is_dir():
        if tier is not None:
            raise ValueError(f"{path} is no folder of TextGrids: a CTM file has no tier {tier!r}")
        return read_ctm(path)
    if tier is None:
        raise ValueError(f"{path} is a folder of TextGrids: name the tier to be read of them")
    alignments: Alignments = {}
    files = sorted(p for p in path.rglob("*") if p.suffix.lower() == ".textgrid")
    if not files:
        raise ValueError(f"{path} holds no *.TextGrid; give their folder, or a CTM file")
    for file in files:
        if file.stem in alignments:
            raise ValueError(f"{path}: utt {file.stem} has two TextGrids; remove one of them")
        tiers = read_textgrid(file)
        if tier not in tiers:
            raise ValueError(f"{file} has no tier {tier!r}; it has {', '.join(tiers) or 'none'}")
        alignments[file.stem] = [Interval(start, end, text) for start, end, text in tiers[tier]]
    return alignments


def read_ctm(path: Path | str) -> Alignments:
    """Read `utterance channel start duration label [confidence]` lines (NIST's CTM).

    Returns:
        Intervals of each utterance by their starts; comments (`;;`) and empty lines are left out.

    Raises:
        ValueError: the file cannot be read, a line is none of these, or an utterance has two
            channels, so two speakers; the line is named.
    """
    alignments: Alignments = {}
    channels: dict[str, str] = {}
    try:
        # Windows' editors begin a file with a byte order mark, which is no part of the first name.
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields or fields[0].startswith(";;"):
            continue
        try:
            utt, channel, start, duration, label, *_ = fields
            start, duration = float(start), float(duration)
        except ValueError:
            raise ValueError(
                f"{path}, line {number}: {line!r} is not `utterance channel start duration label`, "
                "times in seconds"
            ) from None
        if channels.setdefault(utt, channel) != channel:
            raise ValueError(
                f"{path}, line {number}: {utt} has intervals of the channels {channels[utt]} and "
                f"{channel}; give those of the channel whose units are scored"
            )
        alignments.setdefault(utt, []).append(Interval(start, start + duration, label))
    if not alignments:
        raise ValueError(f"{path} holds no intervals; align the set again")
    return {utt: sorted(intervals) for utt, intervals in alignments.items()}


def write_ctm(path: Path | str, alignments: Alignments) -> None:
    """Write CTM lines, utterances in C-locale order, times in milliseconds' precision."""
    with atomic_text(path) as file:
        for utt in sorted(alignments):
            for start, end, label in alignments[utt]:
                file.write(f"{utt} 1 {start:.3f} {end - start:.3f} {label}\n")


def check_alignments(
    alignments: Alignments,
    durations_sec: dict[str, float],
    *,
    max_missing_share: float = 0.0,
    min_cover: float = 0.5,
) -> Alignments:
    """Refuse alignments that are of other recordings, or not in seconds.

    Args:
        alignments: as read.
        durations_sec: of all utterances of the set.
        max_missing_share: of the utterances may have no alignment.
        min_cover: share of each utterance that must lie between the first start and the last end.

    Returns:
        Alignments of the utterances that have one, in the set's order, cut at the utterance's end.

    Raises:
        ValueError: utterances that are not in the set; too many without alignment; or the
            intervals of one overlap, have no length, pass its end or cover too little of it.
    """
    unknown = sorted(alignments.keys() - durations_sec.keys())
    if unknown:
        raise ValueError(
            f"{len(unknown)} aligned utterances are not in the set ({_some(unknown)}); give the "
            "alignments of this set, under its utterance ids"
        )
    missing = sorted(durations_sec.keys() - alignments.keys())
    if len(missing) > max_missing_share * len(durations_sec) or len(missing) == len(durations_sec):
        raise ValueError(
            f"{len(missing)} of {len(durations_sec)} utterances have no alignment "
            f"({_some(missing)}); align them, or tolerate a share of them (--max_missing_share, "
            f"now {max_missing_share:g})"
        )
    return {
        utt: check_intervals(utt, alignments[utt], duration, min_cover)
        for utt, duration in durations_sec.items()
        if utt in alignments
    }


def check_intervals(
    utt: str, intervals: list[Interval], duration_sec: float, min_cover: float = 0.5
) -> list[Interval]:
    """What `check_alignments` does with one utterance; an end just behind the audio's is cut."""
    if not intervals:
        raise ValueError(f"utt {utt}: its alignment is empty; leave it out, or align it again")
    before = 0.0
    for start, end, label in intervals:
        where = f"utt {utt}: {label!r} from {start:.3f} to {end:.3f} s"
        # Written so that NaN, too, is refused.
        if not 0 <= start < end:
            raise ValueError(f"{where} is no interval; times are seconds from the start")
        if start < before - OVERLAP_TOLERANCE_SEC:
            raise ValueError(
                f"{where} begins before the one before it ends, at {before:.3f} s; give one tier, "
                "of intervals that do not overlap"
            )
        before = end
    if not before <= duration_sec + END_TOLERANCE_SEC:
        raise ValueError(
            f"utt {utt}: its alignment ends at {before:.3f} s, but its units at "
            f"{duration_sec:.3f} s; give the alignment of this recording, in seconds"
        )
    covered = before - intervals[0].start_sec
    if covered < min_cover * duration_sec:
        raise ValueError(
            f"utt {utt}: its alignment covers {covered:.3f} of {duration_sec:.3f} s, less than the "
            f"share {min_cover:g}; give the alignment of the whole recording, or lower --min_cover"
        )
    cut = [Interval(start, min(end, duration_sec), label) for start, end, label in intervals]
    return [interval for interval in cut if interval.start_sec < interval.end_sec]


def speech_span(intervals: Iterable[Interval]) -> tuple[float, float] | None:
    """From the start of the first to the end of the last interval that is not silence, in seconds.

    Returns:
        None where there is none.
    """
    spoken = [interval for interval in intervals if not interval.is_silence]
    return (spoken[0].start_sec, spoken[-1].end_sec) if spoken else None


def boundary_times(intervals: Iterable[Interval]) -> np.ndarray:
    """Where what is said begins or ends: (R,) float64 seconds, ascending, none twice.

    Both ends of a pause count. Where two intervals meet within a millisecond is one boundary.
    """
    spoken = [interval for interval in intervals if not interval.is_silence]
    edges = sorted(round(t * 1000, 6) for interval in spoken for t in interval[:2])
    # Not by rounding alone, which parts 37.5 from what a CTM's start and duration add up to.
    apart = np.diff(edges, prepend=-np.inf) > 1
    return np.rint(np.array(edges)[apart]) / 1000


def pauses_of(
    intervals: Iterable[Interval], duration_sec: float, *, shortest_sec: float, margin_sec: float
) -> np.ndarray:
    """Stretches in which nothing is said, those before and behind the speech included.

    Args:
        intervals: of an utterance, in order.
        duration_sec: of the utterance.
        shortest_sec: of a pause; shorter ones may be closures of stops.
        margin_sec: is taken off beside speech, since boundaries there may belong to it.

    Returns:
        (n, 2) float64 seconds: start and end of each.
    """
    spoken = [interval for interval in intervals if not interval.is_silence]
    ends = [-margin_sec, *(interval.end_sec for interval in spoken)]
    starts = [*(interval.start_sec for interval in spoken), duration_sec + margin_sec]
    gaps = [
        (end + margin_sec, start - margin_sec)
        for end, start in zip(ends, starts, strict=True)
        if round(min(start, duration_sec) - max(end, 0.0) - shortest_sec, 6) >= 0
    ]
    return np.array([gap for gap in gaps if gap[0] < gap[1]], dtype=np.float64).reshape(-1, 2)


def frame_labels(
    intervals: list[Interval], num_frames: int, frame_rate_hz: float, offset_sec: float = 0.0
) -> list[str]:
    """The label at the middle of each frame; SILENCE for all silences and between intervals.

    Args:
        intervals: in order, not overlapping.
        num_frames: T.
        frame_rate_hz: frame t lasts from t / rate to (t + 1) / rate.
        offset_sec: added to the frames' times.
    """
    starts = np.array([interval.start_sec for interval in intervals])
    middles = (np.arange(num_frames) + 0.5) / frame_rate_hz + offset_sec
    labels = []
    for middle, place in zip(middles, np.searchsorted(starts, middles, side="right"), strict=True):
        interval = intervals[place - 1] if place else None
        inside = interval is not None and middle < interval.end_sec and not interval.is_silence
        labels.append(interval.label if inside else SILENCE)
    return labels


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:NAMED_IDS]) + (", ..." if len(ids) > NAMED_IDS else "")
