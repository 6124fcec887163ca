"""Length of the border, convex hull and second moments of cells, with NumPy alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.runs import Int32, Int64, Runs

__all__ = ["borders", "hulls", "spreads"]

Float64 = npt.NDArray[np.float64]


def borders(
    cell: Int32, start: Int32, stop: Int32, row_ptr: Int64, y0: int, y1: int, width: int, weights: Float64
) -> Float64:
    """See `engines.Engine.borders`."""
    top, bottom = max(y0 - 2, 0), min(y1 + 2, row_ptr.size - 1)
    stride = width + 2
    some = slice(row_ptr[top], row_ptr[bottom])
    row = np.repeat(np.arange(top, bottom), np.diff(row_ptr[top : bottom + 1])) - y0 + 2
    begins = row * stride + start[some] + 1
    many = (stop[some] - start[some]).astype(np.int64)
    ends = np.cumsum(many)
    pixel = np.arange(ends[-1] if ends.size else 0) + np.repeat(begins - ends + many, many)
    label = np.zeros((y1 - y0 + 4) * stride, np.int32)
    label[pixel] = np.repeat(cell[some] + 1, many)

    inner = np.ones(pixel.size, bool)
    for step in (1, -1, stride, -stride):
        inner &= label[np.clip(pixel + step, 0, label.size - 1)] == label[pixel]
    # of a row outside y0 − 1:y1 + 1 the rows above and below are not known: only codes of y0:y1 are read
    edge = np.zeros_like(label)
    edge[pixel[~inner]] = label[pixel[~inner]]
    run = np.repeat(np.arange(row_ptr[top], row_ptr[bottom]), many)
    asked = ~inner & (run >= row_ptr[y0]) & (run < row_ptr[y1])
    here = pixel[asked]
    code = np.ones(here.size, np.int64)
    for step, counts in ((1, 2), (stride, 2), (stride + 1, 10), (stride - 1, 10)):
        for way in (step, -step):
            code += counts * (edge[here + way] == edge[here])
    many_runs = int(row_ptr[y1] - row_ptr[y0])
    return np.bincount(run[asked] - row_ptr[y0], weights=weights[code], minlength=many_runs).astype(float)


def spreads(runs: Runs) -> Float64:
    """See `engines.Engine.spreads`."""
    n = runs.ptr.size - 1
    out = np.zeros((3, n))
    some = runs.ptr[1:] > runs.ptr[:-1]
    corner = np.zeros((2, n))
    corner[:, some] = runs.row[runs.ptr[:-1][some]], runs.start[runs.ptr[:-1][some]]
    cell = runs.cells()
    many = (runs.stop - runs.start).astype(np.float64)
    a = runs.start - corner[1][cell]
    y = runs.row - corner[0][cell]
    last = many - 1
    along = many * a + last * many / 2
    square = many * a * a + a * last * many + last * many * (2 * many - 1) / 6
    area = np.where(some, runs.total(many), 1.0)
    mx, my = runs.total(along) / area, runs.total(many * y) / area
    out[0] = np.maximum(runs.total(square) / area - mx * mx, 0)
    out[1] = np.maximum(runs.total(many * y * y) / area - my * my, 0)
    out[2] = runs.total(y * along) / area - mx * my
    return out


def hulls(runs: Runs) -> Float64:
    """See `engines.Engine.hulls`; all cells take the same step of the monotone chain at once."""
    cell = runs.cells()
    out = np.zeros(runs.ptr.size - 1)
    if not cell.size:
        return out
    fresh = np.append(True, (cell[1:] != cell[:-1]) | (runs.row[1:] != runs.row[:-1]))
    begins = np.flatnonzero(fresh)
    ends = np.append(begins[1:], cell.size) - 1
    row = runs.row[begins].astype(np.int64)
    left = _chain(cell[begins], row, 2 * runs.start[begins].astype(np.int64))
    right = _chain(cell[begins], row, -2 * (runs.stop[ends].astype(np.int64) - 1))

    first, last = runs.rows()
    many = np.where(last > 0, last - first, 0)
    upto = np.cumsum(many)
    which = np.repeat(np.arange(many.size), many)
    at = 2 * (np.arange(upto[-1]) - np.repeat(upto - many - first, many))
    count = 1 + _crossing(left, which, at) + _crossing(right, which, at)
    out += np.bincount(which, weights=count, minlength=out.size)
    return out


def _chain(cell: Int64, row: Int64, x: Int64) -> tuple[Int64, Int64, Int64]:
    """The convex chain of each cell towards small x: cell, y and x of its points, in half pixels."""
    cells = np.repeat(cell, 3)
    y = (2 * row[:, None] + np.arange(-1, 2)).ravel()
    xs = (x[:, None] - np.array([0, 1, 0])).ravel()
    # of two rows that follow one another the points between are the same but for their x
    same = np.append(False, (cells[1:] == cells[:-1]) & (y[1:] == y[:-1]))
    twin = np.flatnonzero(same)
    xs[twin - 1] = np.minimum(xs[twin - 1], xs[twin])
    cells, y, xs = cells[~same], y[~same], xs[~same]

    begins = np.flatnonzero(np.append(True, cells[1:] != cells[:-1]))
    many = np.diff(np.append(begins, cells.size))
    order = np.argsort(-many, kind="stable")  # most points first: those still at work are the first
    begins, many = begins[order], many[order]
    kept = np.zeros(begins.size, np.int64)
    for k in range(int(many[0])):
        active = int(np.searchsorted(-many, -k, side="left"))
        point_y, point_x = y[begins[:active] + k], xs[begins[:active] + k]
        busy = np.flatnonzero(kept[:active] > 1)
        while busy.size:
            top = begins[busy] + kept[busy] - 1
            inside = (xs[top] - xs[top - 1]) * (point_y[busy] - y[top - 1]) >= (
                point_x[busy] - xs[top - 1]
            ) * (y[top] - y[top - 1])
            busy = busy[inside]
            kept[busy] -= 1
            busy = busy[kept[busy] > 1]
        # a chain never has more points than were read: it is written over them
        y[begins[:active] + kept[:active]] = point_y
        xs[begins[:active] + kept[:active]] = point_x
        kept[:active] += 1
    chain = np.zeros(cells.size + 1, np.int64)
    np.add.at(chain, begins, 1)
    np.add.at(chain, begins + kept, -1)
    on = np.cumsum(chain[:-1]) > 0
    return cells[on], y[on], xs[on]


def _crossing(chain: tuple[Int64, Int64, Int64], cell: Int64, at: Int64) -> Int64:
    """Minus the first column at or right of the chain of a cell in a row, in pixels."""
    cells, y, x = chain
    stride = int(y.max()) + 2
    j = np.searchsorted(cells * stride + y, cell * stride + at)
    dy = y[j] - y[j - 1]
    position = x[j - 1] * dy + (x[j] - x[j - 1]) * (at - y[j - 1])
    return -position // (2 * dy)
