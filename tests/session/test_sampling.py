"""What is offered to label: unlabelled, inside the rectangle, never the audit sample, and recorded."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.errors import InputError, NotReadyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import label_some


def test_a_rectangle_gives_unlabelled_cells_inside_it(session: Session) -> None:
    session.label([1, 2], "A")
    ids = session.sample(30, image="field 0", rectangle=(0, 0, 60, 60), seed=1)
    assert set(ids) == {3, 11, 12, 13, 21, 22, 23}
    assert set(session.sample(3, image="field 0", rectangle=(60, 60, 0, 0), seed=1)) <= set(ids)
    assert len(session.sample(5, image="field 0", rectangle=(500, 500, 600, 600))) == 0


def test_the_same_seed_offers_the_same_cells_and_the_log_says_why(session: Session) -> None:
    first = session.sample(10, by="random", seed=5)
    assert session.sample(10, by="random", seed=5).tolist() == first.tolist()
    session.sample(10, by="clusters")
    records = list(session.journal.proposals())
    assert [r.strategy for r in records] == ["random", "random", "clusters"]
    assert records[0].probability == pytest.approx(10 / 300)
    assert len(records[2].reasons) == 10
    assert records[2].seed >= 0


def test_labels_name_the_strategy_that_offered_them(session: Session) -> None:
    session.label(session.sample(5, by="clusters", seed=0), "A")
    session.label([300], "A")
    strategies = [entry.strategy for entry in session.journal.entries() if entry.verb == "label"]
    assert strategies == ["clusters", None]


def test_the_default_asks_where_the_models_are_unsure_once_there_are_models(session: Session) -> None:
    session.sample(5, seed=0)
    label_some(session)
    session.train(wait=True)
    ids = session.sample(20, seed=0)
    strategies = [r.strategy for r in session.journal.proposals()]
    assert strategies == ["clusters", "quota_margin"]
    assert not np.isin(ids, session.labels.to_pandas().index).any()
    reasons = list(session.journal.proposals())[-1].reasons
    assert sum("a close call" in reason for reason in reasons) == 18
    assert sum("of a group of similar items" in reason for reason in reasons) == 1
    assert sum("random place" in reason for reason in reasons) == 1
    for by in ("margin", "entropy", "disagreement", "rare", "diverse", "celltune", "mistakes"):
        assert len(session.sample(7, by=by, seed=0)) == 7


def test_what_cannot_be_sampled_is_said(session: Session) -> None:
    with pytest.raises(NotReadyError, match="needs a model"):
        session.sample(5, by="margin")
    with pytest.raises(InputError, match="Choose one of"):
        session.sample(5, by="magic")
    with pytest.raises(InputError, match="from 1 up"):
        session.sample(0)
    with pytest.raises(InputError, match="no image"):
        session.sample(5, image="field 9")
    with pytest.raises(InputError, match="no rectangle"):
        session.sample(5, rectangle=(0, 0, np.nan, 5))


def test_a_suggested_rectangle_holds_cells_and_says_why(session: Session) -> None:
    found = session.suggest_rectangle(seed=0)
    assert found.image in session.images
    assert len(session.items_in(found.image, found.rectangle)) > 0
    assert found.reason
    label_some(session)
    session.train(wait=True)
    assert session.suggest_rectangle("field 1", seed=0).image == "field 1"


def test_the_audit_sample_is_kept_apart_and_survives_reopening(session: Session) -> None:
    first = session.draw_audit(30, seed=1)
    assert len(np.unique(first)) == 30
    session.label(first[:10], "A", source="audit")
    label_some_ids = np.setdiff1d(session.items.index, first)
    truth = session.items["truth"]
    for name in "ABC":
        session.label([i for i in label_some_ids if truth[i] == name][:12], name)
    session.train(wait=True)
    second = session.draw_audit(20, seed=2)
    assert not np.isin(second, first).any()
    assert not np.isin(session.sample(200, by="random", seed=0), np.concatenate([first, second])).any()
    audit = session.audit
    assert (len(audit.ids), audit.labelled, len(audit.todo)) == (50, 10, 40)
    assert ((audit.inclusion > 0) & (audit.inclusion <= 1)).all()
    folder = session.folder
    session.close()
    with Session.open(folder, jobs=Jobs(inline=True)) as again:
        assert again.audit.ids.tolist() == audit.ids.tolist()
        np.testing.assert_allclose(again.audit.inclusion, audit.inclusion)
        assert again.audit.labelled == 10


def test_a_sealed_project_undoes_nothing_that_came_before(session: Session) -> None:
    session.label([1], "A")
    session.seal()
    assert session.can_undo is None
    session.label([2], "B")
    session.undo()
    assert session.undo() is None
    assert session.labels.counts()["A"] == 1
