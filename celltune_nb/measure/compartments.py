"""Parts of cells, drawn and measured a band of rows at a time.

Rings overlap, and those of a large image take more memory than its pixels.  So the image is
measured slab by slab: the rings of the cells that begin in a slab are drawn, all channels are measured
in them, and both are dropped.  The bands of a slab are what threads work on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from celltune_nb.measure.engines import Choice
from celltune_nb.measure.planes import Channel, Part, Planes, Window
from celltune_nb.measure.rings import dilated, environment, eroded
from celltune_nb.measure.runs import Int64, MaskRuns, Runs
from celltune_nb.measure.texture import TEXTURES

__all__ = ["Measuring", "measure_channels"]

Float32 = npt.NDArray[np.float32]

_RINGS = {"Eroded": ("Mean", "Std", "Max"), "Dilated": ("Mean", "Std", "Max"), "Environment": ("Mean",)}

_ROWS = 256  # of a band: few enough to stay in the cache, many against the reach of a ring
_SLAB = 2 << 20  # pixels whose rings are held at once
_READ = 128 << 20  # bytes read at once
_MOMENTS = ("Mean", "Sum", "Std", "Var", "Min", "Max")  # as `Engine.statistics` gives them


@dataclass(frozen=True)
class Compartment:
    """A part of every cell, and the statistics that are kept of it.

    Attributes
    ----------
    name : str
        One of `names.COMPARTMENTS`.
    runs : Runs
        Its pixels, for each cell.
    statistics : tuple of str
        ``("Mean",)`` alone is measured by a faster way.
    """

    name: str
    runs: Runs
    statistics: tuple[str, ...]


@dataclass(frozen=True)
class Band:
    """Cells that are measured together.

    Attributes
    ----------
    cells : int64 (m,)
        Which cells of the mask.
    parts : tuple of Compartment
        Of these cells, the whole cell first.
    y0, y1 : int
        The rows of the image that all this takes.
    """

    cells: Int64
    parts: tuple[Compartment, ...]
    y0: int
    y1: int


@dataclass(frozen=True)
class Measuring:
    """What is measured in all bands of an image.

    Attributes
    ----------
    choose : callable
        Gives the engine.
    found : MaskRuns
    nucleus : Runs or None
        Of the nuclei, for each cell of the mask.
    percents : dict
        Name of each percentile to its value, 0–100.
    radii : dict
        Width of each ring in pixels.
    textured : collection of str
        Channels whose texture is measured.
    """

    choose: Choice
    found: MaskRuns
    nucleus: Runs | None
    percents: Mapping[str, float]
    radii: Mapping[str, float]
    textured: Collection[str]

    @property
    def statistics(self) -> dict[str, tuple[str, ...]]:
        """Name of each compartment to the statistics that are kept of it."""
        whole = ("Mean", "Median", "Max", "Min", "Sum", "Std", "Var", *self.percents)
        nucleus = {} if self.nucleus is None else {"Nucleus": whole}
        return {"Cell": whole, **nucleus, **{name: _RINGS[name] for name in self.radii}}


def measure_channels(
    planes: Planes,
    measuring: Measuring,
    table: Mapping[str, Float32],
    executor: Executor,
    tell: Callable[[float, str], None],
    ahead: int,
) -> None:
    """Write the statistics of every compartment in every channel into a table.

    Parameters
    ----------
    planes : Planes
    measuring : Measuring
    table : mapping
        Feature to its row, float32 (n,).
    executor : concurrent.futures.Executor
    tell : callable
        See `measure_cells`.
    ahead : int
        Tasks that wait while others run.
    """
    found, channels = measuring.found, planes.channels
    order, slabs = layout_of(found, planes)
    filling = Filling(found.shape[1])
    lock = threading.Lock()
    draw = partial(_draw, measuring, order, table)
    done = 0.0
    for slab in slabs:
        share = (slab[-1][1] - slab[0][0]) / order.size
        if measuring.radii:
            tell(done, "Drawing the rings around the cells…")
        bands = list(executor.map(draw, slab))
        rows = min(band.y0 for band in bands), max(band.y1 for band in bands)
        where = f", rows {rows[0]}–{rows[1]}" if len(slabs) > 1 else ""
        running: deque[list[Future[None]]] = deque()
        part = None
        for i, channel in enumerate(channels):
            tell(
                done + share * (0.1 + 0.9 * i / len(channels)),
                f"Measuring {channel.name} ({i + 1} of {len(channels)}){where}…",
            )
            if part is None or channel.source != part.source:
                part = Part(channel, *rows, lock)
            running.append(
                [executor.submit(_measure, measuring, table, filling, channel, part, band) for band in bands]
            )
            # only so many channels are in memory at once
            while sum(map(len, running)) > ahead:
                _wait(running.popleft())
        for futures in running:
            _wait(futures)
        done += share


def _wait(futures: list[Future[None]]) -> None:
    for future in futures:
        future.result()


def _draw(measuring: Measuring, order: Int64, table: Mapping[str, Float32], cells: tuple[int, int]) -> Band:
    """Draw the compartments of the cells at a range of the order."""
    engine, found = measuring.choose(), measuring.found
    mine = order[slice(*cells)]
    whole = found.runs.take(mine)
    drawn = {"Cell": whole}
    if measuring.nucleus is not None:
        drawn["Nucleus"] = measuring.nucleus.take(mine)
    for name, radius in measuring.radii.items():
        if name == "Eroded":
            drawn[name] = eroded(engine, whole, radius, found.shape)
        elif name == "Dilated":
            drawn[name] = dilated(engine, found, mine, whole, radius)
        else:
            drawn[name] = environment(engine, whole, radius, found.shape)
        if name != "Environment":
            table[f"Area__{name}"][mine] = drawn[name].areas()
    begins, ends = zip(*(runs.rows() for runs in drawn.values()), strict=True)
    parts = tuple(Compartment(name, drawn[name], kept) for name, kept in measuring.statistics.items())
    return Band(mine, parts, int(np.min(begins)), int(np.max(ends)))


def _measure(
    measuring: Measuring,
    table: Mapping[str, Float32],
    filling: Filling,
    channel: Channel,
    part: Part,
    band: Band,
) -> None:
    """Write the statistics of each compartment of a band in one channel, and the texture."""
    engine, name = measuring.choose(), channel.name
    window = filling(channel, part, band)
    quantiles = {"Median": 0.5, **{name: percent / 100 for name, percent in measuring.percents.items()}}
    whole: dict[str, Float32] = {}
    for compartment in band.parts:
        if compartment.statistics == ("Mean",):
            rows = {"Mean": engine.means(window, compartment.runs)}
        else:
            wanted = [statistic for statistic in quantiles if statistic in compartment.statistics]
            block = engine.statistics(window, compartment.runs, np.array([quantiles[q] for q in wanted]))
            rows = dict(zip((*_MOMENTS, *wanted), block, strict=True))
        whole = whole or rows
        for statistic in compartment.statistics:
            # a compartment without a pixel takes the value of the cell
            values = np.where(np.isnan(rows[statistic]), whole[statistic], rows[statistic])
            table[f"{name}__{statistic}__{compartment.name}"][band.cells] = values
    if name in measuring.textured:
        for measure, values in zip(TEXTURES, engine.textures(window, band.parts[0].runs), strict=True):
            table[f"{name}__{measure}__Cell"][band.cells] = values


def layout_of(found: MaskRuns, planes: Planes) -> tuple[Int64, list[list[tuple[int, int]]]]:
    """The cells in the order in which they are measured, and which of them make up the bands of each slab.

    Bands are of about 256 rows; slabs of as many as may be held, in whole chunks of the image.  The cells
    of a band go from left to right, so that each finds in the cache what its neighbours have read.
    """
    height, width = found.shape
    first = found.runs.rows()[0]
    order = np.argsort(first, kind="stable")
    begins, left = first[order], found.runs.start[found.runs.ptr[:-1]][order]
    rows = max(2 * _ROWS, _SLAB // width)
    if planes.row_bytes:
        # a chunk above and one below are read for the rings: the more between, the less is read twice
        rows = min(max(rows, 4 * planes.chunk_rows), _READ // planes.row_bytes)
        rows = max(rows // planes.chunk_rows, 1) * planes.chunk_rows
    slabs = []
    for y0 in range(0, height, rows):
        y1 = min(y0 + rows, height)
        edges = np.searchsorted(begins, np.linspace(y0, y1, -(-(y1 - y0) // _ROWS) + 1))
        bands = [(int(a), int(b)) for a, b in pairwise(edges) if b > a]
        for a, b in bands:
            order[a:b] = order[a:b][np.argsort(left[a:b], kind="stable")]
        if bands:
            slabs.append(bands)
    return order, slabs


class Filling:
    """Windows onto channels; each thread uses its memory again for the next one."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._kept = threading.local()

    def __call__(self, channel: Channel, part: Part, band: Band) -> Window:
        """The rows of a band in a channel."""
        room = Window.room_for(band.y0, band.y1, self._width)
        memory = getattr(self._kept, "memory", None)
        if memory is None or memory.size < room:
            memory = self._kept.memory = np.empty(room, np.float32)
        window = Window.of(memory, band.y0, band.y1, self._width)
        channel.fill(part.stored(), band.y0 - part.y0, band.y1 - part.y0, window.rows)
        return window
