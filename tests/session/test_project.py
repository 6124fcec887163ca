"""The project folder: versions, damage, paths that would leave it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from celltune_nb.errors import CellTuneError, FormatError, ProjectError, ProjectVersionError, TrainingError
from celltune_nb.session import Session
from celltune_nb.session.files import write_atomically
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.project import Project
from tests.session.conftest import field


def _edit(project: Path, **changes: object) -> None:
    settings = json.loads((project / "project.json").read_text())
    (project / "project.json").write_text(json.dumps({**settings, **changes}))


def test_a_project_of_the_first_version_opens_and_is_brought_up_to_date(project: Path) -> None:
    settings = json.loads((project / "project.json").read_text())
    ((name, _),) = settings["items"].pop("files")
    settings["items"]["file"] = name
    for row in settings["images"]:
        for later in ("key", "file", "mask_file"):
            row.pop(later, None)
    (project / "project.json").write_text(json.dumps({**settings, "schema": 1}))
    with Session.open(project, jobs=Jobs(inline=True)) as session:
        assert len(session.items) == 300
        image, mask, _ = field(7)
        session.add_image("late", image, mask, channels=["A", "B", "C"])
        assert {one.key for one in session.images.values()} == {
            path.stem for path in project.glob("images/*.npy")
        }
    with Session.open(project) as session:
        assert len(session.items) == 400
    assert json.loads((project / "project.json").read_text())["schema"] == 3


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


def _file(project: Path, pattern: str) -> Path:
    (found,) = project.glob(pattern)
    return found


@pytest.mark.parametrize(
    "victim", ["images/0001-*.npy", "masks/0002-*.npy", "items-*.parquet", "labels.sqlite"]
)
@pytest.mark.parametrize("content", [b"", b"\x80\x04cos\nsystem\n", b"PAR1"])
def test_damaged_files_are_named(project: Path, victim: str, content: bytes) -> None:
    for beside in project.glob("labels.sqlite-*"):
        beside.unlink()
    path = _file(project, victim)
    path.write_bytes(content)
    with pytest.raises(CellTuneError, match=path.name.split("-")[0].split(".")[0]):
        Session.open(project)


@pytest.mark.parametrize("victim", ["schema.json", "ids-*.npy", "matrix-*.npy"])
@pytest.mark.parametrize("content", [b"", b"\x80\x04cos\nsystem\n", b"{}"])
def test_features_that_cannot_be_read_are_left_out_and_can_be_measured_again(
    project: Path, victim: str, content: bytes
) -> None:
    _file(project, f"features/cells/{victim}").write_bytes(content)
    with Session.open(project, jobs=Jobs(inline=True)) as session:
        assert len(session.problems) == 1
        with pytest.raises(TrainingError, match="Measure first"):
            session.train()
        session.measure(rings=False, neighbours=False)
        assert len(session.features) == 300
        session.problems.clear()


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 0},
        {"images": ["a"]},
        {"level": []},
        {"items": {"file": "../x.parquet"}},
        {"items": 3},
        {"images": 7},
    ],
)
def test_a_tampered_project_file_is_refused_in_words(project: Path, changes: dict[str, object]) -> None:
    _edit(project, **changes)
    with pytest.raises(CellTuneError):
        Session.open(project)


@pytest.mark.parametrize(
    "view", ["[]", "3", '{"image": []}', '{"color_by": [1]}', '{"channels": [{"name": "A"}]}']
)
def test_a_tampered_view_is_left_out(project: Path, view: str) -> None:
    (project / "view.json").write_text(view)
    with Session.open(project) as session:
        assert session.view.image == "field 0"


def test_a_save_that_fails_leaves_the_project_as_it_was(session: Session) -> None:
    image, mask, _ = field(7)
    settings = session.folder / "project.json"
    settings.unlink()
    settings.mkdir()  # the file cannot be replaced now
    (settings / "in the way").touch()
    with pytest.raises(ProjectError, match=r"project\.json could not be written"):
        session.add_image("late", image, mask, channels=["A", "B", "C"])
    assert len(session.items) == 300
    assert "late" not in session.images
    (settings / "in the way").unlink()
    settings.rmdir()
    session.add_image("late", image, mask, channels=["A", "B", "C"])
    folder = session.folder
    session.close()
    with Session.open(folder) as again:
        assert len(again.items) == 400
        named = {name for name, _ in again.project.item_files}
        assert {path.name for path in folder.glob("items-*.parquet")} == named
        assert len(list(folder.glob("images/*"))) == 4


@pytest.mark.parametrize("what", ["image", "table", "measured"])
def test_an_interrupt_after_the_project_was_saved_takes_nothing_back(session: Session, what: str) -> None:
    image, mask, _ = field(7)
    save = session.project.save
    given = session.items[["image", "cellID"]].assign(score=1.0, note="seen")

    def interrupted() -> None:
        save()
        raise KeyboardInterrupt

    session.project.save = interrupted  # type: ignore[method-assign]
    verbs = {
        "image": lambda: session.add_image("late", image, mask, channels=["A", "B", "C"]),
        "table": lambda: session.import_cells(given, features=["score"]),
        "measured": lambda: session.features.use(features=session.features.names[:1]),
    }
    with pytest.raises(KeyboardInterrupt):
        verbs[what]()
    del session.project.save
    # What is on disk counts, here and after opening it again.
    images, items, used = list(session.images), session.items, list(session.features.used)
    assert ("late" in images, len(items)) == ((True, 400) if what == "image" else (False, 300))
    assert ("note" in items) == (what == "table")
    session.add_image("later", image, mask, channels=["A", "B", "C"])
    folder = session.folder
    session.close()
    with Session.open(folder) as again:
        assert list(again.images) == [*images, "later"]
        assert len(again.items) == len(items) + 100
        assert list(again.features.used) == used
        assert again.images[images[-1]].plane("A").shape == (200, 200)
        assert again.problems == []


def test_what_a_killed_program_left_is_removed_and_nothing_else(project: Path, tmp_path: Path) -> None:
    left = [
        ".project.json.0123abcd.tmp", "images/.0004-0123ab.npy.0123abcd.tmp", "images/0004-0123ab.npy",
        "masks/0004-0123ab-cells.npy", "items-0123abcd.parquet", ".items-0123abcd.parquet.tmp",
        "features/cells/.matrix-0123abcd.npy.0123abcd.tmp", "features/cells/matrix-0123abcd.npy",
        "features/cells/ids-0123abcd.npy", "runs/20260101T000000Z-012345/trained_on.npy",
        "runs/20260101T000000Z-012345/model1.ubj",
    ]  # fmt: skip
    own = [
        "images/mine.npy",
        "images/notes.tmp",
        ".hidden",
        "exports/.x.0123abcd.tmp",
        "mine/0004-0123ab.npy",
        "runs/history.csv",
        "runs/20260101T000000Z-012346/model1.ubj",
        "runs/20260101T000000Z-012346/notes.txt",
        "runs/20260101T000000Z-012346/run.json",
    ]
    for name in [*left, *own]:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(b"x")
        os.utime(project / name, (1e9, 1e9))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".a.0123abcd.tmp").touch()
    os.utime(outside / ".a.0123abcd.tmp", (1e9, 1e9))
    (project / "pyramids").symlink_to(outside)
    former = {str(p.relative_to(project)) for p in project.rglob("*") if p.is_file()}
    Session.open(project, read_only=True).close()
    assert all((project / name).exists() for name in left)
    with Session.open(project, jobs=Jobs(inline=True)) as session:
        assert len(session.items) == 300
        now = {str(p.relative_to(project)) for p in project.rglob("*") if p.is_file()}
        assert former - now == set(left)
        assert not (project / "runs/20260101T000000Z-012345").exists()
        (project / left[0]).write_bytes(b"x")
        os.utime(project / left[0], (1e9, 1e9))
        with Session.open(project, jobs=Jobs(inline=True)):  # the other is still at work
            assert (project / left[0]).exists()
    assert (outside / ".a.0123abcd.tmp").exists()


def test_a_full_disk_loses_no_label_and_says_so(session: Session) -> None:
    session.label([1], "A")
    connection = session.journal.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")

    def fill() -> None:
        for n in range(200):
            session.label(range(1, 301), "ABC"[n % 3])

    with pytest.raises(ProjectError, match=r"is full.*nothing was changed"):
        fill()
    before = session.labels.counts()
    connection.execute("PRAGMA max_page_count = 1000000")
    session.label([2], "B")
    counts = session.labels.counts()
    assert sum(counts.values()) == sum(before.values())
    folder = session.folder
    session.close()
    with Session.open(folder) as again:
        assert again.labels.counts() == counts


def test_a_journal_that_was_taken_away_is_noticed(session: Session) -> None:
    (session.folder / "labels.sqlite").rename(session.folder / "elsewhere.sqlite")
    with pytest.raises(ProjectError, match="moved, replaced or deleted"):
        session.label([1], "A")
    (session.folder / "elsewhere.sqlite").rename(session.folder / "labels.sqlite")
    session.label([1], "A")


def test_paths_out_of_the_folder_are_refused(project: Path) -> None:
    settings = json.loads((project / "project.json").read_text())
    settings["images"][0]["array"] = "../../etc/passwd"
    (project / "project.json").write_text(json.dumps(settings))
    with pytest.raises(FormatError, match="points out of"):
        Session.open(project)


def test_a_pickled_array_is_never_loaded(project: Path) -> None:
    import numpy as np

    with _file(project, "images/0001-*.npy").open("wb") as stream:
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
