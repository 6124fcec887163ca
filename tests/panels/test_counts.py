"""Counts on the page: table, plot, file, combinations of markers, regions, models applied with progress."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

import celltune_nb as ct
from celltune_nb.panels.counts import CountsPanel, markup
from celltune_nb.panels.image import ImagePanel
from celltune_nb.session.jobs import Jobs
from tests.panels import small
from tests.panels.reading import words

PANEL = CountsPanel


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two markers of two categories each, trained; one of them audited."""
    folder = tmp_path_factory.mktemp("counts") / "project"
    small.make(folder)
    with ct.Session.open(folder, jobs=Jobs(inline=True)) as session:
        session.levels.add("PV")
        for level, kind in (("main", "A"), ("PV", "B")):
            for name in ("ON", "OFF"):
                session.categories.add(name, level=level)
            for image in ("left", "right"):
                on = small.cells(session, image, kind)
                off = np.setdiff1d(session.items.index[session.items["image"] == image], on)
                session.label(on[:8], "ON", level=level)
                session.label(off[:8], "OFF", level=level)
            session.train(level=level, wait=True, rounds=20)
        ids = session.draw_audit(60, seed=1)
        bright = np.isin(ids, np.concatenate([small.cells(session, i, "A") for i in ("left", "right")]))
        session.label(ids[bright], "ON", source="audit")
        session.label(ids[~bright], "OFF", source="audit")
    return folder


def test_the_table_and_the_plot_show_both_counts_with_their_limits(
    panel: CountsPanel, session: ct.Session
) -> None:
    table = session.counts("image")
    row = table.loc["left"]
    assert f"left 100 {row['raw']:.0f} {row['corrected']:.0f}" in words(panel._body)
    assert "60 audited cells" in words(panel._body)
    np.testing.assert_allclose(panel._figure._limits.y, table[["low", "high"]].to_numpy())
    np.testing.assert_allclose(panel._figure._called.y, table["raw"])
    np.testing.assert_allclose(panel._figure._bars.y[:, 1], table["corrected"])
    assert panel._figure.widget.children[-1] is panel._figure.figure
    panel._body.do("look", "right")
    assert session.view.image == "right"
    panel._head.do("by", "", "group")
    assert panel.table.index.name == "group"
    panel._head.do("by", "", "nothing")
    assert "Choose one of" in panel.message


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("by", ["image", "group×image"])
def test_every_number_stands_under_its_title(session: ct.Session, by: str, dense: bool) -> None:
    table = session.counts(by)
    if dense:
        table["area_mm2"] = 2.0
        table["density"] = table["corrected"] / 2
    html = markup.table(table, "", None)
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr.*?</tr>", html)]
    titles, left = rows[0], next(row for row in rows if row[0] == "left" and len(row) > 1)
    found = dict(zip(titles, left, strict=True))
    row = table.iloc[0]
    assert found["Called"] == f"{row['raw']:.0f}"
    assert found["95 %"] == f"{row['low']:.0f}–{row['high']:.0f}"
    assert found.get("Cells", "100") == "100"
    assert ("per mm²" in found) is dense
    assert len(rows[-1]) == len(titles)


def test_a_combination_is_counted_and_kept(panel: CountsPanel, session: ct.Session) -> None:
    assert re.findall(r'aria-pressed="(\w+)"', panel._head.html)[:3] == ["true", "false", "false"]
    panel._head.do("what", "", "main+ PV-")
    assert panel.table["raw"].sum() == session.counts("all", what="main+ PV-")["raw"].iloc[0] > 0
    assert "PV has 0 audited cells" in words(panel._body)
    assert re.findall(r'aria-pressed="(\w+)"', panel._head.html) == [
        "true",
        "false",
        "false",
        "false",
        "true",
        "false",
    ]
    panel._head.do("keep")
    assert "main+ PV-" in session.populations
    panel._head.do("sign", "main")
    assert panel.what == "PV-"
    panel._head.do("sign", "main-")
    assert panel.what == "main- PV-"
    assert panel.table["raw"].sum() == session.counts("all", what="main- PV-")["raw"].iloc[0]
    panel._head.do("sign", "nobody+")
    assert "no trained marker" in panel.message
    panel._head.do("what", "", "nobody+")
    assert panel.table is None
    assert "nobody" in words(panel._body)
    panel._head.do("what", "", "")
    assert panel.table["corrected"].notna().all()


