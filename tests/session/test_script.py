"""A script does the work again in a fresh project: labels with their sources, undo, predictions."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celltune_nb.data.categories import CategorySet
from celltune_nb.errors import FormatError
from celltune_nb.session import Session, recording
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.recording import RECORDED
from celltune_nb.session.script_text import Writer, call, comment
from tests.session.conftest import field, label_some

OF_LABELS = ["category", "level", "source", "user", "round", "t0"]


def replayed(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    path = folder / "replay.py"
    if script:
        path.write_text(script)
    monkeypatch.setattr(sys, "argv", ["replay.py", str(folder / "again")])
    runpy.run_path(str(path))
    return Session.open(folder / "again", jobs=Jobs(inline=True))


def same_labels(one: Session, other: Session) -> None:
    for level in one.levels:
        before, after = one.labels.to_pandas(level), other.labels.to_pandas(level)
        pd.testing.assert_frame_equal(before[OF_LABELS].astype(str), after[OF_LABELS].astype(str))
        assert one.book.level(level).categories == other.book.level(level).categories


def same_undo(one: Session, other: Session) -> None:
    for _ in range(100):
        assert one.can_undo == other.can_undo
        if one.undo() is None:
            return
        other.undo()
        same_labels(one, other)


def test_everything_a_person_did_is_done_again(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_some(session)
    audit = session.draw_audit(20)
    session.features.use("cells", ["Default"])
    session.train(models=("xgboost", "lightgbm"), rounds=5, seed=7, wait=True)
    session.label(audit[:5], "A", source="audit")
    session.label([3, 4, 5, 9], None)
    session.categories.add("D", "#102030", "9")
    session.categories.rename("D", "delta")
    session.categories.set_key("delta", "1")
    session.categories.set_excluded("delta")
    session.categories.reorder(["delta", "C", "B", "A"])
    session.categories.merge(["A", "B"], "C")
    session.categories.unmerge("A")
    session.categories.delete("delta")
    session.undo()
    session.undo()
    session.redo()
    session.levels.add("CD8")
    session.categories.add("on", level="CD8")
    session.label(np.arange(1, 300, 2), "on", level="CD8", source="rectangle", t0=3.5)
    items = session.items
    table = items.loc[[1, 2, 3], ["image", "cellID"]].assign(**{"class": ["new", "A", "Unknown"]})
    session.import_labels(table)
    session.gate("A__Mean__Cell", low=3.0, name="bright")
    session.gate_from("bright & !labels:A", name="rest")
    monkeypatch.setattr(session, "user", "anna")
    session.label_each({"A": [21, 22], "new": [23], None: [24]}, source="review")
    with replayed(session.script(), tmp_path, monkeypatch) as other:
        pd.testing.assert_frame_equal(other.items, session.items)
        np.testing.assert_array_equal(other.features.matrix, session.features.matrix)
        assert other.features.used == session.features.used
        np.testing.assert_array_equal(other.audit.ids, session.audit.ids)
        same_labels(session, other)
        for name in ("Pred_MDL1", "Pred_MDL2", "Pred_AVG", "Pred_ALL"):
            np.testing.assert_array_equal(other.populations[name].codes, session.populations[name].codes)
        for name in ("bright", "rest"):
            assert other.gates[name] == session.gates[name]
        same_undo(session, other)
        assert other.script().count("\n") == pytest.approx(session.script().count("\n"), abs=8)


def test_images_are_read_from_the_files_that_they_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, mask, _ = field(3, cells=3)
    np.save(tmp_path / "image.npy", image)
    np.save(tmp_path / "mask.npy", mask)
    monkeypatch.chdir(tmp_path)
    with Session.create(tmp_path / "one", jobs=Jobs(inline=True)) as session:
        session.add_image(
            "a 'b'", "image.npy", mask="mask.npy", channels=["A", "B\n", 'C"""'], pixel_size=0.5, group="g"
        )
        session.add_image("from memory", image[::-1], mask[:, ::-1], channels=["A", "B\n", 'C"""'])
        session.import_cells(
            pd.DataFrame({"image": "c", "cellID": [1, 2], "x": [3.0, 4], "y": [5.0, 6], "f": [1.0, 2], "own": ["p", "q"]}),
            x="x", y="y", features=["f"],
        )  # fmt: skip
        session.measure(rings=False, neighbours=False, percentiles=(5, 95))
        text = session.script()
        assert str(tmp_path / "image.npy") in text
        with replayed(text, tmp_path, monkeypatch) as other:
            pd.testing.assert_frame_equal(other.items, session.items)
            assert other.images["a 'b'"].pixel_size == 0.5
            for name in ("cells", "table"):
                np.testing.assert_array_equal(other.features[name].matrix, session.features[name].matrix)
                assert other.features[name].names == session.features[name].names
        (tmp_path / "image.npy").unlink()
        assert str(tmp_path / "image.npy") not in session.script()  # the project has a copy


