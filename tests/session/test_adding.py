"""Images come in whole or not at all: as arrays, as files that are copied, and as files that stay where they are."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from celltune_nb.errors import CellTuneError, FormatError, InputError, ProjectError, ReadOnlyError
from celltune_nb.session import Session, sources
from celltune_nb.session.jobs import Jobs
from tests.waiting import LONG

IMAGE = np.arange(2 * 8 * 8, dtype=np.uint16).reshape(2, 8, 8)
MASK = np.zeros((8, 8), np.uint32)
MASK[1:3, 1:3] = 4_000_000_000
MASK[5:7, 5:8] = 3


@pytest.fixture
def empty(tmp_path: Path) -> Session:
    with Session.create(tmp_path / "new", jobs=Jobs(inline=True)) as session:
        yield session


def test_huge_cell_numbers_are_kept(empty: Session) -> None:
    empty.add_image("a", IMAGE, MASK, channels=["x", "y"])
    assert empty.items["cellID"].tolist() == [3, 4_000_000_000]
    assert empty.item_at("a", 1, 1) == 2
    assert empty.item_at("a", 5, 7) == 1
    assert empty.describe(2).cell == 4_000_000_000


@pytest.mark.parametrize(
    ("image", "mask", "options", "says"),
    [
        (np.zeros((0, 5)), None, {}, "empty"),
        (np.array([["a"]]), None, {}, "not numbers"),
        (np.zeros((2, 2, 2, 2)), None, {}, "shape"),
        (np.zeros((300, 8, 8)), None, {}, "channels first"),
        (np.zeros((8, 8, 3)), None, {}, "RGB"),
        (IMAGE, MASK[:4], {}, "full size"),
        (IMAGE, MASK.astype(float), {}, "whole numbers"),
        (IMAGE, -MASK.astype(np.int64), {}, "negative"),
        (IMAGE, np.zeros_like(MASK), {}, "no cell"),
        (IMAGE, MASK, {"channels": ["x"]}, "1 channel names"),
        (IMAGE, MASK, {"channels": ["x", "x"]}, "not distinct"),
        (IMAGE, MASK, {"pixel_size": -1.0}, "pixel size"),
        (IMAGE, MASK, {"pixel_size": float("nan")}, "pixel size"),
    ],
)
def test_bad_images_are_refused_and_leave_nothing(
    empty: Session, image: object, mask: object, options: dict[str, object], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        empty.add_image("a", image, mask, **options)
    assert not empty.images
    assert len(empty.items) == 0
    assert not list(empty.folder.glob("images/*"))


def test_another_set_of_channels_is_refused_by_name(empty: Session) -> None:
    empty.add_image("first", IMAGE, MASK, channels=["CD3", "CD8"])
    with pytest.raises(InputError, match=r"'odd'.*lacks CD8.*also has CD4"):
        empty.add_image("odd", IMAGE, MASK, channels=["CD3", "CD4"])
    with pytest.raises(InputError, match="already"):
        empty.add_image("first", IMAGE, MASK, channels=["CD3", "CD8"])
    empty.add_image("other order", IMAGE, MASK, channels=["CD8", "CD3"])
    assert empty.images["other order"].plane("CD3").tolist() == IMAGE[1].tolist()


def test_rgb_is_kept_as_it_is(empty: Session) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    image = empty.add_image("brightfield", rgb, MASK)
    assert image.is_rgb
    assert image.channels == ["Red", "Green", "Blue"]
    np.testing.assert_array_equal(image.array, rgb)


# ---------------------------------------------------------------------- files

RNG = np.random.default_rng(0)
LARGE = RNG.integers(0, 4000, (2, 300, 420)).astype(np.uint16)
CELLS = np.kron(np.arange(1, 13).reshape(3, 4) * 7, np.ones((100, 105), int)).astype(np.uint16)
CELLS[:3] = 0


def save(folder: Path, kind: str, array: np.ndarray, name: str) -> Path:
    path = folder / f"{name}.{kind}"
    if kind == "npy":
        np.save(path, array)
    elif kind == "zarr":
        zarr.create_array(path, data=array, chunks=(*(1,) * (array.ndim - 2), 64, 64))
    else:
        about = (
            {"axes": "CYX", "Channel": {"Name": ["A", "B"]}, "PhysicalSizeX": 0.5} if array.ndim == 3 else {}
        )
        tifffile.imwrite(path, array, tile=(64, 64), compression="zlib", metadata=about)
    return path


@pytest.mark.parametrize("kind", ["npy", "ome.tif", "zarr"])
@pytest.mark.parametrize("copy", [True, False])
def test_a_file_is_as_good_as_an_array(empty: Session, tmp_path: Path, kind: str, copy: bool) -> None:
    image = empty.add_image(
        "a",
        save(tmp_path, kind, LARGE, "image"),
        str(save(tmp_path, kind, CELLS, "mask")),
        channels=["A", "B"],
        copy=copy,
    )
    empty.add_image("b", LARGE, CELLS, channels=["A", "B"])
    assert (image.source is None) == copy
    assert len(list(empty.folder.glob("images/*"))) == 1 + copy
    looks_alike(empty)
    with reopened(empty) as session:
        looks_alike(session)


def looks_alike(session: Session) -> None:
    a, b = session.images.values()
    np.testing.assert_array_equal(np.asarray(a.array), LARGE)
    np.testing.assert_array_equal(np.asarray(a.mask), np.asarray(b.mask))
    np.testing.assert_array_equal(a.plane("B")[5:9, ::3], LARGE[1, 5:9, ::3])
    assert a.contrast.keys() == b.contrast.keys()
    one, two = (frame.reset_index(drop=True) for _, frame in session.items.groupby("image"))
    assert one.drop(columns="image").equals(two.drop(columns="image"))
    assert session.item_at("a", 250, 10) == session.item_at("b", 250, 10) - 12
    session.measure(rings=False)
    matrix = session.features.to_pandas().to_numpy()
    np.testing.assert_array_equal(matrix[:12], matrix[12:])


def reopened(session: Session) -> Session:
    session.close()
    return Session.open(session.folder, jobs=Jobs(inline=True))


def test_a_file_tells_its_channels_and_pixel_size(empty: Session, tmp_path: Path) -> None:
    image = empty.add_image("a", save(tmp_path, "ome.tif", LARGE, "image"))
    assert image.channels == ["A", "B"]
    assert image.pixel_size == 0.5


def test_one_plane_and_rgb_stay_what_they_are(empty: Session, tmp_path: Path) -> None:
    image = empty.add_image("a", save(tmp_path, "zarr", LARGE[0], "image"), copy=False)
    assert image.array.shape == (1, 300, 420)
    np.testing.assert_array_equal(image.array[0, 3:5], LARGE[0, 3:5])
    with Session.create(tmp_path / "rgb", jobs=Jobs(inline=True)) as session:
        rgb = RNG.integers(0, 256, (64, 80, 3)).astype(np.uint8)
        tifffile.imwrite(tmp_path / "rgb.tif", rgb, compression="zlib", tile=(16, 16))
        image = session.add_image("a", tmp_path / "rgb.tif", copy=False)
        assert image.is_rgb
        assert image.shape == (64, 80)
        np.testing.assert_array_equal(np.asarray(image.array), rgb)


def test_large_files_stay_where_they_are_unless_it_is_said(
    empty: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, mask = save(tmp_path, "npy", LARGE, "image"), save(tmp_path, "npy", CELLS, "mask")
    assert empty.add_image("small", path, mask).source is None
    monkeypatch.setattr(sources, "COPY_UP_TO", CELLS.nbytes)
    image = empty.add_image("large", path, mask)
    assert image.source == path
    assert image.mask_source is None
    assert empty.add_image("array", LARGE).source is None
    assert empty.add_image("copy", path, mask, copy=True).source is None


def test_what_cannot_stay_is_said(empty: Session, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="given as an array"):
        empty.add_image("a", LARGE, copy=False)
    with pytest.raises(InputError, match="given as an array"):
        empty.add_image("a", save(tmp_path, "npy", LARGE, "image"), CELLS, copy=False)
    with pytest.raises(FormatError, match="no file"):
        empty.add_image("a", tmp_path / "gone.tif")
    assert not empty.images


def test_a_file_inside_of_the_project_moves_with_it(empty: Session, tmp_path: Path) -> None:
    inside = empty.folder / "raw"
    inside.mkdir()
    empty.add_image(
        "a", save(inside, "ome.tif", LARGE, "image"), save(inside, "zarr", CELLS, "mask"), copy=False
    )
    empty.close()
    shutil.copytree(empty.folder, tmp_path / "moved")  # with other times, as a download has them
    for path in (tmp_path / "moved").rglob("*.*"):
        os.utime(path, (1, 1))
    shutil.rmtree(empty.folder)
    with Session.open(tmp_path / "moved") as session:
        np.testing.assert_array_equal(np.asarray(session.images["a"].array), LARGE)
        assert session.item_at("a", 250, 10) is not None


@pytest.mark.parametrize("kind", ["npy", "ome.tif", "zarr"])
def test_a_file_that_is_gone_or_another_is_said_and_the_project_works(
    empty: Session, tmp_path: Path, kind: str
) -> None:
    path, mask = save(tmp_path, kind, LARGE, "image"), save(tmp_path, kind, CELLS, "mask")
    empty.add_image("a", path, mask, channels=["A", "B"], copy=False)
    empty.categories.add("T")
    empty.close()
    path.rename(path.with_name("elsewhere"))
    with Session.open(empty.folder, jobs=Jobs(inline=True)) as session:
        session.label([1, 2], "T")
        assert session.images["a"].shape == (300, 420)
        with pytest.raises(
            FormatError, match=r"image\..*the file of image 'a', is not there any more. Put it back"
        ):
            session.images["a"].array[0]
        path.with_name("elsewhere").rename(path)
        np.testing.assert_array_equal(session.images["a"].array[1, 5], LARGE[1, 5])  # it is looked for again
    if path.is_dir():
        shutil.rmtree(path)
        shutil.rmtree(mask)
    save(tmp_path, kind, LARGE[:, :, ::-1] + 1 if kind != "zarr" else LARGE[:, :200], "image")
    save(tmp_path, kind, CELLS + 1 if kind != "zarr" else CELLS[:5], "mask")
    with Session.open(empty.folder) as session:
        with pytest.raises(FormatError, match="was changed since it was added"):
            session.images["a"].array[0]
        with pytest.raises(FormatError, match=r"the mask of image 'a'.*was changed"):
            session.item_at("a", 9, 9)
        assert len(session.labels.to_pandas()) == 2


def test_a_file_that_was_moved_is_found_again(empty: Session, tmp_path: Path) -> None:
    path, mask = save(tmp_path, "ome.tif", LARGE, "image"), save(tmp_path, "zarr", CELLS, "mask")
    empty.add_image("a", path, mask, copy=False)
    empty.add_image("b", LARGE, channels=["A", "B"])
    other = save(tmp_path, "ome.tif", LARGE[:, ::-1], "other")
    (tmp_path / "later").mkdir()
    path, mask = (Path(shutil.move(one, tmp_path / "later")) for one in (path, mask))
    with reopened(empty) as session:
        with pytest.raises(FormatError, match=r"session.locate_image"):
            session.images["a"].array[0]
        for options, says in (
            ({"image": other}, "another"), ({"image": tmp_path / "gone.tif"}, "no file"),
            ({"name": "b", "image": other}, "in the project itself"), ({"name": "c"}, "no image 'c'"),
        ):  # fmt: skip
            with pytest.raises(InputError, match=says):
                session.locate_image(**{"name": "a", **options})
        session.locate_image("a", path, mask)
        np.testing.assert_array_equal(np.asarray(session.images["a"].array), LARGE)
    with Session.open(empty.folder) as session:
        assert session.images["a"].source == path
        assert session.item_at("a", 250, 10) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "../../etc/passwd"}, {"path": "/etc/passwd"}, {"path": 3}, {"shape": [1]}, {"shape": [-2, 5, 5]}, {"dtype": "O"},
        {"dtype": "<u4"}, {"shape": "wide"}, {"path": "/dev/zero"}, {"cells": "../../x.npy"},
    ],
)  # fmt: skip
def test_a_tampered_reference_is_refused_in_words(
    empty: Session, tmp_path: Path, changes: dict[str, object]
) -> None:
    empty.add_image("a", save(tmp_path, "npy", LARGE, "i"), save(tmp_path, "npy", CELLS, "m"), copy=False)
    empty.close()
    settings = json.loads((empty.folder / "project.json").read_text())
    settings["images"][0]["mask_file" if "cells" in changes else "file"].update(changes)
    (empty.folder / "project.json").write_text(json.dumps(settings))
    with pytest.raises(CellTuneError):
        look(empty.folder)


def look(folder: Path) -> None:
    with Session.open(folder) as session:
        session.images["a"].array[0]
        session.images["a"].mask[0]


def test_a_copy_that_does_not_fit_on_the_disk_is_refused_before_it_begins(
    empty: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(ProjectError, match=r"0\.0 GB are free.*copy=False"):
        empty.add_image("a", LARGE)
    assert not list(empty.folder.glob("images/*"))


# ---------------------------------------------------------------------- many, and at the same time


def test_images_added_together_take_effect_together(empty: Session) -> None:
    seen = []
    empty.items_changed.connect(seen.append)
    with empty.adding_images():
        for n in range(5):
            assert empty.add_image(str(n), IMAGE, MASK, group=f"g{n % 2}").name == str(n)
        assert not empty.images
        with pytest.raises(InputError, match="already"):
            empty.add_image("3", IMAGE, MASK)
        with pytest.raises(InputError, match="also has"):
            empty.add_image("odd", np.zeros((3, 8, 8)), MASK)
    assert list(empty.images) == list("01234")
    assert len(seen) == 1
    assert empty.items["image"].tolist() == [n for n in "01234" for _ in range(2)]
    assert empty.items["group"].tolist() == ["g0", "g0", "g1", "g1"] * 2 + ["g0", "g0"]
    with reopened(empty) as again:
        assert again.items.equals(empty.items)


def test_what_was_added_before_an_error_is_kept(empty: Session) -> None:
    def add() -> None:
        with empty.adding_images():
            empty.add_image("a", IMAGE, MASK)
            empty.add_image("b", IMAGE, MASK[:3])

    with pytest.raises(InputError):
        add()
    assert list(empty.images) == ["a"]


def test_many_images_take_effect_in_time_and_each_costs_alike(empty: Session) -> None:
    took = []
    with empty.adding_images():
        for n in range(100):
            start = time.process_time()
            empty.add_image(str(n), IMAGE, MASK)
            took.append(time.process_time() - start)
        assert len(empty.images) >= 64  # a crash loses the last part only
    assert np.median(took[70:]) < 3 * np.median(took[:30])
    assert len(empty.items) == 200
    assert len(empty.project.item_files) < 8


def test_the_files_of_the_items_stay_few_and_whole(empty: Session) -> None:
    for n in range(21):
        empty.add_image(str(n), IMAGE, MASK, group="mouse" if n in (2, 11) else None)
        assert sum(rows for _, rows in empty.project.item_files) == 2 * n + 2
    assert len(empty.project.item_files) <= 5
    with reopened(empty) as again:
        assert again.items.equals(empty.items)
        assert len(list(again.folder.glob("items-*.parquet"))) <= 5


class Slow:
    """An image that takes its time to be read."""

    shape, dtype, ndim = (1, 64, 64), np.dtype(np.uint8), 3

    def __init__(self) -> None:
        self.reading, self.go_on = threading.Event(), threading.Event()

    def __getitem__(self, key: object) -> np.ndarray:
        self.reading.set()
        assert self.go_on.wait(LONG)
        return np.zeros(self.shape, self.dtype)[key]


def test_the_session_is_free_while_an_image_is_copied(empty: Session) -> None:
    empty.add_image("a", np.zeros((1, 8, 8)), MASK)
    empty.categories.add("T")
    slow = Slow()
    thread = threading.Thread(target=lambda: empty.add_image("slow", slow))
    thread.start()
    assert slow.reading.wait(LONG)
    empty.label([1], "T")
    assert empty.lock.acquire(timeout=LONG / 2)
    empty.lock.release()
    slow.go_on.set()
    thread.join()
    assert list(empty.images) == ["a", "slow"]


def test_of_two_that_add_the_same_name_one_is_refused_and_leaves_nothing(empty: Session) -> None:
    slow = Slow()
    said = []

    def add() -> None:
        try:
            empty.add_image("a", slow)
        except InputError as error:
            said.append(str(error))

    thread = threading.Thread(target=add)
    thread.start()
    assert slow.reading.wait(LONG)
    empty.add_image("a", np.zeros((1, 8, 8)))
    slow.go_on.set()
    thread.join()
    assert "already" in said[0]
    assert len(list(empty.folder.glob("images/*"))) == 1


def test_a_copy_that_is_interrupted_leaves_nothing(empty: Session) -> None:
    class Interrupted(Slow):
        def __getitem__(self, key: object) -> np.ndarray:
            if self.reading.is_set():
                raise KeyboardInterrupt
            self.go_on.set()
            return super().__getitem__(key)

    with pytest.raises(KeyboardInterrupt):
        empty.add_image("a", Interrupted())
    assert not list(empty.folder.glob("images/*"))
    assert not empty.images


def test_a_read_only_session_adds_nothing(empty: Session) -> None:
    with Session.open(empty.folder, read_only=True) as session, pytest.raises(ReadOnlyError):
        session.add_image("a", IMAGE, MASK)
    assert not list(empty.folder.glob("images/*"))