def test_counts_follow_thresholds_and_trainings(panel: CountsPanel, session: ct.Session) -> None:
    before = panel.table["raw"].sum()
    found = session.set_threshold(0.95)
    assert panel.table["raw"].sum() == found.figures["count"] != before
    session.level = "PV"
    assert panel.table["corrected"].isna().all()
    assert "Not corrected" in words(panel._body)
    assert panel._figure.figure.marks == [panel._figure._bars]
    session.level = "main"
    assert panel._figure.figure.marks[1:] == [panel._figure._limits, panel._figure._called]


def test_a_file_is_written_and_offered(panel: CountsPanel, session: ct.Session) -> None:
    panel._act.do("csv")
    path = session.folder / "exports" / "counts-main-image.csv"
    assert panel._download.files[0]["name"] == path.name
    assert list(pd.read_csv(path)["image"]) == ["left", "right"]


def test_models_are_applied_with_progress(panel: CountsPanel, session: ct.Session) -> None:
    seen = []
    panel._act.observe(lambda change: seen.append(change["new"]), "html")
    panel._act.do("apply")
    assert panel.job.state == "done"
    assert any("progressbar" in html for html in seen)
    assert "Stop" not in words(panel._act)
    assert "applied to all slices" in panel.message


def test_regions_are_drawn_read_and_removed(panel: CountsPanel, session: ct.Session, tmp_path: Path) -> None:
    panel._areas.do("drawn")
    assert "Drag a rectangle" in panel.message
    session.set_view(image="left", rectangle=(0, 0, 200, 100))
    panel._areas.do("region", "", "CA1")
    panel._areas.do("drawn")
    assert "50 cells inside" in panel.message
    assert session.view.rectangle is None
    assert "CA1 50 cells" in words(panel._areas)
    panel._head.do("by", "", "image×region")
    assert panel.table.loc[("left", "CA1"), "cells"] == 50
    assert "elsewhere 50" in words(panel._body)
    session.set_view(image="right")
    labels = np.zeros((200, 200), np.uint8)
    labels[:100] = 4
    tifffile.imwrite(tmp_path / "atlas.tif", labels)
    panel._areas.do("path", "", str(tmp_path / "atlas.tif"))
    panel._areas.do("labels")
    assert "4 50 cells" in words(panel._areas)
    assert "keeps a copy of the label image (0.00 MB)" in panel.message
    panel._areas.do("unregion")
    assert list(session.areas()["image"]) == ["left"]
    assert "Take back: removing 1 region on right" in panel._areas.html
    panel._areas.do("reregion")
    assert panel.message == "Taken back: removing 1 region on right."
    assert "4 50 cells" in words(panel._areas)
    panel._areas.do("reregion")
    assert list(session.areas()["image"]) == ["left"]
    panel._areas.do("path", "", "nowhere.tif")
    panel._areas.do("labels")
    assert panel.message


def test_an_outline_drawn_on_the_image_becomes_a_region(panel: CountsPanel, session: ct.Session) -> None:
    image = ImagePanel(session)
    try:
        session.set_view(image="left", rectangle=(0, 0, 9, 9))
        panel._areas.do("outline")
        assert image.viewport.mode == "lasso"
        drag = {"type": "lasso", "lasso": [[-9, -9], [-9, 100], [210, 100], [210, -9]], "modifiers": []}
        image.viewport._receive(None, {**drag, "modifiers": ["shift"]}, [])
        assert len(session.selection) == 50
        image.viewport._receive(None, drag, [])
        assert "50 cells in this outline" in image.message
        assert session.view.rectangle is None
        panel._areas.do("region", "", "DG")
        panel._areas.do("drawn")
        found = session.areas()
        assert list(found["region"]) == ["DG"]
        assert found["area_px"].iloc[0] == pytest.approx(100 * 199.5, rel=0.01)
        assert found["cells"].iloc[0] == 50
        assert session.view.outline is None
        panel._areas.do("outline")
        assert image.viewport.mode == "rectangle"
    finally:
        image.close()


def test_before_a_training_it_says_what_to_do(tmp_path: Path) -> None:
    small.make(tmp_path / "new")
    with ct.Session.open(tmp_path / "new", jobs=Jobs(inline=True)) as session:
        panel = CountsPanel(session)
        try:
            assert "has no categories yet" in words(panel._body)
            # A figure without bars has no size, and the page complains.
            assert panel._figure.widget.children == ()
            session.categories.add("ON")
            assert "Train first" in words(panel._body)
            panel._act.do("csv")
            assert "Train first" in panel.message
        finally:
            panel.close()
