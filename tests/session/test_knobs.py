"""Two knobs of three: more cells of one category among those offered, and its share of the training weight."""

from __future__ import annotations

import numpy as np
import pytest

from celltune_nb.errors import CellTuneError, InputError, LabelError, NotReadyError
from celltune_nb.learn.fitting import _balanced
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs

from .conftest import label_some


def _share(session: Session, ids: np.ndarray, name: str = "C") -> float:
    return float((session.items.loc[ids, "truth"] == name).mean())


@pytest.mark.parametrize("by", [None, "random", "quota_margin", "clusters", "diverse"])
def test_more_of_a_category_is_offered(session: Session, by: str | None) -> None:
    label_some(session, 5)
    session.train(wait=True, rounds=30)
    plain, more = session.sample(20, by=by, seed=1), session.sample(20, by=by, more="C", seed=1)
    assert len(np.unique(more)) == 20
    assert _share(session, more) >= 0.5
    assert _share(session, more) > _share(session, plain)
    assert _share(session, more) < 1  # the others are not forgotten
    record = list(session.journal.proposals(by or "quota_margin", "main"))[-1]
    assert any(text.startswith("likely C") for text in record.reasons)


def test_more_of_a_category_inside_a_rectangle(session: Session) -> None:
    label_some(session, 5)
    session.train(wait=True, rounds=30)
    rectangle = (0.0, 0.0, 100.0, 200.0)
    ids = session.sample(10, image="field 1", rectangle=rectangle, more="C", seed=1)
    items = session.items.loc[ids]
    assert (items["image"] == "field 1").all()
    assert (items["y"] < 100).all()
    free = session.sample(50, image="field 1", rectangle=rectangle, seed=1)
    of = int((session.items.loc[free, "truth"] == "C").sum())
    assert (items["truth"] == "C").sum() == min(7, of)
    everything = session.sample(500, image="field 1", rectangle=rectangle, more="C", seed=1)
    np.testing.assert_array_equal(np.sort(everything), np.sort(free))


def test_more_of_what_nobody_knows_is_refused(session: Session) -> None:
    with pytest.raises(NotReadyError, match="Train first"):
        session.sample(5, by="random", more="C")
    label_some(session, 5)
    session.train(wait=True, rounds=10)
    with pytest.raises(LabelError):
        session.sample(5, more="nothing")
    session.categories.add("D")
    with pytest.raises(NotReadyError, match="have not learned D"):
        session.sample(5, more="D")
    with pytest.raises(InputError, match="more="):
        session.sample(5, by="audit", more="C")


def test_a_balance_moves_the_count_and_stays_with_the_training(session: Session) -> None:
    label_some(session, 10)
    session.label(
        session.sample(30, by="random", seed=3), "B"
    )  # half of them wrong: there is something to weigh
    counts = {}
    for share in (0.05, None, 0.9):
        run = session.train(wait=True, rounds=20, balance=share)
        assert run.state == "done"
        assert run.about["options"].get("balance") == share
        counts[share] = session.populations["Pred_AVG"].tally()["A"]
    assert counts[0.05] < counts[0.9]
    assert counts[0.05] <= counts[None] <= counts[0.9]
    assert "balance=0.9" in session.script()
    out = session.evaluate()  # out of fold, weighed alike
    assert out.kind == "out-of-fold"
    session.close()
    with Session.open(session.folder, jobs=Jobs(inline=True)) as again:
        assert again.runs[-1].options["balance"] == 0.9


@pytest.mark.parametrize("wrong", [0, 1, -0.1, "half", float("nan")])
def test_a_balance_that_is_no_share_is_refused(session: Session, wrong) -> None:
    label_some(session, 5)
    with pytest.raises(CellTuneError, match="share of the positive"):
        session.train(balance=wrong)
    assert not session.runs


def test_weights_of_a_balance() -> None:
    of = np.array([True, False, False, False])
    found = _balanced(None, of, 0.5)
    assert found is not None
    np.testing.assert_allclose(found, [2, 2 / 3, 2 / 3, 2 / 3], rtol=1e-6)
    on_top = _balanced(np.array([1, 2, 1, 1], np.float32), of, 0.25)
    assert on_top is not None
    np.testing.assert_allclose(on_top, [1, 1.5, 0.75, 0.75], rtol=1e-6)
    assert _balanced(None, np.zeros(3, bool), 0.5) is None
