"""Figures name what they speak from, and the audit sample takes over when it can."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.errors import Cancelled, NotReadyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import field, label_some


def _answer(session: Session, ids: np.ndarray, source: str = "audit") -> None:
    truth = session.items["truth"]
    for name in "ABC":
        chosen = [i for i in ids if truth[i] == name]
        if chosen:
            session.label(chosen, name, source=source)


def test_without_a_model_there_is_nothing_to_evaluate(session: Session) -> None:
    with pytest.raises(NotReadyError, match="Train first"):
        session.evaluate()


def test_out_of_fold_by_donor_until_the_audit_can_speak(session: Session) -> None:
    label_some(session)
    session.train(wait=True)
    told: list[float] = []
    found = session.evaluate(progress=lambda fraction, _: told.append(fraction))
    assert found.kind == "out-of-fold"
    assert "group" in found.split
    assert found.n == 36
    assert 0.9 < found.accuracy <= 1
    assert told[-1] == 1.0
    with pytest.raises(Cancelled):
        session.evaluate(stop=lambda: True)
    _answer(session, session.draw_audit(60, seed=1)[:49])
    assert session.evaluate().kind == "out-of-fold"
    assert any("49 labels" in text for text in session.evaluate().warnings)
    _answer(session, session.audit.todo[:11])
    found = session.evaluate()
    assert found.kind == "audit"
    assert found.n == 60
    assert "Audit sample of 60" in found.split
    prediction = session.populations["Pred_AVG"].to_pandas().astype(str)
    truth = session.items["truth"]
    wrong = found.ids[found.truth != found.predicted]
    assert (prediction[wrong] != truth[wrong]).all()
    assert found.accuracy == pytest.approx((prediction == truth).mean(), abs=0.05)


def test_the_confusion_matrix_leads_to_the_items(session: Session) -> None:
    label_some(session)
    ids = session.sample(6, by="random", seed=2)
    session.label(ids, "A")  # some of them wrong
    session.train(wait=True)
    found = session.evaluate()
    for truth in found.categories:
        for predicted in found.categories:
            assert len(found.items(truth, predicted)) == found.confusion.loc[truth, predicted]


def test_an_audit_survives_renaming_and_reopening(session: Session) -> None:
    label_some(session)
    session.train(wait=True)
    _answer(session, session.draw_audit(80, seed=3))
    before = session.evaluate()
    session.categories.rename("B", "bee")
    folder = session.folder
    session.close()
    with Session.open(folder, jobs=Jobs(inline=True)) as again:
        after = again.evaluate()
    assert after.accuracy == pytest.approx(before.accuracy)
    assert "bee" in after.categories
    assert "B" not in after.categories


def test_audit_items_that_nobody_can_name_are_left_out(session: Session) -> None:
    label_some(session)
    session.categories.add("Ambiguous")
    session.categories.set_excluded("Ambiguous")
    session.train(wait=True)
    ids = session.draw_audit(70, seed=3)
    session.label(ids[:5], "Ambiguous", source="audit")
    _answer(session, ids[5:])
    assert session.evaluate().n == 65


def test_audit_cells_labelled_with_predictions_in_sight_do_not_count(session: Session) -> None:
    label_some(session)
    session.train(wait=True)
    ids = session.draw_audit(60, seed=3)
    _answer(session, ids[:55], source="click")
    assert session.audit.labelled == 0
    assert session.evaluate().kind == "out-of-fold"


def test_a_top_up_that_is_labelled_in_part_counts_in_part(session: Session) -> None:
    """Its first half stands for itself; with the weights of the whole the doubtful cells would count too little."""
    label_some(session)
    session.train(rounds=5, wait=True)
    first = session.draw_audit(60, seed=1)
    whole = session.audits.judging("main", first, first)
    np.testing.assert_allclose(whole, session.audit.inclusion)
    second = session.draw_audit(80, seed=2)
    every = np.concatenate([first, session.audit.ids[60:]])
    both = session.audits.judging("main", every, every)
    np.testing.assert_allclose(both, session.audit.inclusion)
    half = every[:100]
    part = session.audits.judging("main", half, half)
    before = session.audits.judging("main", first, half)
    np.testing.assert_allclose(1 - part, (1 - before) * (1 - (1 - (1 - both[:100]) / (1 - before)) / 2))
    _answer(session, half)
    assert session.evaluate().n == 100
    assert len(second) == 80


def test_audit_cells_that_were_skipped_are_told(session: Session) -> None:
    label_some(session)
    session.train(rounds=5, wait=True)
    session.draw_audit(80, seed=3)
    ids = session.audit.ids
    _answer(session, np.delete(ids, [4, 9, 20])[:60])
    assert any(text.startswith("3 audit cells were skipped") for text in session.evaluate().warnings)
    _answer(session, ids[[4, 9, 20]])
    assert not any("skipped" in text for text in session.evaluate().warnings)


def test_cells_that_came_after_the_audit_are_told(session: Session) -> None:
    label_some(session)
    session.train(rounds=5, wait=True)
    _answer(session, session.draw_audit(60, seed=3))
    image, mask, _ = field(9)
    session.add_image("later", image, mask, channels=["A", "B", "C"], group="donor 0")
    session.measure(rings=False, neighbours=False)
    session.train(rounds=5, wait=True)
    assert any(
        text.startswith("100 cells could not come into the audit") for text in session.evaluate().warnings
    )
    _answer(session, session.draw_audit(30, seed=4))
    found = session.evaluate()
    assert not any("could not come" in text for text in found.warnings)
    assert found.prevalence["count"].sum() == pytest.approx(400)


def test_cells_of_an_excluded_category_judge_nothing_but_are_counted(session: Session) -> None:
    session.categories.add("Ambiguous")
    session.categories.set_excluded("Ambiguous")
    label_some(session)
    session.train(wait=True)
    drawn = session.draw_audit(90, seed=1)
    session.label(drawn[:30], "Ambiguous", source="audit")
    _answer(session, drawn[30:])
    found = session.evaluate()
    assert found.n == 60
    assert "Ambiguous" not in found.categories
    counts = found.prevalence["corrected"]
    assert counts["Ambiguous"] == pytest.approx(1 / 3, abs=0.12)
    assert counts.sum() == pytest.approx(1)
    assert any("30 audit cells are Ambiguous" in text for text in found.warnings)


def test_a_deleted_category_is_no_other_of_its_name(session: Session) -> None:
    label_some(session)
    session.train(wait=True)
    _answer(session, session.draw_audit(80, seed=1))
    session.categories.delete("A")
    session.categories.add("A")
    _answer(session, session.audit.todo)
    found = session.evaluate()
    assert {"A", "A (deleted)", "B", "C"} == set(found.categories)
    assert list(session.predict().columns) == ["A (deleted)", "B", "C"]


def test_predictions_carry_todays_names(session: Session) -> None:
    label_some(session)
    session.train(wait=True)
    before = session.predict()["A"]
    session.categories.rename("A", "X")
    session.categories.rename("B", "A")
    session.categories.rename("X", "B")
    assert (session.predict()["B"] == before).all()
