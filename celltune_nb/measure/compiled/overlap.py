"""The cells that other runs lie on, compiled."""

from __future__ import annotations

import numpy as np

from celltune_nb.measure.compiled import kernel
from celltune_nb.measure.runs import Int32, Int64, MaskRuns, Runs

__all__ = ["overlaps"]


def overlaps(around: Runs, found: MaskRuns) -> tuple[Int64, Int32]:
    """See `engines.Engine.overlaps`."""
    n = around.ptr.size - 1
    count = np.empty(n, np.int64)
    others = np.empty(12 * n + 64, np.int32)
    seen = np.full(found.labels.size, -1, np.int32)
    c = m = 0
    while True:
        c, m = list_overlaps(
            c,
            m,
            around.ptr,
            around.row,
            around.start,
            around.stop,
            found.row_ptr,
            found.cell,
            found.start,
            found.stop,
            seen,
            count,
            others,
        )
        if c == n:
            return count, others[:m]
        others = np.concatenate([others, np.empty_like(others)])


@kernel
def list_overlaps(
    c: int,
    m: int,
    ptr: Int64,
    row: Int32,
    start: Int32,
    stop: Int32,
    row_ptr: Int64,
    cell: Int32,
    all_start: Int32,
    all_stop: Int32,
    seen: Int32,
    count: Int64,
    others: Int32,
) -> tuple[int, int]:
    """List the cells under the runs of each of the cells from `c` on, each once, while there is room.

    `row_ptr` to `all_stop` are the runs of the mask in reading order.
    """
    while c < ptr.size - 1:
        before = m
        for k in range(ptr[c], ptr[c + 1]):
            # first run of the row that ends beyond the start of the stretch
            a = row_ptr[row[k]]
            b = row_ptr[row[k] + 1]
            end = b
            while a < b:
                middle = (a + b) // 2
                if all_stop[middle] <= start[k]:
                    a = middle + 1
                else:
                    b = middle
            while a < end and all_start[a] < stop[k]:
                if seen[cell[a]] != c:
                    if m == others.size:
                        for i in range(before, m):
                            seen[others[i]] = -1
                        return c, before
                    seen[cell[a]] = c
                    others[m] = cell[a]
                    m += 1
                a += 1
        count[c] = m - before
        c += 1
    return c, m
