"""Reduced copies of slices too large to be read whole: in which order they are made, and when those on disk are true."""

from __future__ import annotations

import json
import resource
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from celltune_nb.render.pyramid import Reduced
from celltune_nb.session import Session, pyramid_files, pyramids
from celltune_nb.session.jobs import Jobs
from tests.waiting import LONG, until

SHAPE = (2100, 1500)
CHANNELS = ["DAPI", "cFos"]


def slide(folder: Path, kind: str, seed: int = 0) -> Path:
    """A file of two channels, in small tiles: what a slice of 20,000² is to 512."""
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    image = np.stack([(y * 31 + x * 17 + 99 * seed) % 3989, (y // 40 * (x // 30) + seed) % 3967]).astype(
        np.uint16
    )
    path = folder / f"slice{seed}.{kind}"
    if kind == "zarr":
        group = zarr.open_group(path, mode="w", zarr_format=3)
        group.create_array("0", data=image, chunks=(1, 256, 256))
        scale = {
            "axes": [{"name": "c"}, {"name": "y"}, {"name": "x"}],
            "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}]}],
        }
        group.attrs["ome"] = {"version": "0.5", "multiscales": [scale]}
    elif kind == "npy":
        np.save(path, image)
    else:
        tifffile.imwrite(path, image, tile=(256, 256), compression="zlib", photometric="minisblack",
            compressionargs={"level": 1})  # fmt: skip
    return path


@pytest.fixture(autouse=True)
def _keeps_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyramid_files, "LEAST", 0)


def study(folder: Path, count: int = 1, kind: str = "tif", **options: object) -> Path:
    with Session.create(folder / "p") as session:
        for i in range(count):
            path = slide(folder, kind, i)
            session.add_image(f"s{i}", path, channels=CHANNELS, copy=False, **options)
        for channel in CHANNELS:
            session.set_channel(channel, visible=True, low=0, high=4000)
    return folder / "p"


@pytest.fixture
def held() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def hold(session: Session, event: threading.Event) -> None:
    """Keep what is done aside waiting, so that the order does not depend on who is faster."""
    session.jobs.aside(lambda job: event.wait(LONG), "held")


def want(session: Session, *names: str) -> None:
    for name in names:
        session.pyramids.want(session.images[name], [0, 1])


# ---------------------------------------------------------------------- order


def test_the_slice_on_the_screen_comes_first(tmp_path: Path, held: threading.Event) -> None:
    with Session.open(study(tmp_path, 3)) as session:
        came: list[str] = []
        session.pyramids.arrived.connect(came.append)
        hold(session, held)
        want(session, "s0", "s1", "s2")
        session.set_view(image="s2")
        held.set()
        assert session.pyramids.settle(LONG)
        session.jobs.aside(lambda job: None, "last").wait(LONG)
        assert came == ["s2", "s2", "s0", "s0", "s1", "s1"]


def test_what_is_being_made_gives_way_to_the_slice_turned_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Reduced.make
    with Session.open(study(tmp_path, 2)) as session:
        session.set_view(image="s0")
        names = {id(session.images[n].array.opened): n for n in ("s0", "s1")}
        blocks: list[str] = []

        def making(self: Reduced, i: int, j: int) -> None:
            make(self, i, j)
            blocks.append(names[id(self.base)])
            if len(blocks) == 2:  # the person goes on to the next slice
                session.set_view(image="s1")
                want(session, "s1")

        monkeypatch.setattr(Reduced, "make", making)
        want(session, "s0")
        assert session.pyramids.settle(LONG)
        first = blocks.index("s1")
        assert first == 2
        # No block was made twice, and all of s1 came before s0 went on.
        assert blocks == ["s0"] * 2 + ["s1"] * 12 + ["s0"] * 10
        assert session.pyramids.ready(session.images["s0"], [0, 1])


def test_an_export_does_not_wait_for_all_of_them(tmp_path: Path, held: threading.Event) -> None:
    with Session.open(study(tmp_path, 3)) as session:
        came: list[str] = []
        session.pyramids.arrived.connect(came.append)
        hold(session, held)
        want(session, "s0", "s1", "s2")
        export = session.jobs.aside(lambda job: len(came), "an export")
        held.set()
        assert export.wait(LONG).result <= 1
        assert session.pyramids.settle(LONG)


def test_the_slice_on_the_screen_is_not_forgotten_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyramids, "KEPT", 2)
    with Session.open(study(tmp_path, 4)) as session:
        session.set_view(image="s0")
        here = session.pyramids.of(session.images["s0"])
        others = [session.pyramids.of(session.images[f"s{i}"]) for i in range(1, 4)]
        assert session.pyramids.of(session.images["s0"]) is here
        assert session.pyramids.of(session.images["s1"]) is not others[0]


