"""Real boosters trained once for the tests of this floor."""

from __future__ import annotations

import pytest

from celltune_nb.learn.training import fit_models

from .synthetic import training_data


@pytest.fixture(scope="session")
def data():
    return training_data(300)


@pytest.fixture(scope="session")
def trained(data):
    return fit_models(data, ["xgboost", "catboost", "lightgbm"], seed=0)
