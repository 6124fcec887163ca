"""The stop light's panel: what it says, the button for what comes next, the table of slices."""

from __future__ import annotations

import time

import pytest

from celltune_nb.errors import InputError
from celltune_nb.panels.stoplight import StopLightPanel
from celltune_nb.panels.stoplight.markup import sorted_rows
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.waiting import until

from . import small

PANEL = StopLightPanel


@pytest.fixture
def session(session):
    session.add_marker("B")
    return session


def _label(session, n=12):
    for image in ("left", "right"):
        session.label(small.cells(session, image, "B")[:n], "ON")
        session.label(small.cells(session, image, "A")[:n], "OFF")


def test_it_says_what_to_do_from_the_first_label_to_the_table(panel, session):
    html = panel._live.html
    assert panel.light.color == "red"
    assert "Go on" in html  # a word
    assert "ct-stop-red" in html  # and a form
    assert "✕" in html
    assert "Train first" in html
    _label(session)
    assert panel.light.action.verb == "train"
    panel._live.do("follow")
    # A training of few labels is judged by itself.
    assert panel.table is not None
    assert list(panel.table.index) == ["left", "right"]
    html = panel._live.html
    assert "from 2 groups" in html  # the warning below three animals
    assert "each of 2 groups left out in turn" in html
    assert 'aria-label="does not hold"' in html or 'aria-label="not known yet"' in html
    assert panel.light.action.verb != "judge"


def test_its_button_selects_cells_and_says_what_to_do_with_them(panel, session):
    _label(session)
    panel.follow()
    while panel.light.action.verb != "sample":
        panel.follow()
        _ = [session.label([i], "ON", source="audit") for i in session.audit.todo[:1]]
        assert panel.light.action.verb in ("sample", "train", "audit")
        if panel.light.action.verb == "audit":
            break
    if panel.light.action.verb == "sample":
        panel._live.do("follow")
        assert len(session.selection)
        assert "are selected" in panel.message


def test_the_audit_is_opened(panel, session):
    told = []
    panel.open_audit = lambda: told.append(True)
    _label(session)
    panel.follow()
    # Three rounds with new labels that change nothing.
    for k in range(3):
        for kind, name in (("B", "ON"), ("A", "OFF")):
            for image in ("left", "right"):
                session.label(small.cells(session, image, kind)[12 + 8 * k : 20 + 8 * k], name)
        session.train(wait=True)
    assert panel.light.color == "yellow"
    assert panel.light.action.verb == "audit"
    panel._live.do("follow")
    assert told == [True]
    assert len(session.audit.todo)
    assert "labelled blind" in panel.message


def test_the_table_is_sorted_and_leads_to_the_slice(panel, session):
    _label(session)
    panel.follow()
    assert session.view.image == "left"
    panel._live.do("go", "right")
    assert session.view.image == "right"
    assert '<tr class="ct-here">' in panel._live.html
    panel._live.do("sort", "name")
    assert panel._live.html.index(">left<") < panel._live.html.index(">right<")
    panel._live.do("sort", "name")
    assert panel._live.html.index(">right<") < panel._live.html.index(">left<")
    panel._live.do("sort", "nothing")
    assert "no column" in panel.message
    panel.table.loc["left", "f1"] = float("nan")
    assert sorted_rows(panel.table, "f1", down=True)[-1] == "left"
    panel._live.do("by", "group")
    assert "Animal by animal" in panel._live.html


def test_the_target_is_checked_and_kept_to(panel, session):
    _label(session)
    panel.follow()
    panel._live.do("target", "", "80")
    assert panel.light.figures["target"] == pytest.approx(0.8)
    assert "≥ 80%" in panel._live.html
    for wrong in ("x", "0", "100"):
        panel._live.do("target", "", wrong)
        assert panel.message
        assert session.target == pytest.approx(0.8)
    html = panel._live.html
    assert f"set by {session.user} on 20" in html
    session.set_target(0.7)  # from elsewhere
    assert 'value="70"' in panel._live.html
    again = StopLightPanel(session)  # as after a reload
    assert again.light.figures["target"] == pytest.approx(0.7)
    again.close()
    with pytest.raises(InputError):
        panel.show_by("slide")


def test_judging_is_a_job_that_can_be_stopped_and_callbacks_are_short(tmp_path):
    small.make(tmp_path / "p")
    with Session.open(tmp_path / "p") as session:
        session.add_marker("B")
        _label(session)
        session.train(wait=True)
        panel = StopLightPanel(session)
        try:
            begun = time.thread_time()  # the machine may be shared: its own work counts
            panel.judge()
            panel.stop()
            assert time.thread_time() - begun < 0.1
            panel.job.wait()
            assert panel.job.state in ("cancelled", "done")
            panel.judge()
            until(lambda: panel.table is not None)
        finally:
            panel.close()


def test_a_session_that_only_looks_shows_the_light_and_no_working_button(tmp_path):
    small.make(tmp_path / "p")
    with Session.open(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        session.add_marker("B")
        _label(session)
        session.train(wait=True)
    with Session.open(tmp_path / "p", read_only=True, jobs=Jobs(inline=True)) as session:
        panel = StopLightPanel(session)
        assert 'data-do="follow" disabled' in panel._live.html
        assert panel.table is not None  # worked out, in memory only
        panel.close()
    assert not list((tmp_path / "p" / "runs").glob("*/left_out"))


def test_its_button_pressed_twice_does_one_step(panel, session):
    _label(session)
    text = panel.light.action.text
    panel._live.do("follow", text)
    runs, light = len(session.runs), panel.light
    assert panel.light.action.text != text
    panel._live.do("follow", text)  # the page shows another step by now, which nobody has seen
    assert (len(session.runs), len(session.selection)) == (runs, 0)
    assert panel.light is light


def test_a_refused_target_leaves_the_field_and_that_of_another_marker_alone(panel, session):
    before = panel._live.html
    panel._live.do("target", session.level, "0")
    assert panel.message
    assert panel._live.html != before
    level = session.level
    session.add_marker("C")
    panel._live.do("target", level, "70")
    assert session.target == pytest.approx(0.85)
    session.level = level
    assert session.target == pytest.approx(0.7)
