"""Markers that come, go and get another name: one undo each, on disk, in the script; refused where files bear the name."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from celltune_nb.errors import CellTuneError, InputError, LabelError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs

from .test_script import replayed, same_labels, same_undo


@pytest.fixture
def session(project: Path) -> Iterator[Session]:
    with Session.open(project, jobs=Jobs(inline=True)) as opened:
        yield opened
        assert opened.problems == []


def _reopened(session: Session) -> list[object]:
    with Session.open(session.folder, read_only=True) as again:
        return [
            again.levels.names,
            {name: again.categories._set(name).names for name in again.levels},
            again.rule,
        ]


def test_adding_a_marker_is_one_step(session: Session) -> None:
    ids = session.table.ids[:3]
    session.label(ids, "A")
    session.add_marker("PVV")
    assert (session.level, session.can_undo) == ("PVV", "PVV added")
    session.label(ids, "ON")
    assert session.undo() == "3 items labelled ON"
    assert session.undo() == "PVV added"
    assert (session.levels.names, session.level) == (["main"], "main")
    assert _reopened(session)[0] == ["main"]
    assert session.redo() == "PVV added"
    assert (session.level, session.categories.names) == ("PVV", ["Unknown", "ON", "OFF"])
    assert session.redo() == "3 items labelled ON"
    assert session.labels.counts()["ON"] == 3
    for _ in range(3):
        session.undo()
    assert len(session.labels) == 0


def test_a_marker_is_renamed_with_all_that_is_kept_of_it(session: Session) -> None:
    session.add_marker("PVV")
    session.add_marker("NeuN")
    session.level = "PVV"
    session.label(session.table.ids[:5], "ON")
    session.set_rule("brighter than its ring")
    session.set_target(0.7)
    session.set_verdict("field 1", "needs work")
    session.set_marker_channel("B")
    told = []
    session.categories_changed.connect(lambda event: told.append(event.level))
    session.levels.rename("PVV", " PV ")
    assert told[-1] == "PV"
    assert (session.level, session.levels.names) == ("PV", ["main", "PV", "NeuN"])
    assert session.labels.counts()["ON"] == 5
    assert (session.rule, session.target, session.marker_channel()) == ("brighter than its ring", 0.7, "B")
    assert session.verdicts().loc["field 1", "verdict"] == "needs work"
    names, categories, rule = _reopened(session)
    assert (names, rule) == (session.levels.names, session.rule)
    assert categories["PV"] == ["Unknown", "ON", "OFF"]
    session.levels.rename("PV", "PV")  # nothing to do
    session.label(session.table.ids[5:8], "OFF")
    session.user = "Bea"
    session.label(session.table.ids[2:7], "OFF")
    report = session.compare_users(getpass.getuser(), "Bea")
    assert report.agreement.n == 5  # also what was labelled before the new name
    session.train(models=("xgboost",), wait=True, rounds=2)
    steps = [session.undo() for _ in range(4)]
    assert steps == ["5 items labelled OFF", "3 items labelled OFF", "5 items labelled ON", "NeuN added"]
    with Session.open(session.folder, read_only=True) as again:
        assert (again.levels.names, again.can_undo, again.can_redo) == (
            ["main", "PV"],
            "PV added",
            "NeuN added",
        )
        assert len(again.labels) == 0
    for _ in range(4):
        session.redo()
    assert session.labels.counts("PV")["OFF"] == 6


def test_undo_stops_where_files_bear_the_name(session: Session) -> None:
    session.add_marker("PV")
    session.label(session.table.ids[:20], "ON")
    session.label(session.table.ids[20:40], "OFF")
    session.train(models=("xgboost",), wait=True, rounds=2)
    session.undo()
    session.undo()
    with pytest.raises(InputError, match="PV would go with this step, but it was trained"):
        session.undo()
    assert session.level == "PV"


def test_a_marker_goes_while_nothing_is_labelled_in_it(session: Session) -> None:
    with pytest.raises(InputError, match="only marker"):
        session.levels.remove("main")
    session.add_marker("PV")
    session.label(session.table.ids[:1], "ON")
    with pytest.raises(InputError, match="PV has 1 label"):
        session.levels.remove("PV")
    session.label(session.table.ids[:1], None)
    session.levels.remove("PV")
    assert (session.level, session.levels.names) == ("main", ["main"])
    assert _reopened(session)[0] == ["main"]
    session.add_marker("PV")  # of that name again
    assert len(session.labels) == 0
    session.undo()
    assert session.undo() == "PV removed"
    assert session.levels.names == ["main", "PV"]
    for _ in range(2):
        session.undo()
    assert session.labels.counts("PV")["ON"] == 0
    session.redo()
    assert session.labels.counts("PV")["ON"] == 1  # labels of before it went


def test_what_others_stand_on_stays(session: Session) -> None:
    session.levels.add("fine", "main")
    with pytest.raises(InputError, match="fine stands below it"):
        session.levels.remove("main")
    session.add_marker("PV")
    session.draw_audit(10, seed=0)
    for change in (
        lambda: session.levels.remove("PV"),
        session.undo,
    ):
        with pytest.raises(InputError, match="an audit was drawn"):
            change()
    before = session.book.revision
    for wrong in ("", "a/b", "x" * 100, "main"):
        with pytest.raises(LabelError):
            session.levels.rename("fine", wrong)
    with pytest.raises(LabelError, match="no level 'nothing'"):
        session.levels.remove("nothing")
    assert session.book.revision == before
    with Session.open(session.folder, read_only=True) as reader:
        for verb in (lambda: reader.levels.rename("fine", "other"), lambda: reader.levels.remove("fine")):
            with pytest.raises(ReadOnlyError):
                verb()


def test_a_reader_follows(session: Session) -> None:
    session.add_marker("PV")
    with Session.open(session.folder, read_only=True) as reader:
        assert reader.level == "PV"
        session.levels.rename("PV", "parvalbumin")
        reader._tick()
        assert reader.level == "parvalbumin"
        session.levels.remove("parvalbumin")
        reader._tick()
        assert (reader.level, reader.levels.names) == ("main", ["main"])


def test_a_step_that_cannot_be_written_changes_nothing(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.add_marker("PV")
    session.set_rule("a rule")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("celltune_nb.session.project.Project.save", full)
    with pytest.raises((OSError, CellTuneError)):
        session.levels.rename("PV", "other")
    monkeypatch.undo()
    session.book.mend()
    assert (session.levels.names, session.level, session.rule) == (["main", "PV"], "PV", "a rule")
    assert _reopened(session)[0] == ["main", "PV"]


def test_the_script_does_it_again(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "named"
    with Session.create(folder, level="cfos", jobs=Jobs(inline=True)) as named:
        mask = np.zeros((20, 20), np.uint16)
        mask[2:8, 2:8], mask[12:18, 12:18] = 1, 2
        np.save(tmp_path / "i.npy", np.ones((1, 20, 20), np.uint16))
        np.save(tmp_path / "m.npy", mask)
        named.add_image("one", tmp_path / "i.npy", mask=tmp_path / "m.npy", channels=["A"])
        named.levels.rename("cfos", "cFos")  # the first one, by whose name the script begins
        named.categories.add("ON")
        named.add_marker("PVV", on="+", off="-")
        named.label([1], "+")
        named.levels.rename("PVV", "PV")
        named.add_marker("typo")
        named.levels.remove("typo")
        named.undo()
        named.redo()
        named.label([2], "-", level="PV")
        text = named.script()
        with replayed(text, tmp_path, monkeypatch) as other:
            assert (other.levels.names, other.level) == (named.levels.names, named.level)
            same_labels(named, other)
            for one in (named, other):
                one.level = "PV"
            same_undo(named, other)
            assert other.levels.names == named.levels.names == ["cFos"]
