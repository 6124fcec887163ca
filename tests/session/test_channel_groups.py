"""Groups of channels: kept with the project, shown with one verb, on offer from the table of cell types."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from celltune_nb.errors import InputError, NotReadyError, ReadOnlyError
from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs

NAMES = ["DAPI", "CD3", "CD20", "CD8", "FoxP3"]


@pytest.fixture
def session(tmp_path):
    with Session.create(tmp_path / "project", jobs=Jobs(inline=True)) as session:
        session.add_image("a", np.zeros((5, 8, 8), np.uint16), channels=NAMES)
        yield session


def shown(session):
    return {c.name: (c.color, c.low, c.high) for c in session.view.channels if c.visible}


def immune(session):
    for name in NAMES:
        session.set_channel(name, visible=name in ("DAPI", "CD3", "CD20"))
    session.set_channel("CD3", color="#00FF00", low=10, high=900)
    session.set_channel("CD20", color="#FF0000", low=5, high=500)
    return session.keep_channel_group("Immune")


def test_what_is_shown_is_kept_and_comes_back_with_one_verb(session):
    group = immune(session)
    assert [c.name for c in group.channels] == ["DAPI", "CD3", "CD20"]
    before = shown(session)
    session.keep_channel_group(
        "T cells", {"CD8": "#ffd60a", "FoxP3": {"color": "#FF40FF", "low": 1, "high": 7}}
    )
    session.show_channel_group("T cells")
    assert set(shown(session)) == {"CD8", "FoxP3"}
    assert shown(session)["FoxP3"] == ("#FF40FF", 1, 7)
    assert session.channel_groups.shown == "T cells"
    session.set_channel("CD3", color="#123456")
    session.show_channel_group("Immune")
    assert shown(session) == before
    assert session.channel_groups.shown == "Immune"
    session.set_channel("CD3", high=901)
    assert session.channel_groups.shown is None  # it is no longer what was kept
    session.keep_channel_group("Immune")
    assert session.channel_groups["Immune"].channels[1].high == 901
    assert list(session.channel_groups) == ["Immune", "T cells"]


def test_they_survive_reopening_and_travel_in_a_bundle(session, tmp_path):
    immune(session)
    session.keep_channel_group("nuclei", ["DAPI"])
    session.rename_channel_group("nuclei", "Nuclei")
    session.save_bundle(tmp_path / "x.zip")
    wanted = dict(session.channel_groups)
    session.close()
    for folder in (session.folder, None):
        again = (
            Session.open(folder) if folder else Session.open(tmp_path / "x.zip", folder=tmp_path / "unpacked")
        )
        with again:
            assert dict(again.channel_groups) == wanted
            assert list(again.channel_groups) == ["Immune", "Nuclei"]
            again.remove_channel_group("Immune")
            assert list(again.channel_groups) == ["Nuclei"]


def test_the_table_of_cell_types_offers_a_group_a_type(session):
    immune(session)
    before = session.view
    session.import_celltypes(
        pd.DataFrame(
            {
                "CellType": ["T cell", "B cell", "odd"],
                "PrimaryMarker": ["CD3", "CD20", "CD3"],
                "Channel_1": ["cd3", "CD20", "nothing"],
                "Channel_2": ["CD8", "DAPI", ""],
                "hex": ["#00AA00", "#AA0000", "#0000AA"],
            }
        )
    )
    assert session.view.channels == before.channels  # offered, not forced
    assert list(session.channel_groups) == ["Immune"]
    assert {n: g.sentence for n, g in session.channel_groups.offered.items()} == {
        "T cell": "CD3, CD8",
        "B cell": "CD20, DAPI",
    }
    session.show_channel_group("B cell")
    assert set(shown(session)) == {"CD20", "DAPI"}
    assert shown(session)["CD20"] == ("#FF0000", 5, 500)  # in the colour and contrast that people know
    assert session.channel_groups.shown == "B cell"
    assert session.keep_offered_channel_groups(["B cell"]) == ["B cell"]
    assert session.keep_offered_channel_groups() == ["T cell"]
    assert session.keep_offered_channel_groups() == []
    session.categories.rename("T cell", "T")
    assert "T" in session.channel_groups.offered


def test_colours_of_a_group_on_offer_are_apart(session):
    for name in ("CD3", "CD8"):
        session.set_channel(name, color="#FF3B30")
    session.import_celltypes(pd.DataFrame({"CellType": ["T"], "Channel_1": ["CD3"], "Channel_2": ["CD8"]}))
    first, second = session.channel_groups.offered["T"].channels
    assert first.color == "#FF3B30" != second.color


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("", None),
        (3, None),
        ("x" * 61, None),
        ("a\nb", None),
        ("a", []),
        ("a", 5),
        ("a", ["nothing"]),
        ("a", {"CD3": "green"}),
        ("a", {"CD3": {"high": 0}}),
        ("a", {"CD3": {"low": "1"}}),
        ("a", {"CD3": {"high": float("inf")}}),
        ("a", {"CD3": {"shine": 1}}),
    ],
)
def test_bad_groups_are_refused_with_a_sentence(session, name, channels):
    before = json.dumps(session.project.settings)
    with pytest.raises(InputError, match=r"\."):
        session.keep_channel_group(name, channels)
    assert json.dumps(session.project.settings) == before


def test_what_is_not_there_is_said(session):
    with pytest.raises(NotReadyError, match="keep_channel_group"):
        session.show_channel_group("none")
    with pytest.raises(NotReadyError, match="celltypes"):
        session.keep_offered_channel_groups()
    immune(session)
    session.keep_channel_group("other")
    with pytest.raises(InputError, match="already"):
        session.rename_channel_group("other", "Immune")
    for name in NAMES:
        session.set_channel(name, visible=False)
    with pytest.raises(InputError, match="No channel is shown"):
        session.keep_channel_group("dark")


def test_who_only_looks_shows_groups_and_keeps_none(session):
    immune(session)
    session.set_channel("CD3", visible=False)
    with Session.open(session.folder, read_only=True, jobs=Jobs(inline=True)) as other:
        other.show_channel_group("Immune")
        assert other.channel_groups.shown == "Immune"
        for change in (
            lambda: other.keep_channel_group("new"),
            lambda: other.rename_channel_group("Immune", "x"),
            lambda: other.remove_channel_group("Immune"),
        ):
            with pytest.raises(ReadOnlyError):
                change()
        assert list(other.channel_groups) == ["Immune"]


@pytest.mark.parametrize(
    "stored",
    [
        "text",
        {"name": "x"},
        [3, None, "x", [], {"name": 1, "channels": []}, {"name": "x"}, {"name": "x", "channels": {"a": 1}}],
        [{"name": "x", "channels": [{"name": "CD3", "color": "url(javascript:1)"}]}],
        [{"name": "x", "channels": [{"name": "CD3", "color": "#FF0000", "low": float("nan"), "high": 1}]}],
        [{"name": "x", "channels": [{"name": "CD3", "color": "#FF0000", "low": [1], "high": 1}]}],
    ],
)
def test_rows_that_are_no_groups_are_left_out(session, stored):
    session.project.settings["channel_groups"] = stored
    assert list(session.channel_groups) == []
    immune(session)
    assert list(session.channel_groups) == ["Immune"]


def test_a_script_keeps_them_again(session):
    immune(session)
    session.rename_channel_group("Immune", "All")
    text = session.script()
    assert "session.keep_channel_group(name='Immune', channels={'DAPI': {'color'" in text.replace('"', "'")
    assert "session.rename_channel_group(old='Immune', new='All')" in text.replace('"', "'")
