"""The channels panel without a browser."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from celltune_nb import Session
from celltune_nb.panels.channels import ChannelsPanel
from celltune_nb.session.jobs import Jobs

PANEL = ChannelsPanel


@pytest.fixture
def session(tmp_path):
    rng = np.random.default_rng(0)
    with Session.create(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        for name in ("a", "b"):
            image = rng.gamma(2, 300, (3, 64, 64)).astype(np.uint16)
            session.add_image(name, image, channels=["DAPI", "CD3", "CD8"])
        yield session


def channel(session, name):
    return next(c for c in session.view.channels if c.name == name)


def test_it_lists_the_channels_and_shows_the_histogram_of_one(session, panel):
    assert [row["name"] for row in panel._list.rows] == ["DAPI", "CD3", "CD8"]
    assert panel.chosen == "DAPI"
    shown = panel._list.histogram
    assert shown["name"] == "DAPI"
    assert len(shown["counts"]) == 96
    assert shown["low"] < shown["high"] <= session.images["a"].plane("DAPI").max() + 1


def test_a_drag_of_a_handle_changes_the_view(session, panel, wire):
    wire.receive(panel._list, {"type": "change", "name": "CD3", "changes": {"low": 10.5, "high": 800.0}})
    assert (channel(session, "CD3").low, channel(session, "CD3").high) == (10.5, 800.0)
    assert panel._list.rows[1]["low"] == 10.5
    wire.receive(
        panel._list, {"type": "change", "name": "CD3", "changes": {"color": "#12ab34", "visible": False}}
    )
    assert channel(session, "CD3").color.lower() == "#12ab34"
    assert not channel(session, "CD3").visible


def test_choosing_another_channel_shows_its_histogram(session, panel, wire):
    wire.receive(panel._list, {"type": "choose", "name": "CD8"})
    assert panel.chosen == panel._list.histogram["name"] == "CD8"
    session.set_view(image="b")
    assert (panel._list.histogram["image"], panel.chosen) == ("b", "CD8")


def test_auto_contrast_follows_the_intensities_of_the_image(session, panel, wire):
    session.set_channel("CD3", low=0, high=60_000)
    wire.receive(panel._list, {"type": "auto", "name": "CD3"})
    plane = np.asarray(session.images["a"].plane("CD3"))
    assert channel(session, "CD3").low == pytest.approx(np.percentile(plane, 1), abs=1)
    assert channel(session, "CD3").high == pytest.approx(np.percentile(plane, 99.8), rel=0.02)


def test_only_this_channel_and_back(session, panel, wire):
    session.set_channel("CD8", visible=False)
    wire.receive(panel._list, {"type": "only", "name": "CD3"})
    assert [c.visible for c in session.view.channels] == [False, True, False]
    wire.receive(panel._list, {"type": "only", "name": "CD3"})
    assert [c.visible for c in session.view.channels] == [True, True, False]


def test_a_name_that_is_no_channel_is_ignored(session, panel, wire):
    before = session.view
    wire.receive(panel._list, {"type": "change", "name": "nothing", "changes": {"low": 1}})
    assert session.view is before
    assert panel.message == ""


def test_brightfield_is_said_to_be_shown_as_it_is(tmp_path):
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        session.add_image("slide", np.full((32, 32, 3), 200, np.uint8))
        panel = ChannelsPanel(session)
        assert panel._list.rows == []
        assert "shown as it is" in panel._list.note
        panel.close()


def test_the_nuclei_are_among_the_channels_shown_first_whatever_their_place(tmp_path):
    with Session.create(tmp_path / "byname", jobs=Jobs(inline=True)) as session:
        names = ["CD3", "CD4", "CD8", "CD20", "CD45", "DAPI"]
        session.add_image("a", np.zeros((6, 8, 8), np.uint16), channels=names)
        shown = {c.name: c.visible for c in session.view.channels}
        assert [name for name in names if shown[name]] == ["CD3", "CD4", "CD8", "DAPI"]


def test_a_click_shows_a_group_of_channels_and_what_is_shown_is_kept(session, panel):
    groups = panel.groups
    groups._live.do("new")
    assert "Name of the new group" in groups._live.html
    groups._live.do("keep", "", "All three")
    groups.session.set_channel("CD8", visible=False)
    groups._live.do("keep", "", "Two")
    assert list(session.channel_groups) == ["All three", "Two"]
    assert groups.message == "Two kept: DAPI, CD3."
    groups._live.do("show", "All three")
    assert [c.visible for c in session.view.channels] == [True, True, True]
    assert groups.active == "All three"
    session.set_channel("CD3", high=77.0)
    assert "All three*" in groups._live.html  # changed since
    groups._live.do("update")
    assert session.channel_groups["All three"].channels[1].high == 77
    assert "All three*" not in groups._live.html
    groups._live.do("edit")
    groups._live.do("rename", "", "Two")
    assert "already" in groups.message
    groups._live.do("rename", "", "Everything")
    groups._live.do("remove")
    assert list(session.channel_groups) == ["Two"]
    assert all(c.visible for c in session.view.channels)


def test_groups_of_the_table_of_cell_types_are_on_offer(session, panel):
    session.import_celltypes(
        pd.DataFrame({"CellType": ["CD8T", "<b>odd"], "Channel_1": ["CD3", "DAPI"], "Channel_2": ["CD8", ""]})
    )
    assert "2 from cell types" in panel.groups._live.html
    assert "<b>odd" not in panel.groups._live.html
    panel.groups._live.do("show", "CD8T")
    assert [c.name for c in session.view.channels if c.visible] == ["CD3", "CD8"]
    assert panel.chosen == panel._list.histogram["name"] == "CD3"  # DAPI is not shown any more
    panel.groups._live.do("keep_all")
    assert list(session.channel_groups) == ["CD8T", "<b>odd"]
    assert "from cell types" not in panel.groups._live.html


def test_an_error_with_groups_is_said_in_place_and_brightfield_has_none(session, panel, tmp_path):
    panel.groups._live.do("keep", "", "x" * 61)
    assert "1 to 60" in panel.groups.message
    with Session.create(tmp_path / "rgb", jobs=Jobs(inline=True)) as other:
        other.add_image("slide", np.full((32, 32, 3), 200, np.uint8))
        shown = ChannelsPanel(other)
        assert shown.groups._live.html == ""
        shown.close()
