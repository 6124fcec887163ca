"""Shape of cells, equal to ``skimage.measure.regionprops``."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.engines import Choice
from celltune_nb.measure.names import SHAPES
from celltune_nb.measure.runs import MaskRuns, Runs, by_cell, chunks

__all__ = ["measure_shapes", "shapes"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

_BAND = 128  # rows per task: the two scratch planes stay in the cache
_CELLS = 5000  # per task

# What a border pixel adds: its code counts 2 for each border pixel beside it and 10 for each diagonal one.
# after Benkrid and Crookes, "Design and FPGA implementation of a perimeter estimator" (2000)
_WEIGHTS = np.zeros(50)
_WEIGHTS[[5, 7, 15, 17, 25, 27]] = 1
_WEIGHTS[[21, 33]] = np.sqrt(2)
_WEIGHTS[[13, 23]] = (1 + np.sqrt(2)) / 2


def measure_shapes(
    choose: Choice, found: MaskRuns, nucleus: Runs | None, table: Mapping[str, Float32], executor: Executor
) -> None:
    """Write the shapes of the cells, and of their nuclei, into a table."""
    for compartment, runs in (("Cell", found.runs), ("Nucleus", nucleus)):
        if runs is not None:
            values = shapes(choose, found, runs, executor)
            for shape, value in zip(SHAPES, values, strict=True):
                table[f"{shape}__{compartment}"][:] = value
    if nucleus is not None:
        table["AreaFraction__Nucleus"][:] = nucleus.areas() / found.runs.areas()


def shapes(choose: Choice, found: MaskRuns, runs: Runs, executor: Executor) -> Float64:
    """Area, perimeter, axes, eccentricity, solidity and orientation (`names.SHAPES`).

    Parameters
    ----------
    choose : callable
        Gives the engine.
    found : MaskRuns
        Size of the image and number of cells.
    runs : Runs
        Of the cells, or of their nuclei.
    executor : concurrent.futures.Executor

    Returns
    -------
    float64 (7, n)
        In pixels; all 0 for a cell without a pixel.
    """
    n = runs.ptr.size - 1
    area = runs.areas().astype(np.float64)
    full = area > 0
    hull = np.zeros(n)
    moments = np.zeros((3, n))

    def chunk(part: tuple[int, int]) -> None:
        engine, some = choose(), runs.part(*part)
        hull[part[0] : part[1]] = engine.hulls(some)
        moments[:, part[0] : part[1]] = engine.spreads(some)

    for _ in executor.map(chunk, chunks(n, max(4, -(-n // _CELLS)))):
        pass
    xx, yy, xy = moments
    spread = np.sqrt((xx - yy) ** 2 / 4 + xy**2)
    major = (xx + yy) / 2 + spread
    # the product of the eigenvalues is the determinant: no difference of nearly equal numbers
    minor = np.maximum(xx * yy - xy**2, 0) / np.where(major > 0, major, 1.0)
    ratio = np.where(major > 0, 1 - minor / np.where(major > 0, major, 1.0), 0.0)
    flat = np.where(xy > 0, np.pi / 4, -np.pi / 4)
    orientation = np.where(xx == yy, flat, 0.5 * np.arctan2(2 * xy, yy - xx))
    return np.stack(
        [
            area,
            _perimeters(choose, found, runs, executor),
            4 * np.sqrt(major),
            4 * np.sqrt(minor),
            np.sqrt(np.maximum(ratio, 0)),
            np.where(full, area / np.where(full, hull, 1.0), 0.0),
            np.where(full, orientation, 0.0),
        ]
    )


def _perimeters(choose: Choice, found: MaskRuns, runs: Runs, executor: Executor) -> Float64:
    order: Any
    height, width = found.shape
    if runs is found.runs:
        cell, start, stop, row_ptr, order = found.cell, found.start, found.stop, found.row_ptr, found.order
    else:
        cell = runs.cells().astype(np.int32)
        reading = np.lexsort((runs.start, runs.row))
        cell, row, start, stop = cell[reading], runs.row[reading], runs.start[reading], runs.stop[reading]
        order = by_cell(cell, row, start, stop, runs.ptr.size - 1)[1]
        row_ptr = np.searchsorted(row, np.arange(height + 1)).astype(np.int64)
    length = np.empty(cell.size)

    def band(y0: int) -> None:
        y1 = min(y0 + _BAND, height)
        length[row_ptr[y0] : row_ptr[y1]] = choose().borders(
            cell, start, stop, row_ptr, y0, y1, width, _WEIGHTS
        )

    for _ in executor.map(band, range(0, height, _BAND)):
        pass
    return runs.total(length[order])
