"""Shape of cells, equal to ``skimage.measure.regionprops``."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.compiled import kernel
from celltune_nb.measure.runs import Int32, Int64, MaskRuns, Runs, by_cell, chunks

__all__ = ["hull_areas", "perimeter_of_runs", "shapes"]

Float64 = npt.NDArray[np.float64]

_BAND = 128  # rows per task: the two scratch planes stay in the cache

# What a border pixel adds: its code counts 2 for each border pixel beside it and 10 for each diagonal one.
# after Benkrid and Crookes, "Design and FPGA implementation of a perimeter estimator" (2000)
_WEIGHTS = np.zeros(50)
_WEIGHTS[[5, 7, 15, 17, 25, 27]] = 1
_WEIGHTS[[21, 33]] = np.sqrt(2)
_WEIGHTS[[13, 23]] = (1 + np.sqrt(2)) / 2


def shapes(found: MaskRuns, runs: Runs, executor: Executor, tasks: int) -> npt.NDArray[np.float64]:
    """Area, perimeter, axes, eccentricity, solidity and orientation (`names.SHAPES`).

    Parameters
    ----------
    found : MaskRuns
        Size of the image and number of cells.
    runs : Runs
        Of the cells, or of their nuclei.
    executor : concurrent.futures.Executor
    tasks : int
        How many pieces to cut the work into.

    Returns
    -------
    float64 (7, n)
        In pixels; all 0 for a cell without a pixel.
    """
    area = runs.areas().astype(np.float64)
    full = area > 0
    size = np.where(full, area, 1.0)
    xx, yy, xy = _second_moments(runs, size)
    spread = np.sqrt((xx - yy) ** 2 / 4 + xy**2)
    major = (xx + yy) / 2 + spread
    # the product of the eigenvalues is the determinant: no difference of nearly equal numbers
    minor = np.maximum(xx * yy - xy**2, 0) / np.where(major > 0, major, 1.0)
    ratio = np.where(major > 0, 1 - minor / np.where(major > 0, major, 1.0), 0.0)
    flat = np.where(xy > 0, np.pi / 4, -np.pi / 4)
    orientation = np.where(xx == yy, flat, 0.5 * np.arctan2(2 * xy, yy - xx))
    hull = np.zeros(area.size)
    for _ in executor.map(
        lambda part: hull_areas(part[0], part[1], runs.ptr, runs.row, runs.start, runs.stop, hull),
        chunks(area.size, tasks),
    ):
        pass
    solidity = np.where(full, area / np.where(full, hull, 1.0), 0.0)
    return np.stack(
        [
            area,
            _perimeters(found, runs, executor),
            4 * np.sqrt(major),
            4 * np.sqrt(minor),
            np.sqrt(np.maximum(ratio, 0)),
            solidity,
            np.where(full, orientation, 0.0),
        ]
    )


def _second_moments(runs: Runs, area: Float64) -> tuple[Float64, Float64, Float64]:
    """Central second moments a pixel (x², y², x·y), from sums in closed form over each run."""
    ends = np.maximum(runs.ptr[:-1], 0)
    cell = np.repeat(np.arange(area.size), np.diff(runs.ptr))
    y0 = np.zeros(area.size)
    x0 = np.zeros(area.size)
    some = runs.ptr[1:] > runs.ptr[:-1]
    y0[some] = runs.row[ends[some]]
    x0[some] = runs.start[ends[some]]
    n = (runs.stop - runs.start).astype(np.float64)
    a = runs.start - x0[cell]
    y = runs.row - y0[cell]
    last = n - 1
    sum_x = n * a + last * n / 2
    sum_xx = n * a * a + a * last * n + last * n * (2 * n - 1) / 6
    mean_x = runs.total(sum_x) / area
    mean_y = runs.total(n * y) / area
    xx = runs.total(sum_xx) / area - mean_x**2
    yy = runs.total(n * y * y) / area - mean_y**2
    xy = runs.total(y * sum_x) / area - mean_x * mean_y
    return np.maximum(xx, 0), np.maximum(yy, 0), xy


def _perimeters(found: MaskRuns, runs: Runs, executor: Executor) -> Float64:
    order: Any
    if runs is found.runs:
        cell, row, start, stop, order = found.cell, found.row, found.start, found.stop, found.order
    else:
        cell = np.repeat(np.arange(runs.ptr.size - 1, dtype=np.int32), np.diff(runs.ptr))
        reading = np.lexsort((runs.start, runs.row))
        cell, row, start, stop = cell[reading], runs.row[reading], runs.start[reading], runs.stop[reading]
        order = by_cell(cell, row, start, stop, runs.ptr.size - 1)[1]
    height, width = found.shape
    row_ptr = np.searchsorted(row, np.arange(height + 1)).astype(np.int64)
    length = np.zeros(row.size)

    def band(y0: int) -> None:
        y1 = min(y0 + _BAND, height)
        perimeter_of_runs(y0, y1, row_ptr, cell, row, start, stop, width, _WEIGHTS, length)

    for _ in executor.map(band, range(0, height, _BAND)):
        pass
    return runs.total(length[order])


@kernel
def perimeter_of_runs(
    y0: int,
    y1: int,
    row_ptr: Int64,
    cell: Int32,
    row: Int32,
    start: Int32,
    stop: Int32,
    width: int,
    weights: Float64,
    out: Float64,
) -> None:
    """Length of the border within each run of rows ``y0:y1``, 4-connected as in skimage.

    Runs are in reading order, `row_ptr` says where each row begins; `out` is float64 (r,).
    """
    height = row_ptr.size - 1
    top = max(y0 - 2, 0)
    bottom = min(y1 + 2, height)
    label = np.zeros((y1 - y0 + 4, width + 2), np.int32)
    edge = np.zeros((y1 - y0 + 4, width + 2), np.int32)
    for r in range(row_ptr[top], row_ptr[bottom]):
        label[row[r] - y0 + 2][start[r] + 1 : stop[r] + 1] = cell[r] + 1
    for i in range(1, y1 - y0 + 3):
        here = label[i][1 : width + 1]
        above = label[i - 1][1 : width + 1]
        below = label[i + 1][1 : width + 1]
        left = label[i][0:width]
        right = label[i][2 : width + 2]
        border = edge[i][1 : width + 1]
        for x in range(width):
            inner = (
                (here[x] == above[x]) & (here[x] == below[x]) & (here[x] == left[x]) & (here[x] == right[x])
            )
            border[x] = 0 if inner else here[x]
    for r in range(row_ptr[y0], row_ptr[y1]):
        i = row[r] - y0 + 2
        mine = cell[r] + 1
        above = edge[i - 1]
        here = edge[i]
        below = edge[i + 1]
        length = 0.0
        for x in range(start[r] + 1, stop[r] + 1):
            if here[x] == mine:
                beside = (
                    (above[x] == mine) + (below[x] == mine) + (here[x - 1] == mine) + (here[x + 1] == mine)
                )
                diagonal = (
                    (above[x - 1] == mine)
                    + (above[x + 1] == mine)
                    + (below[x - 1] == mine)
                    + (below[x + 1] == mine)
                )
                length += weights[1 + 2 * beside + 10 * diagonal]
        out[r] = length


@kernel
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
def hull_areas(lo: int, hi: int, ptr: Int64, row: Int32, start: Int32, stop: Int32, out: Float64) -> None:
    """Pixels whose centre lies in or on the convex hull of the cell, for cells ``lo:hi``.

    The hull is that of the four edge midpoints of every pixel, as in
    ``skimage.morphology.convex_hull_image``; in half pixels everything is an integer and exact.
    """
    for c in range(lo, hi):
        first = ptr[c]
        last = ptr[c + 1]
        if first == last:
            continue
        room = 3 * (last - first)
        ly = np.empty(room, np.int64)
        lx = np.empty(room, np.int64)
        ry = np.empty(room, np.int64)
        rx = np.empty(room, np.int64)
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
