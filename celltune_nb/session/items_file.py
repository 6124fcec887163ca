"""The items on disk: Parquet files of some rows each, with the user's own columns beside ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.items import ItemTable
from ..errors import FormatError
from .arrow import numbers, present
from .files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_items", "write_items"]

#: The user's own columns have a mark of their own, so that none of them is taken for one of ours.
OWN = "own:"
OURS = ("id", "image", "cell", "y", "x", "border", "bbox0", "bbox1", "bbox2", "bbox3", "group")


def write_items(path: Path, items: ItemTable, start: int = 0) -> None:
    """Write the items from row *start* on to a file.

    Raises
    ------
    OSError
    """
    import pandas as pd

    rows, extra = slice(start, None), items.extra
    frame = pd.DataFrame(
        {
            "id": items.ids[rows], "image": items.images[rows], "cell": items.cells[rows], "y": items.y[rows],
            "x": items.x[rows], "border": items.border[rows], **{f"bbox{i}": items.bbox[rows, i] for i in range(4)},
            "group": pd.Categorical.from_codes(items.groups[rows], pd.Index(items.group_names, dtype=object)),
            **({} if extra is None else {f"{OWN}{column}": extra[column].array[rows] for column in extra.columns}),
        }
    )  # fmt: skip
    frame.attrs = {}
    for column in [c for c in frame.columns if c.startswith(OWN) and frame[c].dtype.kind == "O"]:
        # A column of numbers and words is words.
        if not isinstance(frame[column].dtype, pd.StringDtype):
            frame[column] = frame[column].map(str, na_action="ignore").astype("string")
    write_atomically(path, lambda stream: frame.to_parquet(stream, index=False))


def read_items(paths: Sequence[Path], names: list[str], kind: str) -> ItemTable:
    """Read what :func:`write_items` wrote.

    Parameters
    ----------
    paths : sequence of Path
        In the order of their rows.
    names : list of str
        Image names by number.
    kind : str

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        When the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Not pq.read_table, which loads pyarrow.dataset and with it pandas: a third of a second that no page needs to wait.
    # The mapped files are those of now, also when other ones take their place; where files cannot be replaced while
    # they are mapped, everything is read at once.
    mapped = os.name == "posix"
    files = [
        pq.ParquetFile(pa.memory_map(str(p)) if mapped else pa.BufferReader(p.read_bytes())) for p in paths
    ]
    parts = [file.read(columns=list(OURS)) for file in files]
    stored = pa.concat_tables(parts, promote_options="permissive").unify_dictionaries()

    def column(name: str, dtype: Any) -> NDArray[Any]:
        if stored[name].null_count:
            raise ValueError(f"column {name} has gaps")
        return np.asarray(numbers(stored[name]), dtype)

    own = (
        _Own(files, paths)
        if any(c.startswith(OWN) for file in files for c in file.schema_arrow.names)
        else None
    )
    if own is not None and not mapped:
        own()
    groups, group_names = _groups(stored["group"])
    return ItemTable(
        column("id", np.int64), column("image", np.int32), column("cell", np.int64),
        column("y", np.float64), column("x", np.float64), column("border", np.float32),
        np.stack([column(f"bbox{i}", np.int32) for i in range(4)], axis=1), names, groups, group_names, kind, own,
    )  # fmt: skip


class _Own:
    """The user's own columns in some files, read when they are asked for the first time."""

    def __init__(self, files: list[Any], paths: Sequence[Path]) -> None:
        self._files, self._names = files, ", ".join(path.name for path in paths)
        self._read: pd.DataFrame | None = None
        self._lock = threading.Lock()

    def __call__(self) -> pd.DataFrame | None:
        import pyarrow as pa

        with self._lock:
            if self._read is None:
                try:
                    parts = [
                        file.read(columns=["id", *(c for c in file.schema_arrow.names if c.startswith(OWN))])
                        for file in self._files
                    ]
                    # A column of whole numbers has become one of fractions when a later image has no value in it.
                    stored = pa.concat_tables(parts, promote_options="permissive").drop_columns(["id"])
                    frame = stored.to_pandas().rename(columns=lambda c: c.removeprefix(OWN))
                except (OSError, ValueError, TypeError) as error:
                    raise FormatError(
                        f"The items ({self._names}) are damaged ({error}). Restore the project from a copy."
                    ) from error
                self._read, self._files = frame, []
            return self._read


def _groups(column: Any) -> tuple[NDArray[np.int32], list[str]]:
    """The group of every item as a number, -1 for none, and the groups' names, from a column of an Arrow table."""
    import pyarrow as pa

    if pa.types.is_null(column.type):  # no item has a group
        return np.full(len(column), -1, np.int32), []
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    coded = coded.combine_chunks()
    if isinstance(coded, pa.ChunkedArray):  # no rows at all
        return np.empty(0, np.int32), []
    found = np.where(present(coded.indices), numbers(coded.indices), -1).astype(np.int32)
    return found, [str(name) for name in coded.dictionary.to_pylist()]
