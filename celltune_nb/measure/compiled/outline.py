"""Length of the border, convex hull and second moments of cells, compiled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.compiled import kernel, part
from celltune_nb.measure.runs import Int32, Int64, Runs

__all__ = ["borders", "hulls", "spreads"]

Float64 = npt.NDArray[np.float64]


def hulls(runs: Runs) -> Float64:
    """See `engines.Engine.hulls`."""
    room = 3 * int(np.diff(runs.ptr).max(initial=0)) + 1
    chains = np.empty((4, room), np.int64)
    out = np.zeros(runs.ptr.size - 1)
    hull_areas(runs.ptr, runs.row, runs.start, runs.stop, chains[0], chains[1], chains[2], chains[3], out)
    return out


def spreads(runs: Runs) -> Float64:
    """See `engines.Engine.spreads`."""
    out = np.zeros((3, runs.ptr.size - 1))
    second_moments(runs.ptr, runs.row, runs.start, runs.stop, out)
    return out


def borders(
    cell: Int32, start: Int32, stop: Int32, row_ptr: Int64, y0: int, y1: int, width: int, weights: Float64
) -> Float64:
    """See `engines.Engine.borders`."""
    height = row_ptr.size - 1
    top, bottom = max(y0 - 2, 0), min(y1 + 2, height)
    planes = np.zeros((2, y1 - y0 + 4, width + 2), np.int32)
    out = np.empty(int(row_ptr[y1] - row_ptr[y0]))
    length_of_runs(top, bottom, y0, y1, row_ptr, cell, start, stop, width, weights, planes[0], planes[1], out)
    return out


@kernel
def length_of_runs(
    top: int,
    bottom: int,
    y0: int,
    y1: int,
    row_ptr: Int64,
    cell: Int32,
    start: Int32,
    stop: Int32,
    width: int,
    weights: Float64,
    label: Int32,
    edge: Int32,
    out: Float64,
) -> None:
    """Length of the border within each run of rows ``y0:y1``.

    Runs are in reading order, `row_ptr` says where each row begins; `label` and `edge` are int32
    (y1 − y0 + 4, X + 2) of zeros, of which rows ``top:bottom`` are in the image.
    """
    for y in range(top, bottom):
        for r in range(row_ptr[y], row_ptr[y + 1]):
            target = label[y - y0 + 2][start[r] + 1 : stop[r] + 1]
            for x in range(target.size):
                target[x] = cell[r] + 1
    for i in range(1, y1 - y0 + 3):
        here = label[i][1:]
        above = label[i - 1][1:]
        below = label[i + 1][1:]
        left = label[i]
        right = label[i][2:]
        border = edge[i][1:]
        for x in range(width):
            inner = (
                (here[x] == above[x]) & (here[x] == below[x]) & (here[x] == left[x]) & (here[x] == right[x])
            )
            border[x] = 0 if inner else here[x]
    for y in range(y0, y1):
        above = edge[y - y0 + 1]
        here = edge[y - y0 + 2]
        below = edge[y - y0 + 3]
        for r in range(row_ptr[y], row_ptr[y + 1]):
            mine = cell[r] + 1
            length = 0.0
            for x in range(start[r] + 1, stop[r] + 1):
                if here[x] == mine:
                    beside = (
                        (above[x] == mine)
                        + (below[x] == mine)
                        + (here[x - 1] == mine)
                        + (here[x + 1] == mine)
                    )
                    diagonal = (
                        (above[x - 1] == mine)
                        + (above[x + 1] == mine)
                        + (below[x - 1] == mine)
                        + (below[x + 1] == mine)
                    )
                    length += weights[1 + 2 * beside + 10 * diagonal]
            out[r - row_ptr[y0]] = length


@part
def push(chain_y: Int64, chain_x: Int64, n: int, y: int, x: int) -> int:
    """Append a point below the others and keep the chain convex towards small x."""
    if n > 0 and chain_y[n - 1] == y:
        if x >= chain_x[n - 1]:
            return n
        n -= 1
    while n > 1 and (chain_x[n - 1] - chain_x[n - 2]) * (y - chain_y[n - 2]) >= (x - chain_x[n - 2]) * (
        chain_y[n - 1] - chain_y[n - 2]
    ):
        n -= 1
    chain_y[n] = y
    chain_x[n] = x
    return n + 1


@kernel
def hull_areas(
    ptr: Int64,
    row: Int32,
    start: Int32,
    stop: Int32,
    ly: Int64,
    lx: Int64,
    ry: Int64,
    rx: Int64,
    out: Float64,
) -> None:
    """Pixels whose centre lies in or on the convex hull of each cell.

    The hull is that of the four edge midpoints of every pixel, as in
    ``skimage.morphology.convex_hull_image``; in half pixels everything is an integer and exact.
    `ly` to `rx` are scratch memory for three points a run: the left side of the hull, and the right
    side mirrored.
    """
    for c in range(ptr.size - 1):
        first = ptr[c]
        last = ptr[c + 1]
        if first == last:
            continue
        nl = 0
        nr = 0
        r = first
        while r < last:
            y = np.int64(2) * row[r]
            a = np.int64(2) * start[r]
            while r + 1 < last and row[r + 1] == row[r]:
                r += 1
            b = np.int64(-2) * (stop[r] - 1)
            r += 1
            for step in range(-1, 2):
                out_by = 1 - abs(step)
                nl = push(ly, lx, nl, y + step, a - out_by)
                nr = push(ry, rx, nr, y + step, b - out_by)
        count = 0
        i = 0
        j = 0
        for y in range(np.int64(row[first]), np.int64(row[last - 1]) + 1):
            at = 2 * y
            while ly[i + 1] < at:
                i += 1
            while ry[j + 1] < at:
                j += 1
            dl = ly[i + 1] - ly[i]
            dr = ry[j + 1] - ry[j]
            left = lx[i] * dl + (lx[i + 1] - lx[i]) * (at - ly[i])
            right = rx[j] * dr + (rx[j + 1] - rx[j]) * (at - ry[j])
            # first column at or right of the left side, and the same mirrored
            count += 1 + (-left) // (2 * dl) + (-right) // (2 * dr)
        out[c] = count


@kernel
def second_moments(ptr: Int64, row: Int32, start: Int32, stop: Int32, out: Float64) -> None:
    """Central second moments a pixel (x², y², x·y), from sums in closed form over each run."""
    for c in range(ptr.size - 1):
        if ptr[c] == ptr[c + 1]:
            continue
        y0 = row[ptr[c]]
        x0 = start[ptr[c]]
        area = 0.0
        sx = sy = sxx = syy = sxy = 0.0
        for r in range(ptr[c], ptr[c + 1]):
            n = np.float64(stop[r] - start[r])
            a = np.float64(start[r] - x0)
            y = np.float64(row[r] - y0)
            last = n - 1
            along = n * a + last * n / 2
            area += n
            sx += along
            sy += n * y
            sxx += n * a * a + a * last * n + last * n * (2 * n - 1) / 6
            syy += n * y * y
            sxy += y * along
        mx = sx / area
        my = sy / area
        out[0, c] = max(sxx / area - mx * mx, 0.0)
        out[1, c] = max(syy / area - my * my, 0.0)
        out[2, c] = sxy / area - mx * my
