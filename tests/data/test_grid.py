"""Rectangles among points, against looking at every point."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltune_nb.data.grid import Grid
from celltune_nb.data.items import ItemTable

N = 20_000


def _points(kind: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    if kind == "lattice":  # many points on the edges of bins and of rectangles
        return np.repeat(np.arange(200.0), 100), np.tile(np.arange(100.0), 200)
    if kind == "line":
        return np.full(N, 7.0), rng.random(N) * 5_000
    if kind == "one place":
        return np.full(N, 7.0), np.full(N, -3.0)
    if kind == "clumps":
        return rng.normal(np.repeat([0, 4_000], N // 2), 5), rng.normal(0, 1, N)
    if kind == "with a gap":
        y, x = rng.random(N), rng.random(N)
        y[5] = np.nan
        return y, x
    return rng.random(N) * 3_000, rng.random(N) * 100


@pytest.mark.parametrize("kind", ["lattice", "line", "one place", "clumps", "with a gap", "wide"])
@settings(max_examples=60)
@given(st.data())
def test_a_rectangle_holds_what_looking_at_every_point_finds(kind: str, data: st.DataObject) -> None:
    y, x = _points(kind)
    grid = Grid(y, x)
    values = st.one_of(
        st.floats(-10, 5_010), st.integers(-2, 210).map(float), st.sampled_from([-1e300, 1e300, 7.0])
    )
    y0, x0, y1, x1 = (data.draw(values) for _ in range(4))
    expected = np.flatnonzero((y >= y0) & (y < y1) & (x >= x0) & (x < x1))
    found = grid.inside((y0, x0, y1, x1))
    assert found.dtype == np.int64
    assert np.array_equal(found, expected)


def test_the_nearest_item_within_reach_and_none_beyond() -> None:
    y, x = _points("wide")
    table = ItemTable().extended("first", np.arange(5), np.arange(5.0), np.arange(5.0))
    table = table.extended("a", np.arange(N), y, x)
    rng = np.random.default_rng(0)
    for py, px in rng.uniform(-20, 3_020, (50, 2)) * [1, 0.05]:
        distance = np.hypot(y - py, x - px)
        best = int(np.argmin(distance))
        assert table.nearest(1, py, px, 3.0) == (best + 5 if distance[best] <= 3 else None)
    place = int(np.argmax(y))
    assert table.nearest(1, y[place] + 3.0, x[place], 3.0) is not None  # exactly at the edge of the reach
    assert table.nearest(7, 1.0, 1.0, 3.0) is None  # no such image
