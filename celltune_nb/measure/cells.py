"""Features of every cell: intensity, shape, rings and neighbours.

Where ``skimage.measure.regionprops_table`` has the same measure, the figures agree with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from celltune_nb.errors import InputError
from celltune_nb.measure.checks import (
    ASSUMED_PIXEL_SIZE,
    checked_percentiles,
    checked_pixel_size,
    checked_texture,
    thread_count,
)
from celltune_nb.measure.compartments import Measuring, measure_channels
from celltune_nb.measure.engines import EngineName, choice_of, is_ready
from celltune_nb.measure.morphology import measure_shapes
from celltune_nb.measure.names import feature_groups, table_columns
from celltune_nb.measure.neighbours import measure_neighbours
from celltune_nb.measure.planes import image_planes
from celltune_nb.measure.relative import FEW, relative, relative_columns
from celltune_nb.measure.runs import Int64, cell_index, locate, mask_runs, runs_within

__all__ = ["CellMeasurements", "cell_index", "measure_cells", "warm_up"]

WIDTHS_UM = {"Eroded": 2.0, "Dilated": 4.0, "Environment": 20.0}
NEIGHBOUR_UM = 4.0
"""Widths of the rings and the gap between neighbours, as in CellTune's feature tables."""

Progress = Callable[[float, str], None]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class CellMeasurements:
    """Features of the cells of one image.

    Attributes
    ----------
    labels : int64 (n,)
        Of the cells in the mask, ascending.
    y, x : float64 (n,)
        Centroids in pixels; the origin is the centre of pixel 0.
    bbox : int32 (n, 4)
        y0, x0, y1, x1, half-open.
    border_distance : float32 (n,)
        Pixels between the bounding box and the edge of the image; 0 touches it.
    names, units : list of str, length f
        ``CD163__Mean__Cell`` and "intensity", "stain", "px", "px²", "ratio", "rad" or "cells".
    groups : dict
        Feature group to names (`names.feature_groups`).
    matrix : float32 (n, f)
        Columns are contiguous (Fortran order).  NaN only where a cell has no finite pixel in a channel.
    pixel_size : float
        µm a pixel that the rings were drawn with.
    notes : tuple of str
        What was assumed, in sentences.
    """

    labels: Int64
    y: npt.NDArray[np.float64]
    x: npt.NDArray[np.float64]
    bbox: npt.NDArray[np.int32]
    border_distance: Float32
    names: list[str]
    units: list[str]
    groups: dict[str, list[str]]
    matrix: Float32
    pixel_size: float = ASSUMED_PIXEL_SIZE
    notes: tuple[str, ...] = field(default=())


