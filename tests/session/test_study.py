"""A study of several images: rule, working set, verdicts, checklist, nudges, record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import CellTuneError, InputError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.onoff import negative_of, positive_of

from .conftest import label_some


def _opened(session: Session, *, read_only: bool = False) -> Session:
    session.close()
    return Session.open(session.folder, read_only=read_only, jobs=Jobs(inline=True))


def test_what_was_decided_is_there_after_a_restart(session):
    told = []
    session.study_changed.connect(lambda event: told.append(event.what))
    session.set_rule("  ON: brighter than its ring  ")
    session.set_working_set(["field 2", "field 0", "field 2"])
    session.set_verdict("field 1", "needs work", "a fold")
    assert told == ["rules", "working_set", "verdicts"]
    again = _opened(session)
    try:
        assert again.rule == "ON: brighter than its ring"
        assert again.working_set == ("field 0", "field 2")
        row = again.verdicts().loc["field 1"]
        assert (row["verdict"], row["note"], row["user"]) == ("needs work", "a fold", again.user)
        assert list(again.study()["in_set"]) == [True, False, True]
        again.set_rule("")
        again.set_working_set(None)
        assert again.rule == ""
        assert again.working_set == ()
        assert again.study()["in_set"].all()
    finally:
        again.close()


def test_samples_and_rectangles_keep_to_the_working_set_and_the_audit_does_not(session):
    session.set_working_set("field 1")
    assert set(session.items.loc[session.sample(40, by="random"), "image"]) == {"field 1"}
    assert session.suggest_rectangle().image == "field 1"
    # an image that is named counts all the same
    assert set(session.items.loc[session.sample(5, image="field 0", by="random"), "image"]) == {"field 0"}
    assert set(session.items.loc[session.draw_audit(60), "image"]) == {"field 0", "field 1", "field 2"}
    label_some(session)
    session.train(wait=True)
    assert set(session.items.loc[session.review("margin", 20).ids, "image"]) == {"field 1"}


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: s.set_rule(3), lambda s: s.set_rule("x" * 30_000), lambda s: s.set_working_set(["nowhere"]),
        lambda s: s.set_working_set(7), lambda s: s.set_verdict("field 0", "fine"), lambda s: s.set_verdict("nowhere", "acceptable"),
        lambda s: s.set_verdict("field 0", "acceptable", 5), lambda s: s.suggest_images(0), lambda s: s.export_study("record.xlsx"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_changes_nothing(session, wrong):
    before = (session.folder / "project.json").read_bytes()
    with pytest.raises(InputError, match=r"[.]$"):
        wrong(session)
    assert (session.folder / "project.json").read_bytes() == before


def test_a_session_that_may_only_look_refuses(session):
    session.set_rule("kept")
    reader = _opened(session, read_only=True)
    try:
        with pytest.raises(ReadOnlyError):
            reader.set_rule("other")
        assert reader.rule == "kept"
    finally:
        reader.close()


@pytest.mark.parametrize("damage", [3, [], {"rules": 5, "working_set": [1], "verdicts": {"main": 4}}, {"verdicts": {"main": {"field 0": 1}}}])  # fmt: skip
def test_a_damaged_study_is_as_none(session, damage):
    session.project.settings["study"] = damage
    session.project.save()
    again = _opened(session)
    try:
        assert again.rule == ""
        assert again.working_set == ()
        assert set(again.verdicts()["verdict"]) == {"not inspected"}
        again.set_verdict("field 0", "acceptable")
        assert again.verdicts().loc["field 0", "verdict"] == "acceptable"
    finally:
        again.close()


def test_suggested_images_span_the_donors_and_say_why(session):
    found = session.suggest_images(2)
    groups = session.items.groupby("image")["group"].first()
    assert set(groups[list(found.images)]) == {"donor 0", "donor 1"}
    assert all(found.reasons[name].startswith(groups[name]) for name in found.images)
    assert session.suggest_images(2) == found
    assert len(session.suggest_images(99).images) == 3


def test_an_image_that_looks_otherwise_is_among_the_first_chosen():
    from celltune_nb.learn.appearance import span

    looks = np.zeros((8, 4))
    looks[:, 0] = np.linspace(0, 0.1, 8)
    looks[5, 2] = 9.0
    found = span(looks, np.zeros(8, np.int64), 2)
    assert found.chosen[1] == 5
    assert found.remark[1] == (2, 1)
    assert span(looks, np.zeros(8, np.int64), 8).coverage == 0


def test_the_checklist_ticks_itself(session):
    def done() -> set[str]:
        return {task.key for task in session.checklist() if task.done}

    assert done() == {"set"}  # three images of both donors: there is nothing to choose among
    session.set_rule("A: the first channel is the brightest")
    truth = session.items["truth"]
    for category in "ABC":
        session.label(truth.index[truth == category][:26], category)
    assert done() == {"set", "rule", "first"}
    assert "10 labels or more" in next(t.state for t in session.checklist() if t.key == "spread")
    session.train(wait=True)
    assert "train" in done()
    left = truth.index[session.labels.to_pandas()["category"].reindex(truth.index).isna()]
    session.label(left[:12], "A", source="correction")
    assert {"mistakes", "train"} <= done()
    assert "again" not in done()
    session.train(wait=True)
    assert "again" in done()
    for image in session.images:
        session.set_verdict(image, "acceptable")
    assert "verdict" in done()


def test_where_one_is_rare_the_first_step_ends_with_some_of_it(session):
    from types import SimpleNamespace

    from celltune_nb.session.guide import _first_task

    def done(**tally: int) -> bool:
        facts = SimpleNamespace(tally=tally)
        return _first_task(session, session.level, facts).done

    assert done(A=100, B=100)
    assert done(A=12, B=300)
    assert not done(A=3, B=300)
    assert not done(A=12, B=90)


def test_nudges_say_what_is_lopsided(session):
    assert session.nudges() == []
    ids = session.items.index[session.items["image"] == "field 0"]
    session.label(ids[:60], "A")
    said = " ".join(session.nudges())
    assert "All 60 labels are A" in said
    assert "100% of the labels are of field 0" in said
    assert "Nothing is labelled on field 1 and field 2" in said
    assert "enough for a first training" not in said


def test_the_record_holds_what_was_decided(session, tmp_path):
    session.set_rule("brighter, than its ring\nin two lines")
    session.set_verdict("field 2", "acceptable")
    path = session.export_study(tmp_path / "new" / "record.csv")
    table = pd.read_csv(path, index_col="image")
    assert list(table.index) == ["field 0", "field 1", "field 2"]
    assert set(table["rule"]) == {"brighter, than its ring\nin two lines"}
    assert table.loc["field 2", "verdict"] == "acceptable"
    assert table["cells"].sum() == 300
    session.add_marker("PV", on="PV+", off="PV-")
    session.label(session.table.ids[:4], "PV+")
    session.set_rule("a ring")
    table = pd.read_csv(session.export_study(tmp_path / "both.csv"))
    assert list(table["marker"]) == ["main"] * 3 + ["PV"] * 3
    assert list(table.columns[:9]) == ["marker", "image", "group", "cells", "labelled", "A", "B", "C", "PV+"]
    assert table.loc[3, ["labelled", "PV+", "PV-"]].tolist() == [4, 4, 0]
    assert table.loc[3:, "A"].isna().all()
    assert table.loc[:2, "PV+"].isna().all()
    assert table["rule"].iloc[-1] == "a ring"
    alone = pd.read_csv(session.export_study(tmp_path / "one.csv", level="main"))
    assert set(alone["marker"]) == {"main"}
    assert "PV+" not in alone
    with pytest.raises(CellTuneError, match="cannot be written"):
        session.export_study(Path("/proc/nowhere/record.csv"))


@pytest.mark.parametrize(
    ("names", "positive", "negative"),
    [(("OFF", "ON"), "ON", "OFF"), (("main ON", "main OFF"), "main ON", "main OFF"), (("main-", "main+"), "main+", "main-"),
     (("neg", "bright"), "bright", "neg"), (("A", "B", "C"), "A", None)],
)  # fmt: skip
def test_which_category_is_counted(tmp_path, names, positive, negative):
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        for name in names:
            session.categories.add(name)
        found = negative_of(session, "main")
        assert positive_of(session, "main").name == positive
        assert (found and found.name) == negative


def test_predictions_are_counted_as_the_threshold_decides_them(session):
    for name in "ABC":
        session.label(session.items.index[session.items["truth"] == name][:20], name)
    session.train(wait=True)
    before = session.study()["predicted"].sum()
    session.set_threshold(0.01)
    assert (
        session.study()["predicted"].sum()
        == (session.populations["Pred_THR"].codes == session.categories["A"].code).sum()
        > before
    )
    session.set_threshold(None)
    assert session.study()["predicted"].sum() == before


def test_a_note_stays_when_the_verdict_changes(session):
    session.set_verdict("field 0", "needs work", "a fold on the left")
    session.set_verdict("field 0", "acceptable")
    assert session.verdicts().loc["field 0", ["verdict", "note"]].tolist() == [
        "acceptable",
        "a fold on the left",
    ]
    session.set_verdict("field 0", "acceptable", "")
    assert session.verdicts().loc["field 0", "note"] == ""


def test_labels_of_the_audit_are_no_samples_in_the_guide(session):
    truth = session.items["truth"]
    for item in session.draw_audit(90):
        session.label([item], truth[item], source="audit")
    tasks = {task.key: task for task in session.checklist()}
    assert tasks["first"].state == "0 of 25 A, 0 of 25 B, 0 of 25 C"
    assert tasks["audit"].state.startswith("90 of")
    assert session.nudges() == []
    left = [item for item in truth.index if item not in set(session.audit.ids)]
    for item in left[:60]:
        session.label([item], truth[item])
    assert (
        sum(
            int(part.split()[0])
            for part in next(t.state for t in session.checklist() if t.key == "first").split(", ")
        )
        == 60
    )


def test_a_marker_of_one_letter_does_not_eat_into_the_names_of_its_categories(tmp_path):
    with Session.create(tmp_path / "p", level="o", jobs=Jobs(inline=True)) as session:
        for name in ("OFF", "ON"):
            session.categories.add(name)
        assert positive_of(session, "o").name == "ON"


def test_a_script_decides_the_same(session):
    session.set_rule("a rule")
    session.set_working_set(["field 0"])
    session.set_verdict("field 0", "needs work", "blurred")
    script = session.script()
    assert "session.set_rule(text='a rule'" in script
    assert "session.set_working_set(images=['field 0'])" in script
    assert "session.set_verdict(image='field 0', verdict='needs work', note='blurred'" in script
