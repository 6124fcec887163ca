"""Bringing cell tables and labels into a project.

Everything is checked before anything is written; what fits no cell is counted and named, never
dropped in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN
from ..data.features import FeatureSource
from ..data.items import ItemTable, NewCells
from ..data.matching import RADIUS
from ..errors import InputError, LabelError
from ..formats.annotated import is_anndata, is_spatialdata
from ..formats.headings import find
from . import area_cells, features_file, spatial
from .cell_tables import SAID, Cells, annotated, read_cells
from .checks import a_name, number, one_of
from .committing import committing
from .events import CategoriesChanged, LabelsChanged
from .levels import level_name
from .tables import (
    ImportReport,
    cell_column,
    checked_frame,
    class_names,
    examples,
    image_column,
    image_names,
    image_numbers,
    match,
    match_positions,
    one_spelling,
    plain,
    read_table,
    whole_numbers,
)

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["ImportReport", "import_cells", "import_labels"]


def import_cells(
    session: Session, table: Any, image: str, cell: str | None, x: str | None, y: str | None,
    features: Sequence[str] | None, group: str | None, *, layers: Sequence[str] | str = "X",
    images: bool | Mapping[str, str] = False, element: str | None = None, radius: float = RADIUS,
    system: str | None = None,
) -> ImportReport:  # fmt: skip
    """See :meth:`celltune_nb.Session.import_cells`."""
    with session.writing():
        pass  # refuse before the work, not after it
    radius = number(radius, "The radius")
    if is_spatialdata(table):
        table, image, cell = spatial.table_of(session, table, image, cell, images, element, system)
    brought = read_cells(
        table, image, cell, x, y, features, group, layers=layers, only_image=_only_image(session, table)
    )
    for patience in (True, True, False):
        # What takes long is done without the lock; when something else was added meanwhile it is done again.
        with nullcontext() if patience else session.writing():
            base, before = session.table, session.features_by_name.get("table")
            items, places = _joined(session, base, brought, radius)
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
    notes = (*brought.notes, *_elsewhere(base, brought, places))
    few = examples(brought.images, brought.cells, places)
    made, brings = len(items) - len(base), () if brought.values is None else brought.features
    return ImportReport(hits, len(places) - hits, 0, few, notes, tuple(brings), made)


def _only_image(session: Session, table: Any) -> str | None:
    """The image of a table that names none: the only one there is, or, in a new project, that of the file's name."""
    known = list(dict.fromkeys([*session.images, *session.table.names]))
    if known:
        return known[0] if len(known) == 1 else None
    if is_anndata(table):
        return "cells"
    return (
        Path(table).stem if isinstance(table, str | Path) and str(table).lower().endswith(".h5ad") else None
    )


def _elsewhere(items: ItemTable, brought: Cells, places: NDArray[np.int64]) -> list[str]:
    """A sentence when the table says that cells lie where their masks do not."""
    if brought.positions is None or brought.numbered:
        return []
    known = np.flatnonzero((places >= 0) & (places < len(items)))
    given = brought.positions[known]
    apart = np.hypot(given[:, 0] - items.y[places[known]], given[:, 1] - items.x[places[known]])
    apart = apart[np.isfinite(apart)]
    if not len(apart) or np.median(apart) <= RADIUS:
        return []
    far = (
        f"The table's positions lie {np.median(apart):,.0f} pixels (median) from where the cells are; those of the cells were "
        "kept. They may be in µm, or x and y changed places."
    )
    return [far]


def _joined(
    session: Session, items: ItemTable, brought: Cells, radius: float
) -> tuple[ItemTable, NDArray[np.int64]]:
    """The items with what a table brought, and the item of each of its rows (-1: none)."""
    import pandas as pd

    before = items
    items = _with_new_images(session, items, brought)
    places = match(items, brought.images, brought.cells)
    if (
        brought.numbered and brought.positions is not None
    ):  # cells that were there already are found by their place
        own = image_numbers(before, brought.images) >= 0
        found = match_positions(
            before, brought.images, brought.positions[:, 0], brought.positions[:, 1], radius
        )
        places = np.where(own, found, places)
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
        extra = pd.DataFrame(index=range(len(items))) if extra is None else extra
        new: dict[str, pd.Series] = {}
        table = brought.frame.reset_index(drop=True)
        for column in brought.own:
            name = str(column) if str(column) not in ("y", "x", "group", "kind") else f"{column}_table"
            given = plain(table[column]).reindex(row).set_axis(range(len(items)))
            # A second table adds to the first; it does not empty the rows it has nothing to say about.
            new[name] = given.combine_first(extra[name]) if name in extra else given
        columns = {**{name: extra[name] for name in extra.columns}, **new}
        items = replace(items, own=pd.DataFrame(columns, index=range(len(items))))
    if brought.groups is not None:
        items = items.regrouped(places[hit], brought.groups[hit])
    return items, places


