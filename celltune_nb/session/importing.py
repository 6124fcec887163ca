"""Bringing cell tables and labels into a project.

Everything is checked before anything is written; what fits no cell is counted and named, never
dropped in silence.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.features import FeatureSource
from ..errors import FormatError, InputError, LabelError
from .events import CategoriesChanged, LabelsChanged

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["ImportReport", "import_cells", "import_labels", "read_table"]


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
    """

    used: int
    unmatched: int = 0
    skipped: int = 0
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{self.used:,} rows used"
        if self.skipped:
            text += f", {self.skipped:,} left as they were"
        if self.unmatched:
            text += f"; {self.unmatched:,} match no cell (such as {'; '.join(self.examples)})"
        return text + "."


def read_table(table: Any, columns: Sequence[str] = ()) -> pd.DataFrame:
    """A DataFrame, or one read from CSV or Parquet.

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
        raise InputError(f"A table is a DataFrame or a path to CSV or Parquet, not {type(table).__name__}.")
    else:
        path = Path(table).expanduser()
        name = path.name
        if not path.is_file():
            raise FormatError(f"There is no file {path}. Check the path.")
        kind = path.suffix.lower()
        if kind not in (".csv", ".parquet", ".pq"):
            raise FormatError(f"{name} is neither .csv nor .parquet. Save the table as one of them.")
        try:
            frame = pd.read_csv(path) if kind == ".csv" else pd.read_parquet(path)
        except Exception as error:
            reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise FormatError(
                f"{name} cannot be read as {kind[1:]} ({reason}). Check or save it again."
            ) from error
    if frame.columns.duplicated().any():
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"{name} has two columns {twice!r}. Rename one of them.")
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise InputError(
            f"{name} has no column {missing[0]!r}. Its columns: {', '.join(map(str, list(frame.columns)[:20]))}. "
            "Name the right one in the call."
        )
    if frame.empty:
        raise InputError(f"{name} has no rows. Check the file.")
    return frame


def _whole(values: Any, what: str) -> NDArray[np.int64]:
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = ~np.isfinite(numbers) | (numbers != np.floor(numbers)) | (np.abs(numbers) > 2**53)
    if bad.any():
        raise InputError(
            f"Column {what!r} holds {int(bad.sum()):,} values that are not whole numbers (the first: "
            f"{values.iloc[int(np.flatnonzero(bad)[0])]!r}). Correct or remove those rows."
        )
    return numbers.astype(np.int64)


def _match(session: Session, images: pd.Series, cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row position of each (image, cellID), -1 where there is none."""
    table = session.table
    numbers = {name: i for i, name in enumerate(table.names)}
    places = np.full(len(cells), -1, np.int64)
    codes = images.astype(str).map(numbers).fillna(-1).to_numpy(np.int64)
    for number in np.unique(codes[codes >= 0]):
        rows = table.of_image(int(number))
        own = table.cells[rows]
        wanted = np.flatnonzero(codes == number)
        found = np.searchsorted(own, cells[wanted])
        found = np.minimum(found, max(len(own) - 1, 0))
        hit = (own[found] == cells[wanted]) if len(own) else np.zeros(len(wanted), bool)
        places[wanted[hit]] = found[hit] + rows.start
    return places


def _examples(images: pd.Series, cells: NDArray[np.int64], places: NDArray[np.int64]) -> tuple[str, ...]:
    lost = np.flatnonzero(places < 0)[:3]
    return tuple(f"image {images.iloc[i]}, cell {cells[i]}" for i in lost)


def import_cells(
    session: Session, table: Any, image: str, cell: str, x: str | None, y: str | None,
    features: Sequence[str] | None, group: str | None,
) -> ImportReport:  # fmt: skip
    """See :meth:`celltune_nb.Session.import_cells`."""
    import pandas as pd

    features = None if features is None else [features] if isinstance(features, str) else list(features)
    wanted = [c for c in (image, cell, x, y, group, *(features or ())) if c is not None]
    frame = read_table(table, wanted)
    cells = _whole(frame[cell], cell)
    if frame[[image, cell]].duplicated().any():
        twice = frame[frame[[image, cell]].duplicated()].iloc[0]
        raise InputError(
            f"Image {twice[image]}, cell {twice[cell]} stands twice in the table. Keep one row a cell."
        )
    values = None
    if features:
        values = frame[list(features)].apply(pd.to_numeric, errors="coerce").to_numpy(np.float32)
        empty = [f for f, gone in zip(features, ~np.isfinite(values).any(axis=0), strict=True) if gone]
        if empty:
            raise InputError(f"Feature column {empty[0]!r} holds no numbers. Leave it out of features=.")
    names = list(dict.fromkeys(frame[image].astype(str)))
    new = [name for name in names if name not in session.table.names]
    items = session.table
    # An image that the project does not know at all brings its own cells, given their positions.
    if new and x and y:
        positions = frame[[y, x]].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        if not np.isfinite(positions).all():
            raise InputError(
                f"Columns {y!r} and {x!r} have to hold a number in every row. Correct or remove those rows."
            )
        for name in new:
            rows = np.flatnonzero(frame[image].astype(str) == name)
            known = session.images.get(name)
            own = known.group if known is not None else None
            items = items.extended(name, cells[rows], positions[rows, 0], positions[rows, 1], group=own)
    with session.writing():
        sources, settings = dict(session.features_by_name), copy.deepcopy(session.project.settings)
        old, session.table = session.table, items
        try:
            places = _match(session, frame[image], cells)
            hit = places >= 0
            if not hit.any():
                raise InputError(
                    f"None of the {len(frame):,} rows matches a cell of this project (such as "
                    f"{'; '.join(_examples(frame[image], cells, places))}; images here: {', '.join(items.names[:5]) or 'none'}). "
                    "Name the columns with image= and id=, and positions with x= and y= if the table brings its own cells."
                )
            extra = items.extra if items.extra is not None else pd.DataFrame(index=range(len(items)))
            extra = extra.copy()
            taken = {image, cell, *(features or ())}
            for column in frame.columns:
                if column in taken or column in (x, y, group) or str(column) in ("image", "cellID"):
                    continue
                name = str(column) if str(column) not in ("y", "x", "group", "kind") else f"{column}_table"
                brought = pd.Series(frame[column].to_numpy()[hit], index=places[hit]).reindex(
                    range(len(items))
                )
                # A second table adds to the first; it does not empty the rows it has nothing to say about.
                extra[name] = brought.combine_first(extra[name]) if name in extra else brought
            session.table = replace(items, extra=extra if len(extra.columns) else None)
            if group is not None:
                given = frame[group].astype(object)
                named = given.where(given.isna(), given.astype(str)).where(given.notna(), None)
                session.table = session.table.regrouped(places[hit], named.to_numpy(object)[hit])
            if values is not None and features:
                source = _table_source(session, items.ids, list(map(str, features)), places[hit], values[hit])
                session.features_by_name["table"] = session.project.save_features(source)
            session.project.save_items(session.table)
            session.project.save()
        except BaseException:
            session.table, session.features_by_name = old, sources
            session.project.settings = settings
            raise
    session.changed_items("cells")
    return ImportReport(int(hit.sum()), int((~hit).sum()), 0, _examples(frame[image], cells, places))


