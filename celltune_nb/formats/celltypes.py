"""The table of cell types: their markers, the channels to look at, their colours.

CellTune's layout: ``CellType, PrimaryMarker, SecondaryMarker, TertiaryMarker, Channel_1, Channel_2, Channel_3, hex``.  A
marker column holds an expression with ``& | ! ()`` over marker names (:mod:`celltune_nb.data.expressions`), or nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.expressions import joined, parse
from ..errors import FormatError, InputError
from .delimited import read_rows

__all__ = ["CellType", "read_celltypes"]

#: A table of cell types has some dozens of rows; a larger file is another one.
MOST_BYTES, MOST_ROWS = 1 << 20, 1_000
#: Channel columns that are read, as many as a review tile strip shows.
CHANNELS = 7
_MARKERS = ("primarymarker", "secondarymarker", "tertiarymarker")
#: How an empty cell is written by spreadsheets and by pandas.
_EMPTY = {"", "na", "n/a", "nan", "none", "null", "<na>", "nat", "-"}


@dataclass(frozen=True)
class CellType:
    """A type of cell as its table describes it.

    Attributes
    ----------
    name : str
        What its category is called.
    markers : tuple of (str, str, str)
        Primary, secondary and tertiary marker expression; ``""`` where none is given.
    channels : tuple of str
        The channels to look at, most telling first.
    color : str or None
        ``"#RRGGBB"``.
    """

    name: str
    markers: tuple[str, str, str] = ("", "", "")
    channels: tuple[str, ...] = ()
    color: str | None = None

    @property
    def expression(self) -> str:
        """What a cell of this type has to satisfy: all of its marker expressions; ``""`` when there is none."""
        return joined(self.markers)


def read_celltypes(table: Any) -> list[CellType]:
    """Read a table of cell types.

    Parameters
    ----------
    table : path, DataFrame or dict of str to list of str
        CSV with commas, semicolons or tabs, UTF-8.  Case, spaces and underscores in the column names do not matter;
        other columns are left aside.

    Returns
    -------
    list of CellType
        In the order of the rows.

    Raises
    ------
    FormatError
        When the file is missing, too large, no text, or holds something that cannot be used; it names row and column.
    """
    name, rows = _rows(table)
    if not rows:
        raise FormatError(
            f"{name} is empty. Its first row has to name columns: CellType, PrimaryMarker, …, hex."
        )
    columns: dict[str, int] = {}
    for i, title in enumerate(rows[0]):
        plain = re.sub(r"[\s_\-]+", "", title).casefold()
        if plain and plain in columns and (plain in _MARKERS or plain == "celltype"):
            raise FormatError(f"{name} has two columns {title!r}. Rename one of them.")
        columns.setdefault(plain, i)
    if "celltype" not in columns:
        shown = ", ".join(filter(None, rows[0][:12])) or "nothing"
        raise FormatError(f"{name} has no column CellType; its first row is: {shown[:200]}. Add the column.")
    found: list[CellType] = []
    for number, row in enumerate(rows[1:], 2):
        values = {title: _value(row, i) for title, i in columns.items()}
        if any(values.values()):
            found.append(_cell_type(values, f"{name}, row {number}"))
    if not found:
        raise FormatError(f"{name} names no cell type. Add a row for each.")
    seen: dict[str, str] = {}
    for item in found:
        if item.name.casefold() in seen:
            raise FormatError(f"{name} names the cell type {item.name!r} twice. Keep one row for each.")
        seen[item.name.casefold()] = item.name
    return found


def _cell_type(values: dict[str, str], where: str) -> CellType:
    name = values["celltype"]
    if not name or len(name) > 80 or not name.isprintable():
        raise FormatError(
            f"{where}: a cell type needs a name of 1 to 80 printable characters. Correct the row."
        )
    markers = tuple(values.get(column, "") for column in _MARKERS)
    for column, text in zip(("PrimaryMarker", "SecondaryMarker", "TertiaryMarker"), markers, strict=True):
        if text:
            try:
                parse(text)
            except InputError as error:
                raise FormatError(f"{where}, {column}: {error}") from error
    channels = [values.get(f"channel{i}", "") for i in range(1, CHANNELS + 1)]
    color = values.get("hex") or values.get("color") or values.get("colour") or ""
    return CellType(
        name,
        (markers[0], markers[1], markers[2]),
        tuple(dict.fromkeys(c for c in channels if c)),
        _color(color, where),
    )


def _color(text: str, where: str) -> str | None:
    if not text:
        return None
    digits = text.removeprefix("#")
    if re.fullmatch("[0-9A-Fa-f]{3}", digits):
        digits = "".join(2 * c for c in digits)
    if re.fullmatch("[0-9A-Fa-f]{8}", digits):
        digits = digits[:6]  # with an opacity, which belongs to the view
    if not re.fullmatch("[0-9A-Fa-f]{6}", digits):
        raise FormatError(f"{where}, hex: {text[:20]!r} is not a colour. Write it as #RRGGBB.")
    return f"#{digits.upper()}"


def _value(row: Sequence[str], i: int) -> str:
    text = row[i].strip() if i < len(row) else ""
    return "" if text.casefold() in _EMPTY else text


def _rows(table: Any) -> tuple[str, list[list[str]]]:
    import sys

    pandas = sys.modules.get("pandas")  # whoever has a DataFrame has loaded it
    if pandas is not None and isinstance(table, pandas.DataFrame):
        if len(table) > MOST_ROWS:
            raise FormatError(
                f"The table has {len(table):,} rows; a table of cell types has {MOST_ROWS:,} at most. Choose the right one."
            )
        body = [["" if v is None else str(v) for v in row] for row in table.itertuples(index=False)]
        return "The table", [[str(c) for c in table.columns], *body]
    if isinstance(table, Mapping):
        columns = [list(column) for column in table.values() if isinstance(column, list | tuple)]
        if len(columns) < len(table) or len({len(column) for column in columns}) > 1:
            raise InputError(
                "The columns of a table of cell types are lists of one length. Give every column a value for each type."
            )
        if columns and len(columns[0]) > MOST_ROWS:
            raise FormatError(
                f"The table has {len(columns[0]):,} rows; a table of cell types has {MOST_ROWS:,} at most. Choose the right one."
            )
        body = [["" if v is None else str(v) for v in row] for row in zip(*columns, strict=True)]
        return "The table", [[str(c) for c in table], *body]
    if not isinstance(table, str | os.PathLike):
        raise InputError(
            f"A table of cell types is a DataFrame, a dict of columns or the path of a CSV file, not {type(table).__name__}."
        )
    path = Path(table).expanduser()
    if not path.is_file():
        raise FormatError(f"There is no file {path}. Check the path.")
    return path.name, read_rows(path, MOST_ROWS, "cell types", MOST_BYTES)
