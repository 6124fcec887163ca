"""The inner part, the ring and the surroundings of cells, with exact Euclidean distances.

Distances are between pixel centres.  A radius of r pixels reaches `w(dy)` columns in a row
`dy` away, the largest whole number with ``dy² + w² ≤ r²``; growing and shrinking a cell are then a
union and an intersection of stretches of a row, without looking at pixels.
"""

from __future__ import annotations

from concurrent.futures import Executor

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.compiled import kernel
from celltune_nb.measure.runs import Int32, Int64, MaskRuns, Runs, by_cell, chunks, strip_runs

__all__ = ["dilated", "environment", "eroded", "grow_row", "reach", "row_span"]

_STRIP = 256  # rows whose nearest cells are found at once
_FAR = 1 << 62


def reach(radius: float) -> Int32:
    """Columns that a disk of a radius covers to each side, by distance of the row; int32 (⌊r⌋ + 1,)."""
    dy = np.arange(int(radius) + 1)
    # 8 px must not become 7.999…
    return np.floor(np.sqrt(np.maximum(radius**2 + 1e-6 - dy**2, 0))).astype(np.int32)


def eroded(found: MaskRuns, radius: float, executor: Executor, tasks: int) -> Runs:
    """Pixels farther than `radius` pixels from every pixel outside their cell.

    What lies beyond the edge of the image does not count as outside.
    """
    return _of_chunks(shrink, found, radius, executor, tasks)


def environment(found: MaskRuns, radius: float, executor: Executor, tasks: int) -> Runs:
    """All pixels within `radius` pixels of a cell that are not its own, other cells included."""
    return _of_chunks(surround, found, radius, executor, tasks)


def dilated(found: MaskRuns, radius: float, executor: Executor) -> Runs:
    """Background pixels within `radius` pixels whose nearest cell is this one.

    A pixel as near to two cells belongs to the one with the smaller label.
    """
    widths = reach(radius)
    limit = int(np.floor(radius**2 + 1e-6))

    def strip(y0: int) -> tuple[Int64, Int32, Int32, Int32]:
        y1 = min(y0 + _STRIP, found.shape[0])
        owner = np.zeros((y1 - y0, found.shape[1]), np.int32)
        nearest(
            y0, found.row_ptr, found.cell, found.row, found.start, found.stop, widths.size - 1, limit, owner
        )
        return strip_runs(owner, y0)

    strips = list(executor.map(strip, range(0, found.shape[0], _STRIP)))
    label, row, start, stop = (np.concatenate(part) for part in zip(*strips, strict=True))
    return by_cell((label - 1).astype(np.int32), row, start, stop, found.labels.size)[0]


def _of_chunks(change, found: MaskRuns, radius: float, executor: Executor, tasks: int) -> Runs:  # type: ignore[no-untyped-def]
    runs = found.runs
    widths = reach(radius)
    height, width = found.shape

    def chunk(part: tuple[int, int]) -> tuple[npt.NDArray[np.int64], Int32, Int32, Int32]:
        count, row, start, stop = change(
            part[0], part[1], runs.ptr, runs.row, runs.start, runs.stop, widths, height, width
        )
        return count, row, start, stop

    parts = list(executor.map(chunk, chunks(found.labels.size, tasks)))
    count, row, start, stop = (np.concatenate(part) for part in zip(*parts, strict=True))
    ptr = np.zeros(found.labels.size + 1, np.int64)
    np.cumsum(count, out=ptr[1:])
    return Runs(ptr, row, start, stop)


@kernel
def room(values: Int32, size: int) -> Int32:
    """The array, or a copy at least twice as long if `size` values do not fit."""
    if size <= values.size:
        return values
    longer = np.empty(max(size, 2 * values.size), np.int32)
    longer[: values.size] = values
    return longer


@kernel
def add_stretch(starts: Int32, stops: Int32, n: int, a: int, b: int) -> int:
    """Insert a stretch where its start belongs."""
    i = n
    while i > 0 and starts[i - 1] > a:
        starts[i] = starts[i - 1]
        stops[i] = stops[i - 1]
        i -= 1
    starts[i] = a
    stops[i] = b
    return n + 1


@kernel
def join(starts: Int32, stops: Int32, n: int) -> int:
    """Merge sorted stretches that overlap or touch."""
    m = 0
    for i in range(n):
        if m > 0 and starts[i] <= stops[m - 1]:
            stops[m - 1] = max(stops[m - 1], stops[i])
        else:
            starts[m] = starts[i]
            stops[m] = stops[i]
            m += 1
    return m


