from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from celltune_nb import datasets
from celltune_nb.errors import CellTuneError, InputError, ProjectError

SMALL = {"cells": 90, "fields": 3}


def test_available_says_where_each_example_comes_from() -> None:
    table = datasets.available()
    assert table["name"].tolist() == ["ihc", "tissue", "brain", "ihc-slices"]
    assert set(table.columns) >= {"name", "workflow", "items", "kind", "origin", "licence"}
    kind = table.set_index("name")["kind"].to_dict()
    assert kind == {"ihc": "real", "tissue": "synthetic", "brain": "synthetic", "ihc-slices": "real"}
    assert table.set_index("name")["workflow"].to_dict()["brain"] == "slices"
    assert not (table[["origin", "licence"]] == "").any().any()


def test_ihc_opens_ready_to_label(tmp_path: Path) -> None:
    with datasets.load("ihc", project=tmp_path / "ihc") as session:
        (expected,) = datasets.available().query("name == 'ihc'")["items"]
        assert abs(len(session.items) - expected) <= 15
        assert [c.name for c in session.categories] == ["Unknown", "DAB-positive", "DAB-negative"]
        assert [c.key for c in session.categories][1:] == ["1", "2"]
        (image,) = session.images.values()
        assert image.is_rgb
        assert image.pixel_size is None
        assert "DAB__Mean__Dilated" in session.features.names


def test_tissue_keeps_truth_out_of_the_features(tmp_path: Path) -> None:
    with datasets.load("tissue", project=tmp_path / "t", **SMALL) as session:
        assert len(session.items) == 90
        assert session.items["group"].nunique() == 3
        assert session.items["truth"].notna().all()
        names = {c.name for c in session.categories}
        assert set(session.items["truth"]) <= names
        assert not [name for name in session.features.names if "truth" in name.lower()]
        fields = {f.name: f for f in datasets.tissue.generate(**SMALL)}
        first = session.items.iloc[0]
        expected = fields[first["image"]].truth.set_index("cellID").loc[first["cellID"], "cell_type"]
        assert first["truth"] == expected
        image = session.images["field_001"]
        assert np.array_equal(np.asarray(image.array), fields["field_001"].image)
        assert image.pixel_size == 0.5


def test_brain_opens_as_an_on_off_task_for_each_marker(tmp_path: Path) -> None:
    size = {"cells": 80, "slices": 4, "animals": 2}
    with datasets.load("brain", project=tmp_path / "b", **size) as session:
        assert session.levels.names == ["cFos", "PV"]
        assert session.level == "cFos"
        for level in session.levels:
            session.level = level
            assert [(c.name, c.key) for c in session.categories] == [
                ("Unknown", None),
                ("ON", "1"),
                ("OFF", "2"),
            ]
        assert session.undo() is None, "the categories are there to stay"
        assert list(session.images) == [f"animal{a} slice{s}" for a in (1, 2) for s in (1, 2)]
        assert all(image.pixel_size == 0.65 for image in session.images.values())
        items = session.items
        assert len(items) == 4 * 80
        assert items.groupby("image")["group"].first().tolist() == [
            "animal1",
            "animal1",
            "animal2",
            "animal2",
        ]
        assert items[["truth_cFos", "truth_PV"]].isin(["ON", "OFF"]).all().all()
        assert set(items["region"]) <= set(datasets.brain.REGIONS)
        names = session.features.names
        assert "cFos__Mean__Environment" in names
        assert not [name for name in names if "truth" in name or "region" in name]
    with pytest.raises(InputError, match="Give at least 50 cells"):
        datasets.load("brain", project=tmp_path / "c", cells=10)
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_ihc_is_an_on_off_task_too_and_says_that_it_is_one_group(tmp_path: Path) -> None:
    with datasets.load("ihc-slices", project=tmp_path / "ihc") as session:
        assert session.levels.names == ["DAB"]
        assert session.categories.names == ["Unknown", "ON", "OFF"]
        (group,) = session.items["group"].unique()
        assert not group
    (origin,) = datasets.available().query("name == 'ihc-slices'")["origin"]
    assert "one group" in origin


def test_a_second_load_finds_the_labels_of_the_first(tmp_path: Path) -> None:
    with datasets.load("tissue", project=tmp_path / "t", **SMALL) as session:
        session.label(session.items.index[:3], "CD8T")
    with datasets.load("tissue", project=tmp_path / "t", **SMALL) as session:
        assert session.labels.counts()["CD8T"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["t"]


@pytest.mark.skipif(sys.platform != "linux", reason="the data folder is moved by XDG_DATA_HOME on Linux only")
def test_the_default_folder_is_stable_and_has_the_size_in_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with datasets.load("tissue", **SMALL) as session:
        folder = Path(session.folder)
    assert folder == tmp_path / "celltune_nb" / "projects" / "tissue-cells90-fields3"
    with datasets.load("tissue", **SMALL, seed=0) as session:
        assert Path(session.folder) == folder


def test_unknown_names_and_sizes_say_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ihc, tissue, brain, ihc-slices"):
        datasets.load("colon")
    with pytest.raises(InputError, match="cells, fields, donors, seed"):
        datasets.load("tissue", project=tmp_path / "t", cell=5)
    with pytest.raises(InputError, match="one size only"):
        datasets.load("ihc", project=tmp_path / "t", cells=5)
    for wrong in (2.5, "many", -1, True, None):
        with pytest.raises(InputError, match="whole number"):
            datasets.load("tissue", project=tmp_path / "t", cells=wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Give at least"):
        datasets.load("tissue", project=tmp_path / "t", cells=2, fields=4)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(ProjectError, match="Choose another folder"):
        datasets.load("tissue", project=tmp_path / "mine", **SMALL)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    datasets.load("tissue", project=tmp_path / "small", **SMALL).close()
    with pytest.raises(ProjectError, match=r"another example .*cells=90"):
        datasets.load("tissue", project=tmp_path / "small", cells=60, fields=3)
    (tmp_path / "file").write_text("")
    with pytest.raises(CellTuneError):
        datasets.load("tissue", project=tmp_path / "file", **SMALL)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with datasets.load("tissue", project=tmp_path / "empty", **SMALL) as session:
        assert len(session.items) == 90


def _load_and_end_it_by(kill: signal.Signals, folder: Path) -> None:
    """Start a load of a larger tissue and end it when the first image lies there."""
    program = (
        f"from celltune_nb import datasets; datasets.load('tissue', project={str(folder)!r}, cells=16000)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while (
            not list(folder.parent.glob(f".{folder.name}.building-*/images/*")) and time.monotonic() < until
        ):
            assert process.poll() is None, "it ended before it could be interrupted"
            time.sleep(0.02)
        process.send_signal(kill)
        process.wait(60)
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_load_that_was_killed_half_way_is_done_again(tmp_path: Path) -> None:
    _load_and_end_it_by(signal.SIGKILL, tmp_path / "t")
    (half,) = tmp_path.iterdir()
    assert half.name.startswith(".t.building-")

    with datasets.load("tissue", project=tmp_path / "t", **SMALL) as session:
        assert len(session.items) == 90
        assert len(session.features.names) > 100
    assert half.exists(), "another program might still be at it"

    shutil.rmtree(tmp_path / "t")
    for path in (*half.rglob("*"), half):
        os.utime(path, (time.time() - 7200,) * 2)
    datasets.load("tissue", project=tmp_path / "t", **SMALL).close()
    assert not half.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupted_load_leaves_nothing_behind(tmp_path: Path) -> None:
    _load_and_end_it_by(signal.SIGINT, tmp_path / "t")
    assert list(tmp_path.iterdir()) == []
