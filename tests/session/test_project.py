"""The project folder: versions, damage, paths that would leave it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from celltune_nb.errors import CellTuneError, FormatError, ProjectVersionError
from celltune_nb.session import Session
from celltune_nb.session.files import write_atomically
from celltune_nb.session.project import Project


def _edit(project: Path, **changes: object) -> None:
    settings = json.loads((project / "project.json").read_text())
    (project / "project.json").write_text(json.dumps({**settings, **changes}))


def test_a_newer_project_is_refused_and_left_alone(project: Path) -> None:
    _edit(project, schema=99)
    before = (project / "project.json").read_bytes()
    with pytest.raises(ProjectVersionError, match="newer celltune_nb"):
        Session.open(project)
    assert (project / "project.json").read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"schema": "1"}', b"\xff\xfe", b"[" * 100_000]
)
def test_a_damaged_project_file_is_named(project: Path, content: bytes) -> None:
    (project / "project.json").write_bytes(content)
    with pytest.raises(FormatError, match=r"project\.json"):
        Session.open(project)


@pytest.mark.parametrize(
    "victim",
    [
        "images/0001.npy",
        "masks/0002.npy",
        "items.parquet",
        "labels.sqlite",
        "features/cells/schema.json",
        "features/cells/ids.npy",
    ],
)
@pytest.mark.parametrize("content", [b"", b"\x80\x04cos\nsystem\n", b"PAR1"])
def test_damaged_files_are_named(project: Path, victim: str, content: bytes) -> None:
    for beside in project.glob(f"{victim}-*"):
        beside.unlink()
    (project / victim).write_bytes(content)
    with pytest.raises(CellTuneError, match=Path(victim).name.split(".")[0] + "|cells"):
        Session.open(project)


def test_paths_out_of_the_folder_are_refused(project: Path) -> None:
    settings = json.loads((project / "project.json").read_text())
    settings["images"][0]["array"] = "../../etc/passwd"
    (project / "project.json").write_text(json.dumps(settings))
    with pytest.raises(FormatError, match="points out of"):
        Session.open(project)


def test_a_pickled_array_is_never_loaded(project: Path) -> None:
    import numpy as np

    with (project / "images" / "0001.npy").open("wb") as stream:
        np.save(stream, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(FormatError, match="damaged"):
        Session.open(project)


def test_a_damaged_view_or_population_is_left_out_and_said(project: Path) -> None:
    (project / "view.json").write_text('{"zoom": "wide", "channels": 7}')
    (project / "populations").mkdir()
    (project / "populations" / "main__Pred_AVG.parquet").write_bytes(b"PAR1 nonsense")
    with Session.open(project) as session:
        assert session.view.zoom is None
        assert session.view.image == "field 0"
        assert "Pred_AVG" in session.problems[0]
        session.problems.clear()


def test_a_writer_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(stream: object) -> None:
        stream.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_project_paths_stay_inside(project: Path) -> None:
    with pytest.raises(FormatError):
        Project.open(project).path("..", "elsewhere")
