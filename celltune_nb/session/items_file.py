"""The items on disk: Parquet files of some rows each, with the user's own columns beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.items import ItemTable
from .files import write_atomically

__all__ = ["read_items", "write_items"]

#: The user's own columns have a mark of their own, so that none of them is taken for one of ours.
OWN = "own:"


def write_items(path: Path, items: ItemTable, start: int = 0) -> None:
    """Write the items from row *start* on to a file.

    Raises
    ------
    OSError
    """
    import pandas as pd

    rows = slice(start, None)
    frame = pd.DataFrame(
        {
            "id": items.ids[rows], "image": items.images[rows], "cell": items.cells[rows], "y": items.y[rows],
            "x": items.x[rows], "border": items.border[rows], **{f"bbox{i}": items.bbox[rows, i] for i in range(4)},
            "group": pd.Categorical.from_codes(items.groups[rows], pd.Index(items.group_names, dtype=object)),
        }
    )  # fmt: skip
    if items.extra is not None:
        for column in items.extra.columns:
            frame[f"{OWN}{column}"] = items.extra[column].array[rows]
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

    # A column of whole numbers has become one of fractions when a later image has no value in it.
    parts = [pq.read_table(path) for path in paths]
    stored = pa.concat_tables(parts, promote_options="permissive").unify_dictionaries()

    def column(name: str, dtype: Any) -> NDArray[Any]:
        if stored[name].null_count:
            raise ValueError(f"column {name} has gaps")
        return np.asarray(stored[name].to_numpy(), dtype)

    own = [c for c in stored.column_names if c.startswith(OWN)]
    groups, group_names = _groups(stored["group"])
    return ItemTable(
        column("id", np.int64), column("image", np.int32), column("cell", np.int64),
        column("y", np.float64), column("x", np.float64), column("border", np.float32),
        np.stack([column(f"bbox{i}", np.int32) for i in range(4)], axis=1), names, groups, group_names, kind,
        stored.select(own).to_pandas().rename(columns=lambda c: c.removeprefix(OWN)) if own else None,
    )  # fmt: skip


def _groups(column: Any) -> tuple[NDArray[np.int32], list[str]]:
    """The group of every item as a number, -1 for none, and the groups' names, from a column of an Arrow table."""
    import pyarrow as pa

    if pa.types.is_null(column.type):  # no item has a group
        return np.full(len(column), -1, np.int32), []
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    coded = coded.combine_chunks()
    if isinstance(coded, pa.ChunkedArray):  # no rows at all
        return np.empty(0, np.int32), []
    numbers = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return numbers, [str(name) for name in coded.dictionary.to_pylist()]
