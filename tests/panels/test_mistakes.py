"""The contact sheet of likely mistakes."""

from __future__ import annotations

import numpy as np
import pytest

import celltune_nb as ct
from celltune_nb.panels.mistakes import MistakesPanel
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs

from . import small

PANEL = MistakesPanel


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mistakes") / "p"
    small.make(folder)
    with Session.open(folder, jobs=Jobs(inline=True)) as session:
        session.add_marker("B")
        for image in ("left", "right"):
            session.label(small.cells(session, image, "B")[:12], "ON")
            session.label(small.cells(session, image, "A")[:12], "OFF")
        session.train(wait=True)
    return folder


def test_the_sheet_shows_fifty_pictures_and_why_each_is_there(panel):
    assert panel._below.html.count('class="ct-mistake ') == 50
    assert "".join(sheet.value for sheet in panel._pictures.widget.children).count("data:image/jpeg") == 50
    assert "1 of 50" in panel._above.html
    assert "0 of 50 answered" in panel._below.html


def test_one_key_answers_and_the_next_cell_is_asked_for(panel, session):
    first = panel.item
    panel.press("1")
    row = session.labels.to_pandas().loc[first]
    assert (row["category"], row["source"]) == ("ON", "correction")
    assert panel.at == 1
    assert session.selection.tolist() == [panel.item]
    second = panel.item
    panel.press("y")
    assert second not in session.labels.to_pandas().index
    assert second in set(session.looks()["item"])
    assert "2 of 50 answered" in panel._below.html
    panel.press("ArrowLeft")
    assert panel.item == second
    panel.press("u")
    assert first not in session.labels.to_pandas().index
    assert "1 of 50 answered" in panel._below.html


def test_cells_selected_on_the_image_are_corrected_together(panel, session):
    ids = small.cells(session, "right", "A")[20:25]
    session.select(ids)
    panel.press("1")
    labels = session.labels.to_pandas().loc[ids]
    assert set(labels["source"]) == {"correction"}
    assert set(labels["category"]) == {"ON"}
    assert set(session.looks()["how"]) == {"slice"}
    assert "5 cells corrected to ON" in panel.message


def test_the_rest_of_a_sheet_can_be_called_right_at_once(panel, session):
    ids = panel._ids()
    panel.press("2")
    panel._below.do("rest", str(panel.sheet))
    assert set(session.looks()["item"]) == set(ids)
    assert "49 cells noted as right" in panel.message
    assert not set(ids) & set(panel._ids())


def test_kinds_and_the_slice_looked_at(panel, session):
    panel._above.do("here", "", True)
    assert set(session.items.loc[panel._ids(), "image"]) == {session.view.image}
    panel._above.do("here", "", False)
    panel._above.do("kind", "", "strong signal")
    found = session.likely_mistakes(50, kind="strong signal")
    assert panel._ids() == found.index.tolist()


def test_a_training_brings_a_new_sheet_and_blind_hides_it(panel, session):
    session.looked_at([panel.item])
    session.train(wait=True)
    assert panel._found is not None
    session.set_view(blind=True)
    assert "out of sight" in panel._above.html
    assert "ct-mistake " not in panel._below.html


