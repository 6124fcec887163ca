"""The pixels of the image panel: from files as from arrays, at once and then whole."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from celltune_nb.panels.image import ImagePanel, scene
from celltune_nb.panels.image.scene import Scene
from celltune_nb.render import Camera, pyramid
from celltune_nb.session import Session, pyramid_files
from celltune_nb.session.jobs import Jobs
from tests.waiting import LONG

SHAPE = (3000, 2600)
CELL = 40


@pytest.fixture(scope="module")
def pixels() -> tuple[np.ndarray, np.ndarray]:
    """Two channels, and a mask of squares with gaps and numbers of its own."""
    y, x = np.ogrid[: SHAPE[0], : SHAPE[1]]
    mask = ((y // CELL) * 70 + x // CELL + 1) * 3
    mask[(y % CELL < 4) | (x % CELL < 4)] = 0
    image = np.stack([(y * 31 + x * 17) % 3989, (y * 13 + x * y // 97) % 3967]).astype(np.uint16)
    return image, mask.astype(np.uint32)


@pytest.fixture(scope="module")
def files(
    pixels: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, Path]]:
    return write(tmp_path_factory.mktemp("files"), *pixels)


def write(folder: Path, image: np.ndarray, mask: np.ndarray) -> dict[str, tuple[Path, Path]]:
    for name, array in (("image", image), ("mask", mask)):
        tifffile.imwrite(
            folder / f"{name}.tif", array, tile=(256, 256), compression="zlib", photometric="minisblack"
        )
        zarr.create_array(folder / f"{name}.zarr", data=array, chunks=(*(1,) * (array.ndim - 2), 300, 300))
        np.save(folder / f"{name}.npy", array)
    return {kind: (folder / f"image.{kind}", folder / f"mask.{kind}") for kind in ("tif", "zarr", "npy")}


@pytest.fixture(scope="module")
def small(
    pixels: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Path, Path]]:
    return write(tmp_path_factory.mktemp("small"), *(array[..., :1300, :1100] for array in pixels))


@pytest.fixture(scope="module")
def reference(pixels: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Scene:
    with make(tmp_path_factory.mktemp("reference") / "p", *pixels, jobs=Jobs(inline=True)) as session:
        yield Scene(session)


def make(folder: Path, image: object, mask: object, copy: bool | None = None, **options: object) -> Session:
    session = Session.create(folder, **options)
    session.add_image("a", image, mask, channels=["A", "B"], copy=copy)
    session.categories.add("T", color="#FF0000")
    session.label(session.table.ids[::3], "T")
    for name in "AB":
        session.set_channel(name, low=0, high=4000)
    return session


def cameras(count: int, seed: int = 0) -> list[Camera]:
    rng = np.random.default_rng(seed)
    places = rng.random((count, 2)) * SHAPE
    return [Camera(y, x, float(2 ** rng.uniform(-4, 2)), 300, 420) for y, x in places]


def whole(scene: Scene, camera: Camera) -> np.ndarray:
    """The frame once it lacks nothing."""
    asked: list[int] = []
    scene.unfinished = lambda: asked.append(1)
    for turn in range(400):
        frame = scene.render(camera)
        if len(asked) == turn:
            return frame
    raise AssertionError("never finished")


@pytest.mark.parametrize("kind", ["tif", "zarr", "npy"])
def test_frames_from_files_equal_those_from_arrays(
    files: dict[str, tuple[Path, Path]], reference: Scene, tmp_path: Path, kind: str
) -> None:
    with make(tmp_path / "p", *files[kind], copy=False) as session:
        scene = Scene(session)
        for camera in cameras(9):
            frame = whole(scene, camera)
            np.testing.assert_array_equal(frame, reference.render(camera))
        assert scene.outlines(session.table.ids[5:6])[0].shape == (4, 2)


def test_two_panels_draw_while_the_levels_are_made(
    files: dict[str, tuple[Path, Path]], reference: Scene, tmp_path: Path
) -> None:
    with make(tmp_path / "p", *files["zarr"], copy=False) as session:
        wrong = []

        def draw(seed: int) -> None:
            scene = Scene(session)
            views = cameras(4, seed)
            wrong.extend(c for c in views if not np.array_equal(whole(scene, c), reference.render(c)))

        threads = [threading.Thread(target=draw, args=(seed,)) for seed in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


# ---------------------------------------------------------------------- levels on disk


@pytest.fixture
def keeps_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small images are handled as large ones: nothing is made within a single frame, and all levels are kept."""
    monkeypatch.setattr(pyramid_files, "LEAST", 0)
    monkeypatch.setattr(pyramid, "FEW", 0)
    monkeypatch.setattr(scene, "WAIT", 0)
    monkeypatch.setattr(scene, "WAIT_MASK", 0)


WHOLE = Camera.fit((1300, 1100), 130, 110)


def levels(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted((folder / "pyramids").glob("*"))}


def look(folder: Path, **options: object) -> np.ndarray:
    with Session.open(folder, **options) as session:
        drawn = Scene(session)
        whole(drawn, WHOLE)
        settle(session)
        drawn.renew()
        return whole(drawn, WHOLE)


def settle(session: Session) -> None:
    """Wait until nothing is made in the background any more."""
    assert session.pyramids.settle(LONG)


