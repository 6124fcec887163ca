"""Contributions gathered and put in words; labelled items that are alike."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.learn.explaining import Likeness, by_marker, for_category, in_words


def test_what_is_added_to_all_categories_says_nothing() -> None:
    values = np.random.default_rng(0).normal(size=(4, 6))
    moved = values + np.arange(6.0)
    for code in range(4):
        np.testing.assert_allclose(for_category(values, code), for_category(moved, code))
    np.testing.assert_allclose(for_category(values[:2], 1), values[1])


def test_words_tell_for_from_against() -> None:
    good, bad = in_words({"CD8 mean": 1.9, "CD3 mean": 0.7, "CD20 mean": -0.4, "area": 0.001})
    assert good == "CD8 mean +1.9, CD3 mean +0.7"
    assert bad == "CD20 mean −0.4"
    assert in_words({}) == ("", "")
    assert in_words({"a": 0.0}) == ("", "")


def test_markers_add_up() -> None:
    assert by_marker(np.array([1.0, -3.0, 0.5]), ["A", "B", "A"]) == {"B": -3.0, "A": 1.5}


def test_likeness_does_not_depend_on_units_and_bears_missing_values() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(50, 4)).astype(np.float32)
    X[3, 1], X[7, 2] = np.nan, np.inf
    scale = np.array([1, 1000, 0.01, 1], np.float32)
    one, other = Likeness.of(X), Likeness.of(X * scale)
    row = X[10] + 0.01
    places, away = one.nearest(row, 5)
    assert places[0] == 10
    assert (np.diff(away) >= 0).all()
    np.testing.assert_array_equal(places, other.nearest(row * scale, 5)[0])
    assert len(one.nearest(row, 500)[0]) == 50


def test_a_constant_or_missing_column_counts_for_nothing() -> None:
    X = np.array([[0, 5, np.nan], [1, 5, np.nan], [2, 5, np.nan]], np.float32)
    places, away = Likeness.of(X).nearest(np.array([1, 99, 3], np.float32), 3)
    assert places[0] == 1
    assert away[0] == pytest.approx(0)
