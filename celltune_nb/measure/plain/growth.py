"""Cells grown and shrunk by a disk, and the cells that a grown one lies on, with NumPy alone.

Each row within reach of a cell has a place in one long table.  A row is mostly one stretch, known
from the outermost columns of the rows around it; the others are put together from all runs in reach.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.runs import Int32, Int64, MaskRuns, Runs

__all__ = ["grown", "overlaps", "shrunk"]

_NEVER = 1 << 28  # columns: far outside any image


class Table(NamedTuple):
    """A place for each row of each cell and for `margin` rows above and below.

    Attributes
    ----------
    cell, row : int32 (t,)
        Of each place.
    place : int64 (r,)
        Of each run.
    begins : int64 (g,)
        First run of each row that has one.
    """

    cell: Int32
    row: Int32
    place: Int64
    begins: Int64


class Stretches(NamedTuple):
    """Stretches of rows, by place and column."""

    place: npt.NDArray[Any]
    start: npt.NDArray[Any]
    stop: npt.NDArray[Any]


def grown(runs: Runs, widths: Int32, shape: tuple[int, int], *, own: bool) -> Runs:
    """See `engines.Engine.grown`."""
    height, width = shape
    r = widths.size - 1
    table = _table(runs, r)
    low = np.full(table.row.size, _NEVER, np.int32)
    high = np.full(table.row.size, -_NEVER, np.int32)
    last_start, first_stop = high.copy(), low.copy()
    begins, ends = table.begins, _ends(table, runs)
    place = table.place[begins]
    left, right = runs.start[begins], runs.stop[ends]
    last, first = runs.start[ends], runs.stop[begins]
    for dy in range(-r, r + 1):
        w = widths[abs(dy)]
        there = place + dy
        low[there] = np.minimum(low[there], left - w)
        high[there] = np.maximum(high[there], right + w)
        last_start[there] = np.maximum(last_start[there], last - w)
        first_stop[there] = np.minimum(first_stop[there], first + w)
    inside = (low < high) & (table.row >= 0) & (table.row < height)
    whole = np.flatnonzero(inside & (last_start <= first_stop))
    split = np.flatnonzero(inside & (last_start > first_stop))
    found = Stretches(whole, np.maximum(low[whole], 0), np.minimum(high[whole], width))
    if split.size:
        others = _in_reach(split, table, runs, widths, width)
        found = Stretches(*(np.concatenate(pair) for pair in zip(found, others, strict=True)))
    less = Stretches(table.place, runs.start, runs.stop)
    if own:
        less = Stretches(*(part[:0] for part in less))
    return _runs(_without(found, less, width), table, runs.ptr.size - 1)


def shrunk(runs: Runs, widths: Int32, shape: tuple[int, int]) -> Runs:
    """See `engines.Engine.shrunk`."""
    height, width = shape
    r = widths.size - 1
    table = _table(runs, r)
    begins, ends = table.begins, _ends(table, runs)
    place = table.place[begins]
    row = runs.row[begins]
    present = np.zeros(table.row.size, bool)
    left = np.zeros(table.row.size, np.int32)
    right = np.zeros(table.row.size, np.int32)
    present[place] = True
    left[place] = runs.start[begins]
    right[place] = runs.stop[ends]
    remains = np.ones(place.size, bool)
    low = np.zeros(place.size, np.int32)
    high = np.full(place.size, width, np.int32)
    gap = np.flatnonzero(table.place[1:] == table.place[:-1])
    gaps = []
    for dy in range(-r, r + 1):
        w = widths[abs(dy)]
        there = place + dy
        # beyond the edge of the image nothing is outside, and a run that touches it does not end there
        remains &= present[there] | (row + dy < 0) | (row + dy >= height)
        low = np.where(left[there] > 0, np.maximum(low, left[there] + w), low)
        inner = present[there] & (right[there] < width)
        high = np.where(inner, np.minimum(high, right[there] - w), high)
        gaps.append((table.place[gap] + dy, runs.stop[gap] - w, runs.start[gap + 1] + w))
    remains &= low < high
    found = Stretches(place[remains], low[remains], high[remains])
    taken = _joined(Stretches(*(np.concatenate(part) for part in zip(*gaps, strict=True))), width)
    # only what lies within a stretch that remains is taken out of it
    bounds = np.zeros((2, table.row.size), np.int32)
    bounds[:, found.place] = found.start, found.stop
    start = np.maximum(taken.start, bounds[0, taken.place])
    stop = np.minimum(taken.stop, bounds[1, taken.place])
    some = start < stop
    less = Stretches(taken.place[some], start[some], stop[some])
    return _runs(_without(found, less, width), table, runs.ptr.size - 1)


def overlaps(around: Runs, found: MaskRuns) -> tuple[Int64, Int32]:
    """See `engines.Engine.overlaps`."""
    n = found.labels.size
    stride = found.shape[1] + 1
    begins, ends = around.rows()
    y0, y1 = int(begins.min(initial=found.shape[0])), int(ends.max(initial=0))
    some = slice(found.row_ptr[y0], found.row_ptr[max(y0, y1)])
    row = around.row.astype(np.int64) * stride
    every = found.rows(y0, max(y0, y1)) * stride
    first = np.searchsorted(every + found.stop[some], row + around.start, side="right")
    upto = np.searchsorted(every + found.start[some], row + around.stop, side="left")
    many = np.maximum(upto - first, 0)
    which = np.repeat(first, many) + _within(many)
    cell = np.repeat(around.cells(), many)
    pairs = np.unique(cell * n + found.cell[some][which])
    return np.bincount(pairs // n, minlength=around.ptr.size - 1), (pairs % n).astype(np.int32)


def _within(many: Int64) -> Int64:
    """0, 1, 2 … for each of the groups of so many."""
    ends = np.cumsum(many)
    return np.arange(ends[-1] if ends.size else 0) - np.repeat(ends - many, many)


def _table(runs: Runs, margin: int) -> Table:
    first, last = runs.rows()
    rows = np.where(last > 0, last - first + 2 * margin, 0)
    ends = np.cumsum(rows)
    cell = np.repeat(np.arange(rows.size, dtype=np.int32), rows)
    row = (_within(rows) + np.repeat(first - margin, rows)).astype(np.int32)
    of_run = runs.cells()
    place = (ends - rows + margin - first)[of_run] + runs.row
    begins = np.flatnonzero(np.append(True, place[1:] != place[:-1])) if place.size else place
    return Table(cell, row, place, begins)


def _ends(table: Table, runs: Runs) -> Int64:
    """Last run of each row that has one."""
    return np.append(table.begins[1:], runs.row.size) - 1 if runs.row.size else table.begins


def _in_reach(split: Int64, table: Table, runs: Runs, widths: Int32, width: int) -> Stretches:
    """The stretches of some rows, from all the runs within reach of each."""
    r = widths.size - 1
    # the margins of neighbouring cells lie between their rows: reach does not go from one to the other
    first = np.searchsorted(table.place, split - r)
    many = np.searchsorted(table.place, split + r, side="right") - first
    which = np.repeat(first, many) + _within(many)
    place = np.repeat(split, many)
    w = widths[np.abs(runs.row[which] - table.row[place])]
    return _joined(Stretches(place, runs.start[which] - w, runs.stop[which] + w), width)


def _joined(stretches: Stretches, width: int) -> Stretches:
    """Stretches cut off at the edge, merged where they overlap or touch, in order."""
    place, start, stop = stretches
    start, stop = np.maximum(start, 0), np.minimum(stop, width)
    order = np.lexsort((start, place))
    place, start, stop = place[order], start[order], stop[order]
    if not place.size:
        return Stretches(place, start, stop)
    # the farthest stop so far within a place: places are farther apart than columns
    far = np.maximum.accumulate(place * (width + 1) + stop)
    fresh = np.append(True, place[1:] * (width + 1) + start[1:] > far[:-1])
    begins = np.flatnonzero(fresh)
    ends = np.append(begins[1:], place.size) - 1
    return Stretches(place[begins], start[begins], far[ends] - place[begins] * (width + 1))


def _without(stretches: Stretches, less: Stretches, width: int) -> Stretches:
    """Stretches less others that lie inside them: what begins and what ends, both in order, are pairs."""
    stride = width + 1
    begins = np.concatenate([stretches.place * stride + stretches.start, less.place * stride + less.stop])
    ends = np.concatenate([stretches.place * stride + stretches.stop, less.place * stride + less.start])
    begins.sort()
    ends.sort()
    some = begins < ends
    place = begins[some] // stride
    return Stretches(place, begins[some] - place * stride, ends[some] - place * stride)


def _runs(stretches: Stretches, table: Table, n: int) -> Runs:
    ptr = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(table.cell[stretches.place], minlength=n), out=ptr[1:])
    return Runs(
        ptr,
        table.row[stretches.place],
        stretches.start.astype(np.int32),
        stretches.stop.astype(np.int32),
    )
