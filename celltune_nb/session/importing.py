"""Bringing cell tables and labels into a project.

Everything is checked before anything is written; what fits no cell is counted and named, never
dropped in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.features import FeatureSource
from ..data.items import ItemTable, NewCells
from ..errors import InputError, LabelError
from . import features_file
from .checks import one_of
from .committing import committing
from .events import CategoriesChanged, LabelsChanged
from .levels import level_name
from .tables import ImportReport, examples, image_numbers, match, read_table, whole_numbers

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["ImportReport", "import_cells", "import_labels"]


@dataclass(frozen=True, eq=False)
class _Cells:
    """A table of cells, read and checked."""

    frame: pd.DataFrame
    images: pd.Series
    cells: NDArray[np.int64]
    positions: NDArray[np.float64] | None  # y, x
    where: str  # the columns of positions
    features: list[str]
    values: NDArray[np.float32] | None
    groups: NDArray[np.object_] | None
    own: list[Any]  # columns that become the user's own


def import_cells(
    session: Session, table: Any, image: str, cell: str, x: str | None, y: str | None,
    features: Sequence[str] | None, group: str | None,
) -> ImportReport:  # fmt: skip
    """See :meth:`celltune_nb.Session.import_cells`."""
    brought = _read_cells(table, image, cell, x, y, features, group)
    with session.writing():
        pass  # refuse before the work, not after it
    for patience in (True, True, False):
        # What takes long is done without the lock; when something else was added meanwhile it is done again.
        with nullcontext() if patience else session.writing():
            base, before = session.table, session.features_by_name.get("table")
            items, places = _joined(session, base, brought)
            source = None
            if brought.values is not None:
                hit = places >= 0
                source = _table_source(before, items.ids, brought.features, places[hit], brought.values[hit])
            # Rows that the table adds nothing to need not be written again.
            unchanged = 0 if brought.own or brought.groups is not None else len(base)
            if _commit(session, base, before, items, source, unchanged):
                break
    session.changed_items("cells")
    hits = int((places >= 0).sum())
    return ImportReport(hits, len(places) - hits, 0, examples(brought.images, brought.cells, places))


def _read_cells(
    table: Any, image: str, cell: str, x: str | None, y: str | None, features: Any, group: str | None
) -> _Cells:
    import pandas as pd

    chosen = [] if features is None else [features] if isinstance(features, str) else features
    try:
        chosen = list(chosen)
        wanted = [image, cell, *(c for c in (x, y, group) if c is not None), *chosen]
        hash(tuple(wanted))
    except TypeError as error:
        raise InputError("Columns are given by their names. Name them as they stand in the table.") from error
    frame = read_table(table, wanted)
    cells = whole_numbers(frame[cell], cell)
    images = frame[image].astype(str)
    repeated = pd.DataFrame({"image": pd.factorize(images)[0], "cell": cells}).duplicated().to_numpy()
    if repeated.any():
        twice = frame.iloc[int(np.flatnonzero(repeated)[0])]
        raise InputError(
            f"Image {twice[image]}, cell {twice[cell]} stands twice in the table. Keep one row a cell."
        )
    values = positions = groups = None
    if chosen:
        values = frame[chosen].apply(pd.to_numeric, errors="coerce").to_numpy(np.float32)
        empty = [f for f, gone in zip(chosen, ~np.isfinite(values).any(axis=0), strict=True) if gone]
        if empty:
            raise InputError(f"Feature column {empty[0]!r} holds no numbers. Leave it out of features=.")
    if x is not None and y is not None:
        positions = frame[[y, x]].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    if group is not None:
        codes, names = pd.factorize(frame[group])
        groups = np.array([*map(str, names), None], object)[codes]
    taken = {image, cell, x, y, group, *chosen}
    own = [c for c in frame.columns if c not in taken and str(c) not in ("image", "cellID")]
    where = f"{y!r} and {x!r}"
    return _Cells(frame, images, cells, positions, where, list(map(str, chosen)), values, groups, own)


def _joined(session: Session, items: ItemTable, brought: _Cells) -> tuple[ItemTable, NDArray[np.int64]]:
    """The items with what a table brought, and the item of each of its rows (-1: none)."""
    import pandas as pd

    items = _with_new_images(session, items, brought)
    places = match(items, brought.images, brought.cells)
    hit = places >= 0
    if not hit.any():
        raise InputError(
            f"None of the {len(places):,} rows matches a cell of this project (such as "
            f"{'; '.join(examples(brought.images, brought.cells, places))}; images here: {', '.join(items.names[:5]) or 'none'}). "
            "Name the columns with image= and id=, and positions with x= and y= if the table brings its own cells."
        )
    if brought.own:
        row = np.full(len(items), -1, np.int64)
        row[places[hit]] = np.flatnonzero(hit)
        extra = items.extra
        extra = pd.DataFrame(index=range(len(items))) if extra is None else extra.copy()
        plain = brought.frame.reset_index(drop=True)
        for column in brought.own:
            name = str(column) if str(column) not in ("y", "x", "group", "kind") else f"{column}_table"
            given = plain[column].reindex(row).set_axis(range(len(items)))
            # A second table adds to the first; it does not empty the rows it has nothing to say about.
            extra[name] = given.combine_first(extra[name]) if name in extra else given
        items = replace(items, own=extra)
    if brought.groups is not None:
        items = items.regrouped(places[hit], brought.groups[hit])
    return items, places


def _with_new_images(session: Session, items: ItemTable, brought: _Cells) -> ItemTable:
    """An image whose cells the project does not know brings its own, given their positions."""
    if brought.positions is None:
        return items
    unknown = np.flatnonzero(image_numbers(items, brought.images) < 0)
    if not len(unknown):
        return items
    if not np.isfinite(brought.positions).all():
        raise InputError(
            f"Columns {brought.where} have to hold a number in every row. Correct or remove those rows."
        )
    import pandas as pd

    codes, names = pd.factorize(brought.images.iloc[unknown])
    order = np.argsort(codes, kind="stable")
    parts = np.split(unknown[order], np.flatnonzero(np.diff(codes[order])) + 1)
    new = []
    for name, rows in zip(names.tolist(), parts, strict=True):
        known = session.images.get(name)
        y, x = brought.positions[rows].T
        new.append(
            NewCells(name, brought.cells[rows], y, x, group=known.group if known is not None else None)
        )
    return items.extended_by(new)


def _table_source(
    before: FeatureSource | None, ids: NDArray[np.int64], names: list[str], positions: NDArray[np.int64],
    values: NDArray[np.float32],
) -> FeatureSource:  # fmt: skip
    """The source ``"table"`` with these features of some items; what an earlier table brought is kept."""
    known = list(before.names) if before is not None else []
    every = known + [name for name in names if name not in known]
    if before is None and len(positions) == len(ids) and np.array_equal(positions, np.arange(len(ids))):
        matrix = values  # the whole table in order: nothing to gather
    else:
        matrix = np.full((len(ids), len(every)), np.nan, np.float32)
        if before is not None:
            matrix[: len(before), : len(known)] = before.matrix
        matrix[positions[:, None], [every.index(name) for name in names]] = values
    return FeatureSource(
        "table", every, [""] * len(every), ids, matrix, {"Default": every}, list(every), {"origin": "table"}
    )


def _commit(
    session: Session, base: ItemTable, before: FeatureSource | None, items: ItemTable, source: FeatureSource | None,
    unchanged: int,
) -> bool:  # fmt: skip
    """Write items and features, then let them take effect in a short step; False when something came between."""
    project, features = session.project, None
    try:
        with project.prepared_items(items, unchanged=unchanged) as ready:
            if source is not None:
                features = project.prepare_features(source)
            with session.writing():
                if session.table is not base or session.features_by_name.get("table") is not before:
                    return False
                with committing(session) as project:
                    project.use_items(ready)
                    project.save()
                    session.table = items
                    if features is not None:
                        session.features_by_name["table"] = project.use_features(features)
        return True
    finally:
        if features is not None:
            features_file.drop(project, features)  # unless they have taken effect


def import_labels(session: Session, table: Any, level: str | None, on_conflict: str) -> ImportReport:
    """See :meth:`celltune_nb.Session.import_labels`."""
    import pandas as pd

    one_of(on_conflict, ("new", "old", "error"), "on_conflict")
    level = level_name(session, level)
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
    if image is not None:
        names = frame[image].astype(str)
    else:
        names = pd.Series(session.table.names[0], index=frame.index)
    cells = whole_numbers(frame[cell], str(cell))
    given = frame[kind].astype("string").str.strip()
    items = session.table
    places = match(items, names, cells)
    use = (places >= 0) & given.notna().to_numpy() & (given != "").fillna(False).to_numpy(bool)
    _, last = np.unique(places[use][::-1], return_index=True)  # of repeated rows the last one counts
    rows = np.flatnonzero(use)[::-1][last]
    ids = items.ids[places[rows]]
    classes, words = pd.factorize(given.iloc[rows].to_numpy(object))
    with session.writing():
        keep, revision = _put_labels(session, level, ids, classes, list(words), on_conflict)
    session.emit(session.categories_changed, CategoriesChanged(level))
    session.emit(session.labels_changed, LabelsChanged(level, ids[keep], revision))
    kept, unmatched = int(keep.sum()), int((places < 0).sum())
    return ImportReport(kept, unmatched, len(frame) - kept - unmatched, examples(names, cells, places))


def _put_labels(
    session: Session, level: str, ids: NDArray[np.int64], classes: NDArray[np.intp], words: list[str], on_conflict: str
) -> tuple[NDArray[np.bool_], int]:  # fmt: skip
    """Label items by the number of their class; which of them, and the revision that came of it."""
    state = session.book.level(level)
    categories = state.categories
    before = state.codes_of(ids)
    known = {c.name: c.code for c in categories}
    here = np.array([known.get(w, -1) for w in words], np.int64)
    clash = (before != 0) & (before != here[classes])
    if clash.any() and on_conflict == "error":
        i = int(np.flatnonzero(clash)[0])
        raise LabelError(
            f"{int(clash.sum()):,} cells have another label already (the first: item {int(ids[i])} is "
            f"{categories.by_code[int(before[i])].name}, the table says {words[classes[i]]}). Choose on_conflict='new' or 'old'."
        )
    keep = ~clash if on_conflict == "old" else np.ones(len(ids), bool)
    for number in np.unique(classes[keep]).tolist():
        if words[number] not in categories.names:
            categories = categories.add(words[number])
    if keep.any():
        known = {c.name: c.code for c in categories}
        codes = np.array([known.get(w, 0) for w in words], np.int16)[classes[keep]]
        session.book.label(
            ids[keep], codes, level=level, source="import", round=session.round, user=session.user,
            categories=None if categories == state.categories else categories,
        )  # fmt: skip
    return keep, session.book.revision
