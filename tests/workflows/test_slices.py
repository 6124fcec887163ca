"""The page of the slices workflow: the list of slices, the rule, the guide."""

from __future__ import annotations

import pytest

import celltune_nb as ct
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.panels import small


@pytest.fixture
def session(tmp_path):
    small.make(tmp_path / "brain")
    with Session.open(tmp_path / "brain", jobs=Jobs(inline=True)) as session:
        session.categories.add("ON", key="1")
        session.categories.add("OFF", key="2")
        session.seal()
        yield session


@pytest.fixture
def page(session):
    page = ct.workflows.slices(session)
    yield page
    page.close()
    assert session.problems == []


def test_each_slice_shows_its_animal_labels_and_picture(page, session):
    session.label(small.cells(session, "left", "A")[:7], "ON")
    shown = page.slices._live.html
    for words in ("left", "right", "100 cells", "7 labelled ON", "Labels per animal"):
        assert words in shown
    pictures = "".join(sheet.value for sheet in page.slices._pictures.widget.children)
    assert pictures.count("data:image/jpeg;base64,") == 2


def test_pictures_are_made_again_only_when_the_channels_look_otherwise(page, session):
    before = page.slices._pictures.widget.children[0].value
    session.label(small.cells(session, "left", "A")[:7], "ON")
    assert page.slices._pictures.widget.children[0].value is before
    session.set_channel("A", high=8.0)
    assert page.slices._pictures.widget.children[0].value != before


def test_a_click_opens_a_slice_and_the_box_takes_it_out_of_the_set(page, session):
    page.slices._live.do("go", "right")
    assert session.view.image == "right"
    page.slices._live.do("choose", "right", False)
    assert session.working_set == ("left",)
    assert "1 of 2 to work on" in page.slices._live.html
    before = page.slices._live.html
    page.slices._live.do("choose", "left", False)
    assert session.working_set == ("left",)
    assert "One slice at least" in page.slices.message
    assert page.slices._live.html != before  # so that the browser ticks the box again
    page.slices._live.do("choose", "right", True)
    assert session.working_set == ()


def test_a_verdict_is_kept_and_counts_for_the_step(page, session):
    for name in ("left", "right"):
        page.slices._live.do("verdict", name, "acceptable")
    assert set(session.verdicts()["verdict"]) == {"acceptable"}
    assert next(task for task in session.checklist() if task.key == "verdict").done
    assert "2 of 2 slices" in page.guide._live.html


def test_a_verdict_is_of_the_marker_whose_predictions_were_listed(page, session):
    level = session.level
    what = f"{level}\nleft"
    assert f'data-what="{what}"' in page.slices._live.html
    session.add_marker("PV")
    page.slices._live.do("verdict", what, "needs work")
    assert "needs work" not in set(session.verdicts()["verdict"])
    assert session.verdicts(level).loc["left", "verdict"] == "needs work"


def test_the_rule_stands_above_the_image(page, session):
    assert "Write the rule down" in page.rule._live.html
    page.guide._live.do("rule", "", "ON: <brighter> & sharp")
    assert session.rule == "ON: <brighter> & sharp"
    assert "ON: &lt;brighter&gt; &amp; sharp" in page.rule._live.html
    page.open_tab("Label")
    page.rule._live.do("edit")
    assert page._tabs.selected_index == list(page.PAGES).index("Guide")


def test_steps_open_their_tabs(page):
    page.guide._live.do("open", "Train")
    assert page._tabs.selected_index == list(page.PAGES).index("Train")


def test_the_light_heads_the_figures_and_counts_have_a_tab(page, session):
    session.measure()
    for name, category in (("A", "ON"), ("B", "OFF")):
        for image in ("left", "right"):
            session.label(small.cells(session, image, name)[:15], category)
    page.open_tab("Evaluate")
    assert "Train first" in page.stop_light._live.html
    session.train(wait=True)
    assert page.stop_light.light is not None
    assert page.stop_light.light.color == "red"
    assert page.judging._stacked == (page.stop_light, page.evaluation)
    page.open_tab("Counts")
    assert page.counts.table is not None
    assert page.counts.table["raw"].sum() == session.populations["Pred_AVG"].tally()["ON"]


def test_the_lights_button_leads_to_the_audit_which_has_the_page_to_itself(page, session):
    session.draw_audit(5)
    page.open_tab("Evaluate")
    light = page.stop_light
    light.open_audit()
    assert page.evaluation.audit.running
    assert session.selection.tolist() == [page.evaluation.audit.current]
    assert light.widget.layout.display == "none"
    page.evaluation.audit.pause()
    assert light.widget.layout.display is None


def test_counts_that_nobody_looks_at_wait(page, session):
    session.measure()
    for name, category in (("A", "ON"), ("B", "OFF")):
        for image in ("left", "right"):
            session.label(small.cells(session, image, name)[:15], category)
    session.train(wait=True)
    page.open_tab("Counts")
    before = page.counts.table
    page.open_tab("Label")
    session.set_threshold(0.01)
    assert page.counts.table is before
    page.open_tab("Counts")
    assert (
        page.counts.table["raw"].sum()
        == (session.populations["Pred_THR"].codes == session.categories["ON"].code).sum()
    )


def test_a_suggestion_is_looked_at_before_it_counts(page, session):
    page.guide._live.do("count", "", "2")
    page.guide._live.do("suggest")
    assert session.working_set == ()
    assert "2 of 2 slices" in page.guide._live.html
    page.guide._live.do("use")
    assert session.working_set == ("left", "right")
    page.guide._live.do("all")
    assert session.working_set == ()
    page.guide._live.do("count", "", "1")
    page.guide._live.do("suggest")
    (chosen,) = page.guide.suggestion.images
    session.set_view(image=next(name for name in session.images if name != chosen))
    page.guide._live.do("use")
    assert session.view.image == chosen


def test_a_further_marker_has_on_and_off_of_its_own(page, session):
    page.guide._live.do("marker", "", "PV")
    assert session.level == "PV"
    assert [(c.name, c.key) for c in session.categories][1:] == [("ON", "1"), ("OFF", "2")]
    page.rule._live.do("level", "", "main")
    assert session.level == "main"
    page.guide._live.do("marker", "", "PV")
    assert "PV" in page.guide.message
    assert session.level == "main"


def test_who_may_only_look_changes_nothing(session):
    session.close()
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as reader:
        page = ct.workflows.slices(reader)
        page.slices._live.do("choose", "right", False)
        assert "may only look" in page.slices.message or "read-only" in page.slices.message
        assert reader.working_set == ()
        page.close()


def test_a_label_makes_no_work_for_tabs_that_nobody_looks_at(page, session):
    for title in ("Train", "Evaluate", "Counts", "Guide"):
        page.open_tab(title)
    page.open_tab("Label")
    seen = [page.guide._facts, page.stop_light.light, page.counts.table, page.training._problems]
    session.label(small.cells(session, "left", "A")[:7], "ON")
    session.label(small.cells(session, "left", "B")[:3], "OFF")
    now = [page.guide._facts, page.stop_light.light, page.counts.table, page.training._problems]
    assert all(a is b for a, b in zip(now, seen, strict=True))
    assert "7 labelled ON" in page.slices._live.html  # what is always in sight follows
    page.open_tab("Train")
    assert page.training._problems == session.training_problems()
    assert page.training._problems is not seen[3]
    page.open_tab("Guide")
    assert page.guide._facts == (session.checklist(), session.nudges())
    page.open_tab("Evaluate")
    assert page.stop_light.light is not seen[1]
