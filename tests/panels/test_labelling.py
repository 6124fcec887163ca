from __future__ import annotations

import re

import numpy as np
import pytest

import celltune_nb as ct
from celltune_nb.panels.asked import pointing
from celltune_nb.panels.labelling import LabellingPanel
from celltune_nb.session.jobs import Jobs
from tests.panels import small
from tests.panels.reading import words

PANEL = LabellingPanel


def button(panel, label: str) -> str:
    """The start tag of a button."""
    (found,) = re.findall(rf"(<button[^>]*>){label}</button>", panel._live.html)
    return found


def code(session, name: str) -> str:
    return str(session.categories[name].code)


def source_of(session):
    return session.labels.to_pandas()["source"]


def test_an_empty_project_says_how_to_begin(panel):
    shown = words(panel._live)
    assert "Drag a rectangle over cells of one kind" in shown
    assert "No cell selected." in shown
    assert "Suggested first cells" in shown
    assert "0 labelled" in shown
    assert "left" in words(panel._table)


def test_the_loop_of_the_guide_sample_label_all_then_the_exceptions(panel, session):
    panel.add("ON")
    panel.add("OFF")
    assert "OFF added, key 2." in panel.message
    session.set_view(image="left", rectangle=(0, 0, 120, 200))
    panel._live.do("count", "", "20")
    panel._live.do("sample")
    ids = session.selection
    assert len(ids) == 20
    assert "20 cells sampled" in words(panel._live)
    assert "20 cells selected: 20 unlabelled" in words(panel._live)
    panel._live.do("key", "1", [])
    assert "20 cells selected: 20 ON" in words(panel._live)
    assert panel.message == "20 cells labelled ON."
    assert list(session.selection) == list(ids)  # still outlined: another key corrects a slip
    session.select(ids[3:4])  # what a click on the image does
    panel._live.do("key", "2", [])
    assert session.labels.counts() == {"Unknown": 180, "ON": 19, "OFF": 1}
    assert source_of(session).value_counts().to_dict() == {"rectangle": 19, "click": 1}
    # one undo takes back either step
    panel._live.do("undo")
    assert session.labels.counts()["ON"] == 20
    panel._live.do("undo")
    assert session.labels.counts()["ON"] == 0
    assert panel.message == "Taken back: 20 cells labelled ON."
    panel._live.do("redo")
    assert session.labels.counts()["ON"] == 20


def test_with_the_brush_a_click_alone_corrects_an_exception(panel, session):
    panel.add("ON")
    panel.add("OFF")
    batch = small.cells(session, "left", "A")[:10]
    session.select(batch)
    panel.assign("ON")
    panel.assign("ON")
    session.select([])
    panel.assign("OFF")
    assert panel.message.startswith("OFF is active.")
    assert "Click an exception to make it OFF" in words(panel._live)
    panel._live.do("brush", "", True)
    with pointing():
        session.select(batch[2:3])
        session.select(batch[5:6])
    assert session.labels.counts()["OFF"] == 2
    # a cell that a review or the audit goes to is not clicked
    session.select(batch[7:8])
    assert session.labels.counts()["OFF"] == 2
    # cells outside the batch are only selected, and a new batch ends it
    with pointing():
        session.select(small.cells(session, "right", "B")[:1])
    assert session.labels.counts()["OFF"] == 2
    session.select(small.cells(session, "right", "B")[:4])
    assert not panel.brush


def test_a_click_on_a_row_labels_the_selection_and_marks_the_row(panel, session):
    panel.add("CD8T")
    panel.add("B")
    session.select(session.items.index[:26])
    panel._live.do("assign", code(session, "CD8T"))
    session.select(session.items.index[:30])
    assert "30 cells selected: 4 unlabelled, 26 CD8T" in words(panel._live)
    assert re.search(r'ct-cat ct-here"[^>]*>.*?CD8T', panel._live.html)
    assert "CD8T 26 Edit" in words(panel._live)
    panel._live.do("clear")
    assert len(session.labels) == 0


def test_one_selected_cell_is_described(panel, session):
    panel.add("A")
    item = int(small.cells(session, "left", "A")[0])
    session.select([item])
    assert "1 cell selected: Cell 1 · not labelled" in words(panel._live)


def test_the_number_of_cells_is_checked(panel):
    panel._live.do("count", "", "12")
    assert panel.count == 12
    before = panel._live.html
    panel._live.do("count", "", "0")
    assert "from 1 to 1000" in panel.message
    assert panel.count == 12
    assert panel._live.html != before  # the field is set back


