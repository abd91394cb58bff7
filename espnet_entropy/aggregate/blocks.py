"""Long inputs in blocks of whole segments, so that memory does not grow with what is in between.

Segments do not see each other, so what is computed of a block is what would be computed of all.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from espnet_entropy.aggregate.ragged import Layout


def block_edges(starts: Tensor, num_units: int, block_units: int) -> list[tuple[int, int]]:
    """Where blocks of whole segments begin and end.

    Args:
        starts: (G,) int64, first unit of each segment, ascending from 0.
        num_units: N, of all segments.
        block_units: a block has at most so many units, or it is one segment alone.

    Returns:
        (segment, unit) at each edge, from (0, 0) to (G, N).
    """
    edges, first = [(0, 0)], 0
    ends = torch.cat([starts[1:], starts.new_tensor([num_units])]).cpu()
    while first < num_units:
        # The last segment that ends inside, but at least the next one.
        last = int(torch.searchsorted(ends, first + block_units, right=True))
        last = max(last, edges[-1][0] + 1)
        first = int(ends[last - 1])
        edges.append((last, first))
    return edges


def in_blocks(
    function: Callable[[Tensor, Layout], Tensor], units: Tensor, layout: Layout, block_units: int
) -> Tensor:
    """A function of packed units and the layout of their segments, block after block.

    With gradients, the inside of a block is not kept but computed again in the backward pass.

    Args:
        function: (n, D) units, their layout -> (g, D') segments.
        units: (N, D) packed units.
        layout: of the packed segments, see `ragged.py`.
        block_units: as for `block_edges`; up to so many units are one plain call.

    Returns:
        (G, D').
    """
    if len(units) <= block_units:
        return function(units, layout)
    edges = block_edges(layout.starts, len(units), block_units)
    ranges = list(zip(edges[:-1], edges[1:], strict=True))
    # Not by slices, each of which would have a gradient of all N units.
    blocks = units.split([end - unit for (_, unit), (_, end) in ranges])
    parts = []
    for part, ((segment, unit), (last, end)) in zip(blocks, ranges, strict=True):
        block = replace(
            layout,
            units=layout.units[unit:end],
            segments=layout.segments[segment:last],
            ids=layout.ids[unit:end] - segment,
            starts=layout.starts[segment:last] - unit,
            lengths=layout.lengths[segment:last],
        )
        if torch.is_grad_enabled():
            parts.append(checkpoint(function, part, block, use_reentrant=False))
        else:
            parts.append(function(part, block))
    return torch.cat(parts)
