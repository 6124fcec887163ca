from __future__ import annotations

import re
import shutil
import threading
from html import unescape
from pathlib import Path

import numpy as np
import pytest

import celltune_nb as ct
from celltune_nb.errors import NotReadyError
from celltune_nb.panels.evaluation import EvaluationPanel
from celltune_nb.panels.evaluation.counts import counts_sentence
from celltune_nb.panels.evaluation.matrix import content, short
from celltune_nb.session.jobs import Jobs
from tests.panels import small
from tests.waiting import LONG, until

#: Cells of the left image that are labelled as what they are not: the models cannot be right about them.
WRONG = 8
PANEL = EvaluationPanel


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Trained, with a few labels that are wrong on purpose."""
    folder = tmp_path_factory.mktemp("evaluation") / "project"
    small.make(folder)
    with ct.Session.open(folder, jobs=Jobs(inline=True)) as session:
        small.labelled(session, 20)
        session.label(small.cells(session, "left", "A")[20 : 20 + WRONG], "B")
        session.train(rounds=20, wait=True)
    return folder


def words(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def head(panel) -> str:
    return words(panel._head.html)


def pick(wire, matrix, row: str, column: str) -> None:
    """Click a cell of a matrix, as the browser says it."""
    names = [category["name"] for category in matrix.data["rows"]]
    wire.receive(matrix, {"type": "pick", "row": names.index(row), "column": names.index(column)})


def test_before_a_training_it_says_what_to_do(tmp_path):
    small.make(tmp_path / "project")
    with ct.Session.open(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        panel = EvaluationPanel(session)
        assert "There is nothing to evaluate yet. Label some cells and train first." in head(panel)
        assert re.search(r'data-do="evaluate" disabled', panel._head.html)
        with pytest.raises(NotReadyError):
            panel.evaluate()
        panel._head.do("evaluate")
        assert "no trained model yet" in panel.message
        small.labelled(session)
        session.train(rounds=5, wait=True)
        assert not re.search(r'data-do="evaluate" disabled', panel._head.html)
        panel.close()


def test_evaluate_shows_figures_that_say_what_they_speak_from(panel, session):
    panel._head.do("evaluate")
    found, shown = panel.evaluation, head(panel)
    assert found is not None
    assert f"Accuracy {found.accuracy:.1%}" in shown
    low, high = found.interval["accuracy"]
    assert f"{100 * low:.1f} – {100 * high:.1f}" in shown
    assert f"Macro F1 {found.macro_f1:.2f}" in shown
    assert f"Log loss {found.log_loss:.2f}" in shown
    assert "Out of fold 2 folds by group" in shown
    assert "labels that somebody chose" in shown  # the evaluation's own warning
    assert "Up to date." in shown
    assert session.problems == []


def test_every_category_has_its_row_and_the_weakest_is_named(panel):
    panel.evaluate()
    table = panel.evaluation.per_category
    shown = words(panel._table.value)
    for name in "AB":
        row = table.loc[name]
        figures = " ".join(f"{row[key]:.2f}" for key in ("f1", "precision", "recall"))
        assert f"{name} {figures} {row['support']:.0f}" in shown
    lowest = table["f1"].idxmin()
    assert re.search(rf'<tr class="ct-ev-lowest"><th[^>]*title="{lowest}"', panel._table.value)
    assert f"Weakest: {lowest}, F1 {table.loc[lowest, 'f1']:.2f}" in shown


def test_a_click_in_the_confusion_selects_those_cells_and_goes_to_the_first(panel, session, wire):
    panel.evaluate()
    expected = panel.evaluation.items("B", "A")
    assert len(expected) >= WRONG
    pick(wire, panel._confusion, "B", "A")
    assert session.selection.tolist() == sorted(expected)
    first = session.items.loc[expected.min()]
    assert session.view.image == first["image"]
    assert session.view.center == (first["y"], first["x"])
    assert session.view.zoom is not None
    assert panel._confusion.picked == [1, 0]
    assert f"B taken for A 1 of {len(expected)} Done Previous Next" in words(panel._walker.html)


def test_next_and_previous_walk_through_them_one_at_a_time(panel, session, wire):
    panel.evaluate()
    expected = np.sort(panel.evaluation.items("B", "A"))
    pick(wire, panel._confusion, "B", "A")
    panel._walker.do("next")
    assert session.selection.tolist() == [expected[1]]  # a key now corrects this cell alone
    assert session.view.center == tuple(session.items.loc[expected[1], ["y", "x"]])
    panel._walker.do("previous")
    panel._walker.do("previous")
    assert session.selection.tolist() == [expected[-1]]
    panel._walker.do("all")
    assert session.selection.tolist() == expected.tolist()
    panel._walker.do("end")
    assert not len(session.selection)
    assert panel._confusion.picked == []
    assert panel._walker.html == ""


def test_a_zoom_that_suits_stays(panel, session, wire):
    panel.evaluate()
    session.set_view(zoom=5.0)
    pick(wire, panel._confusion, "B", "A")
    assert session.view.zoom == 5.0
    session.set_view(zoom=0.1)  # the cell would be a dot
    panel.next()
    assert session.view.zoom > 1


def test_an_empty_cell_opens_nothing(panel, session, wire):
    panel.evaluate()
    session.select([3])
    rows = panel._confusion.data["text"]
    empty = [(r, c) for r in range(2) for c in range(2) if not rows[r][c]]
    for row, column in [*empty, (7, 0), (0, -1)]:
        wire.receive(panel._confusion, {"type": "pick", "row": row, "column": column})
    assert session.selection.tolist() == [3]
    assert panel.message == ""


def test_counts_in_the_matrix_are_the_items_behind_it(panel):
    panel.evaluate()
    data, found = panel._confusion.data, panel.evaluation
    for r, truth in enumerate("AB"):
        for c, predicted in enumerate("AB"):
            n = len(found.items(truth, predicted))
            assert data["text"][r][c] == (str(n) if n else "")
            of = len(found.items(truth))
            assert data["says"][r][c].endswith(f"{n} of {of} ({n / of:.0%})")
    assert data["total"] == f"{found.accuracy:.0%}"


def test_the_models_agreement_is_there_after_a_training_and_called_so(panel, session, wire):
    assert panel.evaluation is None
    assert panel.shown == "models"
    assert "This is agreement of the two models, not accuracy" in words(panel._agreement_words.value)
    assert panel._agreement.data["rowTitle"] == "XGBoost"
    one, two = (session.populations[name].to_pandas() for name in ("Pred_MDL1", "Pred_MDL2"))
    assert f"{(one.astype(str) == two.astype(str)).mean():.1%} of all 200 cells" in words(
        panel._agreement_words.value
    )
    pick(wire, panel._agreement, "A", "A")
    assert session.selection.tolist() == one.index[(one == "A") & (two == "A")].tolist()


def test_one_model_alone_has_nothing_to_agree_with(session):
    session.train(models=("xgboost",), rounds=5, wait=True)
    panel = EvaluationPanel(session)
    assert "one model only" in words(panel._agreement_words.value)
    assert panel._agreement.data == {}
    panel.evaluate()
    assert panel.evaluation is not None
    panel.close()


def test_the_calibration_curve_and_its_words(panel):
    panel.evaluate()
    figure, table = panel._calibration, panel.evaluation.calibration
    assert figure.points.x.tolist() == table["confidence"].tolist()
    assert figure.points.y.tolist() == table["accuracy"].tolist()
    assert figure.points.size.max() == 1.0
    assert f"ECE {panel.evaluation.ece:.3f}" in words(panel._calibration_words.value)


def test_figures_from_before_the_last_labels_are_marked_and_stay(panel, session):
    panel.evaluate()
    before = panel.evaluation
    session.label(session.items.index[-1:], "A")
    assert "From before the last labels." in head(panel)
    assert panel.evaluation is before
    panel.evaluate()
    assert "From before" not in head(panel)
    session.train(rounds=5, wait=True)
    assert "From before the last training." in head(panel)


def test_a_recoloured_category_is_recoloured_here(panel, session):
    panel.evaluate()
    session.categories.recolor("A", "#123456")
    assert "#123456" in panel._table.value
    assert panel._confusion.data["rows"][0]["color"] == "#123456"


def test_views_switch(panel):
    panel.evaluate()
    assert panel.shown == "categories"
    panel._view.value = "calibration"
    assert panel.shown == "calibration"
    assert "ct-ev-show-calibration" in panel._views._dom_classes
    assert "ct-ev-show-categories" not in panel._views._dom_classes


def test_opened_again_it_shows_what_was_found(panel, session):
    panel.evaluate()
    again = EvaluationPanel(session)
    assert panel.closed
    assert again.evaluation is not None
    assert "Up to date." in head(again)
    again.close()
    session.label(session.items.index[-1:], "A")
    third = EvaluationPanel(session)
    assert "From before the last labels." in head(third)
    third.close()


def test_a_restart_shows_what_was_found_and_a_damaged_file_is_told(project, tmp_path):
    folder = shutil.copytree(project, tmp_path / "project")
    with ct.Session.open(folder, jobs=Jobs(inline=True)) as session:
        panel = EvaluationPanel(session)
        panel.evaluate()
        accuracy = panel.evaluation.accuracy
        panel.close()
    with ct.Session.open(folder, jobs=Jobs(inline=True)) as session:
        panel = EvaluationPanel(session)
        assert f"Accuracy {accuracy:.1%}" in head(panel)
        assert "Up to date." in head(panel)
        panel.close()
    for path in folder.glob("runs/*/evaluation.json"):
        path.write_text("{")
    with ct.Session.open(folder, jobs=Jobs(inline=True)) as session:
        panel = EvaluationPanel(session)
        assert panel.evaluation is None
        assert "evaluation of run" in panel.message
        assert "is damaged" in panel.message
        panel.evaluate()
        assert f"Accuracy {accuracy:.1%}" in head(panel)
        panel.close()


def audit(session, n: int) -> None:
    """Label an audit sample as it is."""
    ids = session.draw_audit(n, seed=1)
    for name in "AB":
        chosen = np.intersect1d(
            ids, [*small.cells(session, "left", name), *small.cells(session, "right", name)]
        )
        session.label(chosen, name, source="audit")


def test_counts_stand_beside_what_the_audit_makes_of_them(panel, session):
    panel.evaluate()
    assert "Counts" not in words(panel._table.value)  # chosen labels cannot correct them
    audit(session, 80)
    assert "From before the last labels." in head(panel)
    panel.evaluate()
    found = panel.evaluation
    assert found.kind == "audit"
    shown = words(panel._table.value)
    assert "Counts: " in shown
    for name in "AB":
        row = found.prevalence.loc[name]
        low, high = (f"{float(f'{200 * row[side]:.0f}'):,.0f}" for side in ("low", "high"))
        assert f"{name} {row['raw_count']:.0f} {row['count']:.0f} {low} – {high}" in shown
    said = words(panel._calibration_words.value)
    assert "points apart on average" in said
    assert ("brings it to" in said) == ("calibrated=True" in said)


def test_labels_an_audit_did_not_speak_from_leave_it_up_to_date(panel, session):
    audit(session, 80)
    panel.evaluate()
    session.label(session.sample(1, by="random", seed=2), "A")
    assert "Up to date." in head(panel)
    session.label(session.audit.ids[:1], None)
    assert "From before the last labels." in head(panel)
    session.undo()
    assert "Up to date." in head(panel)


def test_the_count_that_is_most_wrong_is_named():
    import pandas as pd

    table = pd.DataFrame(
        {"raw": [0.6, 0.3, 0.1], "corrected": [0.64, 0.33, 0.03], "low": [0.58, 0.31, 0.02],
         "high": [0.7, 0.36, 0.05], "raw_count": [6000, 3000, 1000]},
        index=["T", "B", "NK"],
    )  # fmt: skip
    assert counts_sentence(table) == "Counts: 1,000 cells are called NK; by the audit there are 200 to 500."
    table["low"], table["high"] = 0.0, 1.0
    assert counts_sentence(table) == "Counts: the audit does not contradict any of them."


def test_it_works_in_the_background_and_stops(project, tmp_path):
    folder = shutil.copytree(project, tmp_path / "project")
    with ct.Session.open(folder) as session:
        panel = EvaluationPanel(session)
        go = threading.Event()
        session.jobs.submit(lambda job: go.wait(LONG), "something else")
        panel._head.do("evaluate")
        assert "waits for its turn" in head(panel)
        assert "Stop" in head(panel)
        panel._head.do("evaluate")  # a second press changes nothing
        panel._head.do("stop")
        assert "stopping" in head(panel)
        go.set()
        until(lambda: "Stop" not in head(panel))
        assert panel.job.state == "cancelled"
        assert panel.evaluation is None
        panel._head.do("evaluate")
        until(lambda: "Up to date." in head(panel))
        assert panel.evaluation is not None
        assert session.problems == []
        panel.close()


def test_forty_categories_and_large_counts_stay_readable():
    import pandas as pd

    names = [f"type {i}" for i in range(40)]
    frame = pd.DataFrame(np.full((40, 40), 3) + np.eye(40) * 12_340, index=names, columns=names)
    data = content(
        frame, {}, row_title="truth", column_title="predicted", notes=("recall", "precision"), label="", total="",
        sentence=lambda truth, predicted, figures: f"{truth}/{predicted}: {figures}",
    )  # fmt: skip
    assert {len(text) for row in data["text"] for text in row} == {1, 3}
    assert data["says"][0][1] == "type 0/type 1: 3 of 12,460 (0%)"
    assert [short(n) for n in (7, 9_999, 12_345, 999_700)] == ["7", "9999", "12k", "1M"]
