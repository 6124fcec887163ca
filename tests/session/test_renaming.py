"""A trained marker under another name: everything that belongs to it goes along, in one step, and stays so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from celltune_nb.data.level_names import LevelNames
from celltune_nb.errors import CellTuneError, InputError, LabelError, NotReadyError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.level_settings import renamed_color, renamed_settings
from tests.session.test_script import replayed

from .conftest import field

TRAINING = {"models": ("xgboost", "lightgbm"), "wait": True, "rounds": 5}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """Two markers that were trained, with all that may belong to one."""
    with Session.create(tmp_path / "project", level="cFos", jobs=Jobs(inline=True)) as session:
        for i in range(2):
            image, mask, _ = field(i)
            session.add_image(f"slice {i}", image, mask, channels=["A", "B", "C"], group=f"mouse {i}")
        session.measure(rings=False, neighbours=False)
        for name in ("ON", "OFF"):
            session.categories.add(name)
        session.add_marker("PV")
        bright = session.features.to_pandas()
        for level, channel in (("cFos", "A"), ("PV", "B")):
            on = bright[f"{channel}__Mean__Cell"] > bright[f"{channel}__Mean__Cell"].median()
            ids = bright.index[::3]
            session.label_each({"ON": ids[on[ids]], "OFF": ids[~on[ids]]}, level=level)
            session.train(level=level, seed=1, **TRAINING)
        session.level = "cFos"
        yield session
        assert session.problems == []


def furnished(session: Session) -> None:
    """Everything that stands under the name of PV."""
    session.level = "PV"
    session.set_rule("a ring")
    session.set_target(0.7)
    session.set_verdict("slice 1", "acceptable")
    session.set_marker_channel("B")
    session.set_threshold(0.4)
    session.draw_audit(30, seed=2)
    for item in session.audit.todo.tolist():
        session.label([item], "ON" if item % 2 else "OFF", source="audit")
    session.evaluate()
    session.cluster("kmeans", n=3, name="groups")
    session.gate("ON__Probability", 0.3, None, name="likely")
    session.gate_from("likely & !Pred_AVG:OFF", name="both")
    session.review("margin", 5)
    session.looked_at(session.table.ids[:3])
    session.level = "cFos"
    session.gate("PV/Pred_MDL1/ON__Probability", 0.3, None, name="elsewhere")
    session.gate_from("'PV/Pred_AVG':ON & PV/likely & Pred_AVG:ON", name="mixed")
    session.combine("cFos+ PV-")
    session.combine("cFos+ PV+", name="double")
    session.gate_from('"cFos+ PV-" | double', name="on top")
    session.levels.add("subtype", "PV", within="ON")
    session.set_view(color_by="cFos+ PV-")


def facts(session: Session, name: str) -> dict[str, object]:
    """What is known of the marker, and of what stands on it."""
    level = session.level
    session.level = name
    found: dict[str, object] = {
        "labels": session.labels.counts(), "rule": session.rule, "target": session.target, "rounds": session.rounds(name),
        "verdicts": session.verdicts().astype(str).to_dict(), "channel": session.marker_channel(), "threshold": session.threshold().value,
        "audit": (len(session.audit.ids), session.audit.labelled, session.audit.inclusion.tolist()),
        "populations": sorted(session.populations.of_level(name)),
        "figures": session.runs[-1].evaluation.accuracy, "looks": len(session.looks()),
        "review": None if (queue := session.reviews.of(name)) is None else queue.ids.tolist(),
        "clusters": session.clusters("groups").to_dict(), "light": session.stop_light().color,
        "counts": session.counts()[["cells", "raw"]].to_dict(),
    }  # fmt: skip
    found |= {
        one: session.populations[one].codes.tolist()
        for one in ("labels", "Pred_AVG", "Pred_MDL1", "Pred_THR", "groups", "likely", "both")
    }
    session.level = "cFos"
    for one in ("elsewhere", "mixed", "double", "on top"):
        found[one] = session.populations[one].codes.tolist()
    found["within"] = session.levels.inside("subtype").tolist()
    found["phenotypes"] = session.phenotypes()["cells"].tolist()
    session.level = level
    return found


def test_everything_goes_along_and_stays(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnished(session)
    before = facts(session, "PV")
    combined = session.populations["cFos+ PV-"].codes.tolist()
    files = sorted(p.name for p in session.folder.rglob("*.parquet"))
    session.levels.rename("PV", "parvalbumin")
    assert session.levels.names == ["cFos", "parvalbumin", "subtype"]
    for turn in ("now", "reopened", "back"):
        if turn == "reopened":
            session.close()
            session = Session.open(session.folder, jobs=Jobs(inline=True))
        name = "parvalbumin" if turn != "back" else "PV"
        if turn == "back":
            session.levels.rename("parvalbumin", "PV")
        now = facts(session, name)
        assert now.keys() == before.keys()
        for key, value in before.items():
            np.testing.assert_equal(now[key], value, err_msg=f"{turn}: {key}")
        assert session.populations[f"cFos+ {name}-"].codes.tolist() == combined
        assert session.view.color_by == f"cFos+ {name}-"
        assert session.populations.gates["mixed"].expression.text.startswith(
            f"{name}/Pred_AVG:ON & {name}/likely & "
        )
        assert session.populations.gates["elsewhere"].features == (f"{name}/Pred_MDL1/ON__Probability",)
        assert session.levels.region("subtype").parent == session.levels["subtype"].parent == name
        assert sorted(p.name for p in session.folder.rglob("*.parquet")) == files  # nothing is written anew
        assert session.problems == []
    with replayed(session.script(), tmp_path, monkeypatch) as again:
        assert again.levels.names == ["cFos", "PV", "subtype"]
        assert again.labels.counts("PV") == session.labels.counts("PV")
        assert again.populations["cFos+ PV-"].codes.tolist() == combined
    session.close()


def test_work_goes_on_under_the_new_name(session: Session) -> None:
    session.set_threshold(0.4, level="PV")
    session.combine("cFos+ PV+")
    session.levels.rename("PV", "Parv")
    session.level = "Parv"
    session.label(session.table.ids[1:3], "ON")
    run = session.train(seed=3, **TRAINING)
    assert (run.level, run.round, session.rounds("Parv")) == ("Parv", 2, 2)
    session.set_threshold(0.6)
    session.draw_audit(10, seed=1)
    stored = sorted(p.name for p in (session.folder / "populations").glob("*"))
    assert len({name.casefold() for name in stored}) == len(stored)
    assert not any("parv" in name.casefold() for name in stored)  # files keep the name they had first
    codes = session.populations["Pred_THR"].codes.tolist()
    session.levels.rename("Parv", "third")
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as reader:
        reader.level = "third"
        assert reader.rounds("third") == 2
        assert reader.populations["Pred_THR"].codes.tolist() == codes
        assert len(reader.audit.ids) == 10
        assert "cFos+ third+" in reader.populations.of_level("cFos")
        with pytest.raises(ReadOnlyError):
            reader.levels.rename("third", "fourth")
        session.levels.rename("third", "fourth")
        reader._tick()
        assert (reader.level, reader.rounds("fourth")) == ("fourth", 2)
        assert reader.populations["Pred_THR"].codes.tolist() == codes
    bundle = session.save_bundle(session.folder.parent / "b.zip")
    with Session.open(bundle, folder=session.folder.parent / "there", jobs=Jobs(inline=True)) as there:
        assert there.rounds("fourth") == 2


def test_the_channel_that_was_found_by_the_name_stays(session: Session) -> None:
    told = []
    session.add_marker("B")
    session.populations_changed.connect(lambda event: told.append(event.names))
    for name in ("Bm", "third"):
        assert session.marker_channel() == "B"
        session.levels.rename(session.level, name)
    assert session.marker_channel() == "B"
    session.level = "cFos"
    session.set_view(color_by="labels")
    session.levels.rename("cFos", "Fos")
    assert session.view.color_by == "labels"
    assert told[-1] == ()  # no set is another one: nobody is shown predictions anew


def test_names_that_files_bear_are_not_given_again(session: Session) -> None:
    session.levels.rename("PV", "parvalbumin")
    for wrong in (
        lambda: session.add_marker("PV"),
        lambda: session.levels.rename("cFos", "PV"),
        lambda: session.levels.add("PV"),
    ):
        with pytest.raises(LabelError, match="parvalbumin was called 'PV', and its files bear that name"):
            wrong()
    for wrong in ("cFos", "", "a/b", "x" * 100):
        with pytest.raises(LabelError):
            session.levels.rename("parvalbumin", wrong)
    assert session.levels.names == ["cFos", "parvalbumin"]
    session.add_marker("other")  # nothing bears this one
    session.levels.rename("other", "NeuN")
    session.add_marker("other")
    with pytest.raises(InputError, match="67 labels"):
        session.levels.remove("parvalbumin")


def test_a_step_does_not_bring_a_marker_over_another(session: Session) -> None:
    session.add_marker("NeuN")
    session.undo()
    session.levels.rename("PV", "NeuN")
    labels = session.labels.counts("NeuN")
    with pytest.raises(LabelError, match="already a level 'NeuN'"):
        session.redo()
    session.levels.rename("NeuN", "third")
    with pytest.raises(LabelError, match="already a level"):
        session.redo()
    assert session.levels.names == ["cFos", "third"]
    assert session.labels.counts("third") == labels


def test_while_something_is_worked_out_it_is_refused(session: Session) -> None:
    refused = []

    def work(_job: object) -> None:
        try:
            session.levels.rename("PV", "parvalbumin")
        except NotReadyError as error:
            refused.append(str(error))

    session.jobs.submit(work, "training").wait()
    assert len(refused) == 1
    assert session.levels.names == ["cFos", "PV"]


def test_a_renaming_that_fails_or_is_cut_off_is_none(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnished(session)
    before = facts(session, "PV")
    whole = (session.folder / "project.json").read_text()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("celltune_nb.session.project.write_atomically", full)
        with pytest.raises(CellTuneError, match="No space left"):
            session.levels.rename("PV", "parvalbumin")
    assert session.levels.names == ["cFos", "PV", "subtype"]
    np.testing.assert_equal(facts(session, "PV"), before)
    # killed when project.json was written, and the journal's row was not
    about = json.loads(whole)
    changed = renamed_settings(about, "PV", "parvalbumin")
    cut = about | changed | {"renaming": {"old": "PV", "keys": [*changed, "celltypes"], "before": {k: about[k] for k in changed if k in about}}, "celltypes": {"parvalbumin": []}}  # fmt: skip
    session.close()
    for place in ("killed", "damaged"):
        folder = session.folder.parent / place
        shutil.copytree(session.folder, folder)
        if place == "damaged":
            cut["renaming"] = {"old": "PV"}
        (folder / "project.json").write_text(json.dumps(cut))
        if place == "damaged":
            with pytest.raises(CellTuneError, match="renaming"):
                Session.open(folder, jobs=Jobs(inline=True))
            continue
        with Session.open(folder, jobs=Jobs(inline=True)) as again:
            np.testing.assert_equal(facts(again, "PV"), before)
            again.set_rule("another", level="PV")
        assert "renaming" not in json.loads((folder / "project.json").read_text())


def test_what_was_written_badly_by_hand_stays(session: Session) -> None:
    bad = {
        "study": {"rules": 3, "phenotypes": {"PV/x": 7, 5: "PV+"}, "verdicts": {"PV": 1}},
        "gates": ["no gate", {"level": "PV"}, {"name": "g", "level": "PV", "expression": {"text": "((", "names": []}}],
        "regions": {"a": 4}, "clusters": [], "celltypes": {"PV": None},
    }  # fmt: skip
    found = renamed_settings(bad, "PV", "P.V.")
    assert found["study"] == {"rules": 3, "phenotypes": {"P.V./x": 7, "/5": "P.V.+"}, "verdicts": {"P.V.": 1}}
    assert found["gates"] == bad["gates"]
    assert found["celltypes"] == {"P.V.": None}
    assert renamed_settings({}, "a", "b") == {}
    assert renamed_color("PV/Pred_AVG", {}, "PV", "x") == "x/Pred_AVG"
    assert renamed_color(None, {}, "PV", "x") is None


def test_names_of_levels() -> None:
    names = LevelNames()
    names.rename("a", "b", lasting=False)
    assert (names.key("b"), names.today("a"), names.owner("a")) == ("b", "a", None)
    names.rename("b", "c", lasting=True)
    names.rename("c", "b", lasting=False)
    again = LevelNames(json.loads(json.dumps(names.to_plain())))
    assert (again.key("b"), again.today("c"), again.every("b")) == ("b", "b", ("b", "c"))
    again.rename("b", "d", lasting=True)
    assert (again.key("d"), again.today("b"), again.every("d")) == ("b", "d", ("d", "b", "c"))
    assert pd.isna(again.owner("e") or np.nan)
