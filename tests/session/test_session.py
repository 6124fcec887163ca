"""The session's verbs, as a person at work meets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from celltune_nb.errors import InputError, LabelError, NotReadyError, ProjectError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import label_some
from tests.waiting import LONG


def test_items_are_numbered_by_image_and_cell(session: Session) -> None:
    items = session.items
    assert items.index.tolist() == list(range(1, 301))
    assert items["image"].tolist()[:101:100] == ["field 0", "field 1"]
    assert items["cellID"].tolist()[:3] == [10, 20, 30]
    assert set(items["group"]) == {"donor 0", "donor 1"}
    assert "truth" not in session.features.names


def test_everything_is_there_again_after_reopening(session: Session) -> None:
    session.categories.add("rare thing", color="#123456")
    session.label([1, 2, 3], "A", source="rectangle")
    session.label([2], "B")
    session.undo()
    session.set_view(image="field 1", zoom=3.0, center=(50.0, 60.0), opacity=0.7, hidden={"B"})
    session.set_channel("B", color="#00FF00", high=77.0, visible=False)
    folder, labels, view = session.folder, session.labels.to_pandas(), session.view
    session.close()
    with Session.open(folder) as again:
        assert again.labels.to_pandas().equals(labels)
        assert again.categories["rare thing"].color == "#123456"
        assert again.view == view
        assert again.redo() == "1 item labelled B"
        assert again.features.matrix.shape[0] == 300


def test_labels_are_told_once_and_after_they_are_on_disk(session: Session) -> None:
    seen = []

    def listener(change: object) -> None:
        with Session.open(session.folder, read_only=True) as other:
            seen.append((change.ids.tolist(), other.labels.counts()["A"]))

    session.labels_changed.connect(listener)
    session.label([5, 4, 5], "A")
    assert seen == [([4, 5], 2)]
    session.labels_changed.disconnect(listener)


def test_a_failing_listener_harms_nobody_and_is_noted(session: Session) -> None:
    seen = []
    session.labels_changed.connect(lambda _: 1 / 0)
    session.labels_changed.connect(lambda change: seen.append(change.ids.tolist()))
    session.label([1], "A")
    assert session.labels.counts()["A"] == 1
    assert "ZeroDivisionError" in session.problems.pop()
    session.labels_changed.disconnect()


def test_bad_input_is_refused_and_changes_nothing(session: Session) -> None:
    revision = session.labels.revision
    with pytest.raises(LabelError, match=r"categories\.add"):
        session.label([1], "nobody")
    with pytest.raises(InputError, match="not items"):
        session.label([1, 9999], "A")
    with pytest.raises(InputError, match="No item"):
        session.label([], "A")
    with pytest.raises(LabelError, match="not a source"):
        session.label([1], "A", source="magic")
    with pytest.raises(InputError, match="no image"):
        session.set_view(image="field 9")
    with pytest.raises(InputError, match="opacity"):
        session.set_view(opacity=3)
    with pytest.raises(InputError, match="no 'colour_by'"):
        session.set_view(colour_by="labels")
    with pytest.raises(NotReadyError, match="Train first"):
        session.set_view(color_by="Pred_AVG")
    assert session.labels.revision == revision


def test_removing_a_label(session: Session) -> None:
    session.label([1, 2], "A")
    session.label([1], None)
    session.label([2], "Unknown")
    assert len(session.labels) == 0
    session.undo()
    assert session.labels.to_pandas().index.tolist() == [2]


def test_deleting_a_category_returns_its_items_and_undo_brings_both_back(session: Session) -> None:
    session.label([1, 2], "A")
    session.categories.delete("A")
    assert "A" not in session.categories
    assert len(session.labels) == 0
    session.undo()
    assert session.labels.counts()["A"] == 2


def test_levels_have_labels_of_their_own(session: Session) -> None:
    session.label([1], "A")
    session.levels.add("CD8")
    session.categories.add("ON", level="CD8")
    session.label([1, 2], "ON", level="CD8")
    assert session.labels.to_pandas()["category"].tolist() == ["A"]
    assert session.populations["CD8/labels"].counts()["ON"] == 2
    session.level = "CD8"
    assert session.categories.names == ["Unknown", "ON"]
    assert session.populations.names()[0] == "labels"
    assert session.populations["labels"].counts()["ON"] == 2
    with pytest.raises(LabelError, match="already"):
        session.levels.add("CD8")


def test_looking_up_a_cell(session: Session) -> None:
    assert session.item_at("field 0", 5, 5) == 1
    assert session.item_at("field 1", 5, 25) == 102
    assert session.item_at("field 0", 0, 0) is None
    assert session.item_at("field 0", -5, 1e9) is None
    assert session.items_in("field 0", (0, 0, 20, 40)).tolist() == [1, 2]
    summary = session.describe(1)
    assert summary.cell == 10
    assert summary.top[0][0] == session.items["truth"][1]
    assert "not labelled" in summary.sentence


def test_selection_modes(session: Session) -> None:
    session.select([3, 1])
    session.select([5], mode="add")
    session.select([1, 7], mode="toggle")
    assert session.selection.tolist() == [3, 5, 7]
    session.select([])
    assert session.selection.tolist() == []


def test_counts_by_image_and_group(session: Session) -> None:
    session.label([1, 101], "A")
    session.label([2], "B")
    assert session.label_counts().loc["field 0"].to_dict() == {"A": 1, "B": 1, "C": 0}
    assert session.label_counts("group").loc["donor 1"].to_dict() == {"A": 1, "B": 0, "C": 0}


def test_a_second_session_of_the_same_person_takes_over(session: Session) -> None:
    told = []
    session.access_changed.connect(told.append)
    with Session.open(session.folder) as newer:
        newer.label([1], "A")
        with pytest.raises(ReadOnlyError, match="opened again elsewhere"):
            session.label([2], "A")
        assert session.read_only
        assert not newer.read_only
        session._tick()
        assert session.labels.counts()["A"] == 1  # the older one follows
        session.take_over()
        session.label([2], "B")
        assert not session.read_only
        with pytest.raises(ReadOnlyError):
            newer.label([3], "A")


def test_somebody_elses_project_opens_read_only_and_can_be_taken_over(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "somebody-else")
    with Session.open(session.folder) as guest:
        assert guest.read_only
        assert session.user in guest.access.reason
        with pytest.raises(ReadOnlyError):
            guest.label([1], "A")
        guest.take_over()
        guest.label([1], "A")
        assert session.access.beat() is False
        assert session.read_only


def test_read_only_writes_nothing_at_all(project: Path) -> None:
    before = {
        p: p.stat().st_mtime_ns
        for p in project.rglob("*")
        if p.is_file() and not p.name.endswith(("-shm", "-wal"))
    }
    with Session.open(project, read_only=True) as looking:
        looking.set_view(zoom=2.0)
        assert len(looking.sample(5, seed=1)) == 5
        with pytest.raises(ReadOnlyError):
            looking.label([1], "A")
        with pytest.raises(ReadOnlyError):
            looking.categories.add("Z")
    after = {
        p: p.stat().st_mtime_ns
        for p in project.rglob("*")
        if p.is_file() and not p.name.endswith(("-shm", "-wal"))
    }
    assert before == after


def test_creating_over_something_is_refused(project: Path, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="already"):
        Session.create(project)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.docx").write_text("precious")
    with pytest.raises(ProjectError, match="not an empty folder"):
        Session.create(tmp_path / "full")
    with pytest.raises(ProjectError, match="no project"):
        Session.open(tmp_path / "full")


def test_the_default_session_measures_and_trains_in_the_background(project: Path) -> None:
    with Session.open(project, jobs=Jobs()) as session:
        label_some(session)
        run = session.train()
        assert run.state in ("queued", "running")
        session.label([1], "A")  # nothing waits for the training
        run.wait(LONG)
        assert run.state == "done"
        assert np.isin(["Pred_MDL1", "Pred_MDL2", "Pred_AVG", "Pred_ALL"], session.populations.names()).all()


def test_blind_means_that_no_prediction_is_shown(session: Session) -> None:
    label_some(session)
    run = session.train(("xgboost",), wait=True)
    assert run.seconds > 0
    session.set_view(color_by="Pred_AVG")
    assert session.describe(1).prediction in "ABC"
    session.set_view(blind=True)
    assert session.view.color_by == "labels"
    assert session.describe(1).prediction is None


def test_a_lease_lost_while_writing_is_told(session: Session) -> None:
    told = []
    session.access_changed.connect(told.append)
    with Session.open(session.folder), pytest.raises(ReadOnlyError):
        session.label([1], "A")
    assert [change.read_only for change in told] == [True]
    assert "opened again elsewhere" in told[0].reason


def test_the_first_level_may_have_a_name(tmp_path: Path) -> None:
    with Session.create(tmp_path / "p", level=" cFos ") as session:
        assert session.levels.names == ["cFos"]
        assert session.level == "cFos"
        session.categories.add("ON")
        session.levels.add("PV")
        session.level = "PV"
        assert "level='cFos')" in session.script()
        assert "session.levels.add('cFos')" not in session.script()
    with Session.open(tmp_path / "p") as session:
        assert session.levels.names == ["cFos", "PV"]
        assert session.level == "PV"
    with pytest.raises(LabelError, match="A level needs a name"):
        Session.create(tmp_path / "q", level="a/b")
    assert not (tmp_path / "q").exists()


def test_a_label_counts_the_trainings_of_its_own_level(session: Session) -> None:
    label_some(session)
    session.train(models=("xgboost",), rounds=3, wait=True)
    session.levels.add("state")
    session.categories.add("on", level="state")
    session.label([1], "on", level="state")
    session.label_each({"on": [2]}, level="state")
    session.level = "state"
    session.label([1], "A", level="main")
    assert session.labels.to_pandas("state")["round"].tolist() == [0, 0]
    assert session.labels.to_pandas("main").loc[1, "round"] == 1
    assert (session.round, session.rounds("main")) == (0, 1)


def test_what_a_notebook_prints_is_a_glance(session):
    assert repr(session.images) == "Images(3: field 0, field 1, field 2)"
    assert repr(session.images["field 1"]) == "Image('field 1': 200 × 200 pixels, 3 channels, donor 1)"
    assert repr(session.table) == "ItemTable(300 cells on 3 images)"
    assert repr(session.audit) == "Audit(none yet)"
    session.draw_audit(20, seed=0)
    assert repr(session.audit) == "Audit(20 cells: 0 labelled, 20 to do)"
    assert repr(session.view).startswith("View(field 0, whole, coloured by labels")
    many = type(session.images)({f"i{n}": session.images["field 0"] for n in range(40)})
    assert repr(many) == "Images(40: i0, i1, i2, i3, … i39)"
    label_some(session, 6)
    session.train(rounds=3, wait=True)
    for thing in (session.view, session.advice(), session.labels, session.populations, session.run):
        assert len(repr(thing)) < 250
