from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

import celltune_nb as ct
from celltune_nb.panels.populations import PopulationsPanel
from celltune_nb.session.jobs import Jobs
from tests.panels import small

PANEL = PopulationsPanel


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("populations") / "project"
    small.make(folder)
    with ct.Session.open(folder, jobs=Jobs(inline=True)) as session:
        small.labelled(session).train(models=("xgboost", "lightgbm"), wait=True)
    return folder


def words(panel) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", panel._live.html)).split())


def offered(panel) -> list[str]:
    return re.findall(r'<option value="([^"]*)"', panel._live.html)


def widths(panel) -> list[float]:
    return [float(v) for v in re.findall(r"width:([\d.]+)%", panel._live.html)]


def test_labels_are_counted_and_follow_each_labelling(panel, session):
    assert "A 20 B 20 Unknown 160" in words(panel)
    assert "Total 200" in words(panel)
    session.label(small.cells(session, "left", "A")[10:20], "A")
    assert "A 30 B 20 Unknown 150" in words(panel)
    assert widths(panel) == [100.0, 66.7]
    session.undo()
    assert "A 20 B 20" in words(panel)


def test_what_colours_the_cells_is_chosen_from_what_there_is(panel, session):
    assert offered(panel) == ["", "labels", "Pred_AVG", "Pred_ALL", "Pred_MDL1", "Pred_MDL2"]
    panel._live.do("color_by", "", "Pred_AVG")
    assert session.view.color_by == "Pred_AVG"
    assert "A 100 B 100" in words(panel)
    panel._live.do("color_by", "", "")
    assert session.view.color_by is None
    assert "The cells are not coloured." in words(panel)


def test_a_view_changed_elsewhere_is_followed(panel, session):
    session.set_view(color_by="Pred_AVG", opacity=0.7, style="border")
    assert re.search(r'value="Pred_AVG" selected', panel._live.html)
    assert "70 %" in words(panel)
    assert re.search(r'data-what="border" aria-pressed="true"', panel._live.html)


def test_opacity_and_style_reach_the_view(panel, session):
    panel._live.do("opacity", "", "25")
    panel._live.do("style", "fill")
    assert (session.view.opacity, session.view.style) == (0.25, "fill")
    panel._live.do("style", "dots")
    assert "not 'dots'" in panel.message


def test_categories_are_hidden_and_shown(panel, session):
    panel._live.do("show", "A", False)
    assert session.view.hidden == {"A"}
    assert len(re.findall("ct-off", panel._live.html)) == 1
    panel._live.do("show", "A", True)
    assert session.view.hidden == frozenset()
    panel._live.do("only", "B")
    assert session.view.hidden == {"A", "Unknown"}
    panel._live.do("only", "B")
    assert session.view.hidden == frozenset()
    panel._live.do("only", "A")
    panel._live.do("all")
    assert session.view.hidden == frozenset()


def test_predictions_are_out_of_sight_while_blind(panel, session):
    session.set_view(color_by="Pred_AVG")
    session.set_view(blind=True)
    assert offered(panel) == ["", "labels"]
    assert "100" not in words(panel).split("Opacity")[1].replace("100 %", "")
    panel._live.do("color_by", "", "Pred_AVG")
    assert "out of sight" in panel.message
    session.set_view(blind=False)
    assert "Pred_AVG" in offered(panel)


def test_a_new_training_offers_what_changed(panel, session):
    session.train(models=("xgboost",), wait=True)
    assert "Round_diff" in offered(panel)


def test_renaming_a_category_renames_its_row(panel, session):
    session.categories.rename("A", "A cell")
    assert "A cell 20" in words(panel)


def test_many_pairs_are_folded(panel, session):
    for i in range(40):
        session.categories.add(f"type {i}")
    assert "19 more" in words(panel)


def test_cells_outside_of_a_levels_region_are_said(panel, session):
    session.levels.add("fine", "main", within="A", by="labels")
    session.level = "fine"
    assert "180 cells are outside: the level is held only inside A of level main (by label)." in words(panel)
    session.label(small.cells(session, "left", "A")[10:20], "A", level="main")
    assert "170 cells are outside" in words(panel)
