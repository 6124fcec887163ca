"""Which cells lie in a rectangle, and which one under the pointer, beside STRtree, cKDTree and looking at every cell.

    python -m benchmarks queries

Twenty squares of about 500 cells each, drawn at random over one image; a second image has a mask.  A query goes the
way of a click, through ``session.items_in`` and ``session.item_at``; the alternatives are called as they come.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import celltune_nb as ct
from celltune_nb.data.grid import Grid
from celltune_nb.session.jobs import Jobs

from .harness import OURS, Figure, Job, take

SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
QUERIES, HELD = 20, 500
GOAL = 2e-4  # seconds a rectangle query among a million


def run(size: str) -> Iterator[Figure]:
    n = SIZES[size]
    with tempfile.TemporaryDirectory() as place:
        session, y, x = project(Path(place) / "project", n)
        with session:
            yield from rectangles(session, y, x, n)
            yield from points(session, y, x)


def project(folder: Path, n: int) -> tuple[ct.Session, np.ndarray, np.ndarray]:
    """An image whose cells are known by their centres, and one of about as many cells with a mask."""
    import pandas as pd

    rng = np.random.default_rng(0)
    across = 12.0 * np.sqrt(n)
    y, x = rng.random((2, n)) * across
    session = ct.Session.create(folder, jobs=Jobs(inline=True))
    session.add_image("centres", np.zeros((8, 8), np.uint8))
    cells = pd.DataFrame({"image": "centres", "cellID": np.arange(1, n + 1), "y": y, "x": x})
    session.import_cells(cells, x="x", y="y")
    side = int(np.sqrt(n))
    rows, columns = np.arange(side * 8, dtype=np.int32), np.arange(side * 8, dtype=np.int32)
    mask = (rows[:, None] // 8) * np.int32(side) + columns // 8 + 1
    mask[rows % 8 == 0] = 0
    mask[:, columns % 8 == 0] = 0
    session.add_image("mask", np.zeros(mask.shape, np.uint8), mask)
    return session, y, x


def rectangles(session: ct.Session, y: np.ndarray, x: np.ndarray, n: int) -> Iterator[Figure]:
    rng = np.random.default_rng(1)
    across = float(max(y.max(), x.max()))
    half = across * np.sqrt(HELD / n) / 2
    centres = rng.uniform(half, across - half, (QUERIES, 2))
    squares = [(cy - half, cx - half, cy + half, cx + half) for cy, cx in centres.tolist()]

    made: dict[str, object] = {}
    builders: dict[str, Callable[[], object]] = {
        OURS: lambda: Grid(y, x),
        "scipy cKDTree": lambda: _tree(y, x),
        "shapely STRtree": lambda: _strtree(y, x),
    }
    for name, build in builders.items():
        try:
            taken = take(lambda: made.__setitem__(name, build()), repeats=3)  # noqa: B023
        except ImportError:
            print(f"{name} is not installed and left out.")
            continue
        yield Figure("index", name, taken.seconds, taken.cpu, taken.peak)

    ways: dict[str, Callable[[tuple[float, float, float, float]], np.ndarray]] = {
        OURS: lambda r: session.items_in("centres", r) - 1,
        "scipy cKDTree": lambda r: np.sort(
            made["scipy cKDTree"].query_ball_point(((r[0] + r[2]) / 2, (r[1] + r[3]) / 2), half, p=np.inf)
        ),
        "shapely STRtree": lambda r: np.sort(made["shapely STRtree"].query(_box(r))),
        "NumPy, every cell": lambda r: np.flatnonzero((y >= r[0]) & (y < r[2]) & (x >= r[1]) & (x < r[3])),
    }
    expected = [ways["NumPy, every cell"](r) for r in squares]
    for name, query in ways.items():
        if name in builders and name not in made:
            continue
        found = [query(r) for r in squares]
        # the alternatives take both edges of a square in
        assert all(len(np.setxor1d(a, b)) <= 1 for a, b in zip(found, expected, strict=True)), name
        seconds, cpu, worst = each(query, squares)
        goal = {"goal": "≤ 0.2 ms, worst of 20", "met": worst <= GOAL} if name == OURS and n >= 1e6 else {}
        yield Figure("rectangle query", name, seconds, cpu, extra={"worst ms": 1e3 * worst}, **goal)

    part = (0.0, 0.0, across, across / 5)
    for name in (OURS, "NumPy, every cell"):
        taken = take(lambda: ways[name](part), repeats=5, memory=False)  # noqa: B023
        yield Figure("a fifth of the image", name, taken.seconds, taken.cpu)


def points(session: ct.Session, y: np.ndarray, x: np.ndarray) -> Iterator[Figure]:
    rng = np.random.default_rng(2)
    spots = rng.uniform(0, float(y.max()), (QUERIES, 2)).tolist()
    tree = _tree(y, x)
    ways: dict[str, Callable[[list[float]], object]] = {
        OURS: lambda p: session.item_at("centres", *p),
        "scipy cKDTree": lambda p: tree.query(p, distance_upper_bound=20.0)[1] + 1,
        "NumPy, every cell": lambda p: int(np.argmin(np.hypot(y - p[0], x - p[1]))) + 1,
    }
    known = [ways[OURS](p) for p in spots]
    for name, query in ways.items():
        assert [query(p) for p in spots] == known or None in known, name
        seconds, cpu, worst = each(query, spots)
        yield Figure("nearest centre", name, seconds, cpu, extra={"worst ms": 1e3 * worst})
    side = session.images["mask"].shape[0]
    spots = rng.uniform(0, side - 1, (QUERIES, 2)).tolist()
    seconds, cpu, worst = each(lambda p: session.item_at("mask", *p), spots)
    yield Figure("cell of a mask", OURS, seconds, cpu, extra={"worst ms": 1e3 * worst})


def each(call: Callable, arguments: list) -> tuple[float, float, float]:
    """Mean seconds and CPU seconds of a call over the arguments, and the slowest: each at its best of five rounds."""
    took = np.empty((5, len(arguments)))
    cpu = time.process_time()
    for turn in took:
        for i, argument in enumerate(arguments):
            start = time.perf_counter()
            call(argument)
            turn[i] = time.perf_counter() - start
    cpu = (time.process_time() - cpu) / took.size
    best = took.min(axis=0)
    return float(best.mean()), cpu, float(best.max())


def _tree(y: np.ndarray, x: np.ndarray) -> object:
    from scipy.spatial import cKDTree

    return cKDTree(np.column_stack([y, x]))


def _strtree(y: np.ndarray, x: np.ndarray) -> object:
    import shapely

    return shapely.STRtree(shapely.points(x, y))


def _box(rectangle: tuple[float, float, float, float]) -> object:
    import shapely

    y0, x0, y1, x1 = rectangle
    return shapely.box(x0, y0, x1, y1)


JOBS = [
    Job(
        "queries",
        "items_in and item_at beside shapely's STRtree, scipy's cKDTree and looking at every cell",
        tuple(SIZES),
        run,
    )
]
