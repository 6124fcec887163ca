"""Several threads, several sessions, several rounds: nothing is lost and nothing leaks."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import InputError, LabelError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.training import snapshot
from tests.session.conftest import field, label_some
from tests.waiting import LONG


def test_a_session_that_was_taken_over_replaces_no_file(session: Session) -> None:
    image, mask, _ = field(8)
    with Session.open(session.folder) as newer:
        newer.add_image("new", image, mask, channels=["A", "B", "C"])
        with pytest.raises(ReadOnlyError):
            session.add_image("old", image, mask, channels=["A", "B", "C"])
        newer.label([301], "A")
    with Session.open(session.folder) as again:
        assert list(again.images)[-1] == "new"
        assert again.describe(301).label == "A"


def test_a_session_that_was_taken_over_switches_its_level_for_itself_alone(session: Session) -> None:
    image, mask, _ = field(8)
    session.levels.add("second")
    with Session.open(session.folder) as newer:
        newer.add_image("new", image, mask, channels=["A", "B", "C"])
        session.level = "second"
        assert session.level == "second"
        assert session.read_only
    with Session.open(session.folder) as again:
        assert list(again.images)[-1] == "new"
        assert len(again.table) == 400
        assert again.level == "main"


def test_opening_waits_for_a_session_that_is_putting_files_in_place(session: Session) -> None:
    image, mask, _ = field(8)
    opened: list[Session] = []
    opening = threading.Thread(target=lambda: opened.append(Session.open(session.folder)))
    save = session.project.save

    def slowly() -> None:
        opening.start()
        opening.join(0.3)
        assert not opened
        save()

    session.project.save = slowly  # type: ignore[method-assign]
    session.add_image("mine", image, mask, channels=["A", "B", "C"])
    opening.join()
    with opened[0] as newer:
        assert list(newer.images)[-1] == "mine"
        newer.add_image("also", image, mask, channels=["A", "B", "C"])
    with Session.open(session.folder) as again:
        assert list(again.images)[-2:] == ["mine", "also"]
        assert len(again.table) == 500


def test_taking_over_takes_in_everything_that_was_written(session: Session) -> None:
    label_some(session)
    with Session.open(session.folder) as newer:
        audit = newer.draw_audit(40, seed=1)
        newer.label(audit[:20], "A", source="audit")
        assert session.access.lost()
        session._tick()
        assert session.audit.labelled == 20  # who only looks follows
        session.take_over()
    assert set(session.audit.ids) == set(audit)
    learned = session.table.ids[snapshot(session, "main").positions]
    assert not np.isin(learned, audit).any()


def test_categories_added_by_many_threads_are_all_there(session: Session) -> None:
    threads = [
        threading.Thread(target=session.categories.add, args=(f"type {i}",), kwargs={"key": ""})
        for i in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"type {i}" for i in range(20)} <= set(session.categories.names)


def test_listeners_that_set_off_one_another_in_two_threads_do_not_wait_for_ever(session: Session) -> None:
    session.view_changed.connect(
        lambda _: session.select([1]) if threading.current_thread().name == "a" else None
    )
    session.selection_changed.connect(
        lambda _: session.set_view(opacity=0.5) if threading.current_thread().name == "b" else None
    )

    def look() -> None:
        for i in range(200):
            session.set_view(zoom=1.0 + i / 1000)

    def choose() -> None:
        for i in range(200):
            session.select([i + 1])

    threads = [
        threading.Thread(target=look, name="a", daemon=True),
        threading.Thread(target=choose, name="b", daemon=True),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
        assert not thread.is_alive()
    session.view_changed.disconnect()
    session.selection_changed.disconnect()


def test_a_code_is_never_given_twice_not_even_after_undo(session: Session) -> None:
    session.categories.add("Z")
    code = session.categories["Z"].code
    session.undo()
    session.categories.add("W")
    assert session.categories["W"].code > code
    session.undo()
    session.redo()
    assert session.categories["W"].code > code


def test_a_deleted_category_stays_apart_from_one_that_takes_its_name(session: Session) -> None:
    label_some(session)
    session.train(wait=True)
    session.categories.delete("C")
    session.categories.rename("B", "C")
    found = session.populations["Pred_AVG"]
    assert set(found.to_pandas().cat.categories) == {"Unknown", "A", "C", "C (deleted)"}
    assert list(found.probabilities().columns) == ["A", "C", "C (deleted)"]
    session.export(session.folder / "exports" / "all.csv")


def test_levels_with_names_alike_keep_files_apart(session: Session) -> None:
    for level in ("CD8 +", "CD8 ?"):
        session.levels.add(level)
        session.level = level
        for name in "AB":
            session.categories.add(name)
        session.label(range(1, 30), "A")
        session.label(range(150, 180), "B")
        session.train(("xgboost",), wait=True)
    folder = session.folder
    session.close()
    with Session.open(folder) as again:
        assert "CD8 +/Pred_AVG" in again.populations
        assert "CD8 ?/Pred_AVG" in again.populations


def test_a_second_table_adds_to_the_first(session: Session) -> None:
    items = session.items
    first = pd.DataFrame(
        {"image": items["image"][:100], "cellID": items["cellID"][:100], "score": 1.0, "note": "a"}
    )
    second = pd.DataFrame(
        {"image": items["image"][100:], "cellID": items["cellID"][100:], "score": 2.0, "note": "b"}
    )
    session.import_cells(first, features=["score"])
    session.import_cells(second, features=pd.Index(["score"]))
    assert np.isfinite(session.features["table"].column("score")).all()
    assert session.items["note"].notna().all()
    folder = session.folder
    session.close()
    with Session.open(folder) as again:
        assert again.items["note"].tolist() == ["a"] * 100 + ["b"] * 200


def test_a_mask_for_an_image_whose_cells_a_table_brought_is_refused(session: Session) -> None:
    session.import_cells(pd.DataFrame({"image": ["t"], "cellID": [1], "y": [1.0], "x": [2.0]}), x="x", y="y")
    image, mask, _ = field(3)
    with pytest.raises(InputError, match="without mask="):
        session.add_image("t", image, mask, channels=["A", "B", "C"])
    session.add_image("t", image, channels=["A", "B", "C"])
    assert session.item_at("t", 1, 2) == 301


def test_an_audit_is_labelled_in_random_order(session: Session) -> None:
    ids = session.draw_audit(150, seed=5)
    first = session.items.loc[session.audit.todo[:60], "image"].value_counts()
    assert first.min() >= 8
    assert set(session.audit.todo) == set(ids)


def test_a_cell_that_taught_the_models_does_not_judge_them(session: Session) -> None:
    chosen = label_some(session, each=30)
    session.train(("xgboost",), wait=True)
    session.label(chosen, None)
    session.draw_audit(200, seed=0)
    truth = session.items["truth"]
    for i in session.audit.ids:
        session.label([i], truth[i], source="audit")
    found = session.evaluate()
    assert not np.isin(found.ids, chosen).any()
    assert any("left out" in text for text in found.warnings)


def test_names_that_are_no_names_are_refused(session: Session) -> None:
    for bad in ("", 1, 3.5):
        with pytest.raises(LabelError):
            session.label([1], bad)
    for edit in (lambda: session.categories.add(None), lambda: session.categories.rename(0, "x")):
        with pytest.raises(LabelError):
            edit()
    with pytest.raises(InputError):
        session.train(params={"catboost": {"train_dir": "/tmp"}})
    for changes in (
        {"zoom": "wide"},
        {"center": np.array([1, np.nan])},
        {"hidden": 5},
        {"rectangle": (1, 2)},
    ):
        with pytest.raises(InputError):
            session.set_view(**changes)
    session.set_view(zoom=np.float32(2), center=np.array([3, 4]))
    assert session._tick()
    assert (session.folder / "view.json").read_text().count("3.0")


def test_labels_imported_with_new_categories_are_one_undo(session: Session) -> None:
    session.import_labels(pd.DataFrame({"image": ["field 0"], "cellID": [10], "class": ["new kind"]}))
    session.undo()
    assert "new kind" not in session.categories
    assert len(session.labels) == 0
    session.redo()
    assert session.describe(1).label == "new kind"
