"""The Gate tab, driven as a browser drives it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import celltune_nb as ct
from celltune_nb.errors import CellTuneError
from celltune_nb.panels.gating import GatingPanel
from celltune_nb.session.jobs import Jobs
from tests.panels import small
from tests.panels.reading import words
from tests.waiting import LONG

A, B = "A__Mean__Cell", "B__Mean__Cell"

PANEL = GatingPanel


def drag(panel, wire, **content):
    wire.receive(panel.plot, content)


def inside(session) -> int:
    return int(session.populations.preview.codes.sum())


def test_a_histogram_is_shown_of_the_first_marker(panel):
    plot = panel.plot.plot
    assert plot["mode"] == "range"
    assert plot["xlabel"] == A
    assert max(plot["bars"]) == 1.0
    assert len(plot["xticks"]) >= 2
    assert "drag the limits" in words(panel._top)


def test_a_limit_that_is_dragged_is_seen_on_the_image_and_kept(panel, session, wire):
    drag(panel, wire, type="limits", low=0.5, high=None, final=False)
    limit = panel.drawn.limits[0]
    values = session.features.column(A)
    assert inside(session) == (values >= np.float32(limit)).sum()
    assert f"{inside(session)} cells" in words(panel._bottom)
    assert len(session.gates) == 0
    panel._bottom.do("name", "", "bright")
    panel._bottom.do("keep")
    assert session.populations.preview is None
    assert session.view.color_by == "bright"
    assert session.gates["bright"].low == limit
    assert "bright" in words(panel.kept._live)
    assert "cells inside" in panel.message


def test_limits_can_be_typed(panel, session):
    panel._bottom.do("limit", "low", "10")
    panel._bottom.do("limit", "high", "30")
    assert (session.populations.preview.codes == 1).sum() == (
        (session.features.column(A) >= 10) & (session.features.column(A) <= 30)
    ).sum()
    assert panel.plot.limits[0] < panel.plot.limits[1]
    panel._bottom.do("limit", "low", "ten")
    assert "'ten' is no number" in panel.message
    panel._bottom.do("limit", "low", "100")
    assert "above the upper limit" in panel.message
    panel._bottom.do("clear")
    assert session.populations.preview is None
    assert panel.plot.limits == [None, None]


def test_a_marker_s_name_is_enough_to_choose_a_feature(panel):
    panel._top.do("feature", "0", "b")
    assert panel.plot.plot["xlabel"] == B
    panel._top.do("feature", "0", "nothing")
    assert "no feature 'nothing'" in panel.message
    assert panel.drawn.features[0] == B
    panel._top.do("cofactor", "0", "")
    assert panel.drawn.cofactors[0] is None
    panel._top.do("cofactor", "0", "-1")
    assert "above 0" in panel.message


def test_an_area_is_drawn_as_rectangle_or_lasso(panel, session, wire):
    panel._top.do("mode", "area")
    assert panel.plot.plot["picture"].startswith("data:image/png;base64,")
    assert (panel.plot.plot["xlabel"], panel.plot.plot["ylabel"]) == (A, B)
    corners = [[0.5, 0.0], [1.0, 0.0], [1.0, 0.5], [0.5, 0.5]]
    drag(panel, wire, type="area", kind="rectangle", points=corners, final=True)
    box = inside(session)
    assert 0 < box < 200
    panel._bottom.do("tool", "lasso")
    drag(panel, wire, type="area", kind="lasso", points=corners, final=True)
    assert inside(session) == box
    panel._bottom.do("keep")
    (name,) = session.gates
    assert session.gates[name].kind == "polygon"
    assert session.populations[name].codes.sum() == box
    drag(panel, wire, type="area", kind="lasso", points=[[0, 0]], final=True)
    assert panel.draft is None


def test_a_map_of_all_markers_is_plotted(panel, session):
    learned = session.features.names
    panel.set_mode("area")
    panel.lay_out()
    assert panel.drawn.features == ["embedding/PCA1", "embedding/PCA2"]
    assert "embedding/PCA2" in panel._top.html
    panel.set_area("rectangle", [(-1e6, -1e6), (1e6, 1e6)])
    panel.keep()
    (name,) = session.gates
    assert len(session.gated(name)) == len(session.items)
    assert session.features.names == learned


def test_how_far_a_map_is_stands_beneath_the_plot(panel, session, monkeypatch):
    from celltune_nb.learn import mapping

    go, begun = threading.Event(), threading.Event()

    def umap(Z, _seed, told):
        told(0.5, 12.4)
        begun.set()
        assert go.wait(LONG)
        told(0.6, 1.0)
        return Z[:, :2]

    monkeypatch.setattr(mapping, "umap_places", umap)
    monkeypatch.setattr(session.jobs, "inline", False)
    part = panel.mapping
    assert part.widget.layout.display == "none"
    panel.set_mode("area")
    assert part.widget.layout.display is None
    part._live.do("map", "umap")
    assert begun.wait(LONG)
    part._progressed(part.job)  # as the job does at its next report
    assert "about 12 s left" in part._live.html
    assert 'data-do="stop"' in part._live.html
    part._live.do("map", "pca")
    assert part.message == "A map is being made. Stop it first."
    part._live.do("stop")
    go.set()
    with pytest.raises(CellTuneError):
        part.job.wait_with_bar()
    assert part.message == "Stopped; the map of before stays."
    assert session.features_by_name.keys() == {"cells"}
    monkeypatch.setattr(session.jobs, "inline", True)
    part._live.do("map", "umap")
    assert panel.drawn.features == ["embedding/UMAP1", "embedding/UMAP2"]
    assert 'data-do="stop"' not in part._live.html


def test_an_expression_is_counted_while_it_is_typed(panel, session):
    session.gate(A, 10, name="A+")
    session.gate(B, 10, name="B+")
    panel._top.do("mode", "expression")
    panel._bottom.do("expression", "", "A+ & !B+")
    assert inside(session) == len(session.gated("A+ & !B+"))
    panel._bottom.do("expression", "", "A+ & !")
    assert "cannot be read at character 7" in panel.message
    assert session.populations.preview is None
    panel._bottom.do("expression", "", "A+ | B+")
    assert panel.message == ""
    panel._bottom.do("keep")
    assert "A+ | B+" in session.gates


def test_gates_lie_within_others(panel, session, wire):
    session.gate(A, 10, name="A+")
    panel._top.do("within", "", "A+")
    panel._top.do("feature", "0", "B")
    panel._bottom.do("limit", "low", "1")
    panel._bottom.do("keep")
    assert session.gates["B"].within.text == "A+"
    assert session.populations["B"].codes.sum() <= session.populations["A+"].codes.sum()


def test_only_the_image_on_the_screen_can_be_plotted(panel, session):
    session.gate("y", 0, name="all")
    panel._top.do("here", "", True)
    assert panel._here
    assert panel.plot.plot["mode"] == "range"


def test_selected_cells_are_marked_in_the_plot(panel, session):
    ids = session.table.ids[:5]
    session.select(ids)
    assert len(panel.plot.marks) == 5
    panel._top.do("mode", "area")
    assert all(0 <= v <= 1 for p in panel.plot.marks for v in p)
    session.select([])
    assert panel.plot.marks == []


def test_a_gate_is_renamed_recoloured_and_removed_from_the_list(panel, session):
    session.gate(A, 10, name="A+")
    kept = panel.kept
    kept._live.do("choose", "A+")
    assert "Draw again" in words(kept._live)
    kept._live.do("rename", "A+", "bright")
    assert list(session.gates) == ["bright"]
    assert "Draw again" in words(kept._live)
    kept._live.do("rename", "bright", "labels")
    assert "Choose another name" in kept.message
    kept._live.do("recolor", "bright", "#102030")
    assert session.gates["bright"].color == "#102030"
    kept._live.do("remove", "bright")
    assert list(session.gates) == ["bright"]
    kept._live.do("remove", "bright")
    assert len(session.gates) == 0


def test_a_gate_is_drawn_again(panel, session):
    session.gate_polygon(A, B, [(5, 0), (40, 0), (40, 40)], name="lasso", cofactors=(5, 5))
    before = session.populations["lasso"].codes.sum()
    panel.kept._live.do("redraw", "lasso")
    assert panel.drawn.mode == "area"
    assert len(panel.plot.shape) == 3
    assert inside(session) == before
    panel._bottom.do("keep")
    assert list(session.gates) == ["lasso"]


def test_the_cells_of_a_gate_are_labelled_and_selected(panel, session):
    session.categories.add("kind A")
    session.gate(A, 15, name="A+")
    n = len(session.gated("A+"))
    panel.kept._live.do("label", "A+", "kind A")
    assert session.labels.counts()["kind A"] == n
    assert f"{n} cells labelled" in panel.kept.message
    session.undo()
    panel.kept._live.do("select", "A+")
    assert set(session.selection) == set(small.cells(session, "left", "A")) & set(session.gated("A+"))


def test_what_a_gate_misses_is_said_in_the_list(panel, session):
    session.categories.add("x")
    session.gate_from("labels:x", name="mine")
    session.categories.delete("x")
    panel.kept._live.do("choose", "mine")
    assert "has no category 'x'" in words(panel.kept._live)
    session.undo()


def test_another_choice_of_colours_ends_the_preview(panel, session):
    panel._bottom.do("limit", "low", "10")
    assert session.populations.preview is not None
    session.set_view(color_by=None)
    assert session.populations.preview is None


def test_who_may_only_look_can_draw_but_not_keep(project):
    with ct.Session.open(project, read_only=True, jobs=Jobs(inline=True)) as session:
        panel = GatingPanel(session)
        panel._bottom.do("limit", "low", "10")
        assert inside(session) > 0
        assert 'data-do="keep" disabled' in panel._bottom.html
        panel._bottom.do("keep")
        assert panel.message
        panel.close()


def test_clusters_are_run_named_and_labelled(panel, session):
    groups = panel.groups
    groups._clusters.do("method", "", "kmeans")
    groups._clusters.do("amount", "n", "2")
    groups._clusters.do("run")
    assert session.view.color_by == "Clusters"
    assert "100" in words(groups._clusters)
    groups._clusters.do("name", "1", "first")
    groups._clusters.do("label")
    assert session.labels.counts()["first"] == session.clusters().loc[1, "size"]
    groups._clusters.do("amount", "n", "many")
    assert "'many' cannot be used" in groups.message


def test_landmarks_are_found_and_accepted(panel, session, tmp_path):
    assert "Bring the table of cell types" in words(panel.groups._landmarks)
    (tmp_path / "types.csv").write_text("CellType,PrimaryMarker\nkind A,A & !B\nkind B,B & !A\n")
    session.import_celltypes(tmp_path / "types.csv")
    panel.groups._landmarks.do("per_type", "", "10")
    panel.groups._landmarks.do("find")
    assert session.view.color_by == "Landmarks"
    assert "Accept: label 20 cells" in words(panel.groups._landmarks)
    panel.groups._landmarks.do("type", "kind B", False)  # looked at, and found wrong
    assert "Accept: label 10 cells" in words(panel.groups._landmarks)
    panel.groups._landmarks.do("accept")
    assert session.labels.counts()["kind A"] == 10
    assert session.labels.counts()["kind B"] == 0
    assert "Next: train" in panel.groups.message
    assert set(session.labels.to_pandas().query("category == 'kind A'").index) <= {
        *small.cells(session, "left", "A"), *small.cells(session, "right", "A")
    }  # fmt: skip
    panel.groups._landmarks.do("find")
    panel.groups._landmarks.do("discard")
    assert "Landmarks" not in session.populations


def test_a_project_without_features_says_what_to_do(tmp_path):
    with ct.Session.create(tmp_path / "empty", jobs=Jobs(inline=True)) as session:
        panel = GatingPanel(session)
        panel._top.do("feature", "0", "CD8")
        assert "Measure first" in panel.message
        panel.close()


def test_an_axis_takes_the_scale_of_its_channel(panel, session):
    session.set_transform("A", 12.5)
    assert panel.drawn.cofactors[0] == 12.5
    assert 'value="12.5"' in panel._top.html
    panel.set_cofactor(3.0)  # only to look
    session.set_transform("B", 2.0)
    assert panel.drawn.cofactors == [3.0, 2.0]
    panel.set_feature("Area__Cell")
    panel.set_feature(A)
    assert panel.drawn.cofactors[0] == 12.5
    session.set_transform("A")
    assert panel.drawn.cofactors[0] not in (None, 12.5)


def test_enter_in_the_name_keeps_the_gate(panel):
    assert 'data-do="name" data-then="keep"' in panel._bottom.html


def test_two_features_are_two_also_when_the_second_was_chosen_as_the_first(panel, session):
    second = panel.drawn.features[1]
    panel.set_feature(second)
    panel.set_mode("area")
    assert panel.drawn.features[0] == second
    assert panel.drawn.features[1] != second
