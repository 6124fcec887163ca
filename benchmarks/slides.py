"""Many slices too large to be read whole, one after the other: compressed TIFF of 20,000² without reduced copies.

    python -m benchmarks slides

Two channels and a mask of 99,856 cells; every slice is the same file under another name, read where it lies.  *Steps* are
composed frames of 800 × 1000 with their JPEG, at random places and zooms and from there to the side, while reduced copies
are made in the background and afterwards.  *Pictures* are those of the list of slices, with the panel that shows them.
Memory is what the process holds itself, without mapped files.  *Silence* is the longest that another thread of the process
did not get to run.  Beside it, one slice read whole with tifffile.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from celltune_nb.panels.image.scene import Scene
from celltune_nb.panels.slices import SlicesPanel
from celltune_nb.render import Camera, jpeg, warm_up
from celltune_nb.session import Session

from .harness import OURS, Figure, Job
from .viewport import TILE, write

SIDE, CHANNELS, PITCH = 20_000, ("DAPI", "cFos"), 63
HEIGHT, WIDTH = 800, 1000
WHOLE = Camera.fit((SIDE, SIDE), HEIGHT, WIDTH)


class Watch:
    """Highest memory of the process itself, MiB, and its longest silence, seconds."""

    def __init__(self) -> None:
        self.silence, self.before = 0.0, own_memory()
        self.highest = self.before
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        self.began, self.cpu = time.perf_counter(), time.process_time()

    def _watch(self) -> None:
        before = time.perf_counter()
        while not self._ended.wait(0.003):
            self.silence = max(self.silence, time.perf_counter() - before - 0.003)
            self.highest = max(self.highest, own_memory())
            before = time.perf_counter()

    def figure(self, task: str, seconds: float | None = None, **extra: float) -> Figure:
        """What was seen since the beginning."""
        took, cpu = time.perf_counter() - self.began, time.process_time() - self.cpu
        self._ended.set()
        self._thread.join()
        more = {**extra, "silence ms": 1000 * self.silence, "holds MiB": own_memory()}
        return Figure(task, OURS, took if seconds is None else seconds, cpu, self.highest - self.before, more)


def own_memory() -> float:
    """MiB that are in no file; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1]) / 1024
    return 0.0


