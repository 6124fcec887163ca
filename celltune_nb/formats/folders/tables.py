"""Tables beside images, known by their first line: names of channels, groups, cells, labels."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ...errors import FormatError
from ..delimited import bare_name, ending, read_heading, read_rows
from ..headings import CATEGORY, CELL, GROUP, IMAGE, X, Y, find

__all__ = ["TableHead", "read_channels", "read_groups", "read_head"]

#: Rows of a small table beyond which it is none.
MOST_ROWS = 20_000
#: Columns beyond which a table with classes in it is one of cells.
MOST_OF_LABELS = 12

#: What a table of cell types has and one of cells does not.
_MARKERS = ("primarymarker", "secondarymarker", "tertiarymarker", "channel1", "hex")
_CHANNEL = ("markername", "channelname", "marker", "channel", "name", "target", "biomarker")


@dataclass(frozen=True)
class TableHead:
    """What the first line of a table says.

    Attributes
    ----------
    path : Path
    kind : {"cells", "labels", "celltypes", "groups", "channels", "other"}
    columns : list of str
    image, cell, category, x, y, group : str or None
        The columns that say so.
    """

    path: Path
    kind: Literal["cells", "labels", "celltypes", "groups", "channels", "other"]
    columns: list[str] = field(default_factory=list)
    image: str | None = None
    cell: str | None = None
    category: str | None = None
    x: str | None = None
    y: str | None = None
    group: str | None = None


def read_head(path: Path) -> TableHead:
    """Read the names of a table's columns and tell what it is of.

    Raises
    ------
    FormatError
        When it cannot be read.
    """
    kind, called = ending(path), bare_name(path).lower()
    name = re.sub(r"[^a-z]", "", called)
    if name in ("channels", "channelnames", "markers", "markernames", "panel") and kind in (".csv", ".txt"):
        return TableHead(path, "channels")
    if kind == ".txt":
        return TableHead(path, "other")
    if kind == ".h5ad":
        return TableHead(path, "cells")
    columns = _parquet_columns(path) if kind != ".csv" else read_heading(path)[0]
    if kind == ".csv" and None not in (find(columns, ("celltype",)), find(columns, _MARKERS)):
        return TableHead(path, "celltypes", columns, category=find(columns, ("celltype",)))
    image, cell = find(columns, IMAGE), find(columns, CELL)
    x, y, group = find(columns, X), find(columns, Y), find(columns, GROUP)
    category = find([column for column in columns if column != cell], CATEGORY)
    named = category is not None and (category.lower() == "class" or "label" in called)
    if cell is None and image is not None and group is not None:
        return TableHead(path, "groups", columns, image, group=group)
    if cell is not None and named and len(columns) <= MOST_OF_LABELS:
        return TableHead(path, "labels", columns, image, cell, category, x, y, group)
    if cell is not None:
        return TableHead(path, "cells", columns, image, cell, category, x, y, group)
    return TableHead(path, "other", columns, image, cell, category, x, y, group)


def _parquet_columns(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return [str(name) for name in pq.read_schema(path).names]
    except (OSError, pa.ArrowException) as error:
        raise FormatError(f"{path.name} is no Parquet file. Save it again.") from error


def read_channels(path: Path) -> list[str]:
    """Names of channels in their order: one a line, or a column called so.

    Raises
    ------
    FormatError
    """
    rows = read_rows(path, MOST_ROWS, "channels")
    if not rows:
        raise FormatError(f"{path.name} is empty")
    column = find(rows[0], _CHANNEL)
    if column is not None:
        place = rows[0].index(column)
        names = [row[place] for row in rows[1:] if len(row) > place]
    elif len(rows) == 1:
        names = rows[0]
    else:
        names = [row[-1] for row in rows]
    if not all(names) or len(set(names)) != len(names):
        raise FormatError(f"{path.name} does not name channels apart")
    return names


def read_groups(head: TableHead) -> dict[str, str]:
    """Image → group.

    Raises
    ------
    FormatError
    """
    if ending(head.path) != ".csv":
        raise FormatError(f"{head.path.name} is no CSV file")
    rows = read_rows(head.path, MOST_ROWS, "groups")
    missing = [column for column in (head.image, head.group) if not rows or column not in rows[0]]
    if missing:
        raise FormatError(f"{head.path.name} has no column {missing[0]!r} any more. Look at it again.")
    image, group = (rows[0].index(str(column)) for column in (head.image, head.group))
    return {row[image]: row[group] for row in rows[1:] if len(row) > max(image, group) and row[group]}
