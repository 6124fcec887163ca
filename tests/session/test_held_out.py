"""Labels that are probably wrong are found by models that have not learned from them."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.errors import NotReadyError
from celltune_nb.session import Session
from tests.session.conftest import label_some


def mislabelled(session: Session, n: int = 3) -> list[int]:
    """40 labels a kind, some cells of A called B; returns those."""
    truth = session.items["truth"]
    label_some(session, 20)
    labels = session.labels.to_pandas()
    wrong = [int(i) for i in labels.index[truth[labels.index] == "A"][:n]]
    session.label(wrong, "B")
    return wrong


def test_wrong_labels_are_found_and_say_what_is_likelier(session: Session) -> None:
    wrong = mislabelled(session)
    before = session.book.revision
    session.train(rounds=20, wait=True)
    found = session.label_errors()
    assert set(wrong) <= set(found.index)
    assert len(found) <= 6
    assert found.loc[wrong, "label"].tolist() == ["B"] * 3
    assert found.loc[wrong, "suggested"].tolist() == ["A"] * 3
    assert (found.loc[wrong, "confidence"] > 0.5).all()
    assert found["quality"].is_monotonic_increasing
    assert found.attrs["judged"] == 60
    assert session.book.revision == before, "nothing is relabelled"


def test_what_an_evaluation_has_found_is_not_asked_again(session: Session) -> None:
    wrong = mislabelled(session)
    session.train(rounds=20, wait=True)
    session.evaluate()
    asked: list[str] = []
    found = session.label_errors(progress=lambda _, text: asked.append(text))
    assert set(wrong) <= set(found.index)
    assert asked == []
    session.label(wrong[:2], "A")
    again = session.label_errors()
    assert not set(wrong[:2]) & set(again.index), "corrected labels are no longer in doubt"
    assert wrong[2] in again.index


def test_many_new_labels_are_judged_too(session: Session) -> None:
    mislabelled(session)
    run = session.train(rounds=20, wait=True)
    session.evaluate()
    rest = session.items.drop(session.labels.to_pandas().index)
    for name in "ABC":
        session.label(rest.index[rest["truth"] == name][:15], name)
    odd = rest.index[rest["truth"] == "A"][20:24]
    session.label(odd, "B")
    asked: list[str] = []
    found = session.label_errors(progress=lambda _, text: asked.append(text))
    assert set(odd) & set(found.index)
    assert found.attrs["judged"] == 109
    assert asked
    assert run.evaluation is not None
    assert run.evaluation.n == 60, "what an evaluation has said stays as it was"


def test_a_category_that_no_fold_could_learn_is_not_accused(session: Session) -> None:
    items = session.items
    for name in "AB":
        for image in ("field 0", "field 1"):
            there = items.index[(items["truth"] == name) & (items["image"] == image)][:12]
            session.label(there, name)
    only = items.index[(items["truth"] == "C") & (items["image"] == "field 1")][:12]
    session.label(only, "C")
    session.train(rounds=20, wait=True)
    found = session.label_errors()
    assert not set(only) & set(found.index)
    assert found.attrs["judged"] == 48


def test_before_a_training_there_is_nobody_to_ask(session: Session) -> None:
    label_some(session)
    with pytest.raises(NotReadyError, match="Train first"):
        session.label_errors()


def test_stop_leaves_nothing_behind(session: Session) -> None:
    from celltune_nb.errors import Cancelled

    mislabelled(session)
    run = session.train(rounds=20, wait=True)
    with pytest.raises(Cancelled):
        session.label_errors(stop=lambda: True)
    assert run.out_of_fold is None
    assert np.array_equal(session.label_errors().columns, ["label", "suggested", "confidence", "quality"])
