"""The inner part, the ring and the surroundings of cells, with exact Euclidean distances.

Distances are between pixel centres.  A radius of r pixels reaches `w(dy)` columns in a row
`dy` away, the largest whole number with ``dy² + w² ≤ r²``; growing and shrinking a cell are then a
union and an intersection of stretches of a row, without looking at pixels.
"""

from __future__ import annotations

import numpy as np

from celltune_nb.measure.engines import Engine
from celltune_nb.measure.runs import Int32, Int64, MaskRuns, Runs, by_cell, joined, strip_runs

__all__ = ["dilated", "environment", "eroded", "reach"]

_STRIP = 512  # rows whose nearest cells are found at once


def reach(radius: float) -> Int32:
    """Columns that a disk of a radius covers to each side, by distance of the row; int32 (⌊r⌋ + 1,)."""
    dy = np.arange(int(radius) + 1)
    # 8 px must not become 7.999…
    return np.floor(np.sqrt(np.maximum(radius**2 + 1e-6 - dy**2, 0))).astype(np.int32)


def eroded(engine: Engine, runs: Runs, radius: float, shape: tuple[int, int]) -> Runs:
    """Pixels farther than `radius` pixels from every pixel outside their cell.

    What lies beyond the edge of the image does not count as outside.
    """
    return engine.shrunk(runs, reach(radius), shape)


def environment(engine: Engine, runs: Runs, radius: float, shape: tuple[int, int]) -> Runs:
    """All pixels within `radius` pixels of a cell that are not its own, other cells included."""
    return engine.grown(runs, reach(radius), shape, own=False)


def dilated(engine: Engine, found: MaskRuns, cells: Int64, runs: Runs, radius: float) -> Runs:
    """Background pixels within `radius` pixels whose nearest cell of all is one of these.

    A pixel as near to two cells belongs to the one with the smaller label.

    Parameters
    ----------
    engine : Engine
    found : MaskRuns
    cells : int64 (m,)
        Some cells of the mask.
    runs : Runs
        Of these.
    radius : float
    """
    widths = reach(radius)
    r = widths.size - 1
    begins, ends = runs.rows()
    first, last = max(int(begins.min()) - r, 0), min(int(ends.max()) + r, found.shape[0])
    limit = int(np.floor(radius**2 + 1e-6))
    label, row, start, stop = joined(
        strip_runs(engine.nearest(found, y0, min(y0 + _STRIP, last), r, limit), y0)
        for y0 in range(first, last, _STRIP)
    )
    number = np.full(found.labels.size + 1, -1, np.int32)
    number[cells + 1] = np.arange(cells.size, dtype=np.int32)
    cell = number[label]
    mine = cell >= 0
    return by_cell(cell[mine], row[mine], start[mine], stop[mine], cells.size)[0]
