"""Three knobs: which cells are offered, how training weighs them, where the threshold lies; with a live preview."""

from __future__ import annotations

import re
import time
from html import unescape
from pathlib import Path

import numpy as np
import pytest

import celltune_nb as ct
from celltune_nb.panels.knobs import KnobsPanel
from celltune_nb.session.jobs import Jobs
from tests.panels import small

PANEL = KnobsPanel


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on labels of which some are wrong, so that thresholds differ."""
    folder = tmp_path_factory.mktemp("knobs") / "project"
    small.make(folder)
    with ct.Session.open(folder, jobs=Jobs(inline=True)) as session:
        small.labelled(session)
        rng = np.random.default_rng(0)
        session.label(rng.choice(session.items.index.to_numpy(), 12, replace=False), "A")
        session.train(wait=True, rounds=30)
    return folder


def words(panel: KnobsPanel) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", panel._page.html)).split())


def test_three_knobs_are_explained_and_the_preview_follows_the_slider(
    panel: KnobsPanel, session: ct.Session
) -> None:
    for line in ("Which cells you label", "How training weighs them", "Where the threshold lies"):
        assert line in words(panel)
    assert "not worked out" in words(panel)  # nobody judged yet: nothing takes seconds unasked
    panel._page.do("judge")
    assert "labels, each judged by models" in words(panel)
    begun = time.process_time()  # the machine may be shared: its own work counts
    panel._page.do("threshold", "", "0.8")
    assert time.process_time() - begun < 0.1
    row = panel.curve[panel.curve["threshold"] == 0.8].iloc[0]
    assert f"{row['count']:.0f} A cells" in words(panel)
    assert f"{row['precision']:.0%} Precision" in words(panel)
    assert list(panel._figure._here.x) == [0.8, 0.8]
    assert "Pred_THR" not in session.populations  # looking changes nothing
    panel._page.do("use")
    assert session.threshold().value == 0.8
    assert session.populations["Pred_THR"].tally()["A"] == row["count"]
    assert "A from a probability of 0.8" in words(panel)
    panel._page.do("clear")
    assert session.threshold().value is None


@pytest.mark.parametrize(("rule", "target"), [("precision", "85"), ("recall", "90"), ("count", "70")])
def test_a_target_moves_the_threshold_and_is_followed(
    panel: KnobsPanel, session: ct.Session, rule: str, target: str
) -> None:
    panel.judge()
    panel._page.do("rule", rule)
    panel._page.do("target", "", target)
    assert panel.message == ""
    panel._page.do("use")
    found = session.threshold()
    assert found.rule == rule
    assert found.target == pytest.approx(float(target) / (1 if rule == "count" else 100))
    assert panel.value == found.value
    panel.close()
    again = KnobsPanel(session)
    assert (again.rule, again.value) == (rule, found.value)
    again.close()


def test_more_of_a_category_is_selected_on_the_slice(panel: KnobsPanel, session: ct.Session) -> None:
    session.set_view(image="right", rectangle=(0, 0, 200, 100))
    panel._page.do("count", "", "10")
    panel._page.do("more", "B")
    panel._page.do("offer")
    items = session.items.loc[session.selection]
    assert len(items) == 10
    assert (items["image"] == "right").all()
    assert (items["x"] < 100).all()
    assert "most of them likely B" in panel.message
    assert (items.index.isin(small.cells(session, "right", "B"))).mean() >= 0.6


def test_a_balance_is_trained_with(panel: KnobsPanel, session: ct.Session) -> None:
    panel._page.do("balance", "", "0.8")
    panel._page.do("train")
    assert session.runs[-1].options["balance"] == 0.8
    assert session.runs[-1].options["rounds"] == 30  # as last time otherwise
    assert "weighed A with 80%" in words(panel)
    panel._page.do("balance", "")
    panel.train()
    assert "balance" not in session.runs[-1].options


@pytest.mark.parametrize(
    ("verb", "what", "value"),
    [("count", "", "0"), ("count", "", "x"), ("threshold", "", "2"), ("rule", "odd", None), ("balance", "", "1.5"), ("target", "", "-3")],
)  # fmt: skip
def test_what_makes_no_sense_is_said_in_place(
    panel: KnobsPanel, verb: str, what: str, value: str | None
) -> None:
    panel._page.do(verb, what, value)
    assert panel.message
    assert not panel.session.problems


def test_before_a_training(tmp_path: Path) -> None:
    small.make(tmp_path / "new")
    with ct.Session.open(tmp_path / "new", jobs=Jobs(inline=True)) as session:
        panel = KnobsPanel(session)
        try:
            assert "has no categories yet" in words(panel)
            session.categories.add("ON")
            assert "Train first" in words(panel)
            panel._page.do("offer")
            assert len(session.selection) == 30
            panel._page.do("more", "ON")
            panel._page.do("offer")
            assert "Train first" in panel.message
        finally:
            panel.close()


def test_a_refused_number_leaves_the_field(panel: KnobsPanel) -> None:
    before = panel._page.html
    panel._page.do("count", "", "0")
    assert panel.message
    assert 'value="30"' in panel._page.html
    assert panel._page.html != before  # so that the browser takes the value again


def test_what_was_pressed_beside_another_marker_is_not_done(panel: KnobsPanel, session: ct.Session) -> None:
    level, runs = session.level, len(session.runs)
    panel._page.do("threshold", "", "0.7")
    session.add_marker("other")
    for verb in ("use", "train", "clear"):
        panel._page.do(verb, level)
        assert "The page has gone on to other" in panel.message
    assert session.threshold("other").value is None
    assert len(session.runs) == runs
