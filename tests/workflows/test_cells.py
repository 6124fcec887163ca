"""The cells workflow without a browser: panels that work together on one session."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tifffile

import celltune_nb as ct
from celltune_nb import Session
from celltune_nb.errors import ReadOnlyError
from celltune_nb.panels.asked import on_screen
from celltune_nb.session.jobs import Jobs
from celltune_nb.workflows.cells import PAGES

SIDE, CELL = 120, 12


def cells_image() -> tuple[np.ndarray, np.ndarray]:
    """100 cells; those of the upper half are bright in the first channel."""
    y, x = np.mgrid[:SIDE, :SIDE]
    mask = (y // CELL) * (SIDE // CELL) + x // CELL + 1
    mask[(y % CELL < 2) | (x % CELL < 2)] = 0
    image = np.random.default_rng(0).integers(0, 200, (2, SIDE, SIDE)).astype(np.uint16)
    image[0, : SIDE // 2] += 1000
    return image, mask.astype(np.int32)


@pytest.fixture
def folder(tmp_path):
    with Session.create(tmp_path / "spleen", jobs=Jobs(inline=True)) as session:
        image, mask = cells_image()
        session.add_image("field", image, mask, channels=["CD3", "CD20"])
        session.categories.add("Tcell", color="#FF0000")
        session.categories.add("Bcell", color="#0000FF")
    return tmp_path / "spleen"


@pytest.fixture
def cells_folder(tmp_path):
    """A folder as a person has it."""
    image, mask = cells_image()
    (tmp_path / "data").mkdir()
    tifffile.imwrite(tmp_path / "data" / "field.tif", image, photometric="minisblack")
    tifffile.imwrite(tmp_path / "data" / "field_segmentation_labels.tif", mask)
    return tmp_path / "data"


@pytest.fixture
def session(folder):
    with Session.open(folder, jobs=Jobs(inline=True)) as session:
        yield session


@pytest.fixture
def workflow(session):
    workflow = ct.workflows.cells(session)
    yield workflow
    workflow.close()
    assert session.problems == []


def test_it_says_what_the_project_holds_and_that_all_is_saved(workflow, session):
    header = workflow._header.html
    for words in ("spleen", "1 image · 100 cells · 0 labelled", "All saved"):
        assert words in header
    session.label([1, 2, 3], "Tcell")
    assert "3 labelled" in workflow._header.html


def test_a_rectangle_a_sample_and_a_key(workflow, session):
    image = workflow.image
    image.mark((-0.5, -0.5, 59.5, 119.5))
    workflow.labelling.set_count("", 20)
    image.press("s")  # as many as the labelling panel says
    assert len(session.selection) == 20
    image.press("1")
    assert session.labels.counts()["Tcell"] == 20
    assert workflow.labelling.active == "Tcell"
    assert "20 cells labelled Tcell" in image.message
    assert set(session.labels.to_pandas()["source"]) == {"rectangle"}
    image.press("u")
    assert session.labels.counts()["Tcell"] == 0
    assert "Taken back" in image.message
    image.guard(image.press)("5")
    assert "No category has the key 5" in image.message


def test_keys_on_the_image_answer_the_audit_as_its_card_does(workflow, session):
    session.draw_audit(6)
    workflow._tabs.selected_index = list(PAGES).index("Evaluate")
    audit = workflow.evaluation.audit
    audit.start()
    first = audit.current
    workflow.image.press("s")
    assert (workflow.image.message, audit.current != first) == ("Skipped.", True)
    second = audit.current
    with on_screen({"seen": second}):
        workflow.image.press("1")
        workflow.image.press("2")  # before the next cell was on the screen
    assert session.labels.counts() == {"Unknown": 99, "Tcell": 0, "Bcell": 1}
    assert "The cell before is Bcell now" in workflow.image.message
    assert session.audit.labelled == 1
    session.select([int(session.table.ids[0])])  # the person points at another cell
    workflow.image.press("1")
    assert session.labels.counts()["Tcell"] == 1


def test_after_a_training_the_cells_show_what_was_predicted(workflow, session):
    session.measure()
    session.label(session.items_in("field", (0, 0, 24, 120)), "Tcell")
    session.label(session.items_in("field", (96, 0, 120, 120)), "Bcell")
    session.train(rounds=20).wait()
    assert session.view.color_by == "Pred_AVG"
    counts = session.populations["Pred_AVG"].counts()
    assert counts["Tcell"] == pytest.approx(50, abs=10)
    session.set_view(color_by="labels", blind=True)
    session.changed_populations(["Pred_AVG"])  # no prediction comes into sight while labelling blind
    assert session.view.color_by == "labels"


def test_opening_it_again_closes_the_one_before(workflow, session):
    again = ct.workflows.cells(session)
    assert workflow.closed
    assert workflow.image.closed
    assert workflow.training.closed
    session.label([1], "Tcell")
    assert "1 labelled" in again._header.html
    again.close()


def made(workflow) -> set[str]:
    """The tabs whose page is there."""
    return {title for title, page in zip(PAGES, workflow._tabs.children, strict=True) if page.children}


def test_pages_are_made_when_they_are_looked_at(workflow):
    assert made(workflow) == {"Label"}
    workflow._tabs.selected_index = list(PAGES).index("Train")
    assert made(workflow) == {"Label", "Train"}


def test_an_empty_project_opens_where_data_come_in(tmp_path, cells_folder):
    with Session.create(tmp_path / "new", jobs=Jobs(inline=True)) as session:
        workflow = ct.workflows.cells(session)
        assert made(workflow) == {"Data"}
        workflow.importing.choose("", cells_folder)
        workflow.importing.import_()
        assert "1 image · 100 cells" in workflow._header.html
        assert session.view.image == "field"
        again = ct.workflows.cells(session)
        assert made(again) == {"Label"}
        again.close()
        shown = ct.workflows.cells(session, look_at=cells_folder)
        assert made(shown) == {"Data"}
        assert "in the project already" in shown.importing._found.html
        shown.close()
        assert session.problems == []


def test_who_can_only_look_is_told_and_can_take_over(workflow, session, folder):
    with Session.open(folder, jobs=Jobs(inline=True)) as elsewhere:
        other = ct.workflows.cells(elsewhere)
        elsewhere.label([1], "Tcell")
        workflow.image.session.select([2])
        workflow.image.guard(workflow.image.press)("1")
        assert "can only look" in workflow.image.message
        workflow._show_header()
        assert "opened again elsewhere" in workflow._header.html
        assert "Take over here" in workflow._header.html
        assert "All saved" not in workflow._header.html
        workflow._header.do("take_over")
        assert "All saved" in workflow._header.html
        assert session.labels.counts()["Tcell"] == 1
        session.label([2], "Bcell")
        with pytest.raises(ReadOnlyError):
            elsewhere.label([3], "Tcell")
        other.close()


def test_a_project_opened_to_look_at_offers_no_take_over(folder):
    with Session.open(folder, read_only=True, jobs=Jobs(inline=True)) as session:
        workflow = ct.workflows.cells(session)
        assert "opened read-only" in workflow._header.html
        assert "Take over here" not in workflow._header.html
        workflow.close()


def test_what_went_wrong_beside_the_work_is_listed(session):
    session.problems.append("populations/x.parquet is damaged")
    workflow = ct.workflows.cells(session)
    assert "1 problem" in workflow._header.html
    assert "populations/x.parquet is damaged" in workflow._header.html
    workflow.close()


def test_plots_are_loaded_when_their_page_is_looked_at(folder):
    """Nobody waits for a plotting library to see an image; a process of its own shows what is loaded."""
    program = f"""
