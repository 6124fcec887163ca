"""Tables beside images, known by their first line: names of channels, groups, cells, labels."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ...errors import FormatError

__all__ = ["TableHead", "read_channels", "read_groups", "read_head"]

#: Bytes of a first line, and rows of a small table, beyond which it is none.
MOST_LINE, MOST_ROWS = 1 << 20, 20_000
#: Columns beyond which a table with classes in it is one of cells.
MOST_OF_LABELS = 12

_IMAGE = (
    "image",
    "fov",
    "roi",
    "imagename",
    "imageid",
    "filename",
    "field",
    "sampleid",
    "samplename",
    "sample",
    "libraryid",
)
_CELL = ("cellid", "label", "cell", "objectid", "objectnumber", "cellnumber", "celllabel", "instanceid", "id")
_CLASS = ("class", "celltype", "category", "annotation", "phenotype", "cellclass", "type")
_X = ("x", "centroidx", "xcentroid", "positionx", "centroid1", "locationcenterx", "xposition")
_Y = ("y", "centroidy", "ycentroid", "positiony", "centroid0", "locationcentery", "yposition")
_GROUP = ("group", "donor", "patient", "patientid", "animal", "mouse", "subject", "slide")
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
    kind = path.suffix.lower()
    name = re.sub(r"[^a-z]", "", path.stem.lower())
    if name in ("channels", "channelnames", "markers", "markernames", "panel") and kind in (".csv", ".txt"):
        return TableHead(path, "channels")
    if kind == ".txt":
        return TableHead(path, "other")
    if kind == ".h5ad":
        return TableHead(path, "cells")
    columns = _parquet_columns(path) if kind != ".csv" else _first_line(path)
    if kind == ".csv" and _find(columns, ("celltype",)) and _find(columns, _MARKERS):
        return TableHead(path, "celltypes", columns, category=_find(columns, ("celltype",)))
    image, cell = _find(columns, _IMAGE), _find(columns, _CELL)
    x, y, group = _find(columns, _X), _find(columns, _Y), _find(columns, _GROUP)
    category = _find([column for column in columns if column != cell], _CLASS)
    named = category is not None and (category.lower() == "class" or "label" in path.stem.lower())
    if cell is None and image is not None and group is not None:
        return TableHead(path, "groups", columns, image, group=group)
    if cell is not None and named and len(columns) <= MOST_OF_LABELS:
        return TableHead(path, "labels", columns, image, cell, category, x, y, group)
    if cell is not None:
        return TableHead(path, "cells", columns, image, cell, category, x, y, group)
    return TableHead(path, "other", columns, image, cell, category, x, y, group)


def _find(columns: Sequence[str], words: Sequence[str]) -> str | None:
    """The column that is called by the first of some words, without regard to case and punctuation."""
    plain: dict[str, str] = {}
    for column in columns:
        plain.setdefault(re.sub(r"[^a-z0-9]", "", column.lower()), column)
    return next((plain[word] for word in words if word in plain), None)


def _first_line(path: Path) -> list[str]:
    try:
        with path.open("rb") as stream:
            line = stream.readline(MOST_LINE)
        if len(line) == MOST_LINE:
            raise FormatError(f"the first line of {path.name} is too long for a table")
        text = line.decode("utf-8-sig")
        separator = max(",;\t", key=text.count)
        return [cell.strip() for cell in next(csv.reader([text], delimiter=separator), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path.name} is no CSV file in UTF-8. Save it again.") from error


def _parquet_columns(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return [str(name) for name in pq.read_schema(path).names]
    except (OSError, pa.ArrowException) as error:
        raise FormatError(f"{path.name} is no Parquet file. Save it again.") from error


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            start = stream.read(4096)
            stream.seek(0)
            separator = max(",;\t", key=start.count)
            reader = csv.reader(stream, delimiter=separator)
            rows = [[cell.strip() for cell in row] for row in itertools.islice(reader, MOST_ROWS + 1)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"{path.name} is no CSV file in UTF-8. Save it again.") from error
    if len(rows) > MOST_ROWS:
        raise FormatError(
            f"{path.name} has more than {MOST_ROWS:,} rows, more than a project has images or channels."
        )
    return [row for row in rows if any(row)]


def read_channels(path: Path) -> list[str]:
    """Names of channels in their order: one a line, or a column called so.

    Raises
    ------
    FormatError
    """
    rows = _rows(path)
    if not rows:
        raise FormatError(f"{path.name} is empty")
    column = _find(rows[0], _CHANNEL)
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
    if head.path.suffix.lower() != ".csv":
        raise FormatError(f"{head.path.name} is no CSV file")
    rows = _rows(head.path)
    image, group = (rows[0].index(str(column)) for column in (head.image, head.group))
    return {row[image]: row[group] for row in rows[1:] if len(row) > max(image, group) and row[group]}
