"""Labels on disk and in the panels: an edit, undo, a batch, reopening, and the counts that follow each click.

    python -m benchmarks labels

Every item is labelled before the first figure is taken.  The alternatives keep id and code of every item: a DuckDB
table with a key, a Parquet file and a CSV file that are written anew, each flushed to disk.  They keep no history, so
undo has none beside it.  An edit waits for the disk: its own flush stands beside, and CPU is what the edit itself takes.
"""

from __future__ import annotations

import io
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import celltune_nb as ct
from celltune_nb.session import sampling
from celltune_nb.session.files import write_atomically
from celltune_nb.session.jobs import Jobs

from .harness import OURS, Figure, Job, take

SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
CATEGORIES, IMAGES, FEATURES, EDITS, BATCH = 12, 20, 4, 10_000, 1_000


def run(size: str) -> Iterator[Figure]:
    n = SIZES[size]
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "project"
        names = [f"category {i}" for i in range(CATEGORIES)]
        codes = rng.integers(1, CATEGORIES + 1, n).astype(np.int16)
        session = project(folder, n, names, codes)
        others = [Duck(place, codes), Parquet(place, codes), Csv(place, codes)]
        some = itertools.cycle(rng.permutation(n)[:5_000].tolist())
        name = itertools.cycle(names)

        yield edit(
            "label an item", OURS, lambda: session.label([next(some) + 1], next(name)), 300, goal=n >= 1e6
        )
        for other in others:
            if other.ready:
                turns = 100 if isinstance(other, Duck) else 3
                yield edit("label an item", other.name, lambda: other.set([next(some)], 3), turns)  # noqa: B023
        with (Path(place) / "flushed").open("wb", buffering=0) as file:
            yield edit("label an item", "the disk's own flush, 4 KiB", lambda: flush(file), 200)
        yield edit("undo", OURS, session.undo, 200)
        yield edit("redo", OURS, session.redo, 200)
        batches = itertools.cycle([np.sort(rng.choice(n, BATCH, replace=False)) for _ in range(10)])
        yield edit(
            "label 1,000 items",
            OURS,
            lambda: session.label(next(batches) + 1, next(name), source="rectangle"),
            50,
        )
        for other in others:
            if other.ready:
                turns = 10 if isinstance(other, Duck) else 3
                yield edit("label 1,000 items", other.name, lambda: other.set(next(batches), 3), turns)  # noqa: B023

        yield from after_a_click(session, lambda: session.label([next(some) + 1], next(name)))
        session.journal.connection.execute("PRAGMA synchronous=OFF")  # what follows is not measured
        for i in range(EDITS):
            session.label(rng.choice(n, 1 if i % 5 else 30, replace=False) + 1, next(name))
            if i % 20 == 0:
                session.undo()
        session.close()
        yield from reopening(folder, n, others)


def flush(file: io.RawIOBase) -> None:
    """What no edit that is on disk can be quicker than."""
    file.write(bytes(4096))
    os.fsync(file.fileno())


def project(folder: Path, n: int, names: list[str], codes: np.ndarray) -> ct.Session:
    """Items of some images without pixels, all of them labelled."""
    import pandas as pd

    session = ct.Session.create(folder, jobs=Jobs(inline=True))
    image = np.arange(n) * IMAGES // n
    cells = pd.DataFrame({"image": [f"image {i}" for i in image], "cellID": np.arange(n), "y": 0.0, "x": 0.0})
    rng = np.random.default_rng(0)
    names_of = [f"feature {i}" for i in range(FEATURES)]
    cells[names_of] = rng.random((n, FEATURES), np.float32)
    session.import_cells(cells, x="x", y="y", features=names_of)
    for name in names:
        session.categories.add(name, key="")
    for code, name in enumerate(names, 1):
        session.label(np.flatnonzero(codes == code) + 1, name, source="import")
    return session


def edit(task: str, who: str, act: Callable[[], object], turns: int, *, goal: bool = False) -> Figure:
    """The median of some edits, each on disk when it returns, and the time that 95 of 100 keep below."""
    act()
    took, cpu = [], time.process_time()
    for _ in range(turns):
        start = time.perf_counter()
        act()
        took.append(time.perf_counter() - start)
    cpu = (time.process_time() - cpu) / turns
    middle, high = statistics.median(took), float(np.quantile(took, 0.95))
    stated = {"goal": "≤ 1 ms", "met": middle <= 1e-3} if goal else {}
    return Figure(task, who, middle, cpu, extra={"95 % below ms": 1e3 * high}, **stated)


