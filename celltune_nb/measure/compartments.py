"""Parts of cells, and the pass over one channel that measures them all."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.planes import Channel
from celltune_nb.measure.runs import Int64, Runs

__all__ = ["Band", "Compartment", "bands_of", "measure_channel"]

Float32 = npt.NDArray[np.float32]

_ROWS = 512  # of a channel converted at once


@dataclass(frozen=True)
class Compartment:
    """A part of every cell, and the statistics that are kept of it.

    Attributes
    ----------
    name : str
        One of `names.COMPARTMENTS`.
    runs : Runs
        Its pixels, for each cell of the mask.
    statistics : tuple of str
        ``("Mean",)`` alone is measured by a faster way.
    """

    name: str
    runs: Runs
    statistics: tuple[str, ...]


@dataclass(frozen=True)
class Band:
    """Cells that are measured together, and the rows ``y0:y1`` of the image that this takes."""

    cells: Int64
    y0: int
    y1: int


def bands_of(parts: list[Compartment], height: int, threads: int) -> list[Band]:
    """Every cell once, in order of its first row, cut into bands of about 512 rows or fewer."""
    first = np.full(parts[0].runs.ptr.size - 1, 2**31, np.int64)
    last = np.zeros(first.size, np.int64)
    for part in parts:
        a, b = part.runs.rows()
        first, last = np.minimum(first, a), np.maximum(last, b)
    order = np.argsort(first, kind="stable")
    count = max(-(-height // _ROWS), 2 * threads if threads > 1 else 1)
    edges = np.searchsorted(first[order], np.linspace(0, height, count + 1))
    edges[-1] = order.size
    return [
        Band(order[a:b], int(first[order[a:b]].min()), int(last[order[a:b]].max()))
        for a, b in pairwise(edges)
        if b > a
    ]


def measure_channel(
    plane: Channel,
    width: int,
    parts: list[Compartment],
    bands: list[Band],
    percents: dict[str, float],
    executor: Executor,
) -> list[Float32]:
    """The statistics of every compartment in one channel.

    Parameters
    ----------
    plane : Channel
    width : int
        Columns of the image.
    parts : list of Compartment
        The first is the whole cell, whose values fill in for a compartment without a pixel.
    bands : list of Band
    percents : dict
        Name of each percentile to its value, 0–100.
    executor : concurrent.futures.Executor

    Returns
    -------
    list of float32 (n,)
        For each compartment, each of its statistics.
    """
    from celltune_nb.measure.intensity import BLOCK, mean_of_runs, measure_runs

    n = parts[0].runs.ptr.size - 1
    quantiles = {"Median": 0.5, **{name: percent / 100 for name, percent in percents.items()}}
    rows = [*BLOCK, *quantiles]
    wanted = [
        np.array([value for name, value in quantiles.items() if name in part.statistics], np.float64)
        for part in parts
    ]
    blocks = [np.empty((len(BLOCK) + some.size, n), np.float32) for some in wanted]
    fill = plane.open()

    def measure(band: Band) -> None:
        values = np.empty((band.y1 - band.y0, width), np.float32)
        fill(band.y0, band.y1, values)
        for part, some, block in zip(parts, wanted, blocks, strict=True):
            runs = part.runs
            where = (band.y0, band.cells, runs.ptr, runs.row, runs.start, runs.stop)
            if part.statistics == ("Mean",):
                mean_of_runs(values, *where, block[0])
            else:
                measure_runs(values, values.view(np.int32), *where, some, block)

    for _ in executor.map(measure, bands):
        pass
    whole = blocks[0]
    measured: list[Float32] = []
    for part, block in zip(parts, blocks, strict=True):
        for statistic in part.statistics:
            row = rows.index(statistic)
            measured.append(np.where(np.isnan(block[row]), whole[row], block[row]))
    return measured
