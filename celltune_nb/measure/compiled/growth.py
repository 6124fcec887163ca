"""Cells grown and shrunk by a disk: kernels over runs.

A kernel cannot know how many runs it will write.  It writes while there is room for one more cell
and returns the cell to go on with; `_collected` makes room and calls it again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from celltune_nb.measure.compiled import kernel, part
from celltune_nb.measure.runs import Int32, Int64, Runs

__all__ = ["grown", "shrunk"]

Write = Callable[[int, int, Int64, Int32, Int32, Int32], tuple[int, int]]

_NEVER = 1 << 28  # columns: far outside any image
_LANES = 16


def grown(runs: Runs, widths: Int32, shape: tuple[int, int], *, own: bool) -> Runs:
    """See `engines.Engine.grown`."""
    height, width = shape
    disk = np.full(-(-(2 * widths.size - 1) // _LANES) * _LANES, -_NEVER, np.int32)
    disk[: 2 * widths.size - 1] = np.concatenate([widths[:0:-1], widths])
    most, tallest = _largest(runs)
    spans = np.empty((4, tallest + disk.size), np.int32)
    stretches = np.empty((2, most + 1), np.int32)

    def write(c: int, m: int, count: Int64, rows: Int32, starts: Int32, stops: Int32) -> tuple[int, int]:
        return grow(
            c,
            m,
            own,
            runs.ptr,
            runs.row,
            runs.start,
            runs.stop,
            widths,
            disk,
            height,
            width,
            spans[0],
            spans[1],
            spans[2],
            spans[3],
            stretches[0],
            stretches[1],
            count,
            rows,
            starts,
            stops,
        )

    return _collected(runs, 2 * runs.row.size + 2 * runs.ptr.size * widths.size, write)


def shrunk(runs: Runs, widths: Int32, shape: tuple[int, int]) -> Runs:
    """See `engines.Engine.shrunk`."""
    height, width = shape
    stretches = np.empty((2, _largest(runs)[0] + 1), np.int32)

    def write(c: int, m: int, count: Int64, rows: Int32, starts: Int32, stops: Int32) -> tuple[int, int]:
        return shrink(
            c,
            m,
            runs.ptr,
            runs.row,
            runs.start,
            runs.stop,
            widths,
            height,
            width,
            stretches[0],
            stretches[1],
            count,
            rows,
            starts,
            stops,
        )

    return _collected(runs, runs.row.size, write)


def _largest(runs: Runs) -> tuple[int, int]:
    """The most runs, and the most rows, of a cell."""
    first, last = runs.rows()
    return int(np.diff(runs.ptr).max(initial=0)), int((last - first).max(initial=0))


def _collected(runs: Runs, expected: int, write: Write) -> Runs:
    n = runs.ptr.size - 1
    count = np.empty(n, np.int64)
    into = np.empty((3, expected + 64), np.int32)
    c = m = 0
    while True:
        c, m = write(c, m, count, into[0], into[1], into[2])
        if c == n:
            break
        longer = np.empty((3, 2 * into.shape[1]), np.int32)
        longer[:, :m] = into[:, :m]
        into = longer
    ptr = np.zeros(n + 1, np.int64)
    np.cumsum(count, out=ptr[1:])
    return Runs(ptr, into[0, :m], into[1, :m], into[2, :m])


@part
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


@part
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


@part
def span_rows(
    row: Int32,
    start: Int32,
    stop: Int32,
    a: int,
    b: int,
    disk: Int32,
    rows: int,
    low: Int32,
    high: Int32,
    last_start: Int32,
    first_stop: Int32,
) -> None:
    """Where the runs ``a:b`` grown by a disk begin and end, in each of the rows that they reach.

    A row is one whole stretch if its last start is not beyond its first stop, for then all the grown
    runs overlap or touch: by far the common case.
    """
    for i in range(rows):
        low[i] = _NEVER
        high[i] = -_NEVER
        last_start[i] = -_NEVER
        first_stop[i] = _NEVER
    for k in range(a, b):
        at = row[k] - row[a]
        to_low = low[at:]
        to_high = high[at:]
        to_last = last_start[at:]
        to_first = first_stop[at:]
        for d in range(disk.size):
            reached = disk[d] >= 0
            left = np.int32(start[k] - disk[d])
            right = np.int32(stop[k] + disk[d])
            to_low[d] = min(to_low[d], left)
            to_high[d] = max(to_high[d], right)
            to_last[d] = max(to_last[d], left if reached else -_NEVER)
            to_first[d] = min(to_first[d], right if reached else _NEVER)


@kernel
def grow(
    c: int,
    m: int,
    own: bool,
    ptr: Int64,
    row: Int32,
    start: Int32,
    stop: Int32,
    widths: Int32,
    disk: Int32,
    height: int,
    width: int,
    low: Int32,
    high: Int32,
    last_start: Int32,
    first_stop: Int32,
    starts: Int32,
    stops: Int32,
    count: Int64,
    rows: Int32,
    lefts: Int32,
    rights: Int32,
) -> tuple[int, int]:
    """Write cells from `c` on, grown by a disk, with or without themselves, from run `m` on.

    `disk` holds the columns that the disk covers to each side, by row; `low` to `stops` are scratch.
    Returns the cell to go on with and the number of runs so far.
    """
    r = widths.size - 1
    while c < ptr.size - 1:
        begin = ptr[c]
        end = ptr[c + 1]
        count[c] = 0
        if begin == end:
            c += 1
            continue
        top = row[begin] - r
        bottom = row[end - 1] + r + 1
        if m + bottom - top + (end - begin) * (2 * r + 2) > rows.size:
            return c, m
        before = m
        reached = row[end - 1] - row[begin] + 1 + disk.size
        span_rows(row, start, stop, begin, end, disk, reached, low, high, last_start, first_stop)
        lo = begin
        hi = begin
        mine = begin
        for y in range(max(top, 0), min(bottom, height)):
            i = y - top
            if last_start[i] <= first_stop[i]:
                n = 1
                starts[0] = max(low[i], 0)
                stops[0] = min(high[i], width)
            else:
                while lo < end and row[lo] < y - r:
                    lo += 1
                while hi < end and row[hi] <= y + r:
                    hi += 1
                n = 0
                for k in range(lo, hi):
                    w = widths[abs(row[k] - y)]
                    n = add_stretch(starts, stops, n, max(start[k] - w, 0), min(stop[k] + w, width))
                n = join(starts, stops, n)
            while mine < end and row[mine] < y:
                mine += 1
            # the runs of the cell itself lie inside the stretches, and both are in order
            for s in range(n):
                at = starts[s]
                while not own and mine < end and row[mine] == y and start[mine] < stops[s]:
                    if start[mine] > at:
                        rows[m] = y
                        lefts[m] = at
                        rights[m] = start[mine]
                        m += 1
                    at = stop[mine]
                    mine += 1
                if at < stops[s]:
                    rows[m] = y
                    lefts[m] = at
                    rights[m] = stops[s]
                    m += 1
        count[c] = m - before
        c += 1
    return c, m


@part
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
def shrink(
    c: int,
    m: int,
    ptr: Int64,
    row: Int32,
    start: Int32,
    stop: Int32,
    widths: Int32,
    height: int,
    width: int,
    starts: Int32,
    stops: Int32,
    count: Int64,
    rows: Int32,
    lefts: Int32,
    rights: Int32,
) -> tuple[int, int]:
    """Write cells from `c` on, shrunk by a disk, as `grow` does."""
    r = widths.size - 1
    while c < ptr.size - 1:
        begin = ptr[c]
        end = ptr[c + 1]
        count[c] = 0
        if m + (end - begin) * (2 * r + 2) > rows.size:
            return c, m
        before = m
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
            for i in range(n + 1):
                right = min(starts[i], high) if i < n else high
                if left < right:
                    rows[m] = y
                    lefts[m] = left
                    rights[m] = right
                    m += 1
                if i < n:
                    left = max(left, stops[i])
        count[c] = m - before
        c += 1
    return c, m