def after_a_click(session: ct.Session, click: Callable[[], object]) -> Iterator[Figure]:
    """What the panels and samplers ask for once a label has changed, beside the same from a table."""
    asked: dict[str, Callable[[], object]] = {
        "counts by image and category": session.label_counts,
        "counts by category": session.labels.counts,
        "labels as a population set": lambda: session.populations["labels"],
        "what keeps a training back": session.training_problems,
        "pool for a sampler": lambda: sampling.make_pool(session, "main", None, None),
    }
    for task, ask in asked.items():
        ask()
        took, cpu = [], 0.0
        for _ in range(10):
            click()
            before, start = time.process_time(), time.perf_counter()
            ask()
            took.append(time.perf_counter() - start)
            cpu += time.process_time() - before
        yield Figure(task, OURS, min(took), cpu / len(took), extra={"worst ms": 1e3 * max(took)})
        if task == "counts by image and category":
            frame = session.items[["image"]].assign(category=session.populations["labels"].to_pandas())
            taken = take(lambda: frame.groupby(["image", "category"], observed=True).size().unstack())  # noqa: B023
            yield Figure(task, "pandas groupby", taken.seconds, taken.cpu, taken.peak)


def reopening(folder: Path, n: int, others: list[Any]) -> Iterator[Figure]:
    def reopen() -> None:
        with ct.Session.open(folder, read_only=True, jobs=Jobs(inline=True)) as session:
            assert len(session.labels) > 0.9 * n

    task = "reopen, 10,000 edits on top"
    taken = take(reopen, repeats=5)
    goal = {"goal": "≤ 0.5 s", "met": taken.seconds <= 0.5} if n >= 1e6 else {}
    yield Figure(task, OURS, taken.seconds, taken.cpu, taken.peak, **goal)
    checkpoint = folder / "labels.checkpoint"
    if checkpoint.exists():
        checkpoint.unlink()
        taken = take(reopen, repeats=3)
        yield Figure(task, "journal alone, replayed", taken.seconds, taken.cpu, taken.peak)
    for other in others:
        if other.ready:
            taken = take(other.read, repeats=3)
            yield Figure(task, other.name, taken.seconds, taken.cpu, taken.peak)


class Duck:
    """A DuckDB file: id is the key, an edit is an UPDATE that returns when it is on disk."""

    name = "duckdb UPDATE"

    def __init__(self, place: str, codes: np.ndarray) -> None:
        self.path = str(Path(place) / "labels.duckdb")
        self.ready = False
        try:
            import duckdb
        except ImportError:
            print("duckdb is not installed and left out.")
            return
        import pyarrow as pa

        self.ready = True
        self.connection = duckdb.connect(self.path, config={"threads": 1})
        given = pa.table({"id": np.arange(len(codes)), "code": codes})
        self.connection.register("given", given)
        self.connection.execute("CREATE TABLE labels (id BIGINT PRIMARY KEY, code SMALLINT)")
        self.connection.execute("INSERT INTO labels SELECT * FROM given")
        self.connection.unregister("given")

    def set(self, ids: Any, code: int) -> None:
        ids = [int(i) for i in ids]
        self.connection.execute("UPDATE labels SET code = ? WHERE id IN (SELECT unnest(?))", [code, ids])

    def read(self) -> object:
        import duckdb

        self.connection.close()
        self.connection = duckdb.connect(self.path, config={"threads": 1})
        return self.connection.execute("SELECT id, code FROM labels").fetchnumpy()


class Parquet:
    """A Parquet file that every edit writes anew."""

    name = "Parquet, written anew"
    ready = True

    def __init__(self, place: str, codes: np.ndarray) -> None:
        self.path, self.codes = Path(place) / "labels.parquet", codes.copy()
        self.set([0], 1)

    def set(self, ids: Any, code: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.codes[ids] = code
        table = pa.table({"id": np.arange(len(self.codes)), "code": self.codes})
        write_atomically(self.path, lambda stream: pq.write_table(table, stream))

    def read(self) -> object:
        import pyarrow.parquet as pq

        return pq.read_table(self.path)["code"].to_numpy()


class Csv:
    """A CSV file that every edit writes anew."""

    name = "CSV, written anew"
    ready = True

    def __init__(self, place: str, codes: np.ndarray) -> None:
        self.path, self.codes = Path(place) / "labels.csv", codes.copy()
        self.set([0], 1)

    def set(self, ids: Any, code: int) -> None:
        import pandas as pd

        self.codes[ids] = code
        frame = pd.DataFrame({"id": np.arange(len(self.codes)), "code": self.codes})
        write_atomically(self.path, lambda stream: frame.to_csv(stream, index=False))

    def read(self) -> object:
        import pandas as pd

        return pd.read_csv(self.path)


JOBS = [
    Job(
        "labels",
        "label edits, undo, reopening and counts beside DuckDB, Parquet and CSV",
        tuple(SIZES),
        run,
    )
]
