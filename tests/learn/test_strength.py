"""Weak and strong ON, bright and dim OFF, on the scale of each image."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.learn.strength import BRIGHT, DIM, KINDS, STRONG, WEAK, Brightness, kinds, limits, named


def test_a_cell_keeps_its_kind_when_its_image_is_stained_twice_as_strongly():
    rng = np.random.default_rng(0)
    on = rng.random(3000) < 0.1
    signal = rng.normal(10, 1, 3000) + on * rng.uniform(2, 8, 3000)
    found = []
    for gain, background in ((1.0, 0.0), (2.5, 40.0)):
        stained = gain * signal + background
        z = Brightness.of(stained)(stained)
        at = limits(z[on])
        assert at is not None
        found.append(kinds(on, z, at))
    np.testing.assert_array_equal(*found)
    counts = np.bincount(found[0], minlength=4)
    assert counts[0] == pytest.approx(counts[1], abs=1)  # weak and strong are halves
    assert counts[2] < 0.1 * counts[3]  # bright OFF cells are few
    assert KINDS[0] == "weak ON"
    assert named(2, "cFos+", "cFos-") == "bright cFos-"


def test_too_few_on_cells_or_a_flat_image_say_nothing():
    assert limits(np.array([3.0, np.nan, 5.0, 4.0])) is None
    flat = Brightness.of(np.full(10, 7.0))
    assert flat(np.array([7.0])) == 0
    assert Brightness.of(np.array([np.nan])).spread == 1


def test_a_category_that_is_called_like_a_kind_keeps_words_that_say_something():
    assert named(DIM, "bright", "dim") == "dark dim"
    assert named(BRIGHT, "ON", "Bright cells") == "intense Bright cells"
    assert named(WEAK, "weak", "none") == "faint weak"
    assert named(STRONG, "strong", "none") == "clear strong"
    assert [named(k, "ON", "OFF") for k in range(4)] == list(KINDS)