def mask_tiles() -> Iterator[np.ndarray]:
    """A mask of cells in a grid, numbered from 1, tile by tile: (TILE, TILE) uint32, also beyond the edge."""
    across, count = SIDE // PITCH, -(-SIDE // TILE)
    for i in range(count):
        for j in range(count):
            y, x = np.ogrid[i * TILE : (i + 1) * TILE, j * TILE : (j + 1) * TILE]
            inside = (y % PITCH - 31) ** 2 + (x % PITCH - 31) ** 2 <= 100
            inside = inside & (y // PITCH < across) & (x // PITCH < across)
            yield np.where(inside, y // PITCH * across + x // PITCH + 1, 0).astype(np.uint32)


def run(size: str) -> Iterator[Figure]:
    import tifffile

    os.environ.setdefault("TQDM_DISABLE", "1")  # its bars would run into the table
    warm_up()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image, mask = write(folder, "tif-zlib", SIDE, len(CHANNELS)), folder / "mask.tif"
        tifffile.imwrite(
            mask, mask_tiles(), shape=(SIDE, SIDE), dtype=np.uint32, tile=(TILE, TILE), compression="zlib",
            photometric="minisblack",
        )  # fmt: skip
        yield from brought(folder / "project", image, mask, int(size))
        yield from looked_at(folder / "project", int(size))
        yield from opened_again(folder / "project")
        yield from measured(folder / "measured", image, mask)
        yield from plainly(image)


def brought(folder: Path, image: Path, mask: Path, count: int) -> Iterator[Figure]:
    """Slices added to a new project."""
    watch = Watch()
    with Session.create(folder) as session:
        with session.adding_images():
            for number in range(count):
                session.add_image(
                    f"slice {number}", image, mask, channels=CHANNELS, group=f"animal {number // 3}"
                )
        for channel in CHANNELS:
            session.set_channel(channel, visible=True, low=0, high=1500)
        took = (time.perf_counter() - watch.began) / count
        yield watch.figure("a slice added", took, cells=len(session.table))


def looked_at(folder: Path, count: int) -> Iterator[Figure]:
    """The first slice while its levels and those of all others are made; then all of them, one after the other."""
    with Session.open(folder) as session:
        session.set_view(image="slice 0")
        watch = Watch()
        panel = SlicesPanel(session)
        first, slowest, whole = look(session)
        yield watch.figure(
            "first look, whole", whole, **{"first frame ms": 1000 * first, "slowest ms": 1000 * slowest}
        )
        yield steps(session, "a step, while levels are made")
        watch = Watch()
        turned = []
        for number in range(1, count):
            session.set_view(image=f"slice {number}")
            turned.append(look(session))
        if turned:
            seconds = [1000 * one[0] for one in turned]
            yield watch.figure(
                "the next slice, whole", statistics.median(one[2] for one in turned),
                **{"first frame ms": statistics.median(seconds), "slowest ms": 1000 * max(one[1] for one in turned)},
            )  # fmt: skip
        watch = Watch()
        wait(lambda: pictures(panel) == count and session.pyramids.settle(1))
        yield watch.figure("all pictures, all levels, after that")
        yield steps(session, "a step, afterwards")
        watch = Watch()
        session.set_channel(CHANNELS[1], high=900)
        panel._drawing.settle(60)
        yield watch.figure("all pictures at another contrast")
        panel.close()


def opened_again(folder: Path) -> Iterator[Figure]:
    """The project in a new session."""
    watch = Watch()
    with Session.open(folder) as session:
        panel = SlicesPanel(session)
        first, _, whole = look(session)
        took = time.perf_counter() - watch.began
        count = len(session.images)
        wait(lambda: pictures(panel) == count)
        disk = sum(path.stat().st_size for path in (folder / "pyramids").iterdir()) / 2**20
        yield watch.figure(
            "opened again, whole", took, **{"first frame ms": 1000 * first, "frames s": whole,
            "all pictures s": time.perf_counter() - watch.began, "pyramids MiB a slice": disk / count},
        )  # fmt: skip
        panel.close()


def measured(folder: Path, image: Path, mask: Path) -> Iterator[Figure]:
    """The features of one slice."""
    with Session.create(folder) as session:
        session.add_image("a", image, mask, channels=CHANNELS)
        watch = Watch()
        session.measure()
        yield watch.figure("features of a slice", cells=len(session.table))


def plainly(image: Path) -> Iterator[Figure]:
    """A small picture of the whole slice from all of its pixels."""
    import tifffile

    before, start, cpu = own_memory(), time.perf_counter(), time.process_time()
    whole = tifffile.imread(image)
    held = own_memory() - before
    rows, columns = (n // 25 * 25 for n in whole.shape[1:])
    blocks = whole[:, :rows, :columns].reshape(len(whole), rows // 25, 25, columns // 25, 25)
    blocks.mean((2, 4), dtype=np.float32)
    yield Figure(
        "first look, whole", "tifffile", time.perf_counter() - start, time.process_time() - cpu, held
    )


# ---------------------------------------------------------------------- what a person does


def look(session: Session) -> tuple[float, float, float]:
    """The whole slice until nothing is missing: seconds of the first frame, of the slowest, and of all."""
    took, whole = frames(session, WHOLE)
    return took[0], max(took), whole


def frames(session: Session, camera: Camera) -> tuple[list[float], float]:
    scene = Scene(session)
    lacking: list[int] = []
    scene.unfinished = lambda: lacking.append(1)
    took: list[float] = []
    begin = time.perf_counter()
    while len(lacking) == len(took):
        start = time.perf_counter()
        jpeg(scene.render(camera))
        took.append(time.perf_counter() - start)
    return took, time.perf_counter() - begin


def steps(session: Session, task: str, places: int = 30) -> Figure:
    """Frames at random places and zooms, and two more to the side of each."""
    scene = Scene(session)
    lacking: list[int] = []
    scene.unfinished = lambda: lacking.append(1)
    rng = np.random.default_rng(1)
    took: list[float] = []
    watch = Watch()
    for _ in range(places):
        zoom = float(2 ** rng.uniform(np.log2(HEIGHT / SIDE), 1))
        y, x = rng.random(2) * 0.9 * SIDE + 0.05 * SIDE
        for step in range(3):
            start = time.perf_counter()
            jpeg(scene.render(Camera(y, x + step * 60 / zoom, zoom, HEIGHT, WIDTH)))
            took.append(time.perf_counter() - start)
    ordered: list[Any] = sorted(took)
    extra = {
        "p90 ms": 1000 * ordered[int(0.9 * len(took))], "slowest ms": 1000 * ordered[-1],
        "to be refined": len(lacking), "steps": len(took),
    }  # fmt: skip
    return watch.figure(task, statistics.median(took), **extra)


def pictures(panel: SlicesPanel) -> int:
    return sum(sheet.value.count("url(") for sheet in panel._pictures.widget.children)


def wait(done: Callable[[], bool], patience: float = 600) -> None:
    end = time.monotonic() + patience
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("the pictures never came")
        time.sleep(0.02)


JOBS = [
    Job(
        "slides",
        "several compressed slices of 20,000² one after the other: looks, steps, pictures and memory, beside tifffile",
        ("3", "6", "12"),
        run,
    )
]
