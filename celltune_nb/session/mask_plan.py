"""What becomes of the cells of an image with another mask, and of their labels: found out, nothing written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.images import Image, check_mask
from ..data.items import ItemTable, NewCells
from ..errors import InputError
from ..formats.images import ImageFile, is_image_path, open_image
from . import area_cells, sources
from .adding import cells_of
from .carrying import CarryReport, disputes, report

if TYPE_CHECKING:
    from ..measure.runs import CellIndex
    from ..measure.segmentations import Overlaps
    from .session import Session

__all__ = ["Given", "Labels", "Plan", "audited", "image_of", "labels_of", "looked", "plan_of"]

Ids = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Given:
    """A mask as it was given, looked through."""

    labels: Any
    outline: ImageFile | None
    cells: CellIndex
    nuclei: Any
    inner: ImageFile | None


@dataclass(frozen=True, eq=False)
class Plan:
    """What becomes of the cells of an image.

    Attributes
    ----------
    base, table : ItemTable
        The items before and after.
    start : int
        Row of the first of its former cells.
    old, new : ndarray of int64
        Former and new items.
    into, partners : ndarray of int64, shape as *old*
        The item that took the place of each (0: none); also the one that it became part of (-1: none).
    fate : ndarray of str
        As of :func:`celltune_nb.measure.segmentations.fates`.
    found : Overlaps or None
    """

    image: Image
    base: ItemTable
    table: ItemTable
    start: int
    old: Ids
    into: Ids
    partners: Ids
    fate: NDArray[np.object_]
    found: Overlaps | None
    new: Ids


@dataclass(frozen=True, eq=False)
class Labels:
    """What becomes of the labels of a level: the items that get one, from whom, and what is told."""

    new: Ids
    old: Ids
    codes: NDArray[np.int16]
    report: CarryReport


def image_of(session: Session, name: str) -> Image:
    """The image that a mask is meant for.

    Raises
    ------
    InputError
        When it cannot have another one.
    """
    session.image_number(name)  # says which images there are
    image = session.images.get(name)
    if image is None:
        raise InputError(
            f"The cells of image {name!r} came with a table; it has no pixels that a mask could lie on."
        )
    if image.mask is None and name in session.table.names:
        raise InputError(
            f"A table brought the cells of image {name!r}, by their places alone; what a mask would make of each cannot be "
            "told. Add the image with its mask under another name, and import the labels by their places."
        )
    return image


def looked(
    session: Session,
    image: Image,
    mask: Any,
    nucleus: Any,
    copy: bool | None,
    told: Callable[[float], object],
) -> Given:
    """Open and check a mask, and find its cells; *told* how much of the work is done."""
    name = image.name
    if mask is None:
        raise InputError(
            f"No mask was given for image {name!r}. Give an array (Y, X), or the path of a file."
        )
    outline = open_image(mask, session.chunks) if is_image_path(mask) else None
    inner = open_image(nucleus, session.chunks) if is_image_path(nucleus) else None
    if copy is False and (outline is None or (nucleus is not None and inner is None)):
        raise sources.must_be_a_file(name)
    labels = check_mask(name, mask if outline is None else outline.array, image.shape)
    nuclei = (
        None if nucleus is None else check_mask(name, nucleus if inner is None else inner.array, image.shape)
    )
    done, total = 0, image.shape[0] * image.shape[1] * 4

    def progress(more: int) -> None:
        nonlocal done
        done += more
        told(min(0.5, 0.5 * done / max(total, 1)))

    cells = cells_of(labels, progress)
    if not len(cells.labels):
        raise InputError(
            f"The new mask of image {name!r} has no cell: it is 0 everywhere. Check the file, or leave the image as it is."
        )
    return Given(labels, outline, cells, nuclei, inner)


def plan_of(session: Session, image: Image, given: Given, minimum: float, by: str) -> Plan:
    """Compare the mask of an image with a new one."""
    from ..measure.segmentations import fates, overlaps

    base, name, cells = session.table, image.name, given.cells
    place = base.names.index(name) if name in base.names else len(base.names)
    rows = base.of_image(place)
    new_cells = NewCells(name, cells.labels, cells.y, cells.x, cells.bbox, cells.border_distance, image.group)
    table = area_cells.placed(session, name, base, base.resegmented(new_cells))
    old, new = base.ids[rows], table.ids[len(table) - len(cells.labels) :]
    if image.mask is None:
        none = np.empty(0, np.int64)
        return Plan(image, base, table, rows.start, old, none, none, np.empty(0, object), None, new)
    numbers = cells.labels
    consecutive = numbers[0] == 1 and numbers[-1] == len(numbers)
    numbered = sources.numbered(given.labels, None if consecutive else numbers)
    found = overlaps(image.mask, numbered, len(old), len(new))
    partner, fate = fates(found, minimum, by)  # type: ignore[arg-type]
    partners = np.where(partner < 0, -1, new[partner])
    into = np.where(fate == "carried", partners, 0)
    return Plan(image, base, table, rows.start, old, into, partners, fate, found, new)


def labels_of(session: Session, plan: Plan) -> dict[str, Labels]:
    """What becomes of the labels of each level that has some here."""
    found = {}
    for level in session.book.levels:
        state = session.book.level(level)
        codes = state.codes_of(plan.old)
        labelled = np.flatnonzero(codes)
        if not len(labelled):
            continue
        codes, what = codes[labelled], plan.fate[labelled].copy()
        partners = plan.partners[labelled]
        disputes(what, partners, codes)
        pieces = plan.new[:0]
        if plan.found is not None:
            split = labelled[what == "split"]
            pieces = plan.new[np.unique(plan.found.new[np.isin(plan.found.old, split)])]
        told = report(what, codes, plan.old[labelled], partners, pieces, state.categories, None)
        goes = np.flatnonzero(what == "carried")
        goes = goes[np.argsort(partners[goes])]
        found[level] = Labels(partners[goes], plan.old[labelled[goes]], codes[goes], told)
    return found


def audited(session: Session, plan: Plan) -> dict[str, int]:
    """How many cells of audit samples go over, and how many drop out."""
    found = {"carried": 0, "dropped": 0}
    for level in session.book.levels:
        drawn = np.isin(plan.old, session.audits.of(level).ids)
        stay = int((plan.into[drawn] > 0).sum())
        found["carried"] += stay
        found["dropped"] += int(drawn.sum()) - stay
    return found
