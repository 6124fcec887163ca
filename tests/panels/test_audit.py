from __future__ import annotations

import re
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import pytest

import celltune_nb as ct
from celltune_nb.errors import NotReadyError
from celltune_nb.panels.evaluation import AuditPanel, EvaluationPanel
from celltune_nb.session.jobs import Jobs
from tests.panels import small
from tests.waiting import LONG

PANEL = AuditPanel


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Trained; coloured by its predictions."""
    folder = tmp_path_factory.mktemp("audit") / "project"
    small.make(folder)
    with ct.Session.open(folder, jobs=Jobs(inline=True)) as session:
        small.labelled(session)
        session.train(rounds=5, wait=True)
        session.set_view(color_by="Pred_AVG")
    return folder


def words(panel) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", panel._live.html)).split())


def begun(panel, n: int = 60) -> list[int]:
    """Draw and start; the ids in the order they are asked for."""
    panel.draw(n)
    panel._live.do("start")
    return panel.session.audit.ids.tolist()


def source(session, item: int) -> str:
    return session.labels.to_pandas().loc[item, "source"]


def test_it_says_what_an_audit_is_for_and_draws_one(panel, session):
    assert "none drawn" in words(panel)
    assert "labelled without seeing predictions and never trained on" in words(panel)
    assert "From 50 labelled cells on" in words(panel)
    panel._live.do("count", value="80")
    panel._live.do("draw")
    assert len(session.audit.ids) == 80
    assert "0 of 80 labelled" in words(panel)
    assert "50 more labels, and the figures speak from the audit sample." in words(panel)
    assert "80 cells drawn" in panel.message


def test_a_number_that_is_none_is_refused_in_words(panel, session):
    panel._live.do("count", value="")
    assert "Give a whole number" in panel.message
    panel._live.do("draw")
    assert len(session.audit.ids) == 160  # all that is not labelled: 200 were asked for


def test_a_small_sample_says_how_many_more_to_draw(panel):
    panel.draw(30)
    assert "50 more labels, and the figures speak" in words(panel)
    assert "Draw at least 20 more cells for that." in words(panel)


def test_it_walks_blind_through_the_sample(panel, session):
    ids = begun(panel)
    assert session.view.blind
    assert session.view.color_by == "labels"
    first = session.items.loc[ids[0]]
    assert (session.view.image, session.view.center) == (first["image"], (first["y"], first["x"]))
    assert 1 < session.view.zoom < 12
    assert session.selection.tolist() == [ids[0]]
    assert "What is this cell?" in words(panel)
    assert f"cell {first['cellID']} in {first['image']}" in words(panel)
    panel._live.do("assign", "A")
    assert session.labels.to_pandas().loc[ids[0], ["category", "source"]].tolist() == ["A", "audit"]
    assert session.selection.tolist() == [ids[1]]
    assert "1 of 60 labelled" in words(panel)


def test_nothing_shown_while_blind_speaks_of_predictions(session):
    panel = EvaluationPanel(session)
    panel.evaluate()
    begun(panel.audit)
    assert "ct-ev-away" in panel._report._dom_classes
    for name in ("predicted", "Pred_", "%"):
        assert name not in words(panel.audit)
    session.set_view(color_by="Pred_MDL1")  # another panel, or a notebook line
    assert session.view.color_by == "labels"
    assert "Predictions stay hidden" in panel.audit.message
    panel.audit.pause()
    assert session.view.color_by == "Pred_MDL1"
    assert "ct-ev-away" not in panel._report._dom_classes
    panel.close()


def test_a_label_given_by_the_images_keys_goes_on_too(panel, session):
    ids = begun(panel)
    session.label(session.selection, "B", source="audit")
    assert panel.current == ids[1]
    assert session.selection.tolist() == [ids[1]]


def test_keys(panel, session):
    ids = begun(panel)
    assert "1" in panel._live.key_names
    panel._live.do("key", "1")
    assert session.labels.to_pandas().loc[ids[0], "category"] == "A"
    panel._live.do("key", "s")
    assert panel.current == ids[2]
    panel._live.do("key", "ArrowLeft")
    assert panel.current == ids[1]
    panel._live.do("key", "9")  # nobody's key
    assert panel.current == ids[1]
    panel._live.do("key", "Escape")
    assert not panel.running
    assert panel._live.key_names == []


def test_skipped_cells_come_again_at_the_end(panel, session):
    ids = begun(panel, 3)
    panel._live.do("skip")
    assert panel.current == ids[1]
    panel.assign("A")
    panel.assign("A")
    assert panel.current == ids[0]
    panel._live.do("skip")  # the only one left stays asked for
    assert panel.current == ids[0]


def test_going_back_changes_a_label_and_undo_returns_to_it(panel, session):
    ids = begun(panel)
    panel.assign("A")
    panel._live.do("back")
    assert panel.current == ids[0]
    assert re.search(r'data-what="A"[^>]* aria-pressed="true"', panel._live.html)
    panel.assign("B")
    assert session.labels.to_pandas().loc[ids[0], "category"] == "B"
    assert panel.current == ids[1]
    panel.assign("A")
    assert panel.current == ids[2]
    session.undo()
    assert panel.current == ids[1]
    assert session.selection.tolist() == [ids[1]]


def test_another_selection_is_pointed_out(panel, session):
    ids = begun(panel)
    other = next(i for i in session.items.index if i not in ids)
    session.select([other])
    assert "Another cell is selected." in words(panel)
    session.label([other], "A")  # no audit label, and no step
    assert panel.current == ids[0]
    panel._live.do("here")
    assert session.selection.tolist() == [ids[0]]


def test_pausing_brings_the_former_colours_back_and_continuing_goes_on(panel, session):
    ids = begun(panel)
    panel.assign("A")
    panel._live.do("pause")
    assert not session.view.blind
    assert session.view.color_by == "Pred_AVG"
    assert "Continue" in words(panel)
    panel._live.do("start")
    assert panel.current == ids[1]


def test_closing_ends_the_blindness(panel, session):
    begun(panel)
    panel.close()
    assert not session.view.blind
    assert session.view.color_by == "Pred_AVG"


def test_ended_from_elsewhere_it_ends(panel, session):
    begun(panel)
    session.set_view(blind=False)
    assert not panel.running
    assert session.view.color_by == "Pred_AVG"


def test_the_last_label_ends_it_and_enough_of_them_speak(session):
    panel = EvaluationPanel(session)
    truth = {
        i: kind for kind in "AB" for image in ("left", "right") for i in small.cells(session, image, kind)
    }
    begun(panel.audit, 50)
    while panel.audit.running:
        panel.audit.assign(truth[panel.audit.current])
    assert session.audit.labelled == 50
    assert "Every cell of the audit sample has a label." in panel.audit.message
    assert not session.view.blind
    panel.evaluate()
    assert panel.evaluation.kind == "audit"
    assert "Audit sample 50 cells, weighted" in " ".join(re.sub(r"<[^>]+>", " ", panel._head.html).split())
    counts = np.array([[int(text or 0) for text in row] for row in panel._confusion.data["text"]])
    assert counts.sum() == 50  # cells, not weights
    assert "an estimated" in panel._confusion.data["says"][0][0]
    with pytest.raises(NotReadyError, match="Draw more"):
        panel.audit.start()
    panel.close()


def test_another_level_ends_it(panel, session):
    begun(panel)
    session.levels.add("CD8")
    session.level = "CD8"
    assert not panel.running
    assert "none drawn" in words(panel)
    panel.draw(5)
    panel._live.do("start")
    assert "no category yet to give" in panel.message


def test_cells_of_a_table_without_images_are_audited_too(tmp_path):
    import pandas as pd

    table = pd.DataFrame(
        {"image": "slide", "cellID": range(1, 41), "x": 1.0, "y": 2.0, "CD8": np.arange(40.0)}
    )
    with ct.Session.create(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        session.import_cells(table, x="x", y="y", features=["CD8"])
        session.categories.add("A")
        panel = AuditPanel(session)
        ids = begun(panel, 3)
        assert f"cell {ids[0] + 1 - session.items.index[0]} in slide" in words(panel)
        panel.assign("A")
        assert panel.current == ids[1]
        panel.close()


def test_who_can_only_look_cannot_draw(project, tmp_path):
    folder = shutil.copytree(project, tmp_path / "project")
    with ct.Session.open(folder, read_only=True, jobs=Jobs(inline=True)) as session:
        panel = AuditPanel(session)
        assert re.search(r'data-do="draw" disabled', panel._live.html)
        panel._live.do("draw")
        assert panel.message
        panel.close()


def test_the_cell_is_seen_in_its_channels_without_a_word_of_what_is_predicted(panel, session):
    assert panel.tiles.live.html == ""
    begun(panel, 20)
    shown = panel.tiles.live.html
    assert shown.count("data:image/jpeg") == 3  # together, A, B
    assert "stands out in this cell" in shown
    assert "of A" not in shown  # a channel shown for what a model says would tell what it says
    panel.pause()
    assert panel.tiles.live.html == ""


def test_a_picture_shows_its_channel_on_the_image_and_hides_it(panel, session):
    begun(panel, 20)

    def visible() -> set[str]:
        return {c.name for c in session.view.channels if c.visible}

    assert visible() == {"A", "B"}
    panel.tiles.live.do("channel", "B")
    assert visible() == {"A"}
    assert 'data-what="B" title="B: stands out in this cell. Click: show it' in panel.tiles.live.html
    panel.tiles.live.do("channel", "B")
    assert visible() == {"A", "B"}
    panel.tiles.live.do("key", "1")  # keys are heard on a picture too
    assert session.audit.labelled == 1


def test_drawing_does_not_hold_up_the_page(project, tmp_path):
    with ct.Session.open(shutil.copytree(project, tmp_path / "copy")) as session:
        panel = AuditPanel(session)
        with session.lock:  # as while a label is being written
            panel._live.do("draw")
            assert panel.message == ""
        assert panel._drawing.settle(LONG)
        assert "drawn" in panel.message
        assert len(session.audit.ids) > 0
        panel.close()
