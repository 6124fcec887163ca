"""A level held to a region of its parent: what is outside is not offered, not learned from, not predicted."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import InputError, LabelError, ReadOnlyError, TrainingError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.panels import small

MODELS = ("xgboost", "lightgbm")


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("regions") / "project"
    small.make(folder)
    with Session.open(folder, jobs=Jobs(inline=True)) as session:
        small.labelled(session)
        session.train(MODELS, rounds=3, wait=True)
    return folder


@pytest.fixture
def session(made, tmp_path):
    """Two images of a hundred cells; level main knows A (even rows) and B, and is trained."""
    shutil.copytree(made, tmp_path / "project")
    with Session.open(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        yield session
        assert session.problems == []


def fine(session, **options):
    session.levels.add("fine", "main", within="A", **options)
    session.level = "fine"
    for name in ("near", "far"):
        session.categories.add(name)
    return session.levels.inside("fine")


def of_main(session, name, category):
    return session.populations[f"main/{name}"].to_pandas().to_numpy() == category


def labelled(session):
    """Labels of the level: the left half of each image is near."""
    items = session.items[session.levels.inside("fine")]
    session.label(items.index[items["x"] < 60], "near")
    session.label(items.index[items["x"] > 140], "far")


def test_a_cell_belongs_by_its_label_or_else_by_its_prediction(session):
    inside = fine(session)
    label, answer = session.labels.codes("main"), session.populations["main/Pred_AVG"].codes
    wanted = session.levels["main"].categories["A"].code
    np.testing.assert_array_equal(inside, np.where(label != 0, label, answer) == wanted)
    assert 0 < inside.sum() < len(inside)
    session.levels.constrain("fine", ["A"], by="labels")
    np.testing.assert_array_equal(session.levels.inside("fine"), of_main(session, "labels", "A"))
    session.levels.constrain("fine", ["A"], by="predictions")
    np.testing.assert_array_equal(session.levels.inside("fine"), of_main(session, "Pred_AVG", "A"))
    session.levels.constrain("fine", ["A", "B"], by="predictions")
    assert session.levels.region("fine").sentence == "only inside A or B of level main (by prediction)"
    session.levels.constrain("fine")
    assert session.levels.region("fine") is None
    assert session.levels.inside("fine").all()


def test_nothing_outside_is_offered(session):
    inside = fine(session)
    ids = session.items.index[inside]
    for n, by in ((500, "random"), (500, "clusters"), (20, "audit")):
        assert set(session.sample(n, by=by)) <= set(ids)
    assert len(session.sample(500, by="random")) == inside.sum() - len(session.audit.ids)
    assert set(session.sample(50, image="left", rectangle=(0, 0, 200, 200))) <= set(ids)
    rectangle = session.suggest_rectangle("left")
    assert rectangle.image == "left"
    assert session.labels.counts()["Unknown"] == inside.sum()


def test_nothing_outside_is_learned_from_or_predicted(session):
    inside = fine(session)
    labelled(session)
    outside = session.items.index[~inside]
    session.label(outside[:3], "near")
    before = session.learned_labels()
    assert sum(before.values()) == len(session.labels) - 3
    assert set(session.levels.outside_labels("fine")) == set(outside[:3])
    (said,) = [p.text for p in session.training_problems() if "outside" in p.text]
    assert said.startswith("3 labels lie outside (only inside A of level main")
    session.train(MODELS, rounds=3, wait=True)
    for name in ("Pred_MDL1", "Pred_AVG", "Pred_ALL"):
        codes = session.populations[name].codes
        assert (codes[~inside] == 0).all()
        assert (codes[inside] != 0).all()
    assert session.populations["Pred_AVG"].tally()["Unknown"] == (~inside).sum()
    probabilities = session.populations["Pred_AVG"].probabilities().to_numpy()
    np.testing.assert_array_equal(np.isnan(probabilities).all(axis=1), ~inside)
    assert session.predict().isna().all(axis=1).sum() == (~inside).sum()
    shown = session.describe(int(outside[5]))
    assert shown.prediction is None
    assert "outside: only inside A of level main" in shown.sentence
    assert session.describe(int(session.items.index[inside][0])).prediction in ("near", "far")
    queue = session.review(by="margin", n=500, border=0)
    assert not np.isin(queue.ids, outside).any()
    assert session.labels.to_pandas().loc[outside[:3], "category"].tolist() == ["near"] * 3  # kept


def test_the_audit_speaks_for_the_region_alone(session):
    fine(session, by="labels")
    session.label(session.items.index[session.labels.codes("main") == 0], "A", level="main")
    inside = session.levels.inside("fine")
    drawn = session.draw_audit(60, seed=1)
    free = session.items.index[inside & ~np.isin(session.items.index, drawn)]
    session.label(free[:20], "near")
    session.label(free[20:40], "far")
    session.train(MODELS, rounds=3, wait=True)
    # Of those drawn, some turn out to be of another category of the parent before they were looked at.
    session.label(drawn[[0, 7, 30]], "B", level="main")
    left = np.delete(drawn, [0, 7, 30])
    assert set(session.audit.todo) == set(left)
    session.label(left, "near", source="audit")
    found = session.evaluate()
    assert found.n == len(left) == 57
    assert not any("skipped" in text for text in found.warnings)
    np.testing.assert_allclose(
        session.audits.judging("fine", left, left), session.audits.inclusion("fine")[session.positions(left)]
    )
    assert found.prevalence["count"].sum() == pytest.approx(session.levels.inside("fine").sum())
    session.label(session.items.index[~inside][:15], "far")  # these are none of the level's cells
    pd.testing.assert_frame_equal(session.evaluate().prevalence, found.prevalence)


def test_the_region_follows_the_parent_without_a_training(session):
    inside = fine(session)
    labelled(session)
    session.train(MODELS, rounds=3, wait=True)
    heard = []
    session.populations_changed.connect(heard.append)
    first = int(session.items.index[inside & (session.labels.codes() == 0)][0])
    row = session.positions([first])[0]
    assert session.populations["Pred_AVG"].codes[row] != 0
    session.label([first], "B", level="main")
    assert not session.levels.inside("fine")[row]
    assert session.populations["Pred_AVG"].codes[row] == 0
    assert any("fine/Pred_AVG" in event.names for event in heard)
    session.undo()
    assert session.populations["Pred_AVG"].codes[row] != 0
    heard.clear()
    session.label([first], "near")  # a label of the level itself moves no region
    assert heard == []
    other = session.items.index[~inside & (session.labels.codes("main") == 0)]
    session.label(other, "A", level="main")
    assert (session.populations["Pred_AVG"].codes[session.positions(other)] != 0).all()


def test_it_is_kept_with_the_project_and_follows_names(session, tmp_path, monkeypatch):
    inside = fine(session, by="predictions")
    session.categories.rename("A", "T cell", level="main")
    text = session.script()
    assert "session.levels.constrain(" in text
    session.close()
    with Session.open(session.folder, jobs=Jobs(inline=True)) as again:
        region = again.levels.region("fine")
        assert (region.parent, region.within, region.by) == ("main", ("T cell",), "predictions")
        np.testing.assert_array_equal(again.levels.inside("fine"), inside)
        again.categories.merge("T cell", "B", level="main")
        assert again.levels.region("fine").within == ("B",)
        assert again.levels.inside("fine").all()
        again.categories.delete("B", level="main")
        assert "a category that was deleted" in again.levels.region("fine").sentence
        assert not again.levels.inside("fine").any()
        again.undo()
        assert again.levels.inside("fine").all()


def test_regions_stand_on_one_another_but_not_on_themselves(session):
    fine(session)
    labelled(session)
    session.levels.add("finer", "fine", within="near", by="labels")
    inside = session.levels.inside("finer")
    assert inside.any()
    assert (session.levels.inside("fine") | ~inside).all()
    moved = session.items.index[inside][0]
    session.label(
        [moved], "B", level="main"
    )  # outside of the grandparent's: its label stays, it does not belong
    assert not session.levels.inside("finer")[session.positions([moved])[0]]
    with pytest.raises(InputError, match="of itself"):
        session.levels.constrain("fine", "near", parent="finer")
    with pytest.raises(InputError, match="of itself"):
        session.levels.constrain("main", "A", parent="finer")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"within": "A"}, InputError, "no parent"),
        ({"parent": "main", "within": "nothing"}, LabelError, "no category 'nothing'"),
        ({"parent": "main", "within": "Unknown"}, LabelError, "no category"),
        ({"parent": "main", "within": []}, InputError, "No category"),
        ({"parent": "main", "within": 3}, InputError, "list of names"),
        ({"parent": "nowhere", "within": "A"}, LabelError, "no level"),
        ({"parent": "main", "within": "A", "by": "eye"}, InputError, "Choose one of"),
    ],
)
def test_what_is_no_region_is_refused_and_nothing_changed(session, options, error, words):
    before = json.dumps(session.project.settings)
    with pytest.raises(error, match=words):
        session.levels.add("fine", **options)
    assert session.levels.names == ["main"]
    assert json.dumps(session.project.settings) == before


def test_a_region_without_labels_cannot_be_trained_and_who_looks_changes_none(session):
    fine(session)
    outside = session.items.index[~session.levels.inside("fine")]
    session.label(outside[:10], "near")
    session.label(outside[10:20], "far")
    with pytest.raises(TrainingError):
        session.train(MODELS, wait=True)
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as other:
        assert other.levels.region("fine").within == ("A",)
        with pytest.raises(ReadOnlyError):
            other.levels.constrain("fine")
        assert other.levels.region("fine") is not None


@pytest.mark.parametrize(
    "stored",
    [
        "x", [1], {"fine": 3}, {"fine": {"parent": "none", "within": [1], "by": "either"}},
        {"fine": {"parent": "fine", "within": [1], "by": "either"}}, {"fine": {"parent": "main", "within": "x", "by": 1}},
        {"fine": {"parent": "main", "within": [1], "by": []}},
        {"fine": {"parent": "main", "within": [1], "by": "either"}, "main": {"parent": "fine", "within": [1], "by": "either"}},
    ],
)  # fmt: skip
def test_a_region_that_is_none_holds_nothing(session, stored):
    session.levels.add("fine", "main")
    session.project.settings["regions"] = stored
    assert session.levels.region("fine") is None
    assert session.levels.inside("fine").all()
    assert session.populations["Pred_AVG"].codes.any()
