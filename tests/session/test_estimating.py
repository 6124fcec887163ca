"""How long the next training will take, and when LightGBM should take CatBoost's place."""

from __future__ import annotations

import pytest

from celltune_nb.errors import CellTuneError, InputError
from celltune_nb.session import Session
from celltune_nb.session.estimating import Estimate, substitution
from tests.session.conftest import label_some


def test_every_model_gets_its_seconds(session: Session) -> None:
    label_some(session)
    told = session.training_estimate()
    assert list(told) == ["xgboost", "catboost", "lightgbm"]
    assert all(0 < seconds < 60 for seconds in told.values())
    assert session.training_estimate("catboost").keys() == {"catboost"}
    assert session.training_estimate(["catboost"], rounds=300, patience=0)["catboost"] > told["catboost"]


def test_a_former_training_here_is_asked_first(session: Session) -> None:
    label_some(session)
    run = session.train(wait=True)
    run.about["model_seconds"]["catboost"] = 120.0
    assert session.training_estimate()["catboost"] == pytest.approx(120.0)
    label_some(session, 14, seed=1)
    grown = len(session.labels.to_pandas()) / run.about["labels"]
    if grown <= 1.5:
        assert session.training_estimate()["catboost"] == pytest.approx(120.0 * grown)
    # neither another machine's time nor that of other settings says anything
    assert session.training_estimate(["catboost"], rounds=5)["catboost"] < 60
    run.about["machine"] = "another"
    assert session.training_estimate(["catboost"])["catboost"] < 60


def test_the_last_trainings_correct_the_timed_rounds(session: Session) -> None:
    label_some(session)
    first = session.training_estimate(["catboost"], rounds=40, patience=0)["catboost"]
    assert first.high / first.low == pytest.approx(4)
    run = session.train(wait=True)
    took = run.about["model_seconds"]
    corrected = session.training_estimate(["catboost"], rounds=40, patience=0)["catboost"]
    assert corrected.high / corrected.low < 3, "narrower"
    # A machine that is five times as busy, with the same timed rounds.
    took["catboost"] *= 5
    later = session.training_estimate(["catboost"], rounds=40, patience=0)["catboost"]
    assert later == pytest.approx(5 * corrected)
    # Another machine's trainings correct nothing.
    run.about["machine"] = "another"
    alone = session.training_estimate(["catboost"], rounds=40, patience=0)["catboost"]
    assert alone.high / alone.low == pytest.approx(4)


def test_an_interval_is_said_in_words() -> None:
    assert Estimate(10, (0.5, 1.5)).words == "about 5–15 s"
    assert Estimate(0.4, (0.5, 2)).words == "about 0.2–0.8 s"
    assert Estimate(100, (0.6, 1.7)).words == "about 1–3 min"
    assert Estimate(0.01, (0.7, 1.5)).words == "about 0.1 s"
    assert Estimate(7200, (0.5, 2)).words == "about 1–4 h"
    told = substitution({"catboost": Estimate(240, (0.5, 2)), "lightgbm": Estimate(20, (0.5, 2))})
    assert told == "CatBoost would take about 2–8 min on these labels, LightGBM about 10–40 s."


def test_what_cannot_be_trained_has_no_estimate(session: Session) -> None:
    with pytest.raises(CellTuneError):
        session.training_estimate()
    label_some(session)
    with pytest.raises(InputError, match="no model kind 'forest'"):
        session.training_estimate(["forest"])


def test_lightgbm_is_suggested_where_catboost_is_slow() -> None:
    assert substitution({"catboost": 240.0, "lightgbm": 55.0}) == (
        "CatBoost would take about 4 min on these labels, LightGBM about 55 s."
    )
    assert substitution({"catboost": 20.0, "lightgbm": 1.0}) == ""
    assert substitution({"catboost": 60.0, "lightgbm": 40.0}) == ""
    assert substitution({"catboost": 60.0}) == ""
    assert "1.5 h" in substitution({"catboost": 5400.0, "lightgbm": 8.4})