def test_closing_while_they_are_made_ends_it_and_leaves_no_half_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = study(tmp_path, 4)
    before = set(threading.enumerate())
    session = Session.open(folder)
    make, blocks, begun = Reduced.make, [], threading.Event()

    def making(self: Reduced, i: int, j: int) -> None:
        blocks.append((i, j))
        if len(blocks) == 15:
            begun.set()
            until(lambda: session.jobs._closed)  # however slow the one that closes is
        make(self, i, j)

    with monkeypatch.context() as patch:
        patch.setattr(Reduced, "make", making)
        want(session, *session.images)
        assert begun.wait(LONG)
        session.close()
    assert len(blocks) < 4 * 12  # not all of them
    until(lambda: not [t for t in set(threading.enumerate()) - before if t.name == "celltune-aside"])
    for about in (folder / "pyramids").glob("*.json"):
        assert (about.parent / json.loads(about.read_text())["file"]).is_file()
    with Session.open(folder) as session:
        want(session, *session.images)
        assert session.pyramids.settle(LONG)
        assert all(session.pyramids.ready(image, [0, 1]) for image in session.images.values())


# ---------------------------------------------------------------------- pictures


def test_a_picture_is_made_from_what_is_kept(tmp_path: Path) -> None:
    folder = study(tmp_path)
    with Session.open(folder) as session:
        picture = session.thumbnail("s0", 64)
        assert session.pyramids.of(session.images["s0"]).nbytes == 0  # on disk
    before = files(folder)
    assert len(before) == 4
    with Session.open(folder) as session:
        assert session.pyramids.ready(session.images["s0"], [0, 1])
        np.testing.assert_array_equal(session.thumbnail("s0", 64), picture)
        assert session.chunks.nbytes <= 256 * 256 * 2  # the pixel that tells whether the file can be read
        session.set_channel("cFos", visible=False)
        assert not np.array_equal(session.thumbnail("s0", 64), picture)
    assert files(folder) == before


def files(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in (folder / "pyramids").iterdir()}


# ---------------------------------------------------------------------- true or not


def picture(folder: Path, **options: object) -> np.ndarray:
    with Session.open(folder, **options) as session:
        session.pyramids.want(session.images["s0"], [0, 1])
        assert session.pyramids.settle(LONG)
        return session.thumbnail("s0", 64)


def rewrite_zarr(path: Path) -> None:
    zarr.open_array(path / "0", mode="r+")[:, 512:1024, 512:1024] = 4000


