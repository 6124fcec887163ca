"""The parts of the dashboard that open: advice, what changed, why this cell, ground truth, figures as files."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

import celltune_nb as ct
from celltune_nb.panels.evaluation import EvaluationPanel
from celltune_nb.session.jobs import Jobs
from tests.panels import small
from tests.waiting import until

PANEL = EvaluationPanel


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Trained twice: at first with some cells of B called A."""
    folder = tmp_path_factory.mktemp("parts") / "project"
    small.make(folder)
    with ct.Session.open(folder, jobs=Jobs(inline=True)) as session:
        small.labelled(session, 20)
        session.label(small.cells(session, "left", "B")[:14], "A")
        session.train(rounds=20, wait=True)
        session.label(small.cells(session, "left", "B")[:14], "B")
        session.train(rounds=20, wait=True)
    return folder


def words(part) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", part._live.html)).split())


def test_advice_stands_on_top_with_celltunes_rule_beside_it(panel, session):
    said = words(panel.advice)
    assert session.advice().sentence in said
    assert session.advice().next_step in said
    assert said.count("CellTune's rule") == 1
    assert "CellTune" not in panel._agreement_words.value
    assert session.advice().hint in said
    before = panel.advice.advice
    session.label(small.cells(session, "right", "A")[30:40], "A")
    session.train(rounds=5, wait=True)
    assert panel.advice.advice != before
    panel.advice._live.do("curve")
    assert "Macro F1" in panel.advice._live.html
    assert "The last doubling of the labels" in words(panel.advice)


def test_without_a_model_no_part_says_anything(tmp_path):
    small.make(tmp_path / "new")
    with ct.Session.open(tmp_path / "new", jobs=Jobs(inline=True)) as session:
        panel = EvaluationPanel(session)
        assert panel.advice._live.html == ""
        panel.rounds.unfolded = panel.why.unfolded = True
        until(lambda: "no trained model" in words(panel.rounds))
        session.select([int(session.items.index[0])])
        until(lambda: "no trained model" in words(panel.why))
        panel.saving._live.do("save", "pdf")
        until(lambda: "no trained model" in panel.saving.message)
        panel.close()


def test_what_changed_opens_its_cells(panel, session):
    assert panel.rounds._live.html == "", "nothing is worked out before it is opened"
    panel.rounds.unfolded = True
    until(lambda: panel.rounds.diff is not None)
    diff = session.round_diff()
    assert len(diff.ids)
    assert diff.sentence in words(panel.rounds)
    first = diff.table.iloc[0]
    panel.rounds._live.do("pick", "0")
    assert session.selection.tolist() == diff.items(first["from"], first["to"]).tolist()
    assert f"{first['from']} → {first['to']}" in panel._walker.html
    panel.rounds._live.do("all")
    assert set(session.selection) == set(diff.ids)
    panel.rounds._live.do("image")
    assert session.view.color_by == "Round_diff"


def test_why_explains_the_selected_cell_and_leads_to_those_alike(panel, session):
    panel.why.unfolded = True
    until(lambda: "Select one cell" in words(panel.why))
    item = int(small.cells(session, "right", "A")[-1])
    session.select([item])
    until(lambda: panel.why.found is not None and "A " in words(panel.why))
    found = session.explain(item)
    assert found.speaks_for in words(panel.why)
    near = str(found.neighbours.index[0])
    panel.why._live.do("go", near)
    assert session.selection.tolist() == [int(near)]
    session.set_view(blind=True)
    until(lambda: "Hidden" in words(panel.why))
    assert panel.why.found is None


def test_a_ground_truth_is_compared_from_a_path(panel, session, tmp_path):
    items = session.items
    kind = ["B" if odd else "A" for odd in (items["y"] // 20 % 2).astype(int)]
    truth = pd.DataFrame({"image": items["image"], "cellID": items["cellID"], "class": kind})
    truth.to_csv(tmp_path / "truth.csv", index=False)
    revision = session.book.revision
    part = panel.truth
    part._live.do("score")
    until(lambda: "No file is named" in part.message)
    part._live.do("set", "path", str(tmp_path / "nothing.csv"))
    part._live.do("score")
    until(lambda: "There is no file" in part.message)
    part._live.do("set", "path", str(tmp_path / "truth.csv"))
    part._live.do("score")
    until(lambda: session.scores is not None and session.scores.sentence in words(part))
    assert part.message == ""
    assert part._matrix.data["rowTitle"] == "truth"
    assert "Compared with truth.csv on" in part._live.html
    part.pick("A", "A")
    assert set(session.selection) == set(session.scores.items("A", "A"))
    assert session.book.revision == revision


def test_figures_are_written_into_the_project_and_handed_to_the_browser(panel, session):
    panel.saving._live.do("what", "", "agreement")
    panel.saving._live.do("save", "pdf")
    path = session.folder / "exports" / "agreement.pdf"
    until(lambda: str(path) in words(panel.saving))
    assert path.read_bytes().startswith(b"%PDF")
    assert 'href="data:application/pdf;base64,' in panel.saving._live.html
    panel.saving._live.do("what", "", "learning_curve")
    panel.saving._live.do("save", "png")
    until(lambda: "learning_curve()" in panel.saving.message)


def test_who_may_only_look_gets_the_figure_but_writes_nothing(session):
    folder = session.folder
    session.close()
    with ct.Session.open(folder, read_only=True, jobs=Jobs(inline=True)) as looking:
        panel = EvaluationPanel(looking)
        panel.saving._live.do("what", "", "agreement")
        panel.saving._live.do("save", "svg")
        until(lambda: 'href="data:image/svg+xml' in panel.saving._live.html)
        assert not (folder / "exports").exists() or not list((folder / "exports").iterdir())
        panel.close()


def test_cells_of_a_matrix_go_into_the_review(panel, session):
    panel.open_agreement("B", "B")
    ids = panel.agreement.items("B", "B")
    panel._walker.do("review")
    assert session.queue is not None
    assert len(session.queue) == len(panel.walk)
    assert set(session.queue.ids) <= set(ids)
    assert "in the review now" in panel.message


def test_labels_given_twice_are_told_beside_the_advice(panel, session):
    assert "given twice" not in words(panel.advice)
    queue = session.review(by="blind", n=4, border=0, seed=1)
    before = session.labels.to_pandas()["category"].astype(str)
    for item in queue.ids.tolist():
        queue.answer(before[item])
    panel.advice.show()
    assert "Your labels given twice: 100% of 4 answered alike" in words(panel.advice)
