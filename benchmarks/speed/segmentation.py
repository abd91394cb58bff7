"""Segmentation and calibration of a million units beside loops in Python."""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.speed.measure import Row, compare
from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries, segments_of
from espnet_entropy.segment.calibration import calibrate
from espnet_entropy.segment.points import unit_points
from espnet_entropy.segment.segmenters import EVERY_HZ

FRAME_RATE_HZ = 50.0
Batch = tuple[Tensor, Tensor, Tensor]


def units_and_entropies(num_utts: int, num_frames: int, device: str) -> Batch:
    """(B, T) units and entropies, (B,) lengths that differ."""
    generator = torch.Generator().manual_seed(0)
    units = torch.randint(500, (num_utts, num_frames), generator=generator)
    entropies = 6 * torch.rand(num_utts, num_frames, generator=generator)
    lengths = num_frames - torch.arange(num_utts) % 10
    return units.to(device), entropies.to(device), lengths.to(device)


def loop_segments(entropies: Sequence, lengths: list[int], threshold: float, peaks: bool):
    """Segment ids of the units and lengths of the segments of each utterance, unit by unit."""
    all_ids, all_lengths = [], []
    for values, length in zip(entropies, lengths, strict=True):
        ids, segments = [], []
        for t in range(length):
            fires = values[t] > threshold
            if fires and peaks:
                after = values[t + 1] if t + 1 < length else float("-inf")
                fires = t > 0 and values[t] > values[t - 1] and values[t] >= after
            if fires or t == 0:
                segments.append(0)
            segments[-1] += 1
            ids.append(len(segments) - 1)
        all_ids.append(ids)
        all_lengths.append(segments)
    return all_ids, all_lengths


def loop_calibration(entropies: list[list[float]], lengths: list[int]) -> list[tuple[float, float]]:
    """(reached rate, threshold) for each rate of the grid: sort once, then count unit by unit."""
    candidates = [v for row, n in zip(entropies, lengths, strict=True) for v in row[1:n]]
    candidates.sort(reverse=True)
    seconds = sum(lengths) / FRAME_RATE_HZ
    points = []
    for rate_hz in EVERY_HZ:
        wanted = round(rate_hz * seconds) - len(lengths)
        if not 0 < wanted < len(candidates):
            continue
        threshold = (candidates[wanted - 1] + candidates[wanted]) / 2
        count = 0
        for row, length in zip(entropies, lengths, strict=True):
            count += 1
            for t in range(1, length):
                count += row[t] > threshold
        points.append((count / seconds, threshold))
    return points


def our_segments(batch: Batch, segmenter: str, threshold: float) -> tuple[Tensor, Tensor]:
    """Ids (B, T) and lengths (B, S), as models do it."""
    config = SegmenterConfig(segmenter)
    thresholds = torch.tensor([threshold, threshold], device=batch[0].device)
    return segments_of(find_boundaries(*batch, config, thresholds), batch[2])


def our_calibration(batch: Batch):
    """The same grid of the same method."""
    return calibrate(
        [batch],
        num_units=500,
        frame_rate_hz=FRAME_RATE_HZ,
        held_out={},
        methods=(("global", False),),
    )


def check(batch: Batch) -> list[str]:
    """Segments and thresholds beside the loops'.

    Raises:
        ValueError: a segment or a threshold differs.
    """
    rows, lengths = batch[1].tolist(), batch[2].tolist()
    for segmenter in ("global", "peaks"):
        ids, counts = (x.tolist() for x in our_segments(batch, segmenter, 4.0))
        ids = [row[:length] for row, length in zip(ids, lengths, strict=True)]
        counts = [[n for n in row if n] for row in counts]
        if (ids, counts) != loop_segments(rows, lengths, 4.0, segmenter == "peaks"):
            raise ValueError(f"segments of {segmenter} differ from the loop's")
    grid, points = our_calibration(batch).methods["global"], loop_calibration(rows, lengths)
    pairs = list(zip(grid["rate_hz"], grid["global_nats"], strict=True))
    if len(pairs) != len(points):
        raise ValueError(f"{len(pairs)} rates, the loop has {len(points)}")
    worst = (torch.tensor(pairs).double() - torch.tensor(points).double()).abs().max().item()
    if worst > 1e-3:
        raise ValueError(f"rates or thresholds differ from the loop's by {worst:.3g}")
    return ["the loop: same segments", f"the loop: same grid within {worst:.1g}"]


def quick(device: str) -> list[str]:
    """Correctness at small sizes."""
    return check(units_and_entropies(30, 200, device))


def rows(device: str) -> list[Row]:
    """A million units in a thousand utterances."""
    segments, grid = check(units_and_entropies(100, 1000, device))
    batch = units_and_entropies(1000, 1005, device)
    entropies, lengths = batch[1].tolist(), batch[2].tolist()
    million = f"{sum(lengths):,} units"
    found = [
        _segmentation(segmenter, peer, values, batch=batch, note=million, checked=segments)
        for segmenter in ("global", "peaks")
        for peer, values in (("lists", entropies), ("a tensor's rows", batch[1].cpu()))
    ]
    timing = compare(
        lambda: our_calibration(batch),
        lambda: loop_calibration(entropies, lengths),
        device=device,
        repeats=1,
    )
    note = f"{million}, {len(EVERY_HZ)} rates: {timing}; from stored entropies, the LM is not run"
    found.append(
        Row(
            "calibration (global)",
            "a Python loop over lists",
            1 / timing.ratio,
            100,
            at_least=True,
            note=note,
            checked=grid,
        )
    )
    return found + content_rows(device)


def content_rows(device: str) -> list[Row]:
    """Segmenter content beside dp, and one long recording beside batches."""
    points = unit_points(torch.randn(500, 384, generator=torch.Generator().manual_seed(0)), 64)
    small, long = (units_and_entropies(*shape, device) for shape in ((20, 500), (1, 100_000)))

    def work(segmenter: str, batch: Batch, times: int):
        config = SegmenterConfig(segmenter, rate_hz=15.0)
        price = torch.tensor([3.0, 0.0])
        return lambda: [find_boundaries(*batch, config, price, points) for _ in range(times)]

    beside_dp = compare(work("content", small, 10), work("dp", small, 10), device=device)
    alone = compare(work("content", long, 1), work("content", small, 10), device=device)
    name, batches = "segmentation (content)", "batches of 20 x 500"
    note = f"{beside_dp}, ten batches; times 10 for a million units"
    return [
        Row(name, f"dp, {batches}", beside_dp.ratio, 3.75, note=note),
        Row(f"{name}, one recording of 100,000 units", batches, alone.ratio, 1, note=str(alone)),
    ]


def _segmentation(segmenter: str, peer: str, values, *, batch: Batch, note: str, checked: str):
    lengths = batch[2].tolist()
    timing = compare(
        lambda: our_segments(batch, segmenter, 4.0),
        lambda: loop_segments(values, lengths, 4.0, segmenter == "peaks"),
        device=batch[0].device.type,
        repeats=5 if peer == "lists" else 1,
    )
    return Row(
        f"segmentation ({segmenter})",
        f"a Python loop over {peer}",
        1 / timing.ratio,
        100,
        at_least=True,
        note=f"{note}: {timing}",
        checked=checked,
    )