def _table_source(
    session: Session,
    ids: NDArray[np.int64],
    names: list[str],
    positions: NDArray[np.int64],
    values: NDArray[np.float32],
) -> FeatureSource:
    """The source ``"table"`` with these features of some items; what an earlier table brought is kept."""
    before = session.features_by_name.get("table")
    known = list(before.names) if before is not None else []
    every = known + [name for name in names if name not in known]
    matrix = np.full((len(ids), len(every)), np.nan, np.float32)
    if before is not None:
        matrix[: len(before), : len(known)] = before.matrix
    for column, name in enumerate(names):
        matrix[positions, every.index(name)] = values[:, column]
    return FeatureSource(
        "table", every, [""] * len(every), ids, matrix, {"Default": every}, list(every), {"origin": "table"}
    )


def import_labels(session: Session, table: Any, level: str | None, on_conflict: str) -> ImportReport:
    """See :meth:`celltune_nb.Session.import_labels`."""
    if on_conflict not in ("new", "old", "error"):
        raise InputError(f"on_conflict={on_conflict!r} is not known. Choose 'new', 'old' or 'error'.")
    frame = read_table(table)
    columns = {str(c).lower(): c for c in frame.columns}
    try:
        image = columns.get("image", columns.get("fov"))
        cell, kind = columns["cellid"], columns["class"]
        if image is None and len(session.table.names) != 1:
            raise KeyError("image")
    except KeyError as error:
        raise InputError(
            f"The label table has no column {error.args[0]!r}. It needs image (or fov), cellID and class; it has: "
            f"{', '.join(map(str, list(frame.columns)[:20]))}."
        ) from error
    names = (
        frame[image].astype(str) if image is not None else frame[cell].map(lambda _: session.table.names[0])
    )
    level = level or session.level
    categories = session.book.level(level).categories
    cells = _whole(frame[cell], str(cell))
    given = frame[kind].astype("string").str.strip()
    places = _match(session, names, cells)
    use = (places >= 0) & given.notna().to_numpy() & (given != "").fillna(False).to_numpy(bool)
    _, last = np.unique(places[use][::-1], return_index=True)  # of repeated rows the last one counts
    rows = np.flatnonzero(use)[::-1][last]
    ids, classes = session.table.ids[places[rows]], given.iloc[rows].to_numpy(object)
    state = session.book.level(level)
    codes_before = state.codes_of(ids)
    by_code = categories.by_code
    clash = np.array(
        [c != 0 and by_code[int(c)].name != n for c, n in zip(codes_before, classes, strict=True)], bool
    )
    if clash.any() and on_conflict == "error":
        i = int(np.flatnonzero(clash)[0])
        raise LabelError(
            f"{int(clash.sum()):,} cells have another label already (the first: item {int(ids[i])} is "
            f"{by_code[int(codes_before[i])].name}, the table says {classes[i]}). Choose on_conflict='new' or 'old'."
        )
    keep = ~clash if on_conflict == "old" else np.ones(len(ids), bool)
    for name in dict.fromkeys(classes[keep]):
        if name not in categories:
            categories = categories.add(name)
    codes = np.array([categories[n].code for n in classes[keep]], np.int16)
    with session.writing():
        if keep.any():
            session.book.label(
                ids[keep], codes, level=level, source="import", round=session.round, user=session.user,
                categories=None if categories == state.categories else categories,
            )  # fmt: skip
        revision = session.book.revision
    session.emit(session.categories_changed, CategoriesChanged(level))
    session.emit(session.labels_changed, LabelsChanged(level, ids[keep], revision))
    unmatched = int((places < 0).sum())
    return ImportReport(
        int(keep.sum()), unmatched, len(frame) - int(keep.sum()) - unmatched, _examples(names, cells, places)
    )