def test_categories_are_edited_in_place_and_undone(panel, session):
    small.labelled(session)
    panel._live.do("edit", code(session, "B"))
    assert 'value="B"' in panel._live.html
    b = code(session, "B")
    panel._live.do("rename", b, "B cell")
    panel._live.do("recolor", b, "#123456")
    panel._live.do("set_key", b, "1")
    panel._live.do("exclude", b, True)
    category = session.categories["B cell"]
    assert (category.color, category.key, category.exclude_from_training) == ("#123456", "1", True)
    assert session.categories["A"].key is None
    assert "not trained" in words(panel._live)
    panel._live.do("rename", b, "A")
    assert "already a category 'A'" in panel.message
    assert 'value="B cell"' in panel._live.html

    panel._live.do("merge_into", b, code(session, "A"))
    panel._live.do("merge", b)
    assert session.labels.counts() == {"Unknown": 160, "A": 40}
    assert panel.message == "B cell merged into A: 20 cells moved. Edit A to take it out again."
    panel._live.do("edit", code(session, "A"))
    assert "Merged in B cell Take out" in words(panel._live)
    panel._live.do("unmerge", "B cell")
    assert session.labels.counts() == {"Unknown": 160, "A": 20, "B cell": 20}
    assert panel.message == "B cell is a category again, with 20 cells."
    panel._live.do("edit", code(session, "A"))
    panel._live.do("undo")
    panel._live.do("undo")
    assert session.labels.counts() == {"Unknown": 160, "A": 20, "B cell": 20}

    panel._live.do("delete", b)
    assert panel.message == "B cell deleted; 20 cells back to Unknown. Undo brings them back."
    assert "B cell" not in words(panel._live)
    panel._live.do("undo")
    assert "B cell" in words(panel._live)


def test_a_click_on_a_category_that_is_gone_is_explained(panel, session):
    panel.add("A")
    gone = code(session, "A")
    session.categories.delete("A")
    panel._live.do("assign", gone)
    assert "gone" in panel.message


def test_undo_and_redo_say_what_they_would_do(panel, session):
    assert "disabled" in button(panel, "Undo")
    panel.add("A")
    session.select(session.items.index[:3])
    panel.assign("A")
    assert "Take back: 3 cells labelled A (key u)" in button(panel, "Undo")
    assert "disabled" not in button(panel, "Undo")
    panel.undo()
    assert "Do again: 3 cells labelled A (key r)" in button(panel, "Redo")


def test_the_table_counts_labels_per_image_and_goes_there(panel, session):
    small.labelled(session, 7)
    session.label(small.cells(session, "right", "A")[7:9], "A")
    assert "left 14 7 7 right 16 9 7" in words(panel._table)
    panel._table.do("go", "right")
    assert session.view.image == "right"
    assert re.search(r'<tr [^>]*class="ct-here"[^>]*data-what|<tr data-do="go" data-what="right" class="ct-here"', panel._table.html)  # fmt: skip


def test_cells_on_offer_are_gone_through_one_by_one(panel, session):
    panel.add("A")
    panel.add("B")
    session.set_view(image="left", rectangle=(0, 0, 50, 50))
    panel._live.do("count", "", "5")
    panel._live.do("key", "m", [])
    offered = session.offer[0].tolist()
    assert len(offered) == 5
    assert session.selection.tolist() == offered[:1]
    assert session.view.rectangle is None
    row = session.items.loc[offered[0]]
    assert session.view.center == (row["y"], row["x"])
    assert "Cell 1 of 5 0 labelled" in words(panel._live)
    assert "1–9 name it · S skips" in panel.message

    panel._live.do("key", "1", [])
    assert panel.message == "Labelled A. Cell 2 of 5."
    assert session.selection.tolist() == offered[1:2]
    assert session.labels.counts() == {"Unknown": 199, "A": 1, "B": 0}  # one key, one cell
    assert source_of(session).tolist() == ["click"]
    panel._live.do("assign", code(session, "B"))  # as by the click on a row
    panel._live.do("walk", "skip")
    assert panel.message == "Skipped. Cell 4 of 5."
    panel._live.do("walk", "back")
    panel._live.do("key", "ArrowLeft", ["ctrl"])
    assert session.selection.tolist() == offered[1:2]
    assert "1 cell selected:" in words(panel._live)
    assert "Cell 2 of 5 2 labelled" in words(panel._live)
    panel._live.do("key", "1", [])  # corrected; the next one without a label follows, not the skipped one
    assert session.selection.tolist() == offered[3:4]
    panel._live.do("key", "1", [])
    panel._live.do("key", "u", [])  # undo returns to the cell whose label it took
    assert session.selection.tolist() == offered[3:4]
    panel._live.do("key", "1", [])
    panel._live.do("key", "2", [])
    assert panel.message == "Labelled B. 4 of 5 cells labelled, 1 skipped. M brings more."
    assert "4 of 5 cells labelled, 1 skipped." in words(panel._live)
    assert "Cell 5 of 5" not in words(panel._live)
    assert not panel.walk.on


