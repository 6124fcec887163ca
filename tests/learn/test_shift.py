"""The distance between two sets of cells, in spreads of what a model rests on."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.errors import InputError
from celltune_nb.learn.shift import expected_f1, shift


def test_it_is_the_distance_of_the_medians_in_spreads_whatever_the_units():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4000, 3)), rng.normal(size=(4000, 3)) + 0.8
    assert shift(a, a[::2]) < 0.05
    assert shift(a, b) == pytest.approx(0.8, abs=0.05)
    scale = np.array([1e-3, 1.0, 1e6])
    assert shift(a * scale, b * scale) == pytest.approx(shift(a, b))
    b[:, 1:] = a[:, 1:]
    assert shift(a, b, np.array([0.0, 1.0, 1.0])) == 0
    assert shift(a, b, np.array([3.0, 1.0, 0.0])) == pytest.approx(0.6, abs=0.05)


def test_missing_and_constant_features_neither_warn_nor_count_without_reason():
    a, b = np.zeros((50, 3)), np.zeros((40, 3))
    a[:, 0], b[:, 0] = np.nan, np.inf
    assert shift(a, b) == 0
    b[:, 1] = 1  # constant in both, and not the same
    assert shift(a, b) == pytest.approx(2.5)
    assert np.isnan(shift(a[:, :1], b[:, :1]))
    assert np.isnan(shift(a[:0], b[:0]))
    with pytest.raises(InputError, match="cannot be compared"):
        shift(a, b[:, :2])


def test_expected_f1_is_the_true_one_where_probabilities_are_true():
    rng = np.random.default_rng(1)
    p = rng.beta(0.3, 0.9, 200_000)
    truth = rng.random(len(p)) < p
    called = p >= 0.5
    f1 = 2 * (truth & called).sum() / (truth.sum() + called.sum())
    assert expected_f1(p) == pytest.approx(f1, abs=0.005)
    assert expected_f1(np.array([1.0, 0.0, np.nan])) == 1
    assert np.isnan(expected_f1(np.array([0.2, 0.4])))
