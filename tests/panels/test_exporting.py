"""The Export tab: what is chosen is what is written, and what is written can be fetched."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tifffile

import celltune_nb as ct
from celltune_nb.apps import page
from celltune_nb.panels import download
from celltune_nb.panels.exporting import ExportingPanel, places
from celltune_nb.session.jobs import Jobs
from tests.panels import small
from tests.waiting import LONG, until

PANEL = ExportingPanel


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exporting") / "My project"
    small.make(folder)
    return folder


@pytest.fixture
def session(project: Path, tmp_path: Path) -> Iterator[ct.Session]:
    folder = shutil.copytree(project, tmp_path / "My project")
    with ct.Session.open(folder, jobs=Jobs(inline=True)) as session:
        yield small.labelled(session)


def words(panel: ExportingPanel) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", panel._form.html)).split())


def fetched(panel: ExportingPanel, wire: Any, number: int = 0) -> bytes:
    """What a browser puts together of a file that is offered."""
    at, content = 0, b""
    while True:
        wire.receive(panel._download, {"type": "part", "token": "t", "file": number, "at": at})
        message = wire.custom(panel._download)[-1]
        assert message["type"] == "part"
        content += bytes(wire.buffers(panel._download)[-1])
        if message["done"]:
            return content
        at = message["next"]


def test_the_table_is_written_and_can_be_fetched(
    panel: ExportingPanel, session: ct.Session, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PART", 1000)  # so that it comes in several parts
    assert panel.line == "session.export(session.folder / 'exports/cells.csv')"
    assert "About" in panel.estimate
    panel._form.do("export")
    path = session.folder / "exports" / "cells.csv"
    assert len(pd.read_csv(path)) == 200
    assert "Written" in panel.message
    assert panel._download.files[0]["name"] == "cells.csv"
    assert fetched(panel, wire) == path.read_bytes()
    panel._form.do("export")  # what lies in exports/ is written anew
    assert "Written" in panel.message


@pytest.mark.parametrize(
    ("kind", "options", "line", "file"),
    [
        ("cells", {"cells format": ".h5ad"}, "session.export(session.folder / 'exports/cells.h5ad')", "cells.h5ad"),
        (
            "cells", {"cells format": ".parquet", "features": True},
            "session.export(session.folder / 'exports/cells.parquet', features=True)", "cells.parquet",
        ),
        ("labels", {}, "session.export_labels(session.folder / 'exports/labels.csv')", "labels.csv"),
        (
            "population", {"image": "left"},
            "session.export_population('labels', session.folder / 'exports/labels-left.tif', image='left')", "labels-left.tif",
        ),
        ("population", {}, "session.export_population('labels', session.folder / 'exports/labels')", "labels"),
        ("bundle", {}, "session.save_bundle(session.folder / 'exports/My_project.zip')", None),
        ("bundle", {"images": "own"}, None, None),
    ],
)  # fmt: skip
def test_what_is_chosen_is_written_and_the_line_says_it(
    panel: ExportingPanel,
    session: ct.Session,
    kind: str,
    options: dict[str, Any],
    line: str | None,
    file: str | None,
) -> None:
    panel._form.do("kind", "", kind)
    for name, value in options.items():
        panel._form.do("option", name, value)
    if file is not None:
        assert panel.line == line
    assert panel.line in unescape(panel._form.html)
    panel._form.do("export")
    assert "Written" in panel.message
    target = panel.target
    assert target.exists()
    assert file is None or target.name == file
    if target.is_file():
        target.unlink()
    else:
        shutil.rmtree(target)
    exec(panel.line, {"session": session})  # the line does the same
    assert target.exists()


def test_a_folder_of_images_is_offered_file_by_file(
    panel: ExportingPanel, session: ct.Session, wire: Any, tmp_path: Path
) -> None:
    panel.choose("population")
    panel.export()
    names = [file["name"] for file in panel._download.files]
    assert names == ["left.tif", "left_legend.csv", "right.tif", "right_legend.csv"]
    (tmp_path / "left.tif").write_bytes(fetched(panel, wire, 0))
    assert tifffile.imread(tmp_path / "left.tif").shape == (200, 200)


def test_of_many_files_it_is_said_that_not_all_are_offered(
    panel: ExportingPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celltune_nb.panels.exporting.panel.OFFERED", 2)
    panel.choose("population")
    panel.export()
    assert len(panel._download.files) == 2
    assert panel._download.files[1]["size"].endswith(" bytes")
    assert "The first 2 of 4 files are offered here" in panel.message


def test_nothing_outside_of_exports_is_written_over(
    panel: ExportingPanel, session: ct.Session, tmp_path: Path
) -> None:
    there = tmp_path / "mine.csv"
    there.write_text("mine")
    panel._form.do("path", "", str(there))
    panel._form.do("export")
    assert "is there already" in panel.message
    assert there.read_text() == "mine"
    panel._form.do("path", "", "../new.csv")
    panel._form.do("export")
    assert (tmp_path / "new.csv").exists()
    panel._form.do("path", "", "exports/x.pickle")
    panel._form.do("export")
    assert ".parquet" in panel.message
    panel._form.do("path", "", "")
    assert panel.path == "exports/cells.csv"


def test_only_what_was_offered_can_be_fetched(panel: ExportingPanel, session: ct.Session, wire: Any) -> None:
    panel.export()
    before = len(wire.buffers(panel._download))
    for content in (
        {"type": "part", "token": "t", "file": 7, "at": 0}, {"type": "part", "token": "t", "file": -1, "at": 0},
        {"type": "part", "token": "t", "file": "/etc/passwd", "at": 0}, {"type": "part", "token": "t", "file": 0, "at": "x"}, {},
    ):  # fmt: skip
        wire.receive(panel._download, content)
    assert len(wire.buffers(panel._download)) == before
    (session.folder / "exports" / "cells.csv").write_text("another")
    wire.receive(panel._download, {"type": "part", "token": "t", "file": 0, "at": 0})
    assert "was changed meanwhile" in panel.message
    assert len(wire.buffers(panel._download)) == before


def test_large_files_stay_where_they_are(panel: ExportingPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "LARGEST", 10)
    panel.export()
    assert panel._download.files == []
    assert "fetch it there" in panel.message


def test_an_export_shows_how_far_it_is_and_can_be_cancelled(project: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(project, tmp_path / "p")
    with ct.Session.open(folder) as session:
        panel = ExportingPanel(session)
        try:
            # the worker is busy until the export is cancelled
            import threading

            go_on = threading.Event()
            session.jobs.aside(lambda job: go_on.wait(LONG), "busy")
            panel.export()
            assert panel.busy
            assert "disabled" in re.findall(r"<button[^>]*>Export</button>", panel._form.html)[0]
            assert "0% waiting" in words(panel)
            panel._form.do("export")
            assert "running already" in panel.message
            panel._form.do("cancel")
            go_on.set()
            job = panel.job
            assert job is not None
            assert job._finished.wait(LONG)
            until(lambda: "Cancelled" in panel.message)
            assert "nothing was written" in panel.message
            assert not (folder / "exports" / "cells.csv").exists()
        finally:
            panel.close()


def test_a_figure_without_a_training_says_what_to_do(panel: ExportingPanel) -> None:
    panel.choose("figure")
    panel.export()
    assert "Train first" in panel.message or "train" in panel.message.lower()
    assert panel._download.files == []


def test_a_reader_may_export(project: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(project, tmp_path / "p")
    with ct.Session.open(folder, read_only=True, jobs=Jobs(inline=True)) as session:
        panel = ExportingPanel(session)
        try:
            panel._form.do("path", "", str(tmp_path / "out.csv"))
            panel._form.do("export")
            assert len(pd.read_csv(tmp_path / "out.csv")) == 200
        finally:
            panel.close()


@pytest.mark.parametrize(
    ("environment", "free"),
    [
        ({}, True),
        ({"SERVER_SOFTWARE": "voila/0.5.8"}, False),
        ({"SERVER_SOFTWARE": "voila/0.5.8", "CELLTUNE_NB_EXPORTS": "anywhere"}, True),
        ({"CELLTUNE_NB_EXPORTS": "project"}, False),
    ],
)
def test_a_page_that_others_serve_writes_to_the_project_alone(
    panel: ExportingPanel, session: ct.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str], free: bool,
) -> None:  # fmt: skip
    assert places.EXPORTS == page.EXPORTS
    for name in ("SERVER_SOFTWARE", "CELLTUNE_NB_EXPORTS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (session.folder / "exports").mkdir()
    (session.folder / "exports" / "out").symlink_to(tmp_path)
    for path in (str(tmp_path / "a.csv"), "../b.csv", "exports/../../c.csv", "exports/out/d.csv"):
        panel.set_path(path)
        panel._form.do("export")
        assert ("writes nowhere else" in panel.message) is not free
        assert panel.target.exists() is free
    panel.set_path("exports/mine.csv")
    panel._form.do("export")
    assert (session.folder / "exports" / "mine.csv").exists()