def test_long_lists_stand_beside_a_saved_script(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celltune_nb.session.script.INLINE", 20)
    session.label(np.arange(1, 200, 2), "A")
    session.label(np.arange(2, 200, 2), "B")
    path = session.save_script(tmp_path / "replay.py")
    assert path.stat().st_size < 3_000
    assert (tmp_path / "replay.npz").exists()
    with replayed("", tmp_path, monkeypatch) as other:
        same_labels(session, other)


def test_a_project_of_before_there_were_notes_is_told_from_what_it_holds(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_some(session)
    session.train(models=("xgboost",), rounds=3, wait=True)
    with session.journal.writing() as connection:
        connection.execute("DROP TABLE actions")
    with replayed(session.script(), tmp_path, monkeypatch) as other:
        same_labels(session, other)
        np.testing.assert_array_equal(other.features.matrix, session.features.matrix)
        np.testing.assert_array_equal(
            other.populations["Pred_AVG"].codes, session.populations["Pred_AVG"].codes
        )


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("close(); print('mine') #", "{}"),
        ("gate", '{"name=1); print(1) #": 2}'),
        ("__class__", "{}"),
        ("journal.close.__self__", "{}"),
    ],
)
def test_what_somebody_wrote_into_the_notes_is_no_line_of_the_program(
    session: Session, verb: str, arguments: str
) -> None:
    session.categories.add("D")
    session.gate("A__Mean__Cell", low=3.0, name="bright")
    with session.journal.writing() as connection:
        connection.execute(
            "UPDATE actions SET verb = ?, arguments = ? WHERE verb = 'gate'", (verb, arguments)
        )
    with pytest.raises(FormatError, match="is damaged"):
        session.script()


def test_options_of_a_training_that_are_none_are_left_out(session: Session) -> None:
    label_some(session)
    run = session.train(models=("xgboost",), rounds=3, wait=True)
    run.about["options"]["rounds=3); print('mine') #"] = 1
    assert "mine" not in session.script()


def test_every_verb_that_is_noted_is_one_of_the_session() -> None:
    known = {name for name in RECORDED if hasattr(Session, name)}
    assert set(RECORDED) - known <= {"import_project", "import_population"}
    assert {"import_folder", "cluster", "landmarks", "gate"} <= known


def test_a_folder_and_clusters_made_in_the_background_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tifffile

    (tmp_path / "fields").mkdir()
    for i in range(2):
        image, mask, _ = field(i, cells=5)
        tifffile.imwrite(tmp_path / "fields" / f"f{i}.tif", image, photometric="minisblack")
        tifffile.imwrite(tmp_path / "fields" / f"f{i}_segmentation_labels.tif", mask)
    with Session.create(tmp_path / "one", jobs=Jobs(inline=True)) as session:
        session.import_folder(tmp_path / "fields", wait=False)
        assert len(session.images) == 2
        session.measure(rings=False, neighbours=False, wait=False)
        session.cluster("kmeans", n=3, wait=False)
        text = session.script()
        assert "session.import_folder(" in text
        with replayed(text, tmp_path, monkeypatch) as other:
            pd.testing.assert_frame_equal(other.items, session.items)
            np.testing.assert_array_equal(
                other.populations["Clusters"].codes, session.populations["Clusters"].codes
            )


NAMES = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=80),
    st.text(st.sampled_from("'\"\\#{}()\nabc\r\x0b\x85 \u2028"), min_size=1, max_size=20),
    st.sampled_from(["'''", '"""', "\\", "'); import os; os.abort() #", "{x}", "%s", "\\N{DIGIT ONE}"]),
)


@settings(max_examples=200)
@given(st.lists(NAMES, max_size=4), NAMES)
def test_whatever_a_name_holds_stays_a_name(names: list[str], about: str) -> None:
    writer = Writer()
    writer.head(Path(about.replace("\0", "")), about)
    writer.add(comment(about))
    writer.add(call("session.label_each", dict.fromkeys(names, 1.5), level=about))
    tree = ast.parse(writer.text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    (ours,) = [
        node for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr == "label_each"
    ]
    assert list(ast.literal_eval(ours.args[0])) == list(dict.fromkeys(names))
    assert ast.literal_eval(ours.keywords[0].value) == about
    assert {node.func.attr for node in calls if isinstance(node.func, ast.Attribute)} == {
        "create",
        "label_each",
        "close",
    }


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(names=st.lists(NAMES, min_size=1, max_size=4))
def test_hostile_categories_come_out_as_their_names(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    with Session.create(folder / "one", jobs=Jobs(inline=True)) as session:
        session.import_cells(
            pd.DataFrame({"image": "i", "cellID": [1, 2], "x": [0, 1], "y": [0, 1]}), x="x", y="y"
        )
        for name in names:
            try:
                session.categories.add(name)
            except ValueError:
                continue
            session.label([1], name.strip())
        text = session.script()
        added = [
            [ast.literal_eval(v) for v in node.args]
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add"
        ]
        expected = CategorySet()
        for name, color, key in added:
            expected = expected.add(name, color, key)
        assert expected == session.book.level("main").categories


@pytest.mark.parametrize(
    "odd",
    [np.array(5), {1, "a"}, np.longdouble(1), "x" * 5000, 10**5000, Path("x" * 5000), Path("~nobody_here/a"), "a\0b",
     {"a": [np.array(5)]}, "\ud800"],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_verb_does_not_fail_for_what_cannot_be_noted(session: Session, odd: object) -> None:
    def verb(session: Session, table: object, more: object = None) -> str:
        return "done"

    noted = recording._noted("import_celltypes", verb)
    assert noted(session, odd, more=[odd]) == "done"
    program = session.script()
    compile(program, "replay.py", "exec")
    assert "import_celltypes" in program
    around: list[object] = []
    around.append(around)
    assert noted(session, around) == "done"
    assert "# import_celltypes: what it was given came from memory and is left out." in session.script()


def test_images_that_took_effect_together_are_added_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session.create(tmp_path / "together", jobs=Jobs(inline=True)) as session:
        with session.adding_images():
            for i in range(2):
                session.add_image(f"field {i}", *field(i)[:2], channels=["A", "B", "C"])
        session.categories.add("A")
        session.label([3, 150], "A")
        with replayed(session.script(), tmp_path, monkeypatch) as again:
            assert list(again.images) == ["field 0", "field 1"]
            np.testing.assert_array_equal(again.table.ids, session.table.ids)
            same_labels(session, again)
