"""Slow, obvious versions of what the package computes: plain Python lists, floats and loops.

One utterance at a time, without padding. Tests compare the fast versions with these.
"""

import itertools
import math
from fractions import Fraction

import torch

MASK_64 = (1 << 64) - 1


def predictive_entropies(lm, units: list[int]) -> list[float]:
    """Entropies in nats over the K units; one fresh call of the LM for every position."""
    entropies = []
    for t in range(len(units)):
        logits = next_unit_logits(lm, units[:t])[: lm.num_units]
        top = max(logits)
        weights = [math.exp(x - top) for x in logits]
        total = sum(weights)
        shares = [w / total for w in weights]
        entropies.append(-sum(p * math.log(p) for p in shares if p > 0))
    return entropies


@torch.no_grad()
def next_unit_logits(lm, prefix: list[int]) -> list[float]:
    """(K + 2) logits of the unit after `prefix`, seen through that unit's window alone."""
    t, context = len(prefix), lm.context
    window = 0 if t < context else (t - context) // (context // 2) + 1
    visible = prefix[window * (context // 2) :]
    assert len(visible) < context
    ids = torch.tensor([[lm.vocab_size - 1, *visible]])
    return lm.llama(input_ids=ids).logits[0, -1].tolist()


def boundaries(
    name: str,
    units: list[int],
    entropies: list[float],
    *,
    on_change: bool = False,
    rate_hz: float | None = None,
    frame_rate_hz: float = 50.0,
    global_nats: float = 0.0,
    relative_nats: float = 0.0,
    min_rate_hz: float | None = None,
    max_segment: int | None = None,
    lead: int = 0,
) -> list[bool]:
    """Boundaries of one utterance, for every segmenter but dp."""
    starts = [True]
    for t in range(1, len(units)):
        changed = units[t] != units[t - 1]
        height, rise = entropies[t], entropies[t] - entropies[t - 1]
        falls = t + 1 == len(units) or entropies[t + 1] <= height
        if name == "global":
            fires = height > global_nats
        elif name == "relative":
            fires = rise > relative_nats
        elif name == "combined":
            fires = height > global_nats or rise > relative_nats
        elif name == "peaks":
            # Local maxima first; the others join at thresholds below zero.
            fires = (height if rise > 0 and falls else height - 20.0) > global_nats
        elif name == "dense":
            fires = True
        elif name == "dedup":
            fires = changed
        elif name == "fixed":
            fires = t % max(1, round(frame_rate_hz / rate_hz)) == 0
        elif name == "uniform":
            now, before = (math.floor(x * rate_hz / frame_rate_hz) for x in (t, t - 1))
            fires = now > before
        elif name == "random":
            fires = random_draw(units[: t + 1]) < rate_hz / frame_rate_hz
        starts.append(fires and (changed or not on_change))
    if lead:
        starts = [True, *earlier(starts, lead, False)[1:]]
        entropies = earlier(entropies, lead, -math.inf)
    if min_rate_hz is not None:
        starts = raise_to_min_rate(starts, entropies, min_rate_hz, frame_rate_hz)
    if max_segment is not None:
        starts = cut_long_segments(starts, max_segment)
    return starts


def earlier(values: list, frames: int, end: object) -> list:
    """Moved to the left, with `end` for what comes in at the right."""
    return [values[t + frames] if t + frames < len(values) else end for t in range(len(values))]


def random_draw(units: list[int]) -> float:
    """A number in [0, 1) that depends on all units up to the last."""
    prefix = 0
    for t, unit in enumerate(units):
        prefix = (prefix + splitmix64(unit * 1_000_003 + t)) & MASK_64
    return (splitmix64(prefix + len(units) - 1) & ((1 << 53) - 1)) / (1 << 53)


def splitmix64(x: int) -> int:
    """The output of a SplitMix64 generator in state x (Steele, Lea and Flood 2014)."""
    x = (x + 0x9E3779B97F4A7C15) & MASK_64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK_64
    return x ^ (x >> 31)


def raise_to_min_rate(
    starts: list[bool], entropies: list[float], min_rate_hz: float, frame_rate_hz: float
) -> list[bool]:
    """Add the frame of highest entropy, earlier ones first, until there are enough."""
    starts = list(starts)
    while sum(starts) < len(starts) * min_rate_hz / frame_rate_hz:
        free = [t for t, is_start in enumerate(starts) if not is_start]
        starts[max(free, key=lambda t: (entropies[t], -t))] = True
    return starts


def cut_long_segments(starts: list[bool], max_segment: int) -> list[bool]:
    """Start a new segment after every `max_segment` frames without a boundary."""
    out, length = [], 0
    for is_start in starts:
        if is_start or length == max_segment:
            length = 0
        out.append(length == 0)
        length += 1
    return out


def path_value(
    starts: list[int],
    entropies: list[float],
    *,
    threshold: float,
    gap_cost: float,
    mean_gap: float,
) -> float:
    """What dp maximises, of the boundaries `starts` (frame 0 among them)."""
    gains = sum(entropies[t] - threshold for t in starts if t > 0)
    ends = [*starts[1:], len(entropies)]
    gaps = [end - start for start, end in zip(starts, ends, strict=True)]
    return gains - gap_cost * sum((gap - mean_gap) ** 2 for gap in gaps)


def best_path_value(allowed: list[int], entropies: list[float], **costs: float) -> float:
    """The highest value over all sets of boundaries out of `allowed`."""
    return max(
        path_value([0, *chosen], entropies, **costs)
        for size in range(len(allowed) + 1)
        for chosen in itertools.combinations(allowed, size)
    )


def content_starts(
    units: list[int],
    entropies: list[float],
    points: list[list[float]],
    *,
    price: float,
    mean_gap: Fraction,
    max_segment: int,
    distortion_weight: float,
    entropy_weight: float,
    gap_cost: float,
    on_change: bool = False,
    lead: int = 0,
) -> list[bool]:
    """The cheapest of all sets of boundaries, in exact fractions; of equal ones that whose last
    segment is the shortest, and so on from the end. For a few units."""
    moved = earlier(units, lead, units[-1])
    heights = earlier(entropies, lead, None)
    frames = range(1, len(units))
    allowed = {
        t for t in frames if heights[t] is not None and (moved[t] != moved[t - 1] or not on_change)
    }

    def cost(starts: tuple[int, ...]) -> Fraction:
        total = Fraction(0)
        for start, end in itertools.pairwise((0, *starts, len(units))):
            vectors = [[Fraction(x) for x in points[u]] for u in moved[start:end]]
            means = [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]
            for vector in vectors:
                squares = ((x - m) ** 2 for x, m in zip(vector, means, strict=True))
                total += Fraction(distortion_weight) * sum(squares)
            total += Fraction(gap_cost) * (end - start - mean_gap) ** 2
            if start in allowed:
                total += Fraction(price) - Fraction(entropy_weight) * Fraction(heights[start])
            elif start > 0:
                total += 10**4
        return total

    def key(starts: tuple[int, ...]) -> tuple:
        lengths = [b - a for a, b in itertools.pairwise((0, *starts, len(units)))]
        return cost(starts), lengths[::-1]

    subsets = (c for n in range(len(units)) for c in itertools.combinations(frames, n))
    short = (
        c
        for c in subsets
        if all(b - a <= max_segment for a, b in itertools.pairwise((0, *c, len(units))))
    )
    best = min(short, key=key)
    starts = [t == 0 or (t in best and t in allowed) for t in range(len(units))]
    return cut_long_segments(starts, max_segment)


def segments(starts: list[bool]) -> tuple[list[int], list[int]]:
    """(segment id of each frame, frames in each segment)."""
    ids, lengths = [], []
    for is_start in starts:
        if is_start:
            lengths.append(0)
        lengths[-1] += 1
        ids.append(len(lengths) - 1)
    return ids, lengths


def normalized(frame: list[float], kind: str, learnt_from: list[list[float]]) -> list[float]:
    """A frame as a codebook that was learned from these frames compares it with its centroids."""
    if kind == "none":
        return frame
    if kind == "frame":
        mean = sum(frame) / len(frame)
        variance = sum((x - mean) ** 2 for x in frame) / len(frame)
        return [(x - mean) / math.sqrt(variance + 1e-5) for x in frame]
    made = []
    for x, column in zip(frame, zip(*learnt_from, strict=True), strict=True):
        mean = sum(column) / len(column)
        deviation = math.sqrt(sum((y - mean) ** 2 for y in column) / len(column))
        made.append((x - mean) / (deviation or 1.0))
    return made


def nearest(features: list[list[float]], centroids: list[list[float]]) -> list[int]:
    """Index of the nearest centroid of every frame; of equally near ones the first."""
    units = []
    for frame in features:
        distances = [sum((x - y) ** 2 for x, y in zip(frame, c, strict=True)) for c in centroids]
        units.append(distances.index(min(distances)))
    return units


def dp_path(
    units: list[int],
    entropies: list[float],
    *,
    threshold: float,
    mean_gap: float,
    gap_cost: float,
) -> list[bool]:
    """dp with on_change for utterances too long to try all subsets, in Python's floats."""
    length = len(units)
    best, back = [0.0], [0]
    for t in range(1, length + 1):
        fires = t < length and units[t] != units[t - 1]
        gain = 0.0 if t == length else entropies[t] - threshold if fires else -1e4
        options = [
            (best[t - gap] - gap_cost * (gap - mean_gap) ** 2, -gap)
            for gap in range(1, min(t, int(4 * mean_gap)) + 1)
        ]
        value, gap = max(options)
        best.append(value + gain)
        back.append(-gap)
    starts, at = [False] * length, length
    while at > 0:
        at -= back[at]
        starts[at] = at == 0 or units[at] != units[at - 1]
    return starts
