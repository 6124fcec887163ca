"""Counts corrected by an audit: right on average, with limits that hold, and surer than the audit alone."""

import numpy as np
import pytest

from celltune_nb.learn.prevalence import Census, prevalence, raw_prevalence

NAMES = ("common", "half", "rare")


def project(seed=0, n=20_000):
    """A classifier that calls three times too many cells rare."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=[0.55, 0.435, 0.015])
    predicted = np.where((truth == 0) & (rng.random(n) < 0.06), 2, truth)
    predicted = np.where((truth == 1) & (rng.random(n) < 0.05), 0, predicted)
    return truth, predicted


def count(codes):
    return np.bincount(codes, minlength=3).astype(float)


def test_counts_that_are_three_times_too_high_are_put_right():
    truth, predicted = project()
    labelled = np.arange(len(truth)) < 500
    census = Census(count(predicted), count(predicted[~labelled]), count(truth[labelled]))
    share = count(truth) / len(truth)
    held, alone_width, width, error = [], [], [], []
    for run in range(200):
        rows = np.random.default_rng([3, run]).choice(np.flatnonzero(~labelled), 200, replace=False)
        found = prevalence(truth[rows], predicted[rows], np.ones(200), NAMES, census)
        alone = prevalence(truth[rows], predicted[rows], np.ones(200), NAMES)
        assert found["corrected"].sum() == pytest.approx(1)
        held.append((found["low"] <= share) & (share <= found["high"]))
        width.append(found["high"] - found["low"])
        alone_width.append(alone["high"] - alone["low"])
        error.append(found["corrected"] - share)
    assert found.loc["rare", "raw"] > 2.5 * share[2]
    assert np.mean(held, axis=0).min() >= 0.9
    assert np.abs(np.mean(error, axis=0)).max() < 0.002
    assert np.mean(width, axis=0)[0] < 0.6 * np.mean(alone_width, axis=0)[0]
    assert found.loc["rare", "raw_count"] == count(predicted)[2]
    assert found["count"].sum() == pytest.approx(len(truth))


def test_a_prediction_the_audit_never_met_is_taken_as_it_is_and_not_trusted():
    truth = predicted = np.repeat([0, 1], 40)
    census = Census(np.array([500.0, 400, 100]), np.array([500.0, 400, 100]), np.zeros(3))
    found = prevalence(truth, predicted, np.ones(80), NAMES, census)
    assert found["corrected"].tolist() == pytest.approx([0.5, 0.4, 0.1])
    assert found.loc["rare", "low"] < 0.03


def test_without_an_audit_there_are_raw_counts_only():
    found = raw_prevalence(NAMES, Census(np.array([6.0, 3, 1]), np.zeros(3), np.zeros(3)))
    assert found["raw"].tolist() == [0.6, 0.3, 0.1]
    assert found[["corrected", "low", "high", "count"]].isna().all(axis=None)
    assert raw_prevalence(NAMES).isna().all(axis=None)