@kernel
def row_span(
    y: int, lo: int, hi: int, row: Int32, start: Int32, stop: Int32, widths: Int32, width: int
) -> tuple[int, int, bool]:
    """Row `y` of a cell grown by a disk, from its runs ``lo:hi`` (all within reach of the row).

    First and one past the last column, and whether everything between belongs to it: it does if
    all the grown runs overlap or touch, by far the common case.
    """
    low = width
    high = 0
    last_start = -1
    first_stop = width
    for r in range(lo, hi):
        w = widths[abs(row[r] - y)]
        a = max(start[r] - w, 0)
        b = min(stop[r] + w, width)
        low = min(low, a)
        high = max(high, b)
        last_start = max(last_start, a)
        first_stop = min(first_stop, b)
    return low, high, last_start <= first_stop


@kernel
def grow_row(
    y: int,
    lo: int,
    hi: int,
    row: Int32,
    start: Int32,
    stop: Int32,
    widths: Int32,
    width: int,
    starts: Int32,
    stops: Int32,
) -> int:
    """The stretches of such a row, sorted and disjoint, written to `starts` and `stops`; their number."""
    n = 0
    for r in range(lo, hi):
        w = widths[abs(row[r] - y)]
        n = add_stretch(starts, stops, n, max(start[r] - w, 0), min(stop[r] + w, width))
    return join(starts, stops, n)


@kernel
def surround(  # type: ignore[no-untyped-def]
    first: int,
    last: int,
    ptr: Int64,
    row: Int32,
    start: Int32,
    stop: Int32,
    widths: Int32,
    height: int,
    width: int,
):
    """Cells ``first:last`` grown by a disk, less themselves: run counts, rows, starts, stops."""
    count = np.zeros(last - first, np.int64)
    rows = np.empty(1024, np.int32)
    lefts = np.empty(1024, np.int32)
    rights = np.empty(1024, np.int32)
    m = 0
    r = widths.size - 1
    for c in range(first, last):
        before = m
        begin = ptr[c]
        end = ptr[c + 1]
        starts = np.empty(end - begin, np.int32)
        stops = np.empty(end - begin, np.int32)
        lo = begin
        hi = begin
        own = begin
        for y in range(max(row[begin] - r, 0), min(row[end - 1] + r + 1, height)):
            while lo < end and row[lo] < y - r:
                lo += 1
            while hi < end and row[hi] <= y + r:
                hi += 1
            if lo == hi:
                continue
            starts[0], stops[0], whole = row_span(y, lo, hi, row, start, stop, widths, width)
            n = 1 if whole else grow_row(y, lo, hi, row, start, stop, widths, width, starts, stops)
            while own < end and row[own] < y:
                own += 1
            upto = own
            while upto < end and row[upto] == y:
                upto += 1
            size = m + n + upto - own
            if size > rows.size:
                rows = room(rows, size)
                lefts = room(lefts, size)
                rights = room(rights, size)
            # the own runs of the row lie inside the stretches, and both are in order
            for i in range(n):
                at = starts[i]
                while own < upto and start[own] < stops[i]:
                    if start[own] > at:
                        rows[m] = y
                        lefts[m] = at
                        rights[m] = start[own]
                        m += 1
                    at = stop[own]
                    own += 1
                if at < stops[i]:
                    rows[m] = y
                    lefts[m] = at
                    rights[m] = stops[i]
                    m += 1
        count[c - first] = m - before
    return count, rows[:m].copy(), lefts[:m].copy(), rights[:m].copy()


@kernel
def shrink_row(
    y: int,
    lo: int,
    hi: int,
    row: Int32,
    start: Int32,
    stop: Int32,
    widths: Int32,
    height: int,
    width: int,
    starts: Int32,
    stops: Int32,
) -> tuple[int, int, int]:
    """Row `y` of a cell shrunk by a disk, from its runs ``lo:hi`` (all within reach of the row).

    First and one past the last column that may remain (none if they are equal), and the number
    of stretches, sorted in `starts` and `stops`, that are taken out between.
    """
    n = 0
    low = 0
    high = width
    r = widths.size - 1
    expected = max(y - r, 0)
    at = lo
    while at < hi:
        if row[at] != expected:  # a row without a run is outside from end to end
            return 0, 0, 0
        w = widths[abs(row[at] - y)]
        if start[at] > 0:
            low = max(low, start[at] + w)
        while at + 1 < hi and row[at + 1] == row[at]:
            n = add_stretch(starts, stops, n, stop[at] - w, start[at + 1] + w)
            at += 1
        if stop[at] < width:
            high = min(high, stop[at] - w)
        expected += 1
        at += 1
    if expected <= min(y + r, height - 1) or low >= high:
        return 0, 0, 0
    return low, high, join(starts, stops, n)


