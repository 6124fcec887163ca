"""Corrected counts: the limits hold the truth as often as they promise, of slices and of animals, and the error is small."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.coverage import coverage
from celltune_nb.learn.counting import Units, binned, fit, sums

OURS, CALLED, ONE = "pooled, shrunk", "as called", "one correction for all"


@pytest.mark.parametrize(
    ("setting", "repeats"),
    [({"cells": 500, "audited": 150}, 12), ({"cells": 500, "audited": 150, "shift": 0.9, "animal_shift": 0.5}, 12),
     ({"slices": 60, "animals": 12, "cells": 200, "audited": 90}, 4)],
    ids=["as usual", "errors differ", "one or two audited cells a slice"],
)  # fmt: skip
def test_limits_hold_the_true_number_and_the_middle_is_near_it(setting: dict, repeats: int) -> None:
    found = coverage(repeats, setting, seed=3)
    for of in ("slice", "animal"):
        ours = found[OURS][of]
        assert ours["covered"] > 0.88, of  # 95 % is meant; a dozen repeats know it to three points
        assert ours["error"] < 0.75 * found[CALLED][of]["error"]
        assert found[ONE][of]["covered"] < 0.9  # what takes all slices for alike promises too much


def _audited(n: int, rng: np.random.Generator, *, right: float = 1.0) -> tuple:
    truth = rng.random(n) < 0.3
    scores = np.where(truth, 0.9, 0.1)
    flipped = rng.random(n) > right
    return np.where(flipped, 1 - scores, scores), truth


def test_cells_whose_probability_is_right_hardly_change_a_count() -> None:
    rng = np.random.default_rng(0)
    scores, truth = _audited(400, rng, right=0.9)
    units = Units([rng.integers(0, 4, 400)], (4,))
    model = fit(scores, scores > 0.5, truth, np.full(400, 10.0), units)
    place, middle = binned(scores)
    chance = model.probability(middle[place], (scores > 0.5).astype(float), units)
    s = sums([(chance, np.full(400, 10.0), units.codes[0])], np.zeros(4), chance.shape[1])
    real = 10 * np.bincount(units.codes[0], truth, 4)
    assert (s.low <= real).all()
    assert (real <= s.high).all()
    assert s.value.sum() == pytest.approx(real.sum(), rel=0.05)


def test_the_same_audit_gives_the_same_numbers() -> None:
    rng = np.random.default_rng(1)
    scores, truth = _audited(80, rng, right=0.8)
    units = Units([np.arange(80) % 5], (5,))
    one, other = (fit(scores, scores > 0.5, truth, np.ones(80), units, seed=2) for _ in range(2))
    np.testing.assert_array_equal(one.fixed, other.fixed)
    np.testing.assert_array_equal(one.effects[0], other.effects[0])


def test_a_slice_without_an_audited_cell_is_less_certain() -> None:
    rng = np.random.default_rng(4)
    scores, truth = _audited(120, rng, right=0.8)
    codes = np.arange(120) % 3
    model = fit(scores, scores > 0.5, truth, np.ones(120), Units([codes], (4,)))
    spread = model.effects[0].std(axis=1)
    assert spread[3] > spread[:3].max()


def test_limits_stay_between_what_is_known_and_all_there_are() -> None:
    chance = np.full((1, 50), 0.999)
    s = sums([(chance, np.array([3.0]), np.array([0]))], np.array([2.0]), 50)
    assert 2 <= s.low[0] <= s.value[0] <= s.high[0] <= 5
