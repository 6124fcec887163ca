"""Population sets on disk: a Parquet file each, also of before a mask was replaced."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import Category
from ..data.lineage import Lineage
from ..data.populations import PopulationSet
from ..errors import CellTuneError, FormatError
from .arrow import numbers
from .files import file_stem, write_beside
from .project import Project

__all__ = ["load_populations", "prepare_population", "remove_population"]


def prepare_population(project: Project, item: PopulationSet) -> tuple[Path, Path]:
    """Write a set where nobody looks for it yet; the file, and the path that it is to have.

    It is Parquet: id, code and one float32 column a class; its categories and its training in the file's metadata.
    """
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"item": pa.array(item.ids), "code": pa.array(item.codes)}
    probability = item.probability
    if probability is not None:
        for i, name in enumerate(item.classes):
            columns[f"p:{name}"] = pa.array(np.ascontiguousarray(probability[:, i]))
    about = {
        "name": item.name, "level": project.level_names().key(item.level), "classes": list(item.classes), "pairs": item.pairs,
        "categories": [[c.code, c.name, c.color] for c in item.categories], "run": item.run, "kind": item.kind,
    }  # fmt: skip
    table = pa.table(columns).replace_schema_metadata({"celltune_nb": json.dumps(about)})
    path = project.path("populations", _file_name(project, item))
    return write_beside(
        path, lambda stream: pq.write_table(table, stream, compression="lz4", use_dictionary=["code"])
    ), path


def remove_population(project: Project, item: PopulationSet) -> None:
    """Remove a stored set."""
    project.path("populations", _file_name(project, item)).unlink(missing_ok=True)


def load_populations(
    project: Project, ids: NDArray[np.int64], lineage: Lineage
) -> tuple[list[PopulationSet], list[str]]:
    """The stored sets, and a sentence for each file that cannot be used.

    A set may be of before a mask was replaced.  What a training said of cells that are gone is left out; whatever else
    was said of one holds for the cell that took its place.
    """
    sets, complaints = [], []
    for path in sorted(project.folder.glob("populations/*.parquet")):
        try:
            sets.append(_load(path, ids, lineage, project.level_names().today))
        except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError, CellTuneError) as error:
            complaints.append(_complaint(path, error))
    return sets, complaints


def _load(path: Path, ids: NDArray[np.int64], lineage: Lineage, today: Callable[[str], str]) -> PopulationSet:
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    # The mapped file is the one that was looked at, also when a training puts another in its place; where files
    # cannot be replaced while they are mapped, everything is read at once.
    mapped = os.name == "posix"
    file = pq.ParquetFile(pa.memory_map(str(path)) if mapped else pa.BufferReader(path.read_bytes()))
    about = json.loads((file.schema_arrow.metadata or {})[b"celltune_nb"])
    classes = tuple(str(c) for c in about["classes"])
    later: _Later | None = None
    if classes:
        kinds = {str(file.schema_arrow.field(f"p:{c}").type) for c in classes}
        if kinds != {"float"}:
            raise ValueError("probabilities are no float32")
        later = _Later(path, file, classes)
        if not mapped:
            later()
    table = file.read(columns=["item", "code"])
    codes = numbers(table["code"]).astype(np.int16, copy=False)
    categories = tuple(Category(int(c[0]), str(c[1]), str(c[2])) for c in about["categories"])
    if not set(np.flatnonzero(np.bincount(codes)).tolist()) <= {c.code for c in categories}:
        raise ValueError("codes without a category")
    items = np.asarray(numbers(table["item"]))
    if len(codes) > len(ids) or not np.array_equal(items, ids[: len(codes)]):
        rows = _rows(items, ids, lineage, said_once=about.get("run") is None)
        codes = np.where(rows < 0, np.int16(0), codes[rows])
        if later is not None:
            later.rows = rows
    pairs = tuple((int(a), int(b), int(c)) for a, b, c in about.get("pairs", ()))
    return PopulationSet(
        str(about["name"]), today(str(about["level"])), ids[: len(codes)], codes, categories, later, classes, pairs,
        None if about.get("run") is None else str(about["run"]), str(about.get("kind", "")),
    )  # fmt: skip


def _rows(
    items: NDArray[np.int64], ids: NDArray[np.int64], lineage: Lineage, said_once: bool
) -> NDArray[np.int64]:
    """The row of a set of before a mask was replaced for each item that it speaks of now, -1 for those between.

    Parameters
    ----------
    items : ndarray of int64
        Of the set, ascending.
    ids : ndarray of int64
        Of the project.
    said_once : bool
        Whether what it says goes over to cells that took the places of others.
    """
    if len(items) and (not len(lineage) or np.any(np.diff(items) <= 0)):
        raise ValueError("other items")
    kept = items[lineage.living(items)]
    if not np.array_equal(kept, ids[: len(kept)]):
        raise ValueError("other items")
    of = kept
    if said_once:
        before = lineage.before(ids[len(kept) :], lambda some: np.isin(some, items))
        some = np.flatnonzero(before)
        of = np.concatenate([kept, before[: some[-1] + 1 if len(some) else 0]])
    places = np.minimum(np.searchsorted(items, of), max(len(items) - 1, 0))
    return np.where(of > 0, places, -1).astype(np.int64)


class _Later:
    """Probabilities in a file, read when they are asked for the first time."""

    def __init__(self, path: Path, file: Any, classes: tuple[str, ...]) -> None:
        self._path, self._file, self._classes = path, file, classes
        #: The row in the file of each item, -1 for none; None: as they stand there.
        self.rows: NDArray[np.int64] | None = None
        self._read: NDArray[np.float32] | None = None
        self._lock = threading.Lock()

    def __call__(self) -> NDArray[np.float32]:
        with self._lock:
            if self._read is None:
                try:
                    table = self._file.read(columns=[f"p:{c}" for c in self._classes])
                except (OSError, ValueError) as error:
                    raise FormatError(_complaint(self._path, error)) from error
                columns = [numbers(table[f"p:{c}"]) for c in self._classes]
                self._read = np.empty((table.num_rows, len(columns)), np.float32)
                for start in range(0, table.num_rows, 65_536):  # a part that stays in the processor's cache
                    for i, column in enumerate(columns):
                        self._read[start : start + 65_536, i] = column[start : start + 65_536]
                if self.rows is not None:
                    self._read = self._read[self.rows]
                    self._read[self.rows < 0] = np.nan
                self._file = None
            return self._read


def _complaint(path: Path, error: Exception) -> str:
    return f"populations/{path.name} is damaged ({type(error).__name__}) and was left out. Train again to renew it."


def _file_name(project: Project, item: PopulationSet) -> str:
    return f"{file_stem(f'{project.level_names().key(item.level)}__{item.name}')}.parquet"