@kernel
def shrink(  # type: ignore[no-untyped-def]
    first: int,
    last: int,
    ptr: Int64,
    row: Int32,
    start: Int32,
    stop: Int32,
    widths: Int32,
    height: int,
    width: int,
):
    """Cells ``first:last`` shrunk by a disk: run counts, rows, starts, stops."""
    count = np.zeros(last - first, np.int64)
    rows = np.empty(1024, np.int32)
    lefts = np.empty(1024, np.int32)
    rights = np.empty(1024, np.int32)
    m = 0
    r = widths.size - 1
    for c in range(first, last):
        before = m
        begin = ptr[c]
        end = ptr[c + 1]
        starts = np.empty(end - begin, np.int32)
        stops = np.empty(end - begin, np.int32)
        lo = begin
        hi = begin
        for own in range(begin, end):
            y = row[own]
            if own > begin and y == row[own - 1]:
                continue
            while row[lo] < y - r:
                lo += 1
            while hi < end and row[hi] <= y + r:
                hi += 1
            left, high, n = shrink_row(y, lo, hi, row, start, stop, widths, height, width, starts, stops)
            if m + n + 1 > rows.size:
                rows = room(rows, m + n + 1)
                lefts = room(lefts, m + n + 1)
                rights = room(rights, m + n + 1)
            for i in range(n + 1):
                right = min(starts[i], high) if i < n else high
                if left < right:
                    rows[m] = y
                    lefts[m] = left
                    rights[m] = right
                    m += 1
                if i < n:
                    left = max(left, stops[i])
        count[c - first] = m - before
    return count, rows[:m].copy(), lefts[:m].copy(), rights[:m].copy()


@kernel
def nearest(
    y0: int,
    row_ptr: Int64,
    cell: Int32,
    row: Int32,
    start: Int32,
    stop: Int32,
    r: int,
    limit: int,
    owner: Int32,
) -> None:
    """Nearest cell (number + 1) of every background pixel in a strip, 0 within cells and beyond √`limit`.

    First along columns, then along rows; squared distance and cell travel in one integer, so
    that one minimum decides both and SIMD does it.  `owner` is int32 (rows, X), from row `y0` on.
    """
    height = row_ptr.size - 1
    rows, width = owner.shape
    top = max(y0 - r, 0)
    bottom = min(y0 + rows + r, height)
    label = np.zeros((bottom - top, width), np.int32)
    for k in range(row_ptr[top], row_ptr[bottom]):
        label[row[k] - top][start[k] : stop[k]] = cell[k] + 1
    best = np.full((bottom - top, width), _FAR, np.int64)
    for down in range(2):
        near = np.zeros(width, np.int64)
        away = np.full(width, 1 << 14, np.int64)
        for step in range(bottom - top):
            i = step if down == 0 else bottom - top - 1 - step
            here = label[i]
            keep = best[i]
            for x in range(width):
                inside = here[x] > 0
                near[x] = here[x] if inside else near[x]
                away[x] = 0 if inside else min(away[x] + 1, 1 << 14)
                keep[x] = min(keep[x], ((away[x] * away[x]) << 32) | near[x])
    for i in range(rows):
        column = best[i + y0 - top]
        found = column.copy()
        for dx in range(1, min(r, width - 1) + 1):
            far = np.int64(dx * dx) << 32
            inner = found[: width - dx]
            shifted = column[dx:]
            for x in range(width - dx):
                inner[x] = min(inner[x], shifted[x] + far)
            inner = found[dx:]
            shifted = column[: width - dx]
            for x in range(width - dx):
                inner[x] = min(inner[x], shifted[x] + far)
        here = label[i + y0 - top]
        target = owner[i]
        for x in range(width):
            free = (here[x] == 0) & ((found[x] >> 32) <= limit)
            target[x] = np.int32(found[x] & 0x7FFFFFFF) if free else 0
