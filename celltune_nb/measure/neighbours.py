"""Which cells are neighbours, and what the neighbours express.

Two cells are neighbours when the gap between them, from pixel centre to nearest pixel centre, is
at most the given distance; touching cells always are.
"""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.compiled import kernel
from celltune_nb.measure.rings import grow_row, reach, room, row_span
from celltune_nb.measure.runs import Int32, Int64, MaskRuns, chunks

__all__ = ["neighbour_lists", "neighbour_means"]


def neighbour_lists(found: MaskRuns, radius: float, executor: Executor, tasks: int) -> tuple[Int64, Int32]:
    """Neighbours of every cell within a distance in pixels, of at least 1.

    Returns
    -------
    ptr : int64 (n + 1,)
    neighbours : int32 (m,)
        Those of cell `i` are at ``ptr[i]:ptr[i + 1]``, ascending; the relation is symmetric.
    """
    runs = found.runs
    # cells that touch across a corner are √2 apart
    widths = reach(max(radius, 1.5))

    def chunk(part: tuple[int, int]) -> tuple[Int64, Int32]:
        count, others = overlaps(
            part[0],
            part[1],
            runs.ptr,
            runs.row,
            runs.start,
            runs.stop,
            widths,
            found.shape[1],
            found.row_ptr,
            found.cell,
            found.start,
            found.stop,
        )
        return count, others

    parts = list(executor.map(chunk, chunks(found.labels.size, tasks)))
    count, others = (np.concatenate(part) for part in zip(*parts, strict=True))
    n = found.labels.size
    ptr = np.zeros(n + 1, np.int64)
    np.cumsum(count, out=ptr[1:])
    pairs = np.sort(np.repeat(np.arange(n), count) * n + others)
    return ptr, (pairs % n).astype(np.int32)


def neighbour_means(
    ptr: Int64, neighbours: Int32, values: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
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


@kernel
def overlaps(  # type: ignore[no-untyped-def]
    first: int,
    last: int,
    ptr: Int64,
    row: Int32,
    start: Int32,
    stop: Int32,
    widths: Int32,
    width: int,
    row_ptr: Int64,
    cell: Int32,
    all_start: Int32,
    all_stop: Int32,
):
    """Other cells under each of the cells ``first:last`` grown by a disk: counts and their numbers.

    The last four arrays are the runs of the mask in reading order.
    """
    height = row_ptr.size - 1
    count = np.zeros(last - first, np.int64)
    others = np.empty(1024, np.int32)
    seen = np.full(ptr.size - 1, -1, np.int32)
    m = 0
    r = widths.size - 1
    for c in range(first, last):
        before = m
        begin = ptr[c]
        end = ptr[c + 1]
        starts = np.empty(end - begin, np.int32)
        stops = np.empty(end - begin, np.int32)
        seen[c] = c
        lo = begin
        hi = begin
        for y in range(max(row[begin] - r, 0), min(row[end - 1] + r + 1, height)):
            while lo < end and row[lo] < y - r:
                lo += 1
            while hi < end and row[hi] <= y + r:
                hi += 1
            if lo == hi:
                continue
            starts[0], stops[0], whole = row_span(y, lo, hi, row, start, stop, widths, width)
            n = 1 if whole else grow_row(y, lo, hi, row, start, stop, widths, width, starts, stops)
            for i in range(n):
                # first run of the row that ends beyond the start of the stretch
                a = row_ptr[y]
                b = row_ptr[y + 1]
                while a < b:
                    middle = (a + b) // 2
                    if all_stop[middle] <= starts[i]:
                        a = middle + 1
                    else:
                        b = middle
                while a < row_ptr[y + 1] and all_start[a] < stops[i]:
                    if seen[cell[a]] != c:
                        seen[cell[a]] = c
                        if m == others.size:
                            others = room(others, m + 1)
                        others[m] = cell[a]
                        m += 1
                    a += 1
        count[c - first] = m - before
    return count, others[:m].copy()