import sys
import celltune_nb as ct
from celltune_nb.session.jobs import Jobs
from celltune_nb.workflows.cells import PAGES
with ct.Session.open({str(folder)!r}, jobs=Jobs(inline=True)) as session:
    workflow = ct.workflows.cells(session)
    print(*sorted({{"bqplot", "pandas", "sklearn", "xgboost"}} & set(sys.modules)))
    workflow._tabs.selected_index = number = list(PAGES).index("Train")
    print("bqplot" in sys.modules, workflow.training.widget in workflow._tabs.children[number].children)
    workflow.close()
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["", "True True"]


def trained(session):
    session.measure()
    session.label(session.items_in("field", (0, 0, 24, 120)), "Tcell")
    session.label(session.items_in("field", (96, 0, 120, 120)), "Bcell")
    session.train(rounds=20).wait()


def test_after_a_gate_too_a_training_is_seen_and_a_model_that_was_chosen_stays(workflow, session):
    session.measure()
    session.gate("CD3__Mean__Cell", low=500, name="bright")
    session.set_view(color_by="bright")
    trained(session)
    assert session.view.color_by == "Pred_AVG"
    session.set_view(color_by="Pred_MDL1")
    session.train(rounds=20).wait()
    assert session.view.color_by == "Pred_MDL1"


def test_cells_worth_a_label_are_gone_through_by_keys_on_the_image(workflow, session):
    workflow.image.press("m")
    first, second = session.offer[0][:2].tolist()
    assert workflow.image.message.startswith("Cell 1 of ")
    assert session.selection.tolist() == [first]
    workflow.image.press("1")
    assert workflow.image.message.startswith("Labelled Tcell. Cell 2 of ")
    assert session.selection.tolist() == [second]
    workflow.image.press("ArrowLeft", frozenset({"ctrl"}))
    assert session.selection.tolist() == [first]
    workflow.image.press("Escape")
    assert not len(session.selection)
    workflow.image.press("m")
    assert session.selection.tolist() == [first]


def test_keys_of_a_review_do_nothing_else_while_it_is_left(workflow, session):
    trained(session)
    session.review(n=10, by="random", border=0)
    workflow.review.pause()
    labels = session.labels.counts()
    session.select(session.items_in("field", (40, 40, 60, 60)))
    for key in ("1", "s", "n", "0", "m"):
        workflow.image.guard(workflow.image.press)(key)
        assert "No review is going on" in workflow.image.message
    assert session.labels.counts() == labels
    assert session.view.rectangle is None
    workflow.review.resume()
    before = session.queue.at
    workflow.image.press("s")
    assert session.queue.at != before
    assert "sampled" not in workflow.image.message
    assert workflow.image.message == ""


def test_the_line_beneath_the_image_names_the_keys_of_the_tab(workflow):
    line = workflow.image._message
    assert "S samples in it" in line.value
    workflow._tabs.selected_index = list(PAGES).index("Review")
    assert "S skips" in line.value
    assert "In a review" in workflow.image._help.html
    workflow._tabs.selected_index = list(PAGES).index("Label")
    assert "S samples in it" in line.value


def test_what_was_said_in_a_tab_is_gone_when_another_one_is_looked_at(workflow, session):
    tabs = workflow._tabs
    places = list(PAGES)
    tabs.selected_index = places.index("Evaluate")
    page = workflow.evaluation
    page.say("12 cells are in the review now.", "good")
    page.audit._live.do("draw")  # what a part says is not covered by what the whole said before
    assert page.message == ""
    assert "cells drawn" in page.audit.message
    page.say("The truth cannot be read.", "error")
    tabs.selected_index = places.index("Label")
    assert page.audit.message == ""
    assert page.message == "The truth cannot be read."  # until it is done again
