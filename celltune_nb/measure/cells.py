"""Features of every cell: intensity, shape, rings and neighbours.

Where ``skimage.measure.regionprops_table`` has the same measure, the figures agree with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from celltune_nb.errors import InputError
from celltune_nb.measure.compartments import Compartment, bands_of, measure_channel
from celltune_nb.measure.names import SHAPES, feature_groups, percentile_name
from celltune_nb.measure.planes import image_channels
from celltune_nb.measure.runs import Int64, MaskRuns, cell_index, locate, mask_runs, runs_within

__all__ = ["CellMeasurements", "cell_index", "measure_cells", "warm_up"]

ASSUMED_PIXEL_SIZE = 0.5
"""µm a pixel where an image does not say: a usual value of multiplexed imaging at 20×."""
ERODED_UM = 2.0
DILATED_UM = 4.0
ENVIRONMENT_UM = 20.0
NEIGHBOUR_UM = 4.0
"""Widths of the rings and the gap between neighbours, as in CellTune's feature tables."""

Progress = Callable[[float, str], None]
Float32 = npt.NDArray[np.float32]

_RINGS = {"Eroded": ("Mean", "Std", "Max"), "Dilated": ("Mean", "Std", "Max"), "Environment": ("Mean",)}


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
    stains: bool = True,
    progress: Progress | None = None,
    n_jobs: int | None = None,
) -> CellMeasurements:
    """Measure every cell of an image.

    Parameters
    ----------
    image : array-like (Y, X), (C, Y, X) or RGB (Y, X, 3)
        Numbers or bool; NumPy array, memory map or zarr array, read one channel at a time and
        measured as float32.  Pixels that are NaN or infinite are left out.
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
    stains : bool
        For an RGB image, also measure Hematoxylin, Eosin and DAB (`planes.STAINS`).
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
    """
    tell = progress or _quiet
    percents = _checked_percentiles(percentiles)
    size, notes = _checked_pixel_size(pixel_size)
    threads = _threads(n_jobs)
    with ThreadPoolExecutor(threads, thread_name_prefix="measure") as executor:
        tell(0.0, "Reading the mask…")
        found = mask_runs(mask, executor.map)
        planes = image_channels(image, found.shape, channels, stains=stains)
        if nucleus is not None and np.shape(nucleus) != found.shape:
            raise InputError(
                f"The nucleus mask has shape {np.shape(nucleus)} and the mask {found.shape}. "
                "Pass the nucleus mask of the same image."
            )
        if not _is_ready():
            tell(0.01, "Preparing the measuring code (once per installation, ~15 s)…")
        tasks = 1 if threads == 1 else 4 * threads
        parts = [
            Compartment("Cell", found.runs, ("Mean", "Median", "Max", "Min", "Sum", "Std", "Var", *percents))
        ]
        if nucleus is not None:
            parts.append(
                Compartment("Nucleus", runs_within(found, nucleus, executor.map), parts[0].statistics)
            )
        if rings:
            tell(0.03, "Drawing the rings around the cells…")
            parts += _rings(found, size, executor, tasks)
        adjacency = None
        if neighbours:
            from celltune_nb.measure.neighbours import neighbour_lists

            tell(0.07, "Finding the neighbours…")
            adjacency = neighbour_lists(found, NEIGHBOUR_UM / size, executor, tasks)

        kept = [(part.name, statistic) for part in parts for statistic in part.statistics]
        if adjacency is not None:
            kept += [("Cell", "NeighbourMean"), ("Cell", "NeighbourMax")]
        columns: list[tuple[str, str]] = [
            (f"{plane.name}__{statistic}__{compartment}", plane.unit)
            for plane in planes
            for compartment, statistic in kept
        ]
        columns += _shape_columns(parts, morphology, neighbours)
        # one row a feature: its values are contiguous, and the (n, f) view of it is what models read fastest
        table = np.empty((len(columns), found.labels.size), np.float32)
        bands = bands_of(parts, found.shape[0], threads)
        at = 0
        for i, plane in enumerate(planes):
            tell(0.1 + 0.85 * i / len(planes), f"Measuring {plane.name} ({i + 1} of {len(planes)})…")
            block = measure_channel(plane, found.shape[1], parts, bands, percents, executor)
            if adjacency is not None:
                from celltune_nb.measure.neighbours import neighbour_means

                block += neighbour_means(*adjacency, block[0])
            for values in block:
                table[at] = values
                at += 1
        tell(0.95, "Measuring the shapes…")
        for values in _shape_values(found, parts, morphology, adjacency, executor, tasks):
            table[at] = values
            at += 1
    tell(1.0, f"Measured {found.labels.size} cells.")
    index = locate(found)
    names = [name for name, _ in columns]
    return CellMeasurements(
        *index,
        names=names,
        units=[unit for _, unit in columns],
        groups=feature_groups(names, percents),
        matrix=table.T,
        pixel_size=size,
        notes=notes,
    )


