"""Thresholds chosen by a target: what they give is judged on cells that did not choose them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.coverage import made_up
from celltune_nb.learn.audit import audit
from celltune_nb.learn.pool import Pool
from celltune_nb.learn.thresholds import Judged, above, at, choose, counts_above, cross_fitted


def _judged(seed: int) -> tuple[Judged, np.ndarray, np.ndarray]:
    """An audit of 120 cells of six slices; the probabilities and the truth of all."""
    rng = np.random.default_rng([11, seed])
    where, _, truth, p = made_up(rng, slices=6, animals=3, cells=500)
    p = p.astype(np.float32).astype(np.float64)
    none = np.zeros(len(p))
    pool = Pool(np.arange(len(p)), None, where, where, none, none, [np.stack([p, 1 - p], axis=1)])
    drawn, inclusion = audit(pool, 120, rng)
    rows = drawn.ids
    return Judged(p[rows], truth[rows], 1 / inclusion[rows], where[rows], "audit", ""), p, truth


@pytest.mark.parametrize("rule", ["precision", "recall"])
def test_figures_of_a_target_do_not_flatter(rule: str) -> None:
    place = ("precision", "recall").index(rule)
    real, own, others, held = [], [], [], []
    for seed in range(40):
        judged, p, truth = _judged(seed)
        value = choose(judged, rule, 0.9)
        called = above(p, value)
        real.append((truth & called).sum() / (called if rule == "precision" else truth).sum())
        own.append(at(judged, value)[place].value)
        fair = cross_fitted(judged, rule, 0.9)[place]
        others.append(fair.value)
        held.append(fair.low <= real[-1] <= fair.high)
    assert min(own) >= 0.9 - 1e-9  # on the cells that chose it the target is always met
    assert np.mean(others) < np.mean(own)
    assert np.mean(others) - np.mean(real) < 0.01
    assert np.mean(held) > 0.88


def test_counts_of_a_grid_leave_out_what_was_not_predicted() -> None:
    scores = np.array([0.1, 0.5, 0.5, 0.9, np.nan], np.float32)
    np.testing.assert_array_equal(counts_above(scores, np.array([0.05, 0.5, 0.91])), [4, 3, 0])