def _with_new_images(session: Session, items: ItemTable, brought: Cells) -> ItemTable:
    """An image whose cells the project does not know brings its own, given their positions."""
    if brought.positions is None:
        return items
    unknown = np.flatnonzero((image_numbers(items, brought.images) < 0) & (brought.images != "").to_numpy())
    if not len(unknown):
        return items
    if not np.isfinite(brought.positions[unknown]).all():
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
    return area_cells.filled(session, items, items.extended_by(new))


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
    said = [name for name in every if name.endswith(SAID)]
    learned = [name for name in every if name not in set(said)]
    groups = {"Default": learned or every, **({"Probabilities": said} if said else {})}
    used = learned
    if before is not None:  # a choice that a person made among the earlier ones stays
        left = set(before.names) - set(before.used or before.names)
        used = [name for name in learned if name not in left]
    return FeatureSource(
        "table", every, [""] * len(every), ids, matrix, groups, used or learned, {"origin": "table"}
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
                    if features is not None:  # columns and features count together
                        features_file.announce(project, features)
                    project.save()
                    session.table = items
                    if features is not None:
                        features_file.finish(project)
                        session.features_by_name["table"] = project.load_features(features.folder)
        return True
    finally:
        if features is not None:
            features_file.drop(project, features)  # unless they have taken effect


def _label_table(table: Any, column: str | None) -> tuple[pd.DataFrame, Any]:
    """A table of labels, and which of its columns holds them."""
    with annotated(table) as found:
        frame = (
            read_table(table, texts=() if column is None else [column])
            if found is None
            else checked_frame(found.obs.rename(columns=str), "The table")
        )
    usual = ["class"] if found is None else ["class", "label", "celltype"]
    if column is not None:
        a_name(column, "The column of the labels")
    word = column if column is not None else find(frame.columns, usual)
    if word is None or word not in frame.columns:
        raise InputError(
            f"The label table has no column {column or 'class'!r}. It needs image (or fov), cellID and class; it has: "
            f"{', '.join(map(str, list(frame.columns)[:20]))}."
        )
    return frame, word


def import_labels(
    session: Session, table: Any, level: str | None, on_conflict: str, column: str | None = None
) -> ImportReport:
    """See :meth:`celltune_nb.Session.import_labels`."""
    import pandas as pd

    one_of(on_conflict, ("new", "old", "error"), "on_conflict")
    level = level_name(session, level)
    frame, word = _label_table(table, column)
    image, cell = image_column(frame), cell_column(frame)
    if cell is None or (image is None and len(session.table.names) != 1):
        missing = "cellID" if cell is None else "image"
        raise InputError(
            f"The label table has no column {missing!r}. It needs image (or fov), cellID and class; it has: "
            f"{', '.join(map(str, list(frame.columns)[:20]))}."
        )
    if image is not None:
        names = image_names(frame[image])
    else:
        names = pd.Series([session.table.names[0]] * len(frame), dtype=object)
    cells = whole_numbers(plain(frame[cell]), str(cell))
    given = class_names(frame[word], session.book.level(level).categories.names)
    given, respelled = one_spelling(given, session.book.level(level).categories.names)
    notes = (*_nameless(image_names(frame[word]), given), *respelled)
    if word != "class":  # in a table of all cells those without a label are no labels
        given = given.mask(given == UNKNOWN)
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
    return ImportReport(kept, unmatched, len(frame) - kept - unmatched, examples(names, cells, places), notes)


def _nameless(said: pd.Series, given: pd.Series) -> tuple[str, ...]:
    """A sentence where a word such as NA was read as no category."""
    words = said[given.isna().to_numpy() & (said != "").to_numpy()]
    if not len(words):
        return ()
    return (
        f"{len(words):,} rows say {words.iloc[0]!r}, which is read as no category. If it is one, add it by this name first.",
    )


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
    for place in np.unique(classes[keep]).tolist():
        if words[place] not in categories.names:
            try:
                categories = categories.add(words[place])
            except LabelError as error:
                raise LabelError(
                    f"{words[place][:100]!r} in the table can be no category. {error} Correct the table; nothing was imported."
                ) from error
    # What says the same takes nothing from who said it first, and how: by hand, or blind for the audit.
    write = keep & ((before == 0) | (before != here[classes]))
    if write.any():
        known = {c.name: c.code for c in categories}
        codes = np.array([known.get(w, 0) for w in words], np.int16)[classes[write]]
        session.book.label(
            ids[write], codes, level=level, source="import", round=session.rounds(level), user=session.user,
            categories=None if categories == state.categories else categories,
        )  # fmt: skip
    return keep, session.book.revision
