"""Two ways to compute the same: compiled kernels, and NumPy alone until they are there.

Compiling takes seconds, once per installation.  A first image is not worth the wait, so it is measured with
NumPy at once while a process of its own compiles; whatever is left when that is done goes to the kernels.
A thread would not do: it holds the interpreter nearly all the time, and every NumPy call waits for it.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from celltune_nb.errors import InputError
from celltune_nb.measure.planes import Float32, Window
from celltune_nb.measure.runs import Int32, Int64, MaskRuns, Runs

__all__ = ["Choice", "Engine", "EngineName", "choice_of", "is_ready"]

Float64 = npt.NDArray[np.float64]
EngineName = Literal["auto", "numba", "numpy"]


class Engine(Protocol):
    """What is done with runs, by ``compiled.engine`` and by ``plain.engine`` with equal results."""

    def statistics(self, window: Window, runs: Runs, quantiles: Float64) -> Float32:
        """Mean, sum, std, variance, minimum and maximum of each cell, then quantiles; float32 (6 + q, n).

        Quantiles between 0 and 1, by linear interpolation as ``numpy.quantile`` does.  Pixels
        that are NaN or infinite are left out; NaN for a cell without another.
        """

    def means(self, window: Window, runs: Runs) -> Float32:
        """Mean of each cell, float32 (n,), for runs of cells that overlap much."""

    def textures(self, window: Window, runs: Runs) -> Float32:
        """The measures of `texture`, float32 (13, n)."""

    def grown(self, runs: Runs, widths: Int32, shape: tuple[int, int], *, own: bool) -> Runs:
        """Cells grown by a disk (`rings.reach`), with or without their own pixels, within an image."""

    def shrunk(self, runs: Runs, widths: Int32, shape: tuple[int, int]) -> Runs:
        """Cells shrunk by a disk; beyond the edge of the image is not outside."""

    def overlaps(self, around: Runs, found: MaskRuns) -> tuple[Int64, Int32]:
        """How many cells of a mask the runs of each cell touch, int64 (n,), and which, cell after cell."""

    def nearest(self, found: MaskRuns, y0: int, y1: int, radius: int, limit: int) -> Int32:
        """Number + 1 of the nearest cell of each background pixel in rows ``y0:y1``, int32 (rows, X).

        0 within cells, and where the squared distance is above `limit`; `radius` is its root, rounded
        down.  Of two cells as near, the one with the lower number.
        """

    def borders(
        self,
        cell: Int32,
        start: Int32,
        stop: Int32,
        row_ptr: Int64,
        y0: int,
        y1: int,
        width: int,
        weights: Float64,
    ) -> Float64:
        """Length of the border, 4-connected as in scikit-image, within each run of rows ``y0:y1``.

        Runs are in reading order, with their cell; `row_ptr` says where each row begins.
        """

    def hulls(self, runs: Runs) -> Float64:
        """Pixels in the convex hull of each cell, as ``skimage.morphology.convex_hull_image`` counts; (n,)."""

    def spreads(self, runs: Runs) -> Float64:
        """Central second moments a pixel, x², y² and x·y; float64 (3, n)."""


Choice = Callable[[], Engine]
"""Gives the engine for the next piece of work; asked for each, for it may have changed."""


def choice_of(name: EngineName, *, texture: bool = False) -> Choice:
    """The engine of a name; for ``"auto"`` the compiled one as soon as nothing waits for it.

    Raises
    ------
    InputError
        The name is unknown, or numba cannot be imported.
    """
    if name == "numpy":
        return _plain
    if name == "numba":
        try:
            _compiled()
        except ImportError as error:
            raise InputError(
                f"numba cannot be imported ({error}), so nothing can be compiled. "
                'Measure with engine="numpy" or "auto".'
            ) from error
        return _compiled
    if name != "auto":
        raise InputError(f"There is no engine {name!r}. Choose auto, numba or numpy.")
    return lambda: _plain() if _preparing(texture) else _compiled()


def is_ready(*, texture: bool = False) -> bool:
    """Whether the machine code of all kernels is in memory or on disk."""
    from celltune_nb.measure.compiled import is_compiled

    return all(is_compiled(entry) for entry in _kernels(texture))


def _compiled() -> Engine:
    from celltune_nb.measure.compiled import engine

    return engine


def _plain() -> Engine:
    from celltune_nb.measure.plain import engine

    return engine


def _kernels(texture: bool) -> list[Callable[..., object]]:
    from celltune_nb.measure.compiled import growth, intensity, nearest, outline, overlap
    from celltune_nb.measure.compiled import texture as textures

    return [
        intensity.measure_runs,
        intensity.mean_of_runs,
        growth.grow,
        growth.shrink,
        overlap.list_overlaps,
        nearest.nearest_of_rows,
        outline.length_of_runs,
        outline.hull_areas,
        outline.second_moments,
        *([textures.texture_of_runs] if texture else []),
    ]


_lock = threading.Lock()
_ready: set[bool] = set()  # with or without texture; what is ready stays ready
_compilers: dict[bool, subprocess.Popen[bytes]] = {}


def _preparing(texture: bool) -> bool:
    """Whether the kernels are still being compiled; starts that where it is worth it."""
    if texture in _ready:
        return False
    with _lock:
        try:
            done = is_ready(texture=texture) or not _starts(texture)
        except ImportError:  # without numba nothing is compiled, now or later
            return True
        if done:
            _ready.add(texture)
        return not done


def _starts(texture: bool) -> bool:
    """Start the process that compiles, or see that it is at work; False if there is nothing to wait for."""
    from celltune_nb.measure.compiled import is_cached

    running = _compilers.get(texture)
    if running is not None:
        return running.poll() is None
    if not all(is_cached(entry) for entry in _kernels(texture)):
        return False  # no folder for the machine code: what another process compiles does not come here
    # whoever waits for an image goes first
    code = (
        "import os; getattr(os, 'nice', int)(5); "
        f"from celltune_nb.measure import warm_up; warm_up(texture={texture})"
    )
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return False
    _compilers[texture] = process
    return True


@atexit.register
def _stop_compilers() -> None:
    # what is compiled so far stays on disk
    for process in _compilers.values():
        process.terminate()
        process.wait()
