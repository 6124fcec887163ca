"""Intensities against the cells of the same image."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.measure import describe, measure_cells, parse_name
from celltune_nb.measure.relative import relative


def slide(
    gain: float = 1.0, offset: float = 0.0, seed: int = 0, rows: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """A grid of cells on a dim background; each tenth is bright."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((20 * rows, 200), np.uint16)
    image = rng.poisson(40, mask.shape).astype(np.float32)
    for i in range(10 * rows):
        box = np.s_[20 * (i // 10) + 4 : 20 * (i // 10) + 16, 20 * (i % 10) + 4 : 20 * (i % 10) + 16]
        mask[box] = i + 1
        image[box] += rng.poisson(400 if i % 10 == 3 else 100, (12, 12)) + rng.normal(0, 10)
    return offset + gain * image, mask


def test_they_are_the_same_however_strongly_the_image_was_stained():
    weak = measure_cells(*slide(), ["cFos"], per_image=True, n_jobs=1)
    strong = measure_cells(*slide(3.0, 500.0), ["cFos"], per_image=True, n_jobs=1)
    group = [weak.names.index(n) for n in weak.groups["Per image"]]
    np.testing.assert_allclose(weak.matrix[:, group], strong.matrix[:, group], rtol=2e-4, atol=2e-4)
    bright = weak.matrix[:, weak.names.index("cFos__Relative_Mean__Cell")] > 5
    assert np.flatnonzero(bright).tolist() == list(range(3, 100, 10))


def test_names_say_what_they_are_and_stand_behind_all_others():
    plain = measure_cells(*slide(), ["cFos"], n_jobs=1)
    with_them = measure_cells(*slide(), ["cFos"], per_image=True, n_jobs=1)
    assert "Per image" not in plain.groups
    assert with_them.names[: len(plain.names)] == plain.names
    np.testing.assert_array_equal(with_them.matrix[:, : len(plain.names)], plain.matrix)
    assert with_them.groups["Per image"] == with_them.names[len(plain.names) :] == [
        f"cFos__Relative_{statistic}__{place}"
        for statistic, place in (
            ("Mean", "Cell"), ("Median", "Cell"), ("P95", "Cell"), ("Mean", "Eroded"), ("Mean", "Environment"), ("Contrast", "Cell"),
        )
    ]  # fmt: skip
    assert set(with_them.groups["Per image"]) < set(with_them.groups["Default"])
    assert tuple(parse_name("HLA__DR__Relative_P95__Cell")) == ("HLA__DR", "Relative_P95", "Cell")
    assert describe(["cFos__Relative_P95__Cell", "cFos__Relative_Contrast__Cell"]) == [
        "cFos: percentile 95 in the cell, against the cells of its image",
        "cFos: mean above that of the ring around it, in the cell, against the cells of its image",
    ]


def test_without_rings_or_percentiles_the_rest_is_there():
    found = measure_cells(*slide(), ["cFos"], per_image=True, rings=False, percentiles=(), n_jobs=1)
    assert found.groups["Per image"] == ["cFos__Relative_Mean__Cell", "cFos__Relative_Median__Cell"]


def test_median_and_spread_are_those_of_the_finite_values():
    values = np.array([*np.random.default_rng(0).normal(7, 3, 4000), np.nan, np.inf])
    z = relative(values)
    assert z.dtype == np.float32
    assert np.isnan(z[-2:]).all()
    assert np.nanmedian(z) == pytest.approx(0, abs=1e-3)
    assert np.nanstd(z) == pytest.approx(1, abs=0.03)


def test_a_channel_that_is_mostly_empty_still_tells_bright_cells():
    values = np.zeros(200)
    values[:20] = 50.0
    z = relative(values)
    assert z[100] == 0
    assert 5 < z[0] < 20


@pytest.mark.parametrize("values", [[], [3.0], [3.0, 3.0, 3.0], [np.nan]])
def test_where_nothing_can_be_said_nothing_is(values):
    z = relative(np.array(values))
    assert z.shape == (len(values),)
    assert not np.isfinite(z).any() or (z[np.isfinite(z)] == 0).all()


def test_few_cells_are_compared_cautiously_and_it_is_said():
    # nine cells nearly alike and one that is a little brighter: by the MAD alone it would lie 90 spreads away
    assert relative(np.array([*np.linspace(1, 1.01, 9), 1.3]))[-1] < 8
    small = measure_cells(*slide(rows=2), ["cFos"], per_image=True, n_jobs=1)
    assert any("fewer than 50 cells (20)" in note for note in small.notes)
    bright = small.matrix[:, small.names.index("cFos__Relative_Mean__Cell")]
    assert bright[[3, 13]].min() > 1.9
    assert np.delete(bright, [3, 13]).max() < 1.9
