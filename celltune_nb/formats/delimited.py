"""Tables as text: one rule for what separates their columns, whoever reads them.

Spreadsheets write commas, semicolons (where the comma is the decimal sign) or tabs, all three into files that end in
``.csv``.  Large ones come packed, as ``.csv.gz``; they are read as they are.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FormatError
from .headings import CATEGORY, IMAGE, find
from .packed import check_unpacked, opened

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "MISSING",
    "bare_name",
    "ending",
    "read_frame",
    "read_heading",
    "read_rows",
    "separator",
    "unreadable",
]

SEPARATORS = ",;\t"
#: Bytes of a first line beyond which it is none, and of a small table beyond which it is another one.
MOST_LINE, MOST_BYTES = 1 << 20, 16 << 20
#: What pandas and R write for a value that is missing.
MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
     "NULL", "NaN", "None", "n/a", "nan", "null")
)  # fmt: skip
_TEXT = (".csv", ".tsv")
_PACKED = ".gz"
#: A number with a decimal comma, and one in which each comma may just as well set off thousands.
_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?|[+-]?\d+(?:[eE][+-]?\d+)?")
#: A whole number written as a fraction.
_WHOLE = re.compile(r"\d+\.0+")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+|[+-]?\d+")


def ending(path: Path) -> str:
    """What the name of a table ends in, ``".csv"`` for all that is read as one: also ``.tsv``, ``.csv.gz``, ``.tsv.gz``."""
    name = path.name.lower().removesuffix(_PACKED)
    return ".csv" if name.endswith(_TEXT) else path.suffix.lower()


def bare_name(path: Path) -> str:
    """The name of a table without what it ends in, of which ``.csv.gz`` is one."""
    return Path(path.stem).stem if ending(path) == ".csv" and path.suffix.lower() == _PACKED else path.stem


def separator(heading: str) -> str:
    """The sign that parts the first line of a table into the most columns; signs within quotes part nothing."""
    return max(SEPARATORS, key=re.sub(r'"[^"]*"', "", heading).count)


def read_heading(path: Path) -> tuple[list[str], str]:
    """The names of a table's columns, from its first line that holds any, and what separates them.

    Raises
    ------
    FormatError
        When it is no text, or no end of the line is found.
    """
    line = _first_line(path)
    sign = separator(line)
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=sign), [])], sign
    except csv.Error as error:
        raise FormatError(f"{path.name} is no CSV file in UTF-8. Save it again.") from error


def _first_line(path: Path) -> str:
    left = MOST_LINE
    try:
        with opened(path) as stream:
            while left > 0 and (line := stream.readline(left)):
                left -= len(line)
                text = line.decode("utf-8-sig")
                if left > 0 and "\0" in text:
                    raise FormatError(
                        f"{path.name} cannot be read as CSV: it is no text. Save the table as CSV UTF-8."
                    )
                if left > 0 and text.strip():
                    return text.rstrip("\r\n")
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path.name} is no CSV file in UTF-8. Save it again.") from error
    if left <= 0:
        raise FormatError(f"The first line of {path.name} is too long for a table. Check the file.")
    return ""


def read_rows(path: Path, most: int, of: str, most_bytes: int = MOST_BYTES) -> list[list[str]]:
    """The rows of a small table, the first one included, without those that are empty.

    Parameters
    ----------
    most : int
        Rows beyond which it is no table of what it should be.
    of : str
        What that is, as the error calls it, such as ``"channels"``.

    Raises
    ------
    FormatError
    """
    try:
        with opened(path) as stream:
            found = stream.read(most_bytes + 1)
        if len(found) > most_bytes:
            raise FormatError(
                f"{path.name} is too large: a table of {of} has {most_bytes:,} bytes at most. Choose the right file."
            )
        text = found.decode("utf-8-sig")
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path.name} is not UTF-8 text. Save it as CSV UTF-8.") from error
    if "\0" in text:
        raise FormatError(f"{path.name} is not text. Save the table as CSV UTF-8.")
    heading = next((line for line in text.splitlines() if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator(heading), strict=True)
    try:
        full = (row for row in ([cell.strip() for cell in row] for row in reader) if any(row))
        rows = list(itertools.islice(full, most + 2))
    except csv.Error as error:
        raise FormatError(
            f"{path.name} cannot be read as CSV ({error}). Save it again as CSV UTF-8."
        ) from error
    if len(rows) > most + 1:
        raise FormatError(
            f"{path.name} has more than {most:,} rows, the most of a table of {of}. Choose the right file."
        )
    return rows


def read_frame(path: Path, texts: Iterable[str] = ()) -> pd.DataFrame:
    """A table of any length, its columns of numbers or of text.

    Where the separator is not the comma, numbers may have decimal commas.  Images and categories are text whatever they
    look like: ``001`` is not ``1``, ``NA`` is a name, and nothing but an empty cell is missing.

    Parameters
    ----------
    texts : iterable of str
        Further columns that are text in this way.

    Raises
    ------
    FormatError
        When it cannot be read, does not fit into the memory, or its commas may mean two things.
    """
    names, sign = read_heading(path)
    try:
        check_unpacked(path, 2.0)
        frame = _parsed(path, sign, set(texts))
    except FormatError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error
    for name in _words(frame.columns):
        known = [text for text in frame[name].dropna().unique() if text not in MISSING]
        if known and all(isinstance(text, str) and _WHOLE.fullmatch(text) for text in known):
            # Whole numbers once, written as fractions because one was missing.
            frame[name] = frame[name].str.replace(r"^(\d+)\.0+$", r"\1", regex=True)
    if sign != "," and len(names) > 1:
        frame = _with_decimal_points(frame, path)
    return frame


def _parsed(path: Path, sign: str, texts: set[str]) -> pd.DataFrame:
    """The table as pandas reads it, also where rows are longer than the first line.

    They may be so by empty cells at their ends, or by their names in front (as R writes).
    """
    import pandas as pd

    def read(**how: Any) -> pd.DataFrame:
        with opened(path) as stream:
            return pd.read_csv(stream, sep=sign, keep_default_na=False, **how)

    columns = [str(name) for name in read(nrows=0).columns]
    words = _words(columns) | texts & set(columns)
    typed = {
        "dtype": dict.fromkeys(words, "str"),
        "na_values": {name: [""] if name in words else list(MISSING) for name in columns},
    }
    frame = read(**typed)
    if isinstance(frame.index, pd.RangeIndex):
        return frame
    # Its columns stand under other names.
    more = [f"+{i}" for i in range(frame.index.nlevels)]
    last = read(header=0, names=[*columns, *more], usecols=more, dtype="str")
    if (last == "").all(axis=None):
        return read(header=0, names=[*columns, *more], usecols=columns, **typed)
    if len(more) == 1:
        return read(header=0, names=[*more, *columns], usecols=columns, **typed)
    raise FormatError(
        f"The rows of {path.name} have more values than its first line has names. Name every column."
    )


def _words(columns: Iterable[str]) -> set[str]:
    """The columns that name images and categories."""
    known = list(columns)
    return {name for name in (find(known, IMAGE), find(known, CATEGORY)) if name is not None}


def _with_decimal_points(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table with columns such as ``"1,5"`` as numbers."""
    import pandas as pd

    found, sure = [], False
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        first = column.dropna().head(1)
        if column.dtype.kind in "iufb" or not len(first) or not _COMMA.fullmatch(str(first.iloc[0]).strip()):
            continue
        texts = column.dropna().astype(str).str.strip()
        distinct = texts.unique()
        if all(map(_COMMA.fullmatch, distinct)) and any("," in text for text in distinct):
            found.append(place)
            sure = sure or not all(map(_THOUSANDS.fullmatch, distinct))
    if found and not sure:
        name = str(frame.columns[found[0]])
        example = next(text for text in frame.iloc[:, found[0]].dropna().astype(str) if "," in text)
        raise FormatError(
            f"{path.name} holds {example!r} in column {name!r}, which may mean "
            f"{example.replace(',', '.', 1)} or {example.replace(',', '')}. Save the table with decimal points."
        )
    parts = {
        place: pd.to_numeric(
            frame.iloc[:, place].astype("string").str.strip().str.replace(",", ".", n=1)
        ).astype("float64")
        for place in found
    }
    if not parts:
        return frame
    columns = [parts.get(place, frame.iloc[:, place]) for place in range(frame.shape[1])]
    return pd.concat(columns, axis=1)


def unreadable(path: Path, error: Exception) -> FormatError:
    """That a library could not read a table, and its reason."""
    if isinstance(error, PermissionError):
        return FormatError(f"{path.name} cannot be read ({error.strerror}). Check its permissions.")
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    kind = ending(path).removeprefix(".") or "a table"
    return FormatError(f"{path.name} cannot be read as {kind} ({reason}). Check or save it again.")
