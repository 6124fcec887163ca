"""Label errors from out-of-fold probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.errors import InputError
from celltune_nb.learn.quality import label_issues


def noisy(n: int = 600, k: int = 4, wrong: int = 40):
    """Probabilities that are right nine times in ten, and labels of which some were turned."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, k, n)
    p = rng.dirichlet(np.full(k, 0.4), n) * 0.3
    p[np.arange(n), truth] += 0.7
    labels = truth.copy()
    turned = rng.choice(n, wrong, replace=False)
    labels[turned] = (labels[turned] + 1) % k
    return labels, p, truth, turned


def test_turned_labels_are_found_with_the_truth_as_suggestion() -> None:
    labels, p, truth, turned = noisy()
    found = label_issues(labels, p)
    assert np.isin(turned, found.rows).mean() > 0.6
    assert np.isin(found.rows, turned).mean() > 0.9
    assert (found.suggested == truth[found.rows]).mean() > 0.95
    assert (found.suggested != labels[found.rows]).all()
    assert (np.diff(found.quality) >= 0).all()
    assert found.judged == 600


def test_rows_without_a_prediction_and_unseen_categories_are_left_out() -> None:
    labels, p, _, turned = noisy()
    p[turned[0]] = np.nan
    labels[7], p[7, labels[7]] = 2, 0.0
    p[7, 2] = 0.0
    found = label_issues(labels, p)
    assert not {int(turned[0]), 7} & set(found.rows.tolist())
    assert found.judged == 598


def test_nothing_to_compare() -> None:
    assert len(label_issues(np.empty(0, int), np.empty((0, 3))).rows) == 0
    assert len(label_issues(np.zeros(5, int), np.full((5, 2), 0.5)).rows) == 0


@pytest.mark.parametrize(("labels", "shape"), [([0, 1], (3, 2)), ([0, 2], (2, 2)), ([0, 1], (2,))])
def test_arrays_that_do_not_fit_are_refused(labels, shape) -> None:
    with pytest.raises(InputError):
        label_issues(np.array(labels), np.full(shape, 0.5))
