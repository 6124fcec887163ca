"""Looking at large images: windows, panning and zooming in files of several kinds, before and after reduced copies exist.

Beside the plain way: the same window read with NumPy, tifffile or Zarr each time, added up with NumPy.
The files lie in a temporary folder and in the system's cache; "cold" means that nothing is decoded yet.

*Window*: the pixels of 1024² of every channel, at random places.  *Pan*: composed frames, each 64 pixels
further.  *First look*: the whole image before it has reduced copies; a frame comes back with what there is,
and the time until the picture is complete is given beside.  *Levels*: making the reduced copies of one
channel.  *Zoom*: composed frames and their JPEG at random places and zooms, with reduced copies.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from celltune_nb.panels.image.scene import Scene
from celltune_nb.render import Camera, Channel, Pyramid, Window, jpeg, warm_up
from celltune_nb.render.compose import compose
from celltune_nb.render.sample import sample_planes
from celltune_nb.session import Session

from .harness import OURS, Figure, Job, take
from .pixels import COLORS, numpy_blend

TILE = 512
SIDE = 1024
CHANNELS = {2048: 6, 8192: 6, 20000: 1}
KINDS = {
    2048: ("npy", "tif", "tif-zlib", "tif-zstd", "zarr"),
    8192: ("npy", "tif-zlib", "zarr"),
    20000: ("npy", "tif-zlib", "zarr"),
}
PLACES = 6


def tiles(side: int, channels: int) -> Iterator[np.ndarray]:
    """An image of camera noise and spots, tile by tile: (TILE, TILE) uint16, also beyond the edge."""
    rng = np.random.default_rng(0)
    noise = rng.poisson(200, (TILE, TILE)).astype(np.uint16)
    spots = (rng.random((TILE // 8, TILE // 8)) < 0.2).repeat(8, 0).repeat(8, 1) * np.uint16(900)
    count = -(-side // TILE)
    for channel, i, j in itertools.product(range(channels), range(count), range(count)):
        yield np.roll(noise, 37 * i + 11 * channel, 0) + np.roll(spots, 53 * j + channel, 1)


def write(folder: Path, kind: str, side: int, channels: int) -> Path:
    """The image as a file."""
    import tifffile
    import zarr

    shape = (channels, side, side)
    count = -(-side // TILE)
    path = folder / f"image-{kind}.{kind.split('-', maxsplit=1)[0]}"
    if kind.startswith("tif"):
        compression = {"tif": None, "tif-zlib": "zlib", "tif-zstd": "zstd"}[kind]
        tifffile.imwrite(
            path, tiles(side, channels), shape=shape, dtype=np.uint16, tile=(TILE, TILE), compression=compression,
            photometric="minisblack", metadata={"axes": "CYX"},
        )  # fmt: skip
        return path
    if kind == "npy":
        out = np.lib.format.open_memmap(path, "w+", np.uint16, shape)
    else:
        out = zarr.create_array(path, shape=shape, chunks=(1, TILE, TILE), dtype=np.uint16)
    made = tiles(side, channels)
    for channel, i in itertools.product(range(channels), range(count)):
        rows = slice(i * TILE, min((i + 1) * TILE, side))
        row = np.concatenate([next(made) for _ in range(count)], axis=1)
        out[channel, rows] = row[: rows.stop - rows.start, :side]
    return path


def plain(path: Path) -> tuple[str, Callable[..., np.ndarray]]:
    """The plain way to read a part of every channel, with the file kept open: its name, and ``read(ys, xs)``."""
    import tifffile
    import zarr

    if path.suffix == ".npy":
        array, name = np.load(path, mmap_mode="r"), "NumPy map"
    elif path.suffix == ".zarr":
        array, name = zarr.open_array(path, mode="r"), "zarr"
    else:
        array, name = zarr.open_array(tifffile.imread(path, aszarr=True), mode="r"), "tifffile"
    many = array.ndim == 3
    return name, lambda ys, xs: np.array(array[:, ys, xs] if many else array[ys, xs][np.newaxis])


def run(size: str) -> Iterator[Figure]:
    side = int(size)
    channels = CHANNELS[side]
    warm_up()
    with tempfile.TemporaryDirectory() as name:
        for kind in KINDS[side]:
            folder = Path(name) / kind
            folder.mkdir()
            path = write(folder, kind, side, channels)
            with Session.create(folder / "project") as session:
                names = [f"C{i}" for i in range(channels)]
                session.add_image("a", path, channels=names, copy=False)
                for number, channel in enumerate(names):
                    session.set_channel(channel, visible=True, low=0, high=1500, color=COLORS[number])
                yield from of_kind(kind, session, path, side, channels)
            if path.is_file():
                path.unlink()


def of_kind(kind: str, session: Session, path: Path, side: int, channels: int) -> Iterator[Figure]:
    image = session.images["a"]
    shown = [Channel(i, COLORS[i], 0, 1500) for i in range(channels)]
    rng = np.random.default_rng(0)
    corners = (rng.random((PLACES, 2)) * (side - SIDE)).astype(int)
    cameras = [Camera(y + (SIDE - 1) / 2, x + (SIDE - 1) / 2, 1.0, SIDE, SIDE) for y, x in corners]
    windows = [Window.of(camera, image.shape) for camera in cameras]
    pyramid = Pyramid(image.array)
    numbers = range(channels)
    other, read = plain(path)

    def each(call: Callable[[int], object]) -> Callable[[], None]:
        return lambda: [call(place) for place in range(PLACES)] and None  # type: ignore[func-returns-value]

    def cold() -> None:
        for window in windows:
            session.chunks.clear()
            sample_planes(image.array, window, numbers, pyramid)

    def slices(place: int, shift: int = 0) -> tuple[slice, slice]:
        y, x = corners[place]
        x = min(x + shift, side - SIDE)
        return slice(y, y + SIDE), slice(x, x + SIDE)

    six = channels == 6
    alike = np.array_equal(sample_planes(image.array, windows[0], numbers, pyramid), read(*slices(0)))
    assert alike, "the two ways must read the same pixels"
    yield per(f"{kind} window, cold", OURS, take(cold), goal=0.040 if six else None)
    taken = take(each(lambda place: read(*slices(place))))
    yield per(f"{kind} window, cold", other, taken)

    def again() -> None:
        for window in windows[:1] * PLACES:
            sample_planes(image.array, window, numbers, pyramid)

    again()
    yield per(f"{kind} window, cached", OURS, take(again), goal=0.005 if six else None)
    yield per(f"{kind} window, cached", other, taken)

    def pan() -> None:
        session.chunks.clear()
        for step in range(PLACES):
            compose(image.array, cameras[0].pan(0, -64 * step), shown, pyramid=pyramid)

    yield per(f"{kind} pan", OURS, take(pan))
    yield per(f"{kind} pan", other, take(lambda: [
        numpy_blend(read(*slices(0, 64 * step)), shown) for step in range(PLACES)
    ], 1))  # fmt: skip
    yield from looks(kind, session, side)
    yield from levels(kind, session, path, side)
    yield from zooms(kind, session, read, other, shown, side)


def per(task: str, name: str, taken, goal: float | None = None) -> Figure:
    """A figure for one of the places."""
    seconds = taken.seconds / PLACES
    return Figure(
        task, name, seconds, taken.cpu / PLACES, taken.peak,
        goal="" if goal is None else f"≤ {1000 * goal:g} ms", met=None if goal is None else seconds <= goal,
    )  # fmt: skip


def looks(kind: str, session: Session, side: int) -> Iterator[Figure]:
    """The whole image, before its reduced copies exist; they are made meanwhile."""
    scene = Scene(session)
    asked: list[int] = []
    scene.unfinished = lambda: asked.append(1)
    camera = Camera.fit((side, side), 800, 800)
    took: list[float] = []
    start, cpu = time.perf_counter(), time.process_time()
    while len(asked) == len(took):
        before = time.perf_counter()
        scene.render(camera)
        took.append(time.perf_counter() - before)
    extra = {
        "median ms": 1000 * statistics.median(took),
        "frames": len(took),
        "whole after s": time.perf_counter() - start,
    }
    yield Figure(f"{kind} first look, slowest frame", OURS, max(took), time.process_time() - cpu, extra=extra)
    session.pyramids.settle()


def levels(kind: str, session: Session, path: Path, side: int) -> Iterator[Figure]:
    """Reduced copies of one channel, from nothing; beside it, the plane read whole and reduced with NumPy."""
    image = session.images["a"]

    def ours() -> None:
        session.chunks.clear()
        Pyramid(image.array).build(0, lambda fraction: None)

    def plainly() -> None:
        _, read = plain(path)
        plane = read(slice(None), slice(None))[0] if CHANNELS[side] == 1 else one_channel(path)
        while max(plane.shape) > 64:
            plane = plane[: plane.shape[0] // 2 * 2, : plane.shape[1] // 2 * 2]
            plane = (
                plane.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2).mean((1, 3)).astype(np.uint16)
            )

    for name, call in ((OURS, ours), (plain(path)[0], plainly)):
        taken = take(call, 1)
        yield Figure(f"{kind} levels of a channel", name, taken.seconds, taken.cpu, taken.peak)


def one_channel(path: Path) -> np.ndarray:
    import tifffile
    import zarr

    if path.suffix == ".npy":
        return np.array(np.load(path, mmap_mode="r")[0])
    if path.suffix == ".zarr":
        return np.asarray(zarr.open_array(path, mode="r")[0])
    return tifffile.imread(path, key=0)


def zooms(
    kind: str, session: Session, read: Callable[..., np.ndarray], other: str, shown: list[Channel], side: int
) -> Iterator[Figure]:
    """Frames of 800² and their JPEG at random places and zooms from the whole image to 2."""
    scene = Scene(session)
    rng = np.random.default_rng(1)
    least = np.log2(800 / side)
    cameras = [
        Camera(*(rng.random(2) * side), float(2 ** rng.uniform(least, 1)), 800, 800) for _ in range(16)
    ]
    took: list[float] = []
    short: list[int] = []
    scene.unfinished = lambda: short.append(1)
    cpu = time.process_time()
    for camera in cameras:
        start = time.perf_counter()
        jpeg(scene.render(camera))
        took.append(time.perf_counter() - start)
    middle = statistics.median(took)
    extra = {"slowest ms": 1000 * max(took), "still to refine": len(short)}
    taken = time.process_time() - cpu
    yield Figure(
        f"{kind} zoom", OURS, middle, taken / len(cameras), extra=extra, goal="≤ 50 ms", met=middle <= 0.05
    )

    def plainly(camera: Camera) -> None:
        import io

        from PIL import Image

        window = Window.of(camera, (side, side))
        step = max(1, int(window.step))
        ys, xs = (slice(int(n[0]), int(n[-1]) + 1, step) for n in (window.rows, window.columns))
        frame = Image.fromarray(numpy_blend(read(ys, xs), shown)).resize((800, 800), Image.Resampling.NEAREST)
        frame.save(io.BytesIO(), "JPEG", quality=85)

    # The plain way reads every pixel of a large image for a small picture: a few of the frames show it.
    few = []
    for camera in cameras[:: 4 if side > 4096 else 2]:
        start = time.perf_counter()
        plainly(camera)
        few.append(time.perf_counter() - start)
    yield Figure(f"{kind} zoom", other, statistics.median(few), extra={"slowest ms": 1000 * max(few)})


JOBS = [
    Job(
        "viewport",
        "windows, pan, zoom and reduced copies of large images in .npy, TIFF and Zarr, beside reading with NumPy, tifffile, zarr",
        ("2048", "8192", "20000"),
        run,
    )
]
