"""The examples of CONTRIBUTING.md work as they are printed."""

import re
from pathlib import Path

import torch

from espnet_entropy.aggregate import aggregators
from espnet_entropy.segment import segmenters
from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries, segments_of
from espnet_entropy.segment.stream import SegmentStream

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"
UNITS = torch.tensor([[1, 1, 2, 3, 3, 0]])
ENTROPIES = torch.tensor([[0.5, 0.2, 0.9, 1.4, 0.1, 0.3]])
LENGTHS = torch.tensor([6])


def example(heading: str, module) -> None:
    """Execute the Python block of a section at the end of the module that it belongs into."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    exec(code, dict(vars(module), nn=torch.nn))


def test_a_segmenter_is_added():
    before = set(segmenters.SEGMENTERS)
    example("Adding a segmenter", segmenters)
    (added,) = segmenters.SEGMENTERS.keys() - before
    try:
        config = SegmenterConfig.of_method(added)
        found = find_boundaries(UNITS, ENTROPIES, LENGTHS, config)
        assert found.tolist() == [[True, False, True, True, False, True]]
        stream = SegmentStream(config)
        parts = [stream(UNITS[0, i : i + 2], ENTROPIES[0, i : i + 2]) for i in (0, 2, 4)]
        assert torch.equal(torch.cat([part.boundaries for part in parts]), found[0])
    finally:
        del segmenters.SEGMENTERS[added]


def test_an_aggregator_is_added():
    before = set(aggregators.AGGREGATORS)
    example("Adding an aggregator", aggregators)
    (added,) = aggregators.AGGREGATORS.keys() - before
    try:
        boundaries = torch.tensor([[True, False, True, False, False, True], [True] + 5 * [False]])
        lengths = torch.tensor([6, 2])
        ids, segment_lengths = segments_of(boundaries, lengths)
        embedded = torch.arange(24.0).view(2, 6, 2)
        vectors = aggregators.AGGREGATORS[added](2)(embedded, lengths, ids, segment_lengths)
        expected = [[[2, 3], [8, 9], [10, 11]], [[14, 15], [0, 0], [0, 0]]]
        assert vectors.tolist() == expected
    finally:
        del aggregators.AGGREGATORS[added]
