"""Where a section of the synthetic brain has its regions, and which cells lie in them.

A miniature: cortex, white matter, hippocampus and striatum have their places and their look, on a field
too small for them, so that every slice shows all of them.  The numbers are chosen, not fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..layout import GRID, scatter_cells, smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["KINDS", "REGIONS", "Kind", "column", "place", "region_grid", "shape_for"]

REGIONS: tuple[str, ...] = (
    "outside",
    "L1",
    "L2/3",
    "L4",
    "L5",
    "L6",
    "white matter",
    "hippocampus",
    "CA",
    "DG",
    "striatum",
)
"""Regions, in the order of the label image; "hippocampus" is what lies between its cell layers."""


@dataclass(frozen=True)
class Kind:
    """A kind of cell: soma and nucleus in pixels of 0.65 µm, cells in 10,000 pixels of each of `REGIONS`."""

    name: str
    radius: float
    elongation: float
    nucleus: float
    density: tuple[float, ...]


KINDS: tuple[Kind, ...] = (
    Kind("neuron", 10.2, 1.15, 0.68, (0, 0.5, 9.0, 7.5, 7.0, 8.5, 0.3, 0.8, 22.0, 2.0, 10.0)),
    Kind("granule cell", 6.9, 1.05, 0.86, (0, 0, 0.5, 7.0, 0, 0, 0, 0, 8.0, 58.0, 0)),
    Kind("glia", 7.2, 1.30, 0.80, (0, 3.6, 3.6, 3.6, 3.8, 4.2, 11.0, 3.8, 3.0, 2.0, 4.2)),
    Kind("debris", 5.0, 2.0, 0.85, (0.08,) + (0.22,) * 10),
)
"""Debris is no cell, but some of it is outlined as one."""

_PIXELS_PER_CELL = 930
_ASPECT = 1.4
# Lower borders, as shares of the depth below the surface.
_LAYERS = (("L1", 0.06), ("L2/3", 0.17), ("L4", 0.25), ("L5", 0.36), ("L6", 0.46), ("white matter", 0.53))


def column(values: dict[str, float]) -> NDArray[np.float64]:
    """Values by region as an array in the order of `REGIONS`; 0 where a region is not named."""
    return np.array([values.get(name, 0.0) for name in REGIONS])


def shape_for(cells: int) -> tuple[int, int]:
    """Rows and columns of a slice that these cells fill as densely as those of a brain do."""
    height = np.sqrt(cells * _PIXELS_PER_CELL / _ASPECT)
    return int(np.ceil(height)), int(np.ceil(height * _ASPECT))


def region_grid(shape: tuple[int, int], back: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Region (index into `REGIONS`) in steps of `GRID` pixels.

    Parameters
    ----------
    shape : (int, int)
        Pixels of the slice.
    back : float
        Where it was cut, 0 (front: mostly striatum) to 1 (back: mostly hippocampus).
    rng : Generator
        Of the bends: no two slices are alike.
    """
    rows, columns = -(-shape[0] // GRID), -(-shape[1] // GRID)
    wide = rows / 6
    v, u = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(rows) + 0.5) / rows)
    u = u + 0.018 * smooth_noise((rows, columns), wide, rng)
    v = v + 0.018 * smooth_noise((rows, columns), wide, rng)
    surface = 0.035 + 0.07 * (v - rng.uniform(0.35, 0.65)) ** 2 * 4
    depth = (u - surface) / (1 - surface)

    grid = np.zeros((rows, columns), np.uint8)
    above = 0.0
    for name, below in _LAYERS:
        grid[(depth >= above) & (depth < below)] = REGIONS.index(name)
        above = below
    cut = 0.38 + 0.30 * back + rng.uniform(-0.03, 0.03)
    under = depth >= above
    _add_striatum(grid, under & (v >= cut), rng)
    _add_hippocampus(grid, under & (v < cut), (depth - above) / (1 - above), v / cut)
    # the ventricle between them
    slit = 0.014 * np.clip(1.15 - np.abs(depth - 0.70) / 0.17, 0, 1)
    grid[under & (np.abs(v - cut - 0.03 * np.sin(9 * depth)) < slit)] = 0
    return grid


def _add_striatum(grid: NDArray[np.uint8], here: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """The striatum, pierced by bundles of fibres."""
    bundles = smooth_noise((grid.shape[0], grid.shape[1]), 3.0, rng) > 1.25
    grid[here] = REGIONS.index("striatum")
    grid[here & bundles] = REGIONS.index("white matter")


def _add_hippocampus(
    grid: NDArray[np.uint8], here: NDArray[np.bool_], y: NDArray[np.float64], x: NDArray[np.float64]
) -> None:
    """The hippocampus: an arch of pyramidal cells over the wedge of the dentate gyrus."""
    grid[here] = REGIONS.index("hippocampus")
    arch = np.hypot((y - 0.62) / 0.42, (x - 0.52) / 0.40)
    grid[here & (np.abs(arch - 0.86) < 0.085) & (y < 0.70 + 0.25 * (x < 0.3))] = REGIONS.index("CA")
    # two blades that meet on one side
    blades = np.abs(np.abs(y - 0.66) - 0.04 - 0.17 * (x - 0.30) / 0.45)
    grid[here & (blades < 0.038) & (x > 0.27) & (x < 0.74)] = REGIONS.index("DG")


def place(
    cells: int, specks: int, grid: NDArray[np.uint8], shape: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.int16], NDArray[np.float32], NDArray[np.float32]]:
    """Kinds and places of the cells of a slice, and after them of debris that nobody outlines.

    Returns
    -------
    codes : int16 array, shape (cells + specks,)
        Index into `KINDS`.  The cells are in order from top to bottom, as a segmentation numbers them.
    y, x : float32 arrays, shape (cells + specks,)
        Centres in pixels.
    """
    weights = np.array([kind.density for kind in KINDS])[:, grid]
    share = weights.sum(axis=(1, 2))
    drawn = rng.multinomial(cells, share / share.sum())
    codes = np.repeat(np.arange(len(KINDS), dtype=np.int16), drawn)
    codes = np.concatenate([codes, np.full(specks, len(KINDS) - 1, np.int16)])
    radius = np.array([kind.radius for kind in KINDS])
    y, x = scatter_cells(codes, radius, weights, shape, rng)
    order = np.concatenate([np.lexsort((x[:cells], y[:cells])), np.arange(cells, cells + specks)])
    return codes[order], y[order], x[order]
