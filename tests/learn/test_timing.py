"""How long a training will take, told from the processor's own time: how busy the machine is does not matter."""

from __future__ import annotations

from time import process_time

import pytest

from celltune_nb.learn.timing import TIMED, Cost, measured, seconds_for, typical_rounds
from celltune_nb.learn.training import fit_models

from .synthetic import training_data


@pytest.mark.parametrize("kind", ["xgboost", "catboost", "lightgbm"])
def test_the_estimate_is_near_the_truth(kind: str) -> None:
    data = training_data(600, f=40)
    fit_models(data, [kind], rounds=2, n_jobs=1)  # the libraries are loaded
    cost = measured(data, kind, clock=process_time)
    begun = process_time()
    rounds = fit_models(data, [kind], n_jobs=1).rounds[kind]
    real = process_time() - begun
    told = seconds_for(kind, cost, 600, rounds)
    # A factor of two is what is promised where nothing disturbs; shared caches may cost some more here.
    assert real / 3 < told < 3 * real


def test_more_labels_rounds_and_patience_take_longer() -> None:
    cost = Cost(1e-6, 1e-3, 1e-6)
    some = seconds_for("catboost", cost, 1_000, 100)
    assert seconds_for("catboost", cost, 4_000, 100) > some
    assert seconds_for("catboost", cost, 1_000, 200) > some
    assert seconds_for("catboost", cost, 1_000, 100, patience=80) > some
    assert seconds_for("catboost", cost, 1_000, 100, rounds=20) < some / 2
    # patience 0 runs them all
    assert seconds_for("catboost", cost, 1_000, 20, patience=0) > 2 * seconds_for("catboost", cost, 1_000, 20)


def test_few_rounds_are_timed_on_part_of_the_labels() -> None:
    ticks = iter(range(100_000))
    cost = measured(training_data(TIMED + 3_000, f=5, k=3), "xgboost", clock=lambda: next(ticks) * 0.02)
    assert next(ticks) < 120
    assert cost.seconds(1_000, 10) > 0


def test_rounds_of_former_trainings_are_expected_again() -> None:
    assert typical_rounds("catboost", 500, [90, 110, 400]) == 110
    assert typical_rounds("catboost", 500) > typical_rounds("xgboost", 500)
    assert typical_rounds("xgboost", 20) == 30