def test_without_predictions_it_says_so(tmp_path):
    small.make(tmp_path / "p")
    with Session.open(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        session.add_marker("B")
        panel = MistakesPanel(session)
        assert "Train first" in panel._above.html
        panel._above.do("right")
        assert "No suspicious cell" in panel.message
        panel.close()


def test_keys_of_the_image_are_corrections_while_the_tab_is_open(session):
    page = ct.workflows.slices(session)
    page.open_tab("Mistakes")
    item = page.mistakes.item
    page.image.press("2")
    assert session.labels.to_pandas().loc[item, "source"] == "correction"
    page.open_tab("Label")
    ids = np.setdiff1d(session.items.index, session.labels.to_pandas().index)[:3]
    session.select(ids)
    page.image.press("2")
    assert "correction" not in set(session.labels.to_pandas().loc[ids, "source"])
    page.close()


def test_another_marker_takes_no_answer_for_the_cell_that_was_shown(panel, session):
    panel.enter()
    shown = panel.item
    assert session.selection.tolist() == [shown]
    session.add_marker("C")
    assert panel.item is None
    assert len(session.selection) == 0
    panel._above.do("key", "1", {})
    assert shown not in session.labels.to_pandas().index
    session.level = "B"
    assert panel.item is not None


def late(panel, item, key):
    """A key that was pressed while the page still asked for another cell."""
    panel._below._hear(None, {"do": "key", "what": key, "value": [], "seen": str(item)}, [])


def test_a_second_key_is_about_the_cell_that_was_on_the_screen(panel, session):
    panel.enter()
    first, second, third = panel._ids()[:3]
    late(panel, first, "1")
    revision = session.book.revision
    late(panel, first, "1")
    assert session.book.revision == revision  # undo takes the answer back, not its repetition
    late(panel, first, "2")  # changed her mind before the next one came
    assert session.labels.to_pandas().loc[first, "category"] == "OFF"
    assert panel.item == second
    assert "The cell before is OFF now" in panel.message
    late(panel, first, "y")
    assert second not in set(session.looks()["item"])
    assert "OFF already" in panel.message
    assert second not in session.labels.to_pandas().index
    late(panel, second, "y")
    assert panel.item == third
    late(panel, second, "y")
    assert panel.item == third
    assert third not in set(session.looks()["item"])


def test_an_answer_and_the_cell_that_follows_are_drawn_together(panel):
    panel.enter()
    drawn = []
    panel._above.observe(lambda _: drawn.append(panel._above.html), "html")
    first = panel.item
    panel.press("1")
    assert drawn
    assert f'data-asked="{first}"' not in "".join(
        drawn
    )  # or a key that comes now would be for the one before


def test_where_the_person_went_herself_the_key_is_about_that_cell(panel, session):
    panel.enter()
    first, second = panel._ids()[:2]
    late(panel, first, "n")
    late(panel, first, "1")
    assert panel._ids().index(second) == 1
    assert session.labels.to_pandas().loc[second, "category"] == "ON"
    assert first not in session.labels.to_pandas().index


def test_all_are_right_pressed_twice_speaks_of_one_sheet(panel, session):
    panel.enter()
    ids, sheet = panel._ids(), panel.sheet
    panel._below.do("rest", str(sheet))
    panel._below.do("rest", str(sheet))
    assert set(session.looks()["item"]) == set(ids)
    assert panel.sheet == sheet + 2  # called right, and searched


def test_the_next_sheet_asks_for_its_first_cell_and_the_image_goes_there(panel, session):
    panel.enter()
    before, shown = panel._ids(), panel._below.html
    panel.rest_is_right()
    assert session.selection.tolist() == [panel.item]
    assert panel.item not in before
    panel.press("1")  # formerly for the last cell of the sheet before
    assert set(session.labels.to_pandas().query("source == 'correction'").index).isdisjoint(before)
    # a tile never shows the picture of the sheet before, and a click that was meant for that sheet does nothing
    assert f"ct-sheet{panel.sheet}-0" not in shown
    assert f"ct-sheet{panel.sheet}-0{{" in panel._pictures.widget.children[0].value
    at = panel.at
    panel._below.do("go", str(before[7]))
    assert panel.at == at


def test_undo_goes_back_to_the_cell_whose_answer_it_took(panel, session):
    panel.enter()
    first = panel.item
    panel.press("1")
    panel.press("u")
    assert panel.item == first
    assert session.selection.tolist() == [first]
    panel.press("2")
    assert session.labels.to_pandas().loc[first, "category"] == "OFF"


def test_a_sheet_nobody_sees_leaves_the_image_where_it_is(panel, session):
    panel.enter()
    panel.leave()
    session.set_view(image="right")
    session.select([])
    panel.look_again()
    assert (session.view.image, len(session.selection)) == ("right", 0)
