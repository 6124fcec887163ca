"""A project travels in one zip, is whole when it arrives, and a zip from elsewhere harms nobody."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import struct
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import tifffile

from celltune_nb.errors import CellTuneError, FormatError, InputError, ProjectError
from celltune_nb.session import Session, bundle_files, bundles, unpacking
from celltune_nb.session.jobs import Jobs
from tests.session.conftest import field, label_some
from tests.waiting import LONG


def reopened(path: Path, folder: Path) -> Session:
    return Session.open(path, folder=folder, jobs=Jobs(inline=True))


def test_a_bundle_opens_elsewhere_and_everything_is_there(session: Session, tmp_path: Path) -> None:
    label_some(session)
    session.train(("xgboost",), wait=True)
    (session.folder / "notes.txt").write_text("mine")
    (session.folder / "exports").mkdir()
    (session.folder / "exports" / "large.csv").write_text("x" * 1000)
    path = session.save_bundle(tmp_path / "b.zip")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert not [
            n for n in archive.namelist() if n.startswith(("exports", "pyramids", "labels.check", "."))
        ]
    with reopened(path, tmp_path / "there" / "project") as there:
        assert there.problems == []
        assert not there.read_only
        assert (
            there.labels.to_pandas()["category"].to_dict() == session.labels.to_pandas()["category"].to_dict()
        )
        assert (there.folder / "notes.txt").read_text() == "mine"
        for name in session.populations.names():
            assert there.populations[name].codes.tolist() == session.populations[name].codes.tolist()
        assert np.array_equal(there.images["field 1"].array, session.images["field 1"].array)
        assert np.array_equal(there.features.matrix, session.features.matrix, equal_nan=True)
        assert there.predict([5]).to_numpy() == pytest.approx(session.predict([5]).to_numpy())
        assert there.undo() is not None
    assert not [p for p in session.folder.iterdir() if p.name.startswith(".")]
    assert not [p for p in (tmp_path / "there").iterdir() if p.name != "project"]


def test_images_outside_of_the_project_go_along_or_stay(tmp_path: Path) -> None:
    image, mask, _ = field(1)
    tifffile.imwrite(tmp_path / "far.tif", image, tile=(64, 64), photometric="minisblack")
    tifffile.imwrite(tmp_path / "far mask.tif", mask, tile=(64, 64))
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        session.add_image("far", tmp_path / "far.tif", tmp_path / "far mask.tif", copy=False)
        size = session.bundle_size()
        assert size.outside == sum((tmp_path / n).stat().st_size for n in ("far.tif", "far mask.tif"))
        assert "images outside of the project" in str(size)
        assert session.bundle_size(images="own").outside == 0
        whole = session.save_bundle(tmp_path / "whole.zip")
        own = session.save_bundle(tmp_path / "own.zip", images="own")
    (tmp_path / "far.tif").rename(tmp_path / "gone.tif")
    with reopened(whole, tmp_path / "new") as there:
        assert np.array_equal(np.asarray(there.images["far"].array[:]), image)
        assert there.images["far"].source.is_relative_to(tmp_path / "new")
        assert len(there.items) == 100
    # it may be moved as a whole, and bundled again
    (tmp_path / "new").rename(tmp_path / "newer")
    with Session.open(tmp_path / "newer", jobs=Jobs(inline=True)) as there:
        assert np.array_equal(np.asarray(there.images["far"].array[:]), image)
        assert there.bundle_size().outside == 0
        again = there.save_bundle(tmp_path / "again.zip")
    with reopened(again, tmp_path / "third") as there:
        assert np.array_equal(np.asarray(there.images["far"].array[:]), image)
    with reopened(own, tmp_path / "without") as there:
        with pytest.raises(FormatError, match="locate_image"):
            there.images["far"].array[:]
        assert len(there.items) == 100
    with (
        Session.open(tmp_path / "p", jobs=Jobs(inline=True)) as session,
        pytest.raises(InputError, match="images='own'"),
    ):
        session.save_bundle(tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_a_mask_that_was_replaced_goes_along_where_it_is_still_there(tmp_path: Path) -> None:
    image, mask, _ = field(1)
    for name, pixels in (("image", image), ("first", mask), ("second", np.roll(mask, 2, axis=1))):
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, tile=(64, 64), photometric="minisblack")
    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        session.add_image("a", tmp_path / "image.tif", tmp_path / "first.tif", copy=False)
        session.replace_mask("a", tmp_path / "second.tif", copy=False)
        size = session.bundle_size()
        assert size.outside == sum(
            (tmp_path / f"{n}.tif").stat().st_size for n in ("image", "first", "second")
        )
        whole = session.save_bundle(tmp_path / "whole.zip")
        (tmp_path / "first.tif").rename(tmp_path / "elsewhere.tif")
        without = session.save_bundle(tmp_path / "without.zip")
    (tmp_path / "second.tif").unlink()
    with reopened(whole, tmp_path / "new") as there:
        assert np.array_equal(np.asarray(there.former_mask("a")[:]), mask)
    with reopened(without, tmp_path / "newer") as there:
        assert (np.asarray(there.images["a"].mask) > 0).any()
        with pytest.raises(CellTuneError, match="first"):
            np.asarray(there.former_mask("a")[:])


def test_what_is_labelled_meanwhile_is_whole_or_not_there(session: Session, tmp_path: Path) -> None:
    done = threading.Event()
    failed = []

    def work() -> None:
        i = 0
        try:
            while not done.is_set():
                session.label([i % 300 + 1], "ABC"[i % 3])
                i += 1
                if i % 20 == 0:
                    session.features.use(features=["Default"])  # project.json is replaced
        except BaseException as error:  # noqa: BLE001 - asserted below
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        paths = [session.save_bundle(tmp_path / f"{i}.zip") for i in range(4)]
    finally:
        done.set()
        thread.join(LONG)
    assert failed == []
    rows = []
    for i, path in enumerate(paths):
        with reopened(path, tmp_path / f"p{i}") as there:
            assert there.problems == []
            rows.append(there.labels.revision)
    assert rows == sorted(rows)


def test_a_reader_bundles_too_and_a_bundle_can_be_cancelled(
    session: Session, project: Path, tmp_path: Path
) -> None:
    session.label([1], "A")
    with Session.open(project, read_only=True, jobs=Jobs(inline=True)) as reader:
        path = reader.save_bundle(tmp_path / "b.zip")
    with reopened(path, tmp_path / "p") as there:
        assert there.labels.counts()["A"] == 1
    job = session.save_bundle(tmp_path / "c.zip", wait=False, changed=lambda job: job.cancel())
    assert job.state == "cancelled"
    assert not (tmp_path / "c.zip").exists()
    assert not [p for p in session.folder.iterdir() if p.name.startswith(".bundle")]


def test_what_lies_outside_is_listed_while_others_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, mask, _ = field(1)
    tifffile.imwrite(tmp_path / "far.tif", image, tile=(64, 64), photometric="minisblack")
    list_it, tried = bundle_files.BundleFile.of, []

    def slowly(name: str, path: Path) -> bundle_files.BundleFile:
        if name.endswith("far.tif"):
            worker = threading.Thread(target=lambda: tried.append(session.label([1], "A")))
            worker.start()
            worker.join(LONG)
            assert len(tried) == 1, "the lock is held"
            (session.folder / "features" / "x.tmp").touch()
        return list_it(name, path)

    with Session.create(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        tifffile.imwrite(tmp_path / "mask.tif", mask, tile=(64, 64))
        session.add_image("far", tmp_path / "far.tif", tmp_path / "mask.tif", copy=False)
        session.categories.add("A")
        monkeypatch.setattr(bundle_files.BundleFile, "of", slowly)
        (session.folder / "features").mkdir(exist_ok=True)
        session.bundle_size()
        tried.clear()
        session.save_bundle(tmp_path / "b.zip")
    assert tried


@pytest.mark.parametrize("how", ["replaced", "changed", "removed"])
def test_two_states_are_never_mixed_where_there_are_no_second_names(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def refused(*names: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refused)
    with reopened(session.save_bundle(tmp_path / "quiet.zip"), tmp_path / "p") as there:
        assert there.problems == []
    last = next((session.folder / "masks").iterdir())

    begin, seen = zipfile.ZipFile.open, []

    def opened(archive: zipfile.ZipFile, name: zipfile.ZipInfo, *rest: str, **options: bool) -> IO[bytes]:
        if isinstance(name, zipfile.ZipInfo) and name.filename.startswith("images/") and not seen:
            seen.append(name)
            if how == "replaced":
                (tmp_path / "new").write_bytes(last.read_bytes())
                (tmp_path / "new").replace(last)
            elif how == "changed":
                last.write_bytes(last.read_bytes() + b"more")
            else:
                last.unlink()
        return begin(archive, name, *rest, **options)

    monkeypatch.setattr(zipfile.ZipFile, "open", opened)
    job = session.save_bundle(tmp_path / "b.zip", wait=False)
    assert seen
    assert "was replaced while the bundle was written. Repeat." in str(job.error)
    assert not (tmp_path / "b.zip").exists()


def test_who_only_looks_bundles_one_state_while_another_works(
    session: Session, project: Path, tmp_path: Path
) -> None:
    done, rounds = threading.Event(), []

    def work() -> None:
        while not done.wait(0.02):
            session.features.use(features=["Default"])
            session.import_cells(session.items[["image", "cellID"]].assign(round=len(rounds)))
            rounds.append(1)

    with Session.open(project, read_only=True, jobs=Jobs(inline=True)) as reader:
        thread = threading.Thread(target=work)
        thread.start()
        try:
            for i in range(6):
                with suppress(FormatError):  # replaced meanwhile: said, and nothing is written
                    reader.save_bundle(tmp_path / f"{i}.zip")
        finally:
            done.set()
            thread.join(LONG)
        reader.save_bundle(tmp_path / "last.zip")
    for path in tmp_path.glob("*.zip"):
        with reopened(path, tmp_path / f"p{path.stem}") as there:
            assert there.problems == []
            assert "round" not in there.items or there.items["round"].nunique() == 1
    assert rounds


def test_parts_of_an_unfinished_measuring_stay_here(session: Session, tmp_path: Path) -> None:
    parts = session.folder / "features" / ".cells-parts"
    parts.mkdir()
    (parts / "1234.npz").write_bytes(bytes(1000))
    inside = session.folder / "images" / "tiled.zarr" / "0"
    inside.mkdir(parents=True)
    (inside / ".zarray").write_text("{}")
    size = session.bundle_size()
    with zipfile.ZipFile(session.save_bundle(tmp_path / "b.zip")) as archive:
        assert not [name for name in archive.namelist() if "parts" in name]
        assert "images/tiled.zarr/0/.zarray" in archive.namelist()
        assert size.files == len(archive.namelist()) - 3


def test_nothing_is_put_over_a_project(session: Session, tmp_path: Path) -> None:
    path = session.save_bundle(tmp_path / "b.zip")
    (tmp_path / "empty").mkdir()
    with reopened(path, tmp_path / "empty") as there:
        assert len(there.items) == 300
    for folder in ("empty", "b.zip"):
        with pytest.raises(ProjectError, match="not an empty folder"):
            reopened(path, tmp_path / folder)
    with pytest.raises(InputError, match="folder="):
        Session.open(path)
    with pytest.raises(InputError, match="no bundle"):
        Session.open(session.folder, folder=tmp_path / "x")
    with pytest.raises(InputError, match=r"\.zip"):
        session.save_bundle(tmp_path / "b.tar")
    with pytest.raises(InputError, match="images"):
        session.save_bundle(tmp_path / "c.zip", images="none")


# ---------------------------------------------------------------------- zips from elsewhere

Parts = list[tuple[zipfile.ZipInfo | str, bytes]]


@pytest.fixture
def parts(session: Session, tmp_path: Path) -> Parts:
    with zipfile.ZipFile(session.save_bundle(tmp_path / "good.zip")) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def link(parts: Parts) -> None:
    info = zipfile.ZipInfo("images/link.npy")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    parts.append((info, b"/etc/passwd"))


def device(parts: Parts) -> None:
    info = zipfile.ZipInfo("images/device")
    info.external_attr = (stat.S_IFCHR | 0o777) << 16
    parts.append((info, b""))


def packed_otherwise(parts: Parts) -> None:
    info = zipfile.ZipInfo("x.bin")
    info.compress_type = zipfile.ZIP_LZMA
    parts.append((info, b"x" * 100))


def named(*names: str) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        parts += [(name, b"x") for name in names]

    return change


def without(name: str) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        parts[:] = [part for part in parts if part[0] != name]

    return change


def replaced(name: str, content: bytes) -> Callable[[Parts], None]:
    def change(parts: Parts) -> None:
        parts[:] = [(n, content if n == name else c) for n, c in parts]

    return change


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (named("../evil"), "leads out"), (named("/etc/evil"), "leads out"), (named("a/../../evil"), "leads out"),
        (named("C:/evil"), "leads out"), (named("a\\..\\evil"), "leads out"), (named("a//b"), "leads out"),
        (named("con.txt"), "leads out"), (named("a/b. "), "leads out"), (named("a\nb"), "leads out"),
        (named("x" * 300), "leads out"), (named("notes", "notes"), "twice"), (named("notes", "NOTES"), "twice"),
        (named("é", "e\u0301"), "twice"), (named("a", "a/b"), "as a file and as a folder"),
        (link, "link or a device"), (device, "link or a device"), (packed_otherwise, "unknown way"),
        (without("project.json"), "no project"), (without("labels.sqlite"), "no project"),
        (replaced("bundle.json", b"{"), "damaged"), (replaced("bundle.json", b'{"format": 99}'), "newer celltune_nb"),
        (replaced("bundle.json", b'{"format": 1e999}'), "damaged"), (replaced("bundle.json", b'{"format": null}'), "damaged"),
        (replaced("bundle.json", b"[" * 100_000), "damaged"),
        (replaced("project.json", b"[]"), "not a project file"), (replaced("labels.sqlite", b""), "missing or empty"),
    ],
)  # fmt: skip
def test_hostile_bundles_are_refused_and_leave_nothing(
    parts: Parts, tmp_path: Path, change: Callable[[Parts], None], says: str
) -> None:
    change(parts)
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts:
            archive.writestr(name, content)
    (tmp_path / "place").mkdir()
    with pytest.raises(CellTuneError, match=says):
        reopened(path, tmp_path / "place" / "p")
    assert list((tmp_path / "place").iterdir()) == []
    assert not list(tmp_path.rglob("evil*"))


def test_bombs_are_refused_before_anything_is_written(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "PLAIN", 20 << 20)
    monkeypatch.setattr(unpacking, "RATIO", 10)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts:
            archive.writestr(name, content)
        archive.writestr("images/1.npy", bytes(30 << 20))
    with pytest.raises(FormatError, match="fill a disk"):
        reopened(path, tmp_path / "p")


def test_a_member_that_lies_about_its_size_is_refused(parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts:
            archive.writestr(name, content)
        archive.writestr("images/large.npy", bytes(1 << 20))
    raw = bytearray(path.read_bytes())
    for told in (1000, 2 << 20):  # less and more than there is
        at = raw.rfind(b"PK\x01\x02", 0, raw.rfind(b"images/large.npy"))
        raw[at + 24 : at + 28] = told.to_bytes(4, "little")
        path.write_bytes(raw)
        with pytest.raises(CellTuneError):
            reopened(path, tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_files_of_another_kind_and_cut_ones_are_refused(parts: Parts, tmp_path: Path) -> None:
    whole = (tmp_path / "good.zip").read_bytes()
    list_is_huge = bytearray(whole)
    list_is_huge[-10:-6] = (0xFFFFFF00).to_bytes(4, "little")
    for content in (
        b"",
        b"PK\x05\x06",
        b"x" * 1000,
        whole[:-30],
        whole[len(whole) // 2 :],
        bytes(list_is_huge),
    ):
        (tmp_path / "bad.zip").write_bytes(content)
        with pytest.raises(CellTuneError):
            reopened(tmp_path / "bad.zip", tmp_path / "p")
        assert not (tmp_path / "p").exists()
    spoilt = bytearray(whole)
    spoilt[len(whole) // 3] ^= 0xFF
    (tmp_path / "bad.zip").write_bytes(spoilt)
    with pytest.raises(CellTuneError):
        reopened(tmp_path / "bad.zip", tmp_path / "p")


def long_form(length: int) -> bytes:
    """The end of a zip whose long form declares a list of so many bytes, and whose short one says nothing of it."""
    place = struct.pack("<4sQ", b"PK\x06\x06", 44) + bytes(28) + struct.pack("<QQ", length, 0)
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 1)
    return place + locator + b"PK\x05\x06" + bytes(18)


def test_lists_of_members_that_would_take_all_memory_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    for length in (1 << 60, 300 << 20):
        path.write_bytes(long_form(length))
        with pytest.raises(FormatError, match="declares a list of members of"):
            reopened(path, tmp_path / "p")
    elsewhere = bytearray(long_form(0))
    elsewhere[64] = 9
    path.write_bytes(elsewhere)
    with pytest.raises(FormatError, match="in another place than it says"):
        reopened(path, tmp_path / "p")
    one = b"PK\x01\x02" + bytes(24) + struct.pack("<3H", 1, 0, 0) + bytes(12) + b"a"
    for end in (
        lambda size: b"PK\x05\x06" + bytes(8) + struct.pack("<LLH", size, 0, 0),
        lambda size: long_form(size).replace(struct.pack("<QL", 0, 1), struct.pack("<QL", size, 1), 1),
    ):
        path.write_bytes(one * 600_000 + end(600_000 * len(one)))
        with pytest.raises(FormatError, match="more than 500,000 members"):
            reopened(path, tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_names_that_are_no_text_are_refused(parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in [*parts, ("é", b"")]:
            archive.writestr(name, content)
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(FormatError, match="no readable bundle"):
        reopened(path, tmp_path / "p")


def test_members_that_share_their_bytes_are_refused(parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*parts, ("images/1.npy", bytes(1 << 20)), ("images/2.npy", b"")]:
            archive.writestr(name, content)
        first, second = (archive.getinfo(f"images/{i}.npy") for i in (1, 2))
        second.header_offset, second.compress_size = first.header_offset, first.compress_size
        second.file_size, second.CRC = first.file_size, first.CRC
    with pytest.raises(FormatError, match="lies in another member"):
        reopened(path, tmp_path / "p")


def test_a_zipped_project_folder_is_opened_too(session: Session, tmp_path: Path) -> None:
    session.label([1], "B")
    session.close()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for file in sorted(session.folder.rglob("*")):
            archive.write(file, file.relative_to(session.folder).as_posix())
    (tmp_path / "by hand.zip").write_bytes(stream.getvalue())
    with reopened(tmp_path / "by hand.zip", tmp_path / "p") as there:
        assert there.labels.counts()["B"] == 1


def test_the_manifest_says_what_is_in_it(session: Session, tmp_path: Path) -> None:
    with zipfile.ZipFile(session.save_bundle(tmp_path / "b.zip")) as archive:
        about = json.loads(archive.read(bundles.MANIFEST))
    size = session.bundle_size()
    assert (about["format"], about["files"], about["nbytes"]) == (1, size.files, size.nbytes)
