"""The guide's markers without a browser: shown, added, renamed, removed."""

from __future__ import annotations

import pytest

import celltune_nb as ct
from celltune_nb.panels.guide import GuidePanel
from celltune_nb.session.jobs import Jobs
from tests.panels import small

PANEL = GuidePanel


@pytest.fixture
def session(session):
    return small.labelled(session)


def test_a_mistyped_marker_is_renamed(panel, session):
    page = panel._live
    assert "Remove marker main" not in page.html  # the only one
    page.do("marker", "", "PVV")
    assert (session.level, session.levels.names) == ("PVV", ["main", "PVV"])
    assert 'value="PVV"' in page.html
    assert "40 labels" in page.html
    page.do("rename", "PVV", "PV")
    assert session.levels.names == ["main", "PV"]
    assert 'value="PV"' in page.html
    assert "PVV is called PV now" in panel.message
    page.do("rename", "PV", "main")
    assert "already" in panel.message
    assert session.levels.names == ["main", "PV"]
    page.do("marker_shown", "main")
    assert session.level == "main"
    before = session.book.revision
    page.do("rename", "PV", "PV")
    assert session.book.revision == before


def test_a_marker_without_labels_is_removed(panel, session):
    page = panel._live
    page.do("marker", "", "typo")
    page.do("marker_removed", "typo")
    assert session.levels.names == ["main"]
    assert "undo (u) brings it back" in panel.message
    session.undo()
    assert 'value="typo"' in page.html
    page.do("marker_removed", "main")
    assert "main has 40 labels" in panel.message
    assert session.levels.names == ["main", "typo"]
    session.undo()  # its beginning
    assert 'value="typo"' not in page.html


def test_who_may_only_look_changes_no_marker(tmp_path):
    small.make(tmp_path / "p")
    with ct.Session.open(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        session.add_marker("PV")
    with ct.Session.open(tmp_path / "p", read_only=True, jobs=Jobs(inline=True)) as reader:
        panel = GuidePanel(reader)
        assert panel._live.html.count("disabled") >= 4
        panel._live.do("rename", "PV", "other")
        assert reader.levels.names == ["main", "PV"]
        panel._live.do("marker_shown", "main")
        assert reader.level == "main"
        panel.close()


def test_a_rule_is_of_the_marker_beside_which_it_was_typed(panel, session):
    session.add_marker("PV")
    panel._live.do("rule", "main", "ON: nuclear")  # typed before the page had gone on
    assert session.rule == ""
    session.level = "main"
    assert session.rule == "ON: nuclear"


def test_enter_once_more_after_a_marker_was_added_is_no_error(panel, session):
    panel._live.do("marker", "", "GFP")
    panel._live.do("marker", "", "")
    assert session.level == "GFP"
    assert "no name" not in panel.message
