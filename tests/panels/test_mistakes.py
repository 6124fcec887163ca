"""The contact sheet of likely mistakes."""

from __future__ import annotations

import numpy as np
import pytest

import celltune_nb as ct
from celltune_nb.panels.mistakes import MistakesPanel
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs

from . import small


@pytest.fixture
def session(tmp_path):
    small.make(tmp_path / "p")
    with Session.open(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        session.add_marker("B")
        for image in ("left", "right"):
            session.label(small.cells(session, image, "B")[:12], "ON")
            session.label(small.cells(session, image, "A")[:12], "OFF")
        session.train(wait=True)
        yield session


@pytest.fixture
def panel(session):
    panel = MistakesPanel(session)
    yield panel
    panel.close()
    assert session.problems == []


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
    panel._below.do("rest")
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
