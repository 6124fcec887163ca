"""Tables of cells that a person brings: read, checked, and matched with the items."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.items import ItemTable
from ..data.matching import RADIUS, match_points
from ..errors import FormatError, InputError
from ..formats.annotated import check_memory
from ..formats.delimited import MISSING, ending, read_frame, unreadable
from ..formats.headings import CELL, IMAGE, find
from .checks import a_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ImportReport",
    "cell_column",
    "checked_frame",
    "class_names",
    "examples",
    "image_column",
    "image_names",
    "image_numbers",
    "match",
    "match_positions",
    "one_spelling",
    "plain",
    "read_table",
    "whole_numbers",
]


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Attributes
    ----------
    used : int
        Rows that found their cell (or made one).
    unmatched : int
        Rows that match no cell of the project.
    skipped : int
        Rows left out on purpose: a conflict kept as it was, no class given.
    examples : tuple of str
        A few of the rows that matched nothing.
    notes : tuple of str
        Sentences that a person should read.
    features : tuple of str
        The features that a table of cells brought.
    made : int
        Rows that made a cell, of an image whose cells the project did not know.
    """

    used: int
    unmatched: int = 0
    skipped: int = 0
    examples: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    made: int = 0

    def __str__(self) -> str:
        text = f"{self.used:,} rows used"
        if self.skipped:
            text += f", {self.skipped:,} left as they were"
        if self.unmatched:
            text += f"; {self.unmatched:,} match no cell (such as {'; '.join(self.examples)})"
        return " ".join([f"{text}.", *self.notes])


def read_table(table: Any, columns: Sequence[str] = (), texts: Iterable[str] = ()) -> pd.DataFrame:
    """A DataFrame, or one read from CSV (also packed, ``.csv.gz``) or Parquet.

    Parameters
    ----------
    columns : sequence of str
        Those that it needs.
    texts : iterable of str
        Those that hold names, whatever they look like; columns called as images and categories are do anyway.

    Raises
    ------
    FormatError
        When the file is missing, empty, or not what its name says.
    InputError
        When one of *columns* is missing.
    """
    import pandas as pd

    if isinstance(table, pd.DataFrame):
        frame, name = table, "The table"
    elif not isinstance(table, str | os.PathLike):
        raise InputError(
            f"A table is a DataFrame, an AnnData, or a path to CSV, Parquet or h5ad, not {type(table).__name__}."
        )
    else:
        path = a_path(table).expanduser()
        name = path.name
        if not path.is_file():
            raise FormatError(f"There is no file {path}. Check the path.")
        kind = ending(path)
        if kind not in (".csv", ".parquet", ".pq"):
            raise FormatError(
                f"{name} is neither .csv (or .csv.gz) nor .parquet nor .h5ad. Save the table as one of them."
            )
        frame = read_frame(path, texts) if kind == ".csv" else _parquet(path)
    checked_frame(frame, name)
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise InputError(
            f"{name} has no column {missing[0]!r}. Its columns: {', '.join(map(str, list(frame.columns)[:20]))}. "
            "Name the right one in the call."
        )
    return frame


def _parquet(path: Path) -> pd.DataFrame:
    """A Parquet file, if what it declares fits into the memory."""
    import pandas as pd
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            about = file.metadata
            check_memory(about.num_rows * max(about.num_columns, 1) * 8.0, path.name)
        return pd.read_parquet(path)
    except FormatError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error


