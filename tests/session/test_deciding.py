"""The decision threshold: chosen by value or target, kept, made anew at each training."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.errors import CellTuneError, InputError, NotReadyError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs

from .conftest import label_some


def _trained(session: Session, *, audit: int = 0, seed: int = 0) -> None:
    """Teach A against B and C, some labels wrong so that there is something to decide."""
    label_some(session, 12, seed)
    session.label(session.sample(12, by="random", seed=seed), "B")
    if audit:
        _answer(session, session.draw_audit(audit, seed=seed))
    session.train(wait=True, seed=seed)


def _answer(session: Session, ids: np.ndarray) -> None:
    truth = session.items["truth"]
    for name in "ABC":
        some = ids[(truth[ids] == name).to_numpy()]
        if len(some):
            session.label(some, name, source="audit")


def _opened(session: Session, *, read_only: bool = False) -> Session:
    session.close()
    return Session.open(session.folder, read_only=read_only, jobs=Jobs(inline=True))


def test_a_curve_says_what_it_speaks_from_and_counts_the_cells(session: Session) -> None:
    _trained(session)
    curve = session.threshold_curve()
    assert curve.attrs["kind"] == "out-of-fold"
    assert "labels" in curve.attrs["source"]
    probability = session.populations["Pred_AVG"].probabilities()["A"].to_numpy()
    row = curve[curve["threshold"] == 0.5].iloc[0]
    assert row["count"] == (probability >= 0.5).sum()
    assert row["prevalence"] == pytest.approx(row["count"] / 300)
    assert (np.diff(curve["count"]) <= 0).all()
    assert (np.diff(curve["recall"]) <= 1e-12).all()
    known = curve.dropna()
    assert (known["precision_low"] <= known["precision"]).all()
    assert (known["precision"] <= known["precision_high"]).all()
    _answer(session, session.draw_audit(60, seed=1))
    curve = session.threshold_curve()
    assert (curve.attrs["kind"], curve.attrs["n"]) == ("audit", 60)


@pytest.mark.parametrize("asked", [{"value": 0.7}, {"precision": 0.9}, {"recall": 0.9}, {"count": 120}])
def test_a_threshold_decides_and_survives_training_and_reopening(session: Session, asked: dict) -> None:
    _trained(session, audit=80)
    found = session.set_threshold(**asked)
    rule, target = next(iter(asked.items()))
    assert found.rule == rule
    decided = session.populations["Pred_THR"]
    probability = session.populations["Pred_AVG"].probabilities()["A"].to_numpy()
    on = decided.to_pandas().astype(str).to_numpy() == "A"
    np.testing.assert_array_equal(on, probability >= np.float32(found.value))
    assert found.figures["count"] == on.sum()
    if rule == "count":
        assert on.sum() == target
    if rule in ("precision", "recall"):
        assert "Cross-fitted" in found.source
    truth = session.items["truth"].to_numpy() == "A"
    assert found.figures["precision"] == pytest.approx((truth & on).sum() / on.sum(), abs=0.12)
    assert found.figures["recall"] == pytest.approx((truth & on).sum() / truth.sum(), abs=0.12)

    again = _opened(session)
    try:
        assert again.threshold() == found
        np.testing.assert_array_equal(again.populations["Pred_THR"].codes, decided.codes)
        label_some(again, 4, seed=5)
        again.train(wait=True, seed=3)
        now = again.threshold()
        assert (now.rule, now.target) == (found.rule, found.target)
        assert now.run == again.runs[-1].id != found.run
        probability = again.populations["Pred_AVG"].probabilities()["A"].to_numpy()
        on = again.populations["Pred_THR"].to_pandas().astype(str).to_numpy() == "A"
        np.testing.assert_array_equal(on, probability >= np.float32(now.value))
        assert again.populations["Pred_THR"].run == again.runs[-1].id
        if rule == "count":
            assert on.sum() == target
        assert again.set_threshold().value is None
        assert "Pred_THR" not in again.populations
        again.train(wait=True)
        assert "Pred_THR" not in again.populations
    finally:
        again.close()


def test_without_an_audit_a_target_stays_where_it_was_and_says_so(session: Session) -> None:
    _trained(session)
    value = session.set_threshold(precision=0.8).value
    assert "out of fold" in session.threshold_curve().attrs["source"] or session.threshold().source
    session.train(wait=True, seed=9)
    assert session.threshold().value == value
    assert "set it again" in session.threshold().sentence


@pytest.mark.parametrize(
    "asked",
    [{"value": 0}, {"value": 1.2}, {"value": "a"}, {"precision": 2}, {"count": 0}, {"count": 300}, {"value": 0.5, "recall": 0.9},
     {"value": float("nan")}, {"value": 0.5, "level": "nowhere"}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_changes_nothing(session: Session, asked: dict) -> None:
    _trained(session, audit=60)
    before = (session.folder / "project.json").read_bytes()
    with pytest.raises(CellTuneError, match=r"[.]$"):
        session.set_threshold(**asked)
    assert (session.folder / "project.json").read_bytes() == before
    assert "Pred_THR" not in session.populations


def test_before_a_training_and_without_the_right_to_write(session: Session) -> None:
    assert session.threshold().value is None
    with pytest.raises(NotReadyError, match="Train first"):
        session.set_threshold(0.5)
    _trained(session)
    session.set_threshold(0.6)
    reader = _opened(session, read_only=True)
    try:
        assert reader.threshold().value == 0.6
        assert len(reader.threshold_curve())
        with pytest.raises(ReadOnlyError):
            reader.set_threshold(0.5)
    finally:
        reader.close()


def test_a_target_out_of_reach_names_what_can_be_reached(session: Session) -> None:
    from celltune_nb.learn.thresholds import Judged, choose

    rng = np.random.default_rng(0)
    by = Judged(rng.random(80), rng.random(80) < 0.2, np.ones(80), None, "audit", "")
    with pytest.raises(InputError, match="the best is"):
        choose(by, "precision", 0.999)


def test_a_count_among_equal_scores_is_met_as_nearly_as_can_be() -> None:
    from celltune_nb.learn.thresholds import above, choose

    scores = np.array([0.9] * 3 + [0.5] * 5 + [0.1] * 4, np.float32)
    for asked, given in ((1, 3), (3, 3), (4, 3), (7, 8), (8, 8), (9, 8), (11, 12)):
        assert above(scores, choose(None, "count", asked, scores)).sum() == given


def test_the_script_sets_it_again(session: Session) -> None:
    _trained(session)
    session.set_threshold(recall=0.8)
    assert "session.set_threshold(recall=0.8, level='main')" in session.script()


def test_damaged_settings_are_no_threshold(session: Session) -> None:
    _trained(session)
    for wrong in (
        {},
        {"value": "x"},
        {"value": 0.5},
        [1],
        {"value": 0.5, "time": 1, "code": 99, "rule": "value", "figures": {}},
    ):
        session.project.settings["study"] = {"thresholds": {"main": wrong}}
        assert session.threshold().value is None
    session.train(wait=True)
    assert "Pred_THR" not in session.populations