def test_levels_are_kept_and_found_again(
    small: dict[str, tuple[Path, Path]], tmp_path: Path, keeps_all: None
) -> None:
    folder = tmp_path / "p"
    make(folder, *small["tif"], copy=False).close()
    frame = look(folder)
    made = levels(folder)
    assert sorted(Path(name).suffix for name in made) == [".json"] * 3 + [".npy"] * 3
    np.testing.assert_array_equal(look(folder), frame)
    assert levels(folder) == made
    # What they were made from is not read for them again.
    with Session.open(folder) as session:
        Scene(session).render(WHOLE)
        assert session.chunks.nbytes < 200_000


def another(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, np.zeros(7, np.uint16))


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        ("npy", lambda path: path.write_bytes(b"")),
        ("npy", lambda path: path.write_bytes(path.read_bytes()[:-5000])),
        ("npy", lambda path: path.unlink()),
        ("npy", another),
        ("json", lambda path: path.write_bytes(b"\x80\x04cos\nsystem\n")),
        ("json", lambda path: path.write_bytes(b"[]")),
    ],
    ids=["empty", "truncated", "gone", "another", "pickle", "list"],
)
def test_damaged_levels_are_made_again(
    small: dict[str, tuple[Path, Path]],
    tmp_path: Path,
    keeps_all: None,
    suffix: str,
    damage: Callable[[Path], object],
) -> None:
    folder = tmp_path / "p"
    make(folder, *small["npy"], copy=False).close()
    frame = look(folder)
    for path in (folder / "pyramids").glob(f"*.{suffix}"):
        damage(path)
    np.testing.assert_array_equal(look(folder), frame)
    for name, (_, content) in levels(folder).items():
        if name.endswith(".json"):
            assert (folder / "pyramids" / json.loads(content)["file"]).stat().st_size > 500_000
    assert len(levels(folder)) == 6


def test_levels_of_other_pixels_are_made_again(
    pixels: tuple[np.ndarray, np.ndarray], tmp_path: Path, keeps_all: None
) -> None:
    folder = tmp_path / "p"
    image, mask = (array[..., :1300, :1100] for array in pixels)
    make(folder, image, mask).close()
    frame = look(folder)
    (path,) = folder.glob("images/*.npy")
    np.save(path, np.zeros_like(image))
    assert not np.array_equal(look(folder), frame)
    np.save(path, image)
    np.testing.assert_array_equal(look(folder), frame)


def test_levels_can_be_thrown_away_and_are_not_written_by_who_only_looks(
    small: dict[str, tuple[Path, Path]], tmp_path: Path, keeps_all: None
) -> None:
    folder = tmp_path / "p"
    make(folder, *small["zarr"], copy=False).close()
    frame = look(folder)
    shutil.rmtree(folder / "pyramids")
    np.testing.assert_array_equal(look(folder, read_only=True), frame)
    assert not (folder / "pyramids").exists()


def test_closing_frees_the_memory_and_ends_the_work(
    small: dict[str, tuple[Path, Path]], tmp_path: Path
) -> None:
    session = make(tmp_path / "p", *small["tif"], copy=False)
    Scene(session).render(WHOLE)
    Scene(session).render(Camera(1000, 1000, 1.0, 600, 600))
    assert session.chunks.nbytes > 0
    session.close()
    assert session.chunks.nbytes == 0
    assert not [t for t in threading.enumerate() if t.name == "celltune-aside"]


# ---------------------------------------------------------------------- in the panel


def test_a_panel_shows_something_at_once_and_refines_by_itself(
    files: dict[str, tuple[Path, Path]], reference: Scene, tmp_path: Path, wire: object
) -> None:
    with make(tmp_path / "p", *files["zarr"], copy=False) as session:
        panel = ImagePanel(session)
        layer = panel.viewport._layer
        wire.receive(layer, {"type": "hello"})
        wire.receive(layer, {"type": "size", "view": "a", "height": 300, "width": 260, "dpr": 1})
        expected = reference.render(panel.viewport.camera)
        end = time.monotonic() + LONG
        while not np.array_equal(
            panel.viewport._frames._shown.rgb if panel.viewport._frames._shown else 0, expected
        ):
            assert time.monotonic() < end, "never became whole"
            for message in wire.custom(layer, "frame")[-1:]:
                wire.receive(layer, {"type": "ack", "frame": message["id"]})
            time.sleep(0.02)
        panel.close()
        assert session.problems == []


@pytest.mark.parametrize("gone", ["image", "mask"])
def test_a_panel_says_which_file_is_missing_and_shows_what_it_can(
    small: dict[str, tuple[Path, Path]], tmp_path: Path, gone: str
) -> None:
    for path in small["tif"]:
        shutil.copy(path, tmp_path)
    make(tmp_path / "p", tmp_path / "image.tif", tmp_path / "mask.tif", copy=False).close()
    (tmp_path / f"{gone}.tif").rename(tmp_path / "away.tif")
    with Session.open(tmp_path / "p", jobs=Jobs(inline=True)) as session:
        panel = ImagePanel(session)
        frame = panel.scene.render(Camera(1000, 1000, 1.0, 300, 300))
        assert f"{gone}.tif" in panel.message
        assert "is not there any more" in panel.message
        assert (
            frame[..., 0].astype(int) > frame[..., 2] + 60
        ).any()  # cells are drawn all the same, some in red
        session.select(session.table.ids[:2])
        (tmp_path / "away.tif").rename(tmp_path / f"{gone}.tif")
        panel.scene.renew()
        panel.scene.render(Camera(1000, 1000, 1.0, 300, 300))
        assert "not there" not in panel.message
        panel.close()
        assert session.problems == []