def checked_frame(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table, if it has rows and its columns have distinct names.

    Raises
    ------
    InputError
    """
    if frame.columns.duplicated().any():
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"{name} has two columns {twice!r}. Rename one of them.")
    if not len(frame):
        raise InputError(f"{name} has no rows. Check the file.")
    return frame


def image_column(frame: pd.DataFrame, wanted: str = "image") -> Any:
    """The column that names the images; *wanted*, or what it is called elsewhere when that is ``"image"``; or None."""
    if wanted in frame.columns:
        return wanted
    return find(frame.columns, IMAGE) if wanted == "image" else None


def cell_column(frame: pd.DataFrame, wanted: str = "cellID") -> Any:
    """The column that holds the cell ids; *wanted*, or what it is called elsewhere when that is ``"cellID"``; or None."""
    if wanted in frame.columns:
        return wanted
    if wanted != "cellID":
        return None
    # Where "label" or "cell" holds words it is the category, or a name.
    return find((c for c in frame.columns if _sure(c) or frame[c].dtype.kind in "iuf"), CELL)


def _sure(column: Any) -> bool:
    """Whether a column of this name can hold nothing but the numbers of cells."""
    return find([column], CELL[: CELL.index("label")]) is not None


def plain(column: pd.Series) -> pd.Series:
    """A column without categories: of the type that its values have."""
    import pandas as pd

    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column
    categories = column.cat.categories
    if categories.dtype.kind in "iuf":
        return column.astype(np.float64 if column.isna().any() else categories.dtype)
    return pd.Series(
        np.array([*categories, None], object)[column.cat.codes], index=column.index, name=column.name
    )


def image_names(column: pd.Series) -> pd.Series:
    """Names of images as text, ``""`` where one is missing; 3.0 is the image ``"3"``."""
    import pandas as pd

    codes, names = pd.factorize(plain(column).reset_index(drop=True))
    texts = [
        str(int(n)) if isinstance(n, float) and n.is_integer() else str(n).strip() for n in names.tolist()
    ]
    return pd.Series(np.array([*texts, ""], object)[codes], dtype=object)


def class_names(column: pd.Series, known: Collection[str] = ()) -> pd.Series:
    """Names of categories as text, missing where one is missing; 3.0 is the category ``"3"``.

    Other programs write ``NA``, ``NaN``, ``None`` … (:data:`~celltune_nb.formats.delimited.MISSING`) for a cell without a
    category.  So they are read, unless a category is called so.

    Parameters
    ----------
    known : collection of str
        The categories there are.
    """
    names = image_names(column).astype("string")
    return names.mask(names.isin(MISSING.difference(known)))


def one_spelling(names: pd.Series, known: Sequence[str]) -> tuple[pd.Series, list[str]]:
    """Names of categories, spelled as those that are there, else as the first of them, where only capitals differ.

    Parameters
    ----------
    names : Series of string
    known : sequence of str
        The categories there are.

    Returns
    -------
    Series, list of str
        And a sentence where a name was changed.
    """
    spelled = {name.casefold(): name for name in known}
    words = [str(word).strip() for word in names.dropna().unique()]
    for word in words:
        spelled.setdefault(word.casefold(), word)
    changed = {
        word: spelled[word.casefold()] for word in words if word not in (spelled[word.casefold()], *known)
    }
    if not changed:
        return names, []
    few = ", ".join(f"{word!r} → {name!r}" for word, name in list(changed.items())[:3])
    return names.replace(changed), [
        f"Names that differ by capitals alone are one category: {few}{' …' if len(changed) > 3 else ''}."
    ]


def whole_numbers(values: Any, what: str) -> NDArray[np.int64]:
    """A column of numbers without fractions.

    Raises
    ------
    InputError
    """
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = ~np.isfinite(numbers) | (numbers != np.floor(numbers)) | (np.abs(numbers) > 2**53)
    if bad.any():
        raise InputError(
            f"Column {what!r} holds {int(bad.sum()):,} values that are not whole numbers (the first: "
            f"{values.iloc[int(np.flatnonzero(bad)[0])]!r}). Correct or remove those rows."
        )
    return numbers.astype(np.int64)


def image_numbers(table: ItemTable, images: pd.Series) -> NDArray[np.int64]:
    """Number of the image each row names, -1 for one that the project does not know.

    Spreadsheets write ``1`` for ``001``: a number that no image is called is the one image with that number.
    """
    import pandas as pd

    codes, names = pd.factorize(images.astype(str))
    numbers = {name: i for i, name in enumerate(table.names)}
    if any(name not in numbers and name.isdecimal() for name in names):
        said = set(names)
        alike = Counter(name.lstrip("0") for name in table.names if name.isdecimal())
        bare = {
            name.lstrip("0"): i
            for i, name in enumerate(table.names)
            if name.isdecimal() and name not in said and alike[name.lstrip("0")] == 1
        }
        numbers = {
            name: bare[name.lstrip("0")] for name in names if name.isdecimal() and name.lstrip("0") in bare
        } | numbers
    return np.array([*(numbers.get(name, -1) for name in names), -1], np.int64)[codes]


def match(table: ItemTable, images: pd.Series, cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row position of each (image, cellID), -1 where there is none."""
    numbers = image_numbers(table, images)
    places = np.full(len(cells), -1, np.int64)
    order = np.argsort(numbers, kind="stable")
    known, starts = np.unique(numbers[order], return_index=True)
    for number, wanted in zip(known.tolist(), np.split(order, starts[1:]), strict=True):
        rows = table.of_image(number) if number >= 0 else slice(0, 0)
        own = table.cells[rows]
        if len(own):
            found = np.minimum(np.searchsorted(own, cells[wanted]), len(own) - 1)
            hit = own[found] == cells[wanted]
            places[wanted[hit]] = found[hit] + rows.start
    return places


def match_positions(
    table: ItemTable,
    images: pd.Series,
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    radius: float = RADIUS,
) -> NDArray[np.int64]:
    """Row position of the item that each row's place belongs to, -1 where there is none.

    Image by image, one to one, the nearest first: see :func:`~celltune_nb.data.matching.match_points`.

    Parameters
    ----------
    images : Series, length n
        The name of the image that each row lies on.
    y, x : ndarray of float64, shape (n,)
        Pixels, origin at the centre of pixel 0.
    radius : float
        The largest distance of a row from its item's centroid, pixels.
    """
    numbers = image_numbers(table, images)
    places = np.full(len(numbers), -1, np.int64)
    given = np.column_stack([y, x]).astype(np.float64)
    for number in np.unique(numbers[numbers >= 0]).tolist():
        rows, own = np.flatnonzero(numbers == number), table.of_image(number)
        found = match_points(given[rows], np.column_stack([table.y[own], table.x[own]]), radius)
        places[rows] = np.where(found >= 0, found + own.start, -1)
    return places


def examples(images: pd.Series, cells: NDArray[np.int64], places: NDArray[np.int64]) -> tuple[str, ...]:
    """Some of the rows that match nothing, in words."""
    lost = np.flatnonzero(places < 0)[:3]
    return tuple(f"image {images.iloc[i]}, cell {cells[i]}" for i in lost)