def rewrite_npy(path: Path) -> None:
    """A part that the few samples of a fingerprint do not touch."""
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.seek(size // 33 * 16 + 9000)
        stream.write(b"\xff\x0f" * (size // 33 // 2 - 9000))


@pytest.mark.parametrize(("kind", "rewrite"), [("zarr", rewrite_zarr), ("npy", rewrite_npy)])
def test_pixels_written_anew_in_place_are_noticed(
    tmp_path: Path, kind: str, rewrite: Callable[[Path], None]
) -> None:
    folder = study(tmp_path, kind=kind)
    with Session.open(folder) as session:
        pyramid = session.pyramids.of(session.images["s0"])
        for channel in (0, 1):
            pyramid.build(channel, lambda fraction: None)
    before = picture(folder)
    kept = files(folder)
    assert len(kept) == 4
    np.testing.assert_array_equal(picture(folder), before)
    assert files(folder) == kept
    rewrite(tmp_path / f"slice0.{kind}")
    with Session.open(folder) as session:
        pyramid = session.pyramids.of(session.images["s0"])
        for channel in (0, 1):
            pyramid.build(channel, lambda fraction: None)
    assert not np.array_equal(picture(folder), before)
    assert set(files(folder)) != set(kept)


def test_levels_of_another_version_are_made_again(tmp_path: Path) -> None:
    folder = study(tmp_path)
    before = picture(folder)
    kept = files(folder)
    for about in (folder / "pyramids").glob("*.json"):
        about.write_text(json.dumps({**json.loads(about.read_text()), "version": 0}))
    np.testing.assert_array_equal(picture(folder), before)
    assert all((name in files(folder)) == name.endswith(".json") for name in kept)
    assert len(files(folder)) == 4


def test_a_name_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = study(tmp_path)
    before = picture(folder)
    np.save(tmp_path / "elsewhere.npy", np.zeros(9, np.uint16))
    for about in (folder / "pyramids").glob("*.json"):
        about.write_text(json.dumps({**json.loads(about.read_text()), "file": "../../elsewhere.npy"}))
    np.testing.assert_array_equal(picture(folder), before)
    assert (tmp_path / "elsewhere.npy").is_file()


def full_disk(folder: Path) -> None:
    # No file may grow beyond this: what a full disk does to large ones.
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def taken(folder: Path) -> None:
    (folder / "pyramids").write_text("a file in the folder's place")


@pytest.mark.parametrize("spoil", [full_disk, taken])
def test_a_disk_that_takes_nothing_costs_no_picture(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    expected = picture(study(tmp_path))
    (tmp_path / "b").mkdir()
    folder = study(tmp_path / "b")
    soft = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        spoil(folder)
        with Session.open(folder) as session:
            np.testing.assert_array_equal(session.thumbnail("s0", 64), expected)
            assert session.pyramids.of(session.images["s0"]).nbytes > 0  # in memory
            assert session.problems == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft)
    place = folder / "pyramids"
    assert place.is_file() or list(place.iterdir()) == []


def test_who_only_looks_holds_them_in_memory_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = study(tmp_path, 4)
    with Session.open(folder, read_only=True) as session:
        one = sum(session.pyramids.of(session.images["s0"]).reduced(c).size * 2 for c in (0, 1))
        monkeypatch.setattr(pyramids, "MOST", 2 * one)
        for name in session.images:
            session.thumbnail(name, 64)
            held = sum(pyramid.nbytes for pyramid in session.pyramids._kept.values())
            assert held <= 3 * one  # the one on the screen, and the one that is made
    assert not (folder / "pyramids").exists()


def test_other_colours_cost_no_decoding_where_nothing_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = study(tmp_path, 3)
    with Session.open(folder, read_only=True) as session:
        monkeypatch.setattr(pyramids, "KEPT", 1)
        before = [session.thumbnail(name, 64) for name in session.images]
        blocks: list[object] = []
        monkeypatch.setattr(Reduced, "make", lambda *block: blocks.append(block))
        session.set_channel("DAPI", high=2000)
        after = [session.thumbnail(name, 64) for name in session.images]
        assert not blocks
        assert not any(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_picture_of_a_few_pixels_is_that_of_all(tmp_path: Path) -> None:
    folder = study(tmp_path)
    with Session.open(folder) as session:
        large, small = session.thumbnail("s0", 448), session.thumbnail("s0", 112)
    shape = (112, 4, 80, 4, 3)
    means = large.reshape(shape).mean((1, 3))
    assert small.shape == (112, 80, 3)
    assert np.abs(means - small).mean() < 6


def test_a_brightfield_slice_has_a_picture_from_its_levels(tmp_path: Path) -> None:
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    image = np.stack([y % 251 + 0 * x, x % 241 + 0 * y, (x + y) % 239], axis=2).astype(np.uint8)
    path = tmp_path / "stain.tif"
    tifffile.imwrite(path, image, tile=(256, 256), compression="zlib", photometric="rgb")
    with Session.create(tmp_path / "p") as session:
        session.add_image("s0", path, copy=False)
        session.pyramids.want(session.images["s0"], [0])
        assert session.pyramids.settle(LONG)
        picture = session.thumbnail("s0", 105)
        np.testing.assert_allclose(picture.mean((0, 1)), image.mean((0, 1)), atol=4)
        assert picture.shape == (105, 75, 3)


def test_work_in_place_needs_no_thread(tmp_path: Path) -> None:
    with Session.open(study(tmp_path, 2), jobs=Jobs(inline=True)) as session:
        want(session, "s0", "s1")
        assert session.pyramids.settle(0)
        assert all(session.pyramids.ready(image, [0, 1]) for image in session.images.values())