def warm_up(progress: Progress | None = None) -> None:
    """Compile the measuring code, or load it where that was done before.

    Takes seconds once per installation and a fraction of a second in every new process; call it
    in the background while the user looks at images.
    """
    mask = np.zeros((12, 12), np.int32)
    mask[1:6, 1:6] = 1
    mask[7:11, 2:11] = 2
    measure_cells(np.ones((1, 12, 12), np.float32), mask, ["warm up"], progress=progress, n_jobs=1)


def _quiet(_fraction: float, _sentence: str) -> None:
    """Nobody listens."""


def _is_ready() -> bool:
    from celltune_nb.measure import intensity, morphology, neighbours, rings
    from celltune_nb.measure.compiled import is_compiled

    entries = (
        intensity.mean_of_runs,
        intensity.measure_runs,
        morphology.hull_areas,
        morphology.perimeter_of_runs,
        neighbours.overlaps,
        rings.nearest,
        rings.shrink,
        rings.surround,
    )
    return all(is_compiled(entry) for entry in entries)


def _rings(found: MaskRuns, size: float, executor: Executor, tasks: int) -> list[Compartment]:
    from celltune_nb.measure.rings import dilated, environment, eroded

    drawn = {
        "Eroded": eroded(found, ERODED_UM / size, executor, tasks),
        "Dilated": dilated(found, DILATED_UM / size, executor),
        "Environment": environment(found, ENVIRONMENT_UM / size, executor, tasks),
    }
    return [Compartment(name, runs, _RINGS[name]) for name, runs in drawn.items()]


def _shape_columns(parts: list[Compartment], morphology: bool, neighbours: bool) -> list[tuple[str, str]]:
    columns: list[tuple[str, str]] = []
    for part in parts:
        if part.name in ("Eroded", "Dilated"):
            columns.append((f"Area__{part.name}", "px²"))
        elif part.name != "Environment" and morphology:
            columns += [(f"{shape}__{part.name}", unit) for shape, unit in SHAPES.items()]
            if part.name == "Nucleus":
                columns.append(("AreaFraction__Nucleus", "ratio"))
    if neighbours:
        columns.append(("NeighbourCount", "cells"))
    return columns


def _shape_values(
    found: MaskRuns,
    parts: list[Compartment],
    morphology: bool,
    adjacency: tuple[Int64, npt.NDArray[np.int32]] | None,
    executor: Executor,
    tasks: int,
) -> list[npt.NDArray[Any]]:
    """The columns of `_shape_columns`, in the same order."""
    values: list[npt.NDArray[Any]] = []
    for part in parts:
        if part.name in ("Eroded", "Dilated"):
            values.append(part.runs.areas())
        elif part.name != "Environment" and morphology:
            from celltune_nb.measure.morphology import shapes

            values += list(shapes(found, part.runs, executor, tasks))
            if part.name == "Nucleus":
                values.append(part.runs.areas() / found.runs.areas())
    if adjacency is not None:
        values.append(np.diff(adjacency[0]))
    return values


def _checked_percentiles(percentiles: Sequence[float]) -> dict[str, float]:
    for percent in percentiles:
        if not 0 <= percent <= 100:
            raise InputError(
                f"Percentile {percent:g} is not between 0 and 100. Choose for example (5, 25, 75, 95)."
            )
    return {percentile_name(percent): float(percent) for percent in percentiles}


def _checked_pixel_size(pixel_size: float | None) -> tuple[float, tuple[str, ...]]:
    if pixel_size is None:
        return ASSUMED_PIXEL_SIZE, (
            f"No pixel size was given: rings and neighbours were measured at {ASSUMED_PIXEL_SIZE:g} µm a pixel.",
        )
    if not (np.isfinite(pixel_size) and pixel_size > 0):
        raise InputError(
            f"The pixel size is {pixel_size}; it must be a positive number of µm a pixel, for example 0.5."
        )
    return float(pixel_size), ()


def _threads(n_jobs: int | None) -> int:
    """As many threads as asked for, at most as many as the processors this process may use."""
    from joblib import cpu_count

    usable = int(cpu_count())  # knows CPU affinity and container limits
    if n_jobs is None or n_jobs < 0:
        return usable
    if n_jobs == 0:
        raise InputError(
            "n_jobs is 0: there is no thread to measure with. Pass 1 or more, or None for all processors."
        )
    return min(int(n_jobs), usable)