def test_who_strays_from_the_cells_on_offer_finds_back(panel, session):
    panel.add("A")
    panel.count = 4
    panel.useful()
    offered = session.offer[0].tolist()
    panel._live.do("walk", "forward")
    assert session.selection.tolist() == offered[1:2]
    assert "To this cell" not in words(panel._live)
    other = [int(i) for i in session.items.index if i not in offered][:1]
    session.select(other)  # a click on another cell
    assert "To this cell" in words(panel._live)
    panel._live.do("key", "1", [])
    assert session.labels.to_pandas().index.tolist() == other
    assert session.selection.tolist() == other  # it was no answer: nobody is taken away from it
    panel._live.do("key", "m", [])
    assert session.selection.tolist() == offered[1:2]
    panel._live.do("key", "Escape", [])
    assert "Cell 2 of 4" in words(panel._live)  # paused, not ended
    panel._live.do("walk", "2")
    assert session.selection.tolist() == offered[2:3]
    panel._live.do("walk", "end")
    assert "Cell 3 of 4" not in words(panel._live)
    panel._live.do("walk", "forward")
    assert "No cells are on offer now" in panel.message


def test_a_rectangle_drawn_while_cells_are_on_offer_is_sampled_and_labelled_by_one_key(panel, session):
    panel.add("A")
    panel.useful()
    session.set_view(rectangle=(0, 0, 120, 200))
    panel._live.do("key", "s", [])
    assert not panel.walk.on
    assert len(session.selection) == 30
    panel._live.do("key", "1", [])
    assert session.labels.counts()["A"] == 30


@pytest.mark.parametrize("what", ["level", "blind"])
def test_cells_on_offer_are_left_when_they_are_none_any_more(panel, session, what):
    panel.useful()
    assert panel.walk.on
    if what == "level":
        session.levels.add("other")
        session.level = "other"
    else:
        session.set_view(blind=True)
    assert not panel.walk.on


def test_after_a_training_the_most_useful_cells_are_offered(panel, session):
    small.labelled(session)
    panel._live.do("useful")
    first = session.offer[0]
    assert len(first) == 30
    assert set(session.items.loc[first, "image"]) == {session.view.image}
    session.train(models=("xgboost",), rounds=20, wait=True)
    assert "Most useful cells" in words(panel._live)
    panel._live.do("useful")
    assert "least sure" in words(panel._live)
    assert np.isin(session.offer[0], session.labels.to_pandas().index).sum() == 0
    session.set_view(blind=True)
    assert "Suggested first cells" in words(panel._live)


def test_the_next_rectangle_comes_with_its_reason(panel, session):
    panel._live.do("next")
    assert session.view.rectangle is not None
    assert "unlabelled cell" in words(panel._live)
    panel._live.do("key", "s", [])
    assert len(session.selection)
    panel._live.do("key", "Escape", [])
    assert session.view.rectangle is None
    assert not len(session.selection)


def test_with_a_model_the_next_rectangle_selects_its_most_useful_cells(panel, session):
    small.labelled(session)
    session.train(models=("xgboost",), rounds=20, wait=True)
    panel.count = 7
    panel._live.do("next")
    assert len(session.selection) == 7
    assert np.isin(session.selection, session.items_in(session.view.image, session.view.rectangle)).all()
    assert session.offer[1] == "quota_margin"
    assert "7 selected" in words(panel._live)
    session.set_view(blind=True)
    panel._live.do("next")
    assert not len(session.selection)


def test_a_session_that_may_only_look_says_so(session):
    session.categories.add("A")
    with ct.Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as second:
        panel = LabellingPanel(second)
        assert "opened read-only" in words(panel._live)
        second.select(second.items.index[:2])
        panel._live.do("key", "1", [])
        assert "Nothing was changed" in panel.message
        panel.close()


def test_names_are_text_never_markup(panel):
    panel.add("<img src=x>")
    assert "<img" not in panel._live.html
    assert "&lt;img src=x&gt;" in panel._live.html


def test_a_click_costs_one_message_a_list(panel, session, wire):
    for i in range(20):
        session.categories.add(f"type {i}")
    session.select(session.items.index[:30])
    opened = sum(kind == "open" for _, kind, _, _ in wire.sent)
    assert opened < 16  # however many categories there are
    wire.sent.clear()
    panel.assign("type 3")
    assert len(wire.sent) <= 6


def test_m_goes_through_the_cells_that_are_selected_one_by_one(panel, session):
    ids = session.items.index[10:15]
    session.select(ids)
    panel.press("m")
    assert (panel.walk.item, panel.walk.steps().words) == (ids[0], "Cell 1 of 5")
    panel.walk.end()
    session.categories.add("other")
    session.label(ids[:1], "other")
    session.select(ids)
    panel.press("m")  # some have a label already: other cells are meant
    assert len(panel.walk.steps().codes) != 5
