"""The features panel: measure, choose what models learn from, look at a feature and its scale."""

from __future__ import annotations

import html
import re
import shutil

import numpy as np
import pandas as pd

from celltune_nb.panels.features import FeaturesPanel
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs
from tests.waiting import LONG

PANEL = FeaturesPanel


def words(panel: FeaturesPanel) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", panel._live.html).split()))


def test_groups_are_switched_listed_and_made(panel, session):
    assert "Rings" in words(panel)
    rings = session.features.groups["Rings"]
    panel._live.do("group", "Rings", False)
    assert not set(rings) & set(session.features.used)
    panel._live.do("only", "Morphology")
    assert session.features.used == session.features.groups["Morphology"]
    assert panel.message.startswith("Models learn from Morphology")
    panel._live.do("feature", "A__Mean__Cell", True)
    panel._live.do("save_group", "", "Mine")
    assert session.features.groups["Mine"] == session.features.used
    assert panel.group == "Mine"
    assert "B__Mean__Cell" not in words(panel)
    panel._live.do("ungroup", "Mine")
    assert "B__Mean__Cell" in words(panel)
    for name in list(session.features.used)[1:]:
        panel._live.do("feature", name, False)
    panel._live.do("feature", session.features.used[0], False)
    assert "at least one" in panel.message


def test_a_search_finds_features_by_all_its_words(panel):
    panel._live.do("search", "", "b mean")
    shown = re.findall(r'data-row="feature-([^"]*)"', panel._live.html)
    assert "B__Mean__Cell" in shown
    assert all("b" in name.lower() and "mean" in name.lower() for name in shown)
    panel._live.do("search", "", "<b>nothing")
    assert "No feature has this" in words(panel)
    assert "<b>nothing" not in panel._live.html


def test_a_scale_is_tried_on_the_histogram_and_then_kept(panel, session):
    panel._live.do("look", "A__Mean__Cell")
    assert "200 cells" in words(panel)
    plain = re.findall(r'<path d="([^"]*)"', panel._live.html)
    panel._live.do("cofactor", "", "2")
    assert re.findall(r'<path d="([^"]*)"', panel._live.html) != plain
    assert session.transforms == {}
    panel._live.do("keep")
    assert session.transforms == {"A": 2.0}
    assert "kept: cofactor 2 (CellTune's factor 0.5)" in words(panel)
    panel._live.do("try")
    assert panel.cofactor == session.look_at_feature("A__Mean__Cell").suggested
    panel._live.do("cofactor", "", "five")
    assert "no cofactor" in panel.message
    panel._live.do("cofactor", "", "")
    panel._live.do("keep")
    assert session.transforms == {}
    panel._live.do("here", "", True)
    assert "100 cells" in words(panel)
    panel._live.do("look", "Area__Cell")
    assert "Only intensities" in words(panel)
    panel._live.do("keep")
    assert "Only intensities" in panel.message


def test_measuring_says_what_came_of_it_and_passes_over_what_is_measured(panel, session):
    panel._live.do("measure")
    assert "200 cells measured" in words(panel)
    assert "Next: label some cells" in words(panel)
    before = session.features_by_name["cells"]
    panel._live.do("option", "texture", True)
    panel._live.do("measure")
    assert "Texture" in session.features.groups
    assert session.features_by_name["cells"] is not before
    now = session.features_by_name["cells"]
    panel._live.do("measure")
    assert session.features_by_name["cells"] is now


def test_a_measuring_in_the_background_is_stopped_and_goes_on(project, tmp_path):
    with Session.open(shutil.copytree(project, tmp_path / "threads")) as session:
        panel = FeaturesPanel(session)
        panel.set_option("texture", True)
        panel.measure()
        assert panel.job is not None
        panel.stop()
        assert panel.job._finished.wait(LONG)
        panel.measure()
        assert panel.job._finished.wait(LONG)
        assert panel.job.state == "done"
        assert "Texture" in session.features.groups
        panel.close()
        assert session.problems == []


def test_suspicious_features_are_marked(panel, session):
    items = session.items
    session.import_cells(
        pd.DataFrame({"image": items["image"], "cellID": items["cellID"], "object_id": np.arange(200.0), "CD3": items["x"]}),
        features=["object_id", "CD3"],
    )  # fmt: skip
    session.features.use("table")
    assert "suspicious" in words(panel)
    assert "'object_id' looks like an identifier" in words(panel)


def test_it_says_why_nothing_can_be_changed(session):
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as looking:
        panel = FeaturesPanel(looking)
        assert looking.access.reason in words(panel)
        panel._live.do("group", "Rings", False)
        assert panel.message
        panel.close()


def test_an_empty_project_shows_where_to_begin(tmp_path):
    with Session.create(tmp_path / "empty", jobs=Jobs(inline=True)) as session:
        panel = FeaturesPanel(session)
        assert "Measure the cells" in words(panel)
        panel._live.do("measure")
        assert "mask" in panel.message
        panel.close()


def test_brightness_against_the_same_image_is_asked_for_and_stays_on(session, panel, tmp_path):
    assert panel.options["per_image"] is False  # measured without it, whatever a page would ask for at first
    assert "against the cells of the same image" in words(panel)
    panel._live.do("option", "per_image", True)
    panel.measure()
    assert "Per image" in words(panel)
    assert set(session.features.groups["Per image"]) <= set(session.features.used)
    again = FeaturesPanel(session)
    assert again.options["per_image"] is True
    again.close()
    with Session.create(tmp_path / "new", jobs=Jobs(inline=True)) as new:
        first = FeaturesPanel(new, per_image=True)
        assert first.options["per_image"] is True
        first.close()
