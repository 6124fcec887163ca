"""The levels panel without a browser."""

from __future__ import annotations

import pytest

import celltune_nb as ct
from celltune_nb.panels.levels import LevelsPanel
from celltune_nb.session.jobs import Jobs
from tests.panels import small

PANEL = LevelsPanel


@pytest.fixture
def session(session):
    return small.labelled(session)


def test_a_level_is_added_inside_a_category_of_its_parent(session, panel):
    page = panel._live
    page.do("new")
    assert panel.parent == "main"
    assert 'data-what="A"' in page.html
    page.do("name", "", "fine")
    page.do("only", "A", True)
    page.do("by", "", "labels")
    page.do("save")
    assert session.level == "fine"
    region = session.levels.region()
    assert (region.parent, region.within, region.by) == ("main", ("A",), "labels")
    assert "20 of 200 cells, only inside A of level main (by label)." in page.html
    assert panel.message == "Level fine added, and chosen. Add its categories below."
    session.categories.add("near")
    session.label(small.cells(session, "left", "B")[:2], "near")
    assert "2 labels outside: kept, not learned from." in page.html
    page.do("level", "", "main")
    assert session.level == "main"
    assert "only inside" not in page.html


def test_the_active_level_is_held_and_let_go(session, panel):
    session.levels.add("other")
    session.level = "other"
    page = panel._live
    page.do("edit")
    assert panel.parent == "main"
    page.do("only", "B", True)
    page.do("save")
    assert session.levels.region().within == ("B",)
    page.do("edit")
    assert "All cells" in page.html
    page.do("free")
    assert session.levels.region() is None


def test_what_cannot_be_is_said_in_place(session, panel):
    page = panel._live
    page.do("new")
    page.do("name", "", "a/b")
    page.do("save")
    assert "without '/'" in panel.message
    assert session.levels.names == ["main"]
    assert "Name of the new level" in page.html  # what was typed is still there to be mended
    with ct.Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as other:
        shown = LevelsPanel(other)
        assert shown._live.html.count("disabled") >= 2
        shown._live.do("new")
        shown._live.do("name", "", "x")
        shown._live.do("save")
        assert "read-only" in shown.message.lower() or "writ" in shown.message.lower()
        shown.close()
