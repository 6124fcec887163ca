"""Tables of the centres of many images: read once, and parted by image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CellTuneError, FormatError, InputError
from ..formats.delimited import bare_name, ending
from ..formats.folders.listing import natural, printable
from ..formats.headings import GROUP, IMAGE, find
from .centre_names import image_heading
from .centre_tables import CentreRows, centre_table
from .tables import image_names

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Part", "parts_of"]

#: Images that a table may name, and tables of a folder.
MOST = 10_000


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of one image.

    Attributes
    ----------
    said : str
        How the table calls it; of a table without a column of images, the table's own name.
    rows : CentreRows
    group : str or None
        Where all rows say the same.
    table : str
        Name of the table's file, ``""`` where it is none.
    named : bool
        Whether a column says so, rather than the name of a file.
    alone : bool
        Whether the table has rows of no other image.
    """

    said: str
    rows: CentreRows
    group: str | None = None
    table: str = ""
    named: bool = True
    alone: bool = True


def parts_of(
    centres: Any, radius: Any, column: Any, group: Any, told: Callable[[float], object]
) -> tuple[list[Part], dict[str, str]]:
    """The rows of each image that a table, or several, name; and what could not be used of them, with why.

    Parameters
    ----------
    centres : DataFrame, path of a table, of a folder of tables, or mapping of str to those
    radius : float or str
    column : str or None
        That names the images; by default found by its name.
    group : str or None
        Column of groups, if it is one.

    Raises
    ------
    FormatError, InputError
    """
    parts: list[Part] = []
    left: dict[str, str] = {}
    tables = _tables(centres)
    for place, (name, table) in enumerate(tables):
        told(place / len(tables))
        try:
            for part in _parted(name, table, radius, column, group):
                parts.append(part)
                if len(parts) > MOST:
                    raise _TooMany
        except _TooMany:
            raise InputError(
                f"The centres name more than {MOST:,} images. Is the column of images another one? Name it with column=."
            ) from None
        except CellTuneError as error:
            if len(tables) == 1:
                raise
            left[name] = str(error)
    return parts, left


class _TooMany(Exception):
    pass


def _tables(centres: Any) -> list[tuple[str, Any]]:
    """Name of each table and what it is; a name alone where there is one."""
    if isinstance(centres, Mapping):
        if not centres:
            raise InputError("No centres were given. Give the table of each image by its name.")
        return [(str(name), table) for name, table in centres.items()]
    if isinstance(centres, str | os.PathLike):
        path = Path(centres).expanduser().absolute()
        if not path.is_dir():
            return [("", path)]
        try:
            files = [
                one for one in path.iterdir() if ending(one) in (".csv", ".parquet", ".pq") and one.is_file()
            ]
        except OSError as error:
            raise FormatError(
                f"{printable(str(path))} cannot be read ({error.strerror}). Check its permissions."
            ) from error
        files = sorted((one for one in files if not one.name.startswith((".", "__"))), key=natural)
        if not files:
            raise FormatError(
                f"No table lies in {printable(str(path))}. Name a CSV or Parquet file with a column image, or a folder of one table "
                "an image."
            )
        if len(files) > MOST:
            raise InputError(
                f"{len(files):,} tables lie in {printable(str(path))}; {MOST:,} are the most. Part them by folders."
            )
        return [(one.name, one) for one in files]
    return [("", centres)]


def _parted(name: str, table: Any, radius: Any, column: Any, group: Any) -> Iterator[Part]:
    import pandas as pd

    frame, columns = centre_table(table)
    headings = list(frame.columns)
    if column is not None and not (isinstance(column, str) and column in headings):
        raise InputError(
            f"The centres have no column {column!r} for the images; there are: {', '.join(map(str, headings[:20]))}."
        )
    which = column if column is not None else find(headings, IMAGE)
    if which is None and not isinstance(table, np.ndarray):
        which = image_heading([one for one in headings if one not in (columns.y, columns.x, columns.z)])
    if which is None and not name:
        raise InputError(
            f"The centres name no image; there are the columns: {', '.join(map(str, headings[:20]))}. Add a column image, name the one "
            "that says so with column=, or give a folder of one table an image."
        )
    groups = group if isinstance(group, str) and group in headings else find(headings, GROUP)
    if groups in (which, columns.y, columns.x, columns.z):
        groups = None
    wanted = [columns.z, columns.y, columns.x, radius if isinstance(radius, str) else None]
    kept = frame[list(dict.fromkeys(one for one in wanted if one is not None and one in headings))]
    whose = None if groups is None else image_names(frame[groups]).to_numpy()
    file = Path(table).name if isinstance(table, str | os.PathLike) else ""
    if which is None:
        everything = np.arange(len(kept))
        said = bare_name(Path(file)) if file else name
        yield Part(said, _rows(kept, columns, everything), _one(whose, everything), file, named=False)
        return
    codes, names = pd.factorize(image_names(frame[which]))
    if len(names) > MOST:
        raise _TooMany
    order = np.argsort(codes, kind="stable")
    for code, rows in enumerate(np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)):
        yield Part(
            str(names[code]), _rows(kept, columns, rows), _one(whose, rows), file, alone=len(names) == 1
        )


def _rows(frame: pd.DataFrame, columns: Any, rows: Any) -> CentreRows:
    part = frame.iloc[rows].reset_index(drop=True)
    return CentreRows(part, columns, np.asarray(rows, np.int64) + 1)


def _one(whose: Any, rows: Any) -> str | None:
    """The group of some rows where they all say the same."""
    if whose is None:
        return None
    said = set(whose[rows].tolist()) - {""}
    return said.pop() if len(said) == 1 else None
