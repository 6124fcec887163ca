"""How much a label counts, by how many its category has."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.learn.weights import WEIGHTS, label_weights


def ratio(counts: list[int], weights: str) -> float:
    """Weight of a label of the rarest category, in those of the most frequent one."""
    found = label_weights(np.repeat(np.arange(len(counts)), counts), weights)
    if found is None:
        return 1.0
    assert found.dtype == np.float32
    assert found.mean() == pytest.approx(1, rel=1e-5)
    return float(found.max() / found.min())


def test_a_rare_category_is_held_up_while_it_has_few_labels_only():
    few, many = [198, 2], [9900, 100]  # of both 1 % and 99 %
    assert ratio(few, "sqrt") == pytest.approx(99**0.5, rel=1e-4)
    assert ratio(few, "auto") > 0.85 * ratio(few, "sqrt")
    assert ratio(many, "sqrt") == pytest.approx(99**0.5, rel=1e-4)
    assert ratio(many, "auto") < 2
    assert ratio([90_000, 10_000], "auto") < 1.01


def test_among_many_categories_nothing_fades():
    counts = [5000, 800, 60, 3]
    assert ratio(counts, "auto") == ratio(counts, "sqrt") == pytest.approx((5000 / 3) ** 0.5, rel=1e-4)


def test_a_category_without_a_label_changes_nothing():
    with_gap = label_weights(np.array([0, 0, 0, 2]), "auto")
    without = label_weights(np.array([0, 0, 0, 1]), "auto")
    np.testing.assert_array_equal(with_gap, without)


def test_the_others_are_what_they_say():
    assert label_weights(np.array([0, 0, 1]), "none") is None
    assert ratio([75, 25], "balanced") == pytest.approx(3)
    for weights in WEIGHTS:
        assert ratio([50, 50], weights) == 1
        assert ratio([100], weights) == 1
