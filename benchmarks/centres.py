"""Cells from centres: a mask of discs, and an image added with it.

    python -m benchmarks centres
    python -m benchmarks centres_study

A mask is read strip by strip, as a project reads it, beside scikit-image's ``expand_labels`` of one pixel a centre, which
gives each pixel the nearest centre too but needs the whole image at once (left out where that takes more than 16 GB).
An image is added from a ``.npy`` file and a CSV; of its memory *own* leaves out what is mapped from files.  A study is a
folder of OME-TIFF slices and one CSV with a column of images.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import celltune_nb as ct
from celltune_nb.measure.discs import Discs

from .harness import OURS, Figure, Job, take

#: Cells and pixels across.
SIZES = {"10k": (10_000, 3_000), "100k": (100_000, 10_000), "500k": (500_000, 20_000)}
RADIUS, ROWS = 6, 256
#: Pixels across up to which the alternative fits into memory.
MOST = 10_000


def run(size: str) -> Iterator[Figure]:
    n, side = SIZES[size]
    rng = np.random.default_rng(0)
    # Whole pixels, each once: the alternative knows no others.
    y, x = (one.astype(np.float64) for one in divmod(rng.choice(side * side, n, replace=False), side))
    yield from masks(y, x, side)
    yield added(y, x, side)


def masks(y: np.ndarray, x: np.ndarray, side: int) -> Iterator[Figure]:
    """The mask, read once from top to bottom."""

    def strips() -> int:
        discs = Discs((side, side), y, x, RADIUS)
        return sum(int(np.count_nonzero(discs[row : row + ROWS])) for row in range(0, side, ROWS))

    taken = take(strips, 2)
    yield Figure("mask of discs", OURS, taken.seconds, taken.cpu, taken.peak)
    if side > MOST:
        return
    from skimage.segmentation import expand_labels

    points = np.zeros((side, side), np.int32)
    points[y.astype(int), x.astype(int)] = np.arange(1, len(y) + 1)
    found: list[np.ndarray] = []
    taken = take(lambda: found.append(expand_labels(points, RADIUS)), 1)
    ours = np.asarray(Discs((side, side), y, x, RADIUS))
    same = {
        "same cells": float(((ours > 0) == (found[-1] > 0)).mean()),
        "same cell": float((ours == found[-1]).mean()),
    }
    yield Figure("mask of discs", "expand_labels", taken.seconds, taken.cpu, taken.peak, same)


def added(y: np.ndarray, x: np.ndarray, side: int) -> Figure:
    """An image of one channel with its cells, from files."""
    import pandas as pd

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rng = np.random.default_rng(1)
        pixels = np.lib.format.open_memmap(folder / "image.npy", "w+", np.uint16, (side, side))
        for row in range(0, side, 1000):
            pixels[row : row + 1000] = rng.integers(0, 4000, pixels[row : row + 1000].shape, dtype=np.uint16)
        del pixels
        pd.DataFrame({"y": y, "x": x}).to_csv(folder / "centres.csv", index=False)
        with ct.Session.create(folder / "project") as session:

            def add() -> None:
                session.add_centres(
                    "slice",
                    folder / "image.npy",
                    folder / "centres.csv",
                    RADIUS,
                    progress=lambda fraction, text: None,
                )

            own: list[float] = []
            taken = take(lambda: own.append(_own(add)), 1)
            assert len(session.table) == len(y)
        return Figure("added to a project", OURS, taken.seconds, taken.cpu, taken.peak, {"own MiB": own[0]})


#: Slices, pixels across, cells of all.
STUDIES = {"10": (10, 1_000, 20_000), "30": (30, 1_500, 150_000), "100": (100, 1_500, 500_000)}


def study(size: str) -> Iterator[Figure]:
    """The cells of many slices from one table: shown, then added."""
    import pandas as pd
    import tifffile

    slices, side, n = STUDIES[size]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rng = np.random.default_rng(0)
        (folder / "slices").mkdir()
        pixels = rng.poisson(20, (2, side, side)).astype(np.uint16)
        for k in range(slices):
            path = folder / "slices" / f"slice {k:03d}.ome.tif"
            tifffile.imwrite(path, pixels, metadata={"axes": "CYX"}, ome=True, photometric="minisblack")
        whose = [f"slice {k:03d}.ome.tif" for k in rng.integers(0, slices, n)]
        table = pd.DataFrame({"Image": whose, "y": rng.uniform(0, side, n), "x": rng.uniform(0, side, n)})
        table.to_csv(folder / "centres.csv", index=False)
        with ct.Session.create(folder / "project") as session:
            for what, preview in (("shown", True), ("added", False)):

                def add(preview: bool = preview) -> None:
                    session.add_all_centres(
                        folder / "slices",
                        folder / "centres.csv",
                        4,
                        preview=preview,
                        progress=lambda *_: None,
                    )

                own: list[float] = []
                taken = take(lambda add=add, own=own: own.append(_own(add)), 1)
                yield Figure(what, OURS, taken.seconds, taken.cpu, taken.peak, {"own MiB": own[0]})


def _own(call: Callable[[], None]) -> float:
    """MiB by which the memory of the process that no file lies behind rose."""
    before = highest = _anonymous()
    done = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.01):
            highest = max(highest, _anonymous())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        call()
    finally:
        done.set()
        watcher.join()
    return highest - before


def _anonymous() -> float:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # only Linux says
        return float("nan")
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), float("nan"))


JOBS = [
    Job(
        "centres",
        "a mask of discs around centres and an image added with it, against expand_labels",
        tuple(SIZES),
        run,
    ),
    Job("centres_study", "the cells of many slices from one table, shown and added", tuple(STUDIES), study),
]
