"""Which cells are neighbours, and what the neighbours express.

Two cells are neighbours when the gap between them, from pixel centre to nearest pixel centre, is
at most the given distance; touching cells always are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.engines import Choice
from celltune_nb.measure.rings import reach
from celltune_nb.measure.runs import Int32, Int64, MaskRuns, chunks

__all__ = ["measure_neighbours", "neighbour_lists", "neighbour_means"]

Float32 = npt.NDArray[np.float32]

_CELLS = 5000  # whose surroundings are held at once


def measure_neighbours(
    choose: Choice,
    found: MaskRuns,
    radius: float,
    channels: Sequence[str],
    table: Mapping[str, Float32],
    executor: Executor,
) -> None:
    """Write the number of neighbours and, from the means of the cells, what they express into a table."""
    ptr, neighbours = neighbour_lists(choose, found, radius, executor)

    def channel(name: str) -> None:
        means = neighbour_means(ptr, neighbours, table[f"{name}__Mean__Cell"])
        table[f"{name}__NeighbourMean__Cell"][:], table[f"{name}__NeighbourMax__Cell"][:] = means

    for _ in executor.map(channel, channels):
        pass
    table["NeighbourCount"][:] = np.diff(ptr)


def neighbour_lists(
    choose: Choice, found: MaskRuns, radius: float, executor: Executor
) -> tuple[Int64, Int32]:
    """Neighbours of every cell within a distance in pixels, of at least 1.

    Returns
    -------
    ptr : int64 (n + 1,)
    neighbours : int32 (m,)
        Those of cell `i` are at ``ptr[i]:ptr[i + 1]``, ascending; the relation is symmetric.
    """
    n = found.labels.size
    # cells that touch across a corner are √2 apart
    widths = reach(max(radius, 1.5))

    def chunk(part: tuple[int, int]) -> tuple[Int64, Int32]:
        engine = choose()
        return engine.overlaps(engine.grown(found.runs.part(*part), widths, found.shape, own=False), found)

    parts = list(executor.map(chunk, chunks(n, max(4, -(-n // _CELLS)))))
    count, others = (np.concatenate(part) for part in zip(*parts, strict=True))
    ptr = np.zeros(n + 1, np.int64)
    np.cumsum(count, out=ptr[1:])
    pairs = np.repeat(np.arange(n) * n, count)
    pairs += others
    pairs.sort()
    return ptr, (pairs % n).astype(np.int32)


def neighbour_means(ptr: Int64, neighbours: Int32, values: Float32) -> tuple[Float32, Float32]:
    """Mean and maximum over the neighbours of a value of each cell; 0 for a cell without neighbours.

    Neighbours whose value is NaN are left out.

    Parameters
    ----------
    ptr, neighbours
        See `neighbour_lists`.
    values : float32 (n,)

    Returns
    -------
    mean, maximum : float32 (n,)
    """
    mean = np.zeros(values.size, np.float32)
    highest = np.zeros(values.size, np.float32)
    theirs = values[neighbours]
    known = ~np.isnan(theirs)
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(known)])
    ptr, theirs = before[ptr], theirs[known]
    some = ptr[1:] > ptr[:-1]
    if theirs.size:
        first = ptr[:-1][some]
        count = np.diff(ptr)[some]
        mean[some] = np.add.reduceat(theirs.astype(np.float64), first) / count
        highest[some] = np.maximum.reduceat(theirs, first)
    return mean, highest
