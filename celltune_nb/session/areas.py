"""Regions of interest on images: from a label image or drawn; a column of the items, with the size of each kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.shapes import label_areas, reduced_by
from ..errors import FormatError, InputError
from .area_cells import with_values
from .area_files import keep_labels
from .committing import committing
from .drawing import label_image, label_names, shapes
from .events import StudyChanged
from .kept_areas import FILES, PART, STEP, Kept, columns, kept, regions_at, rows_of
from .study import groups_of_images, stored

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = [
    "add_regions",
    "area_of",
    "areas",
    "column_for",
    "columns",
    "kept",
    "remove_regions",
    "step_of",
    "take_back",
]

_MOST = 2_000
"""Regions of one image."""
_OURS = ("image", "cellID", "y", "x", "group", "kind", "all")


def column_for(session: Session) -> str:
    """Where regions go that somebody draws: ``"region"``, or another name where the data came with such a column."""
    extra = session.table.extra
    taken = set() if extra is None else {str(name) for name in extra.columns} - set(columns(session))
    return next(
        name
        for name in ("region", "drawn region", *map("drawn region {}".format, range(2, 99)))
        if name not in taken
    )


# ---------------------------------------------------------------------- adding


def add_regions(session: Session, image: str, regions: Any, names: Any, column: str) -> pd.DataFrame:
    """See :meth:`celltune_nb.Session.add_regions`."""
    with session.writing():
        pass  # refuse before the work, not after it
    session.image_number(image)
    column = _column_name(session, column)
    shape = session.images[image].shape if image in session.images else None
    labels = label_image(session, image, regions, shape)
    drawn = [] if labels is not None else shapes(regions, names)
    before = kept(session, column).get(image, [])
    if labels is not None:
        factor = reduced_by(labels.shape, shape or (0, 0)) or 1
        sizes = label_areas(labels, factor, shape or (0, 0), _MOST)
        if len(sizes) > _MOST:
            raise InputError(
                f"The label image has more than {_MOST:,} labels: it looks like a mask of cells. Give one whose labels are regions."
            )
        if min(sizes, default=0) < 0:
            raise InputError(
                "The label image has labels below 0. Give 0 outside and one number above it a region."
            )
        if not sizes:
            raise InputError("The label image is 0 everywhere. Give one with a number for each region.")
        called = label_names(names, sorted(sizes))
        file = keep_labels(session, image, labels, max(sizes))
        now = [Kept(called[value], size, None, value, file) for value, size in sorted(sizes.items())]
    else:
        if any(one.shape is None for one in before):
            raise InputError(
                f"The regions of image {image!r} came of a label image. Remove them first: "
                f"session.remove_regions({image!r}), or use another name=."
            )
        drawn = [*(one.shape for one in before if one.shape is not None and one.shape not in drawn), *drawn]
        if len(drawn) > _MOST:
            raise InputError(
                f"Image {image!r} would have {len(drawn):,} regions; {_MOST:,} are the most. Remove some."
            )
        now = [Kept(s.name, s.area(shape, drawn[i + 1 :]), s) for i, s in enumerate(drawn)]

    names_now = {one.name for one in now}
    fresh = names_now - {one.name for one in before} if labels is None else names_now
    few = ", ".join(sorted(fresh or names_now)[:3]) + (" …" if len(fresh or names_now) > 3 else "")
    try:
        _commit(session, column, {image: now}, f"adding {few} on {image}", labels)
    except BaseException:
        if labels is not None and file not in str(stored(session, PART)):
            session.project.path(file).unlink(missing_ok=True)
        raise
    table = areas(session, column)
    table = table[table["image"] == image].reset_index(drop=True)
    if labels is not None:
        path = session.project.path(file)
        table.attrs["kept"] = {"path": path, "bytes": path.stat().st_size}
    return table


def remove_regions(session: Session, image: str | None, column: str) -> int:
    """See :meth:`celltune_nb.Session.remove_regions`."""
    there = kept(session, column)
    if image is not None:
        session.image_number(image)
    gone = [name for name in there if image in (None, name)]
    if not gone:
        where = "anywhere" if image is None else f"on image {image!r}"
        raise InputError(f"No regions called {column!r} were added {where}. See session.areas().")
    where = f" on {gone[0]}" if len(gone) == 1 else f" on {len(gone):,} images"
    _commit(
        session, column, dict.fromkeys(gone), f"removing {_count(sum(len(there[n]) for n in gone))}{where}"
    )
    return sum(len(there[name]) for name in gone)


def _count(n: int) -> str:
    return f"{n:,} region{'' if n == 1 else 's'}"


def step_of(session: Session) -> str:
    """What was done to regions last, in words; empty where it cannot be taken back."""
    step = _step(session)
    return "" if step is None else step[1]


def _step(session: Session) -> tuple[str, str, dict[str, list[Kept] | None]] | None:
    """Column, what was done, and the regions before it of each image that it changed."""
    about = stored(session, STEP)
    try:
        column, what = str(about["column"]), str(about["what"])
        images = dict(about["images"])
        before = {str(name): None if rows is None else rows_of(rows) for name, rows in images.items()}
    except (KeyError, TypeError, ValueError):
        return None
    if any(before[name] is None and rows is not None for name, rows in images.items()):
        return None
    known = {*session.images, *session.table.names}
    gone = [one for rows in before.values() for one in rows or () if one.shape is None and not one.file]
    return None if gone or not before or not known >= before.keys() else (column, what, before)


def take_back(session: Session) -> str:
    """See :meth:`celltune_nb.Session.take_back_regions`."""
    with session.writing():
        step = _step(session)
    if step is None:
        raise InputError("No region was added or removed that could be taken back. See session.areas().")
    column, what, before = step
    again = what.removeprefix("taking back ") if what.startswith("taking back ") else f"taking back {what}"
    _commit(session, column, before, again)
    return what


def _commit(
    session: Session, column: str, changes: Mapping[str, list[Kept] | None], what: str, labels: Any = None
) -> None:
    """Write the column and what is kept of some images in one step; *labels* is the label image of one of them."""
    project = session.project
    for patience in (True, True, False):
        with nullcontext() if patience else session.writing():
            base = session.table
            values: list[tuple[slice, NDArray[np.object_]]] = []
            for image, now in changes.items():
                rows = base.of_image(session.image_number(image))
                found = regions_at(session, image, now or [], base.y[rows], base.x[rows], labels)
                if found is None:
                    raise FormatError(
                        f"The project's copy of the label image of {image!r} cannot be read. Give the label image again."
                    )
                values.append((rows, found))
            items = with_values(base, column, list(values))
            with project.prepared_items(items) as ready, session.writing():
                if session.table is not base:
                    continue  # something else was added meanwhile
                with committing(session) as project:
                    study = project.settings.get("study")
                    study = dict(study) if isinstance(study, dict) else {}
                    every = dict(study[PART]) if isinstance(study.get(PART), dict) else {}
                    of_column = dict(every[column]) if isinstance(every.get(column), dict) else {}
                    # One step back; of files, all that were ever read stay for a script.
                    was = {image: of_column.get(image) for image in changes}
                    study[STEP] = {"column": column, "what": what, "images": was}
                    files = {one.file for rows in changes.values() for one in rows or () if one.file}
                    study[FILES] = sorted({*map(str, study.get(FILES) or ()), *files})
                    for image, now in changes.items():
                        of_column.pop(image, None)
                        if now is not None:
                            of_column[image] = [one.to_json() for one in now]
                    every[column] = of_column
                    study[PART] = {name: one for name, one in every.items() if one}
                    project.settings["study"] = study
                    project.use_items(ready)
                    project.save()
                    session.table = items
            break
    session.changed_items("regions")
    session.emit(session.study_changed, StudyChanged("regions"))


def _column_name(session: Session, column: Any) -> str:
    if (
        not isinstance(column, str)
        or not 0 < len(column.strip()) <= 80
        or not column.isprintable()
        or column in _OURS
    ):
        raise InputError(f"Regions cannot be called {column!r}. Choose a short name, such as name='region'.")
    column, extra = column.strip(), session.table.extra
    if extra is not None and column in extra.columns and not kept(session, column):
        raise InputError(
            f"The cells came with a column {column!r}, which regions would write over. Choose another name=, such as "
            f"name={column_for(session)!r}."
        )
    return column


# ---------------------------------------------------------------------- how large


def areas(session: Session, column: str) -> pd.DataFrame:
    """See :meth:`celltune_nb.Session.areas`."""
    import pandas as pd

    table, rows = session.table, []
    extra = table.extra
    for image, regions in kept(session, column).items():
        if image not in table.names and image not in session.images:
            continue
        here = table.of_image(session.image_number(image))
        inside: Any = {}
        if extra is not None and column in extra:
            inside = extra[column].iloc[here].value_counts()
        scale = _scale(session, image)
        for name in dict.fromkeys(one.name for one in regions):
            pixels = sum(one.area for one in regions if one.name == name)
            rows.append((image, name, pixels, pixels * scale, int(inside.get(name, 0))))
    found = pd.DataFrame(rows, columns=["image", "region", "area_px", "area_mm2", "cells"])
    return found.astype({"area_px": np.float64, "area_mm2": np.float64, "cells": np.int64})


def _scale(session: Session, image: str) -> float:
    """mm² a pixel; NaN where nobody knows."""
    size = session.images[image].pixel_size if image in session.images else None
    return float("nan") if size is None else (size / 1000) ** 2


def area_of(session: Session, keys: Sequence[str], names: Sequence[tuple[str, ...]]) -> NDArray[np.float64]:
    """mm² of each place that cells are counted in, (n,); NaN where it is not known.

    Parameters
    ----------
    keys : sequence of str
        ``"image"``, ``"group"``, ``"all"`` and a column of regions.
    names : sequence of tuple of str
    """
    columns = [key for key in keys if key not in ("image", "group", "all")]
    out = np.full(len(names), np.nan)
    if len(columns) > 1 or (columns and not kept(session, columns[0])):
        return out
    owner = _owners(session)
    sizes: dict[str, dict[str, float]] = {}
    if columns:
        of = areas(session, columns[0])
        for image, region, size in zip(of["image"], of["region"], of["area_mm2"], strict=True):
            sizes.setdefault(image, {})[region] = size
        there = _there(session, columns[0])
    of_group: dict[str, list[str]] = {}
    for image, groups in owner.items():
        for group in groups:
            of_group.setdefault(group, []).append(image)
    for i, name in enumerate(names):
        asked = dict(zip(keys, name, strict=True))
        images = [asked["image"]] if asked.get("image") in owner else [] if "image" in asked else list(owner)
        if "group" in asked:
            group = asked["group"]
            images = (
                [image for image in images if group in owner[image]]
                if "image" in asked
                else of_group.get(group, [])
            )
            if any(len(owner[image]) > 1 for image in images):
                continue  # which part of the image is whose is not known
        if columns:
            region = asked[columns[0]]
            if region == "–":
                continue  # outside of all regions
            parts = [
                sizes.get(image, {}).get(region, np.nan if (image, region) in there else 0.0)
                for image in images
            ]
        else:
            parts = [_whole(session, image) for image in images]
        out[i] = sum(parts) if parts else np.nan
    return out


def _whole(session: Session, image: str) -> float:
    if image not in session.images:
        return float("nan")
    rows, columns = session.images[image].shape
    return rows * columns * _scale(session, image)


def _owners(session: Session) -> dict[str, set[str]]:
    """Image with cells → groups of its cells."""
    table = session.table
    alike = groups_of_images(session)
    found: dict[str, set[str]] = {}
    for i, image in enumerate(table.names):
        group, codes = alike[image], table.groups[table.of_image(i)]
        if group is not None or not len(codes):
            found[image] = set() if group is None else {group}
        else:  # of none, or of several
            found[image] = {table.group_names[c] if c >= 0 else "–" for c in np.unique(codes).tolist()}
    return found


def _there(session: Session, column: str) -> set[tuple[str, str]]:
    """(image, region) that hold a cell."""
    import pandas as pd

    table = session.table
    extra = table.extra
    if extra is None or column not in extra:
        return set()
    values = extra[column].astype("string")
    codes, names = pd.factorize(values)
    some = np.flatnonzero(codes >= 0)
    known = np.unique(table.images[some].astype(np.int64) * len(names) + codes[some])
    return {(table.names[int(k // len(names))], str(names[int(k % len(names))])) for k in known}