def measure_cells(
    image: Any,
    mask: Any,
    channels: Sequence[str] | None = None,
    *,
    pixel_size: float | None = None,
    nucleus: Any = None,
    percentiles: Sequence[float] = (5, 25, 75, 95),
    rings: bool = True,
    morphology: bool = True,
    neighbours: bool = True,
    texture: bool | Sequence[str] = False,
    stains: bool = True,
    per_image: bool = False,
    engine: EngineName = "auto",
    progress: Progress | None = None,
    n_jobs: int | None = None,
) -> CellMeasurements:
    """Measure every cell of an image.

    Parameters
    ----------
    image : array-like (Y, X), (C, Y, X) or RGB (Y, X, 3)
        Numbers or bool; NumPy array, memory map, zarr array or another that is read where it is sliced.
        Measured as float32.  Pixels that are NaN or infinite are left out.
    mask : integer array-like (Y, X)
        0 is background, every other value a cell, in one piece or several.
    channels : sequence of str
        Names in image order; None for an RGB image gives Red, Green and Blue.
    pixel_size : float, optional
        µm a pixel; sets the widths of the rings.  0.5 where it is not given, and `notes` says so.
        Shapes are in pixels in any case.
    nucleus : array-like (Y, X), optional
        Nucleus mask of any numbering: the nucleus of a cell is where it is not 0 within the cell.
    percentiles : sequence of float
        Of the cell and the nucleus, 0–100, linear interpolation; the median is always measured.
    rings : bool
        Measure *Eroded*, the pixels more than 2 µm inside the cell; *Dilated*, the background within
        4 µm whose nearest cell is this one; *Environment*, all pixels within 20 µm around the
        cell, other cells included and the cell itself not.  Exact Euclidean distances between
        pixel centres.
    morphology : bool
        Measure area, perimeter, axes, eccentricity, solidity and orientation.
    neighbours : bool
        Count the cells within 4 µm and measure mean and maximum of their channel means.
    texture : bool or sequence of str
        Measure the 13 measures of Haralick, Shanmugam and Dinstein (1973) of the cell, as
        `measure.texture` defines them: in all channels, or in those named.
    stains : bool
        For an RGB image, also measure Hematoxylin, Eosin and DAB (`planes.STAINS`).
    per_image : bool
        Also say mean, median and 95th percentile of the cell, the means of its nucleus, inner part and
        surroundings, and its contrast to the ring around it against the other cells of this image: as distance from
        their median in units of their spread (`measure.relative`).  Needs no other image, and does not change
        where one is stained more strongly.
    engine : {"auto", "numba", "numpy"}
        What computes; the values are the same to the rounding of float32.  ``"auto"`` is numba, and in a
        fresh installation NumPy until another process has compiled.
    progress : callable, optional
        Called with a fraction (0–1) and a sentence, at least once a channel, in this thread.  An
        exception that it raises stops the measurement and reaches the caller.
    n_jobs : int, optional
        Threads; all processors that this process may use by default, and never more.

    Returns
    -------
    CellMeasurements

    Raises
    ------
    InputError
        Mask or image cannot be used, do not belong together, or an option is out of range.

    Notes
    -----
    A compartment without a pixel (a cell too small to have an inner part, or without room around
    it, or without a nucleus) takes the value of the whole cell, and its area says 0.  A cell without
    neighbours has a neighbour mean and maximum of 0.  So the matrix holds NaN only where a cell has no
    finite pixel.  Standard deviation and variance are those of the population (ddof 0).

    The image is read some rows at a time: each chunk once, or about one and a half times where the rows
    around it are in other chunks.  What is held are the runs of the mask (28 bytes each, some 15 a cell), the
    matrix, and a slab of one or two channels with its rings.  Only a cell as tall as the image takes
    all rows of a channel at once.
    """
    tell = progress or _quiet
    percents = checked_percentiles(percentiles)
    size, notes = checked_pixel_size(pixel_size)
    threads = thread_count(n_jobs)
    choose = choice_of(engine, texture=texture is not False)
    executor = ThreadPoolExecutor(threads, thread_name_prefix="measure")
    try:
        tell(0.0, "Reading the mask…")
        found = mask_runs(mask, executor.map)
        planes = image_planes(image, found.shape, channels, stains=stains)
        textured = checked_texture(texture, [channel.name for channel in planes.channels])
        if nucleus is not None and np.shape(nucleus) != found.shape:
            raise InputError(
                f"The nucleus mask has shape {np.shape(nucleus)} and the mask {found.shape}. "
                "Pass the nucleus mask of the same image."
            )
        if engine == "numba" and not is_ready(texture=bool(textured)):
            tell(0.01, "Preparing the measuring code (once per installation, some seconds)…")
        measuring = Measuring(
            choose,
            found,
            None if nucleus is None else runs_within(found, nucleus, executor.map),
            percents,
            {name: width / size for name, width in WIDTHS_UM.items()} if rings else {},
            textured,
        )
        columns = table_columns(
            {channel.name: channel.unit for channel in planes.channels},
            measuring.statistics,
            textured,
            morphology=morphology,
            neighbours=neighbours,
            per_image=per_image,
        )
        # one row a feature: its values are contiguous, and the (n, f) view of it is what models read fastest
        matrix = np.empty((len(columns), found.labels.size), np.float32)
        table = dict(zip(columns, matrix, strict=True))
        measure_channels(planes, measuring, table, executor, partial(_within, tell, 0.02, 0.85), 2 * threads)
        if neighbours:
            tell(0.85, "Finding the neighbours…")
            radius = NEIGHBOUR_UM / size
            measure_neighbours(choose, found, radius, [c.name for c in planes.channels], table, executor)
        if morphology:
            tell(0.93, "Measuring the shapes…")
            measure_shapes(choose, found, measuring.nucleus, table, executor)
        if per_image:
            tell(0.97, "Comparing the cells of the image…")
            notes += _compare(table, [channel.name for channel in planes.channels], executor)
    finally:
        # what was not begun when something went wrong is dropped
        executor.shutdown(cancel_futures=True)
    tell(1.0, f"Measured {found.labels.size} cells.")
    names = list(columns)
    return CellMeasurements(
        *locate(found),
        names=names,
        units=list(columns.values()),
        groups=feature_groups(names, percents),
        matrix=matrix.T,
        pixel_size=size,
        notes=notes,
    )


def _compare(
    table: dict[str, Float32], channels: Sequence[str], executor: ThreadPoolExecutor
) -> tuple[str, ...]:
    """Write the features that speak of a cell against those of its image; what is to be said of them."""
    made = [pair for channel in channels for pair in relative_columns(channel, table).items()]

    def one(pair: tuple[str, tuple[str, ...]]) -> None:
        name, parts = pair
        first, *others = (table[part] for part in parts)
        table[name][:] = relative(first - others[0] if others else first)

    list(executor.map(one, made))
    n = len(next(iter(table.values()), ()))
    if not made or n >= FEW:
        return ()
    return (f"An image has fewer than {FEW} cells ({n}): what its cells are against one another is rough.",)


def warm_up(progress: Progress | None = None, *, texture: bool = False) -> None:
    """Compile the measuring code, or load it where that was done before.

    Takes seconds once per installation and a fraction of a second in every new process; call it
    in the background while the user looks at images.
    """
    mask = np.zeros((12, 12), np.int32)
    mask[1:6, 1:6] = 1
    mask[7:11, 2:11] = 2
    image = np.ones((1, 12, 12), np.float32)
    measure_cells(image, mask, ["warm up"], texture=texture, engine="numba", progress=progress, n_jobs=1)


def _quiet(_fraction: float, _sentence: str) -> None:
    """Nobody listens."""


def _within(tell: Progress, low: float, high: float, fraction: float, sentence: str) -> None:
    """Tell of a part of the work."""
    tell(low + (high - low) * fraction, sentence)
