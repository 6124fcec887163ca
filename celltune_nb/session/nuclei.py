"""A mask of nuclei for an image of the project: its cells stay who they are, and are measured in their nucleus too."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from uuid import uuid4

import numpy as np

from ..data.images import Image, check_mask
from ..errors import CellTuneError, InputError
from ..formats.images import is_image_path, open_image
from . import sources
from .checks import whole_number
from .committing import committing

if TYPE_CHECKING:
    from .session import Session

__all__ = ["FEW", "Change", "NucleusReport", "changes", "former_nuclei", "set_nuclei"]

#: Pixels that are compared at once.
BLOCK = 1 << 22
#: Less than this part of the cells with a nucleus in them is said to be few.
FEW = 0.5


@dataclass(frozen=True)
class NucleusReport:
    """How a mask of nuclei lies on the cells of an image; str() is a sentence.

    Attributes
    ----------
    image : str
    cells, with_nucleus : int
        Cells of the image, and those that hold a pixel of a nucleus.
    notes : list of str
        What is still missing before cells are measured in their nucleus.
    done : bool
        False: this is what would be.
    """

    image: str
    cells: int
    with_nucleus: int
    notes: list[str]
    done: bool

    def __str__(self) -> str:
        verb = "have" if self.done else "would have"
        return f"{self.image}: {self.with_nucleus:,} of {self.cells:,} cells {verb} a nucleus."

    __repr__ = __str__


def set_nuclei(session: Session, name: str, nucleus: Any, copy: bool | None, preview: bool) -> NucleusReport:
    """See :meth:`celltune_nb.Session.set_nuclei`."""
    if not preview:
        with session.writing():
            pass  # refuse before the work, not after it
    number = session.image_number(name)  # says which images there are
    image = session.images.get(name)
    if image is None or image.mask is None:
        raise InputError(
            f"Image {name!r} has no mask of cells that nuclei could lie in. Give it one first: session.replace_mask."
        )
    if nucleus is None:
        raise InputError(
            f"No nuclei were given for image {name!r}. Give an array (Y, X), or the path of a file."
        )
    file = open_image(nucleus, session.chunks) if is_image_path(nucleus) else None
    if copy is False and file is None:
        raise sources.must_be_a_file(name)
    nuclei = check_mask(name, nucleus if file is None else file.array, image.shape)
    rows = session.table.of_image(number)
    total, some = rows.stop - rows.start, _with_nucleus(image, nuclei)
    if not some:
        raise InputError(
            f"None of the {total:,} cells of image {name!r} has a nucleus in this mask. Check that it belongs to this image."
        )
    if not preview:
        _commit(session, image, nuclei, file, copy)
    return NucleusReport(name, total, some, _notes(session, name, total, some), not preview)


def _with_nucleus(image: Image, nuclei: Any) -> int:
    """How many cells hold a pixel of a nucleus."""
    height, width = image.shape
    step, found = max(1, BLOCK // width), np.empty(0, np.int64)
    for start in range(0, height, step):
        cells, inner = (np.asarray(one[start : start + step]) for one in (image.mask, nuclei))
        if inner.dtype.kind == "i" and inner.min(initial=0) < 0:
            raise InputError(
                f"The nuclei of image {image.name!r} hold negative numbers. A mask holds 0 for background and positive numbers."
            )
        found = np.union1d(found, np.unique(cells[(inner != 0) & (cells != 0)]))
    return len(found)


def _notes(session: Session, name: str, total: int, some: int) -> list[str]:
    notes = []
    if some < FEW * total:
        notes.append("Few cells have a nucleus. Check that the mask belongs to this image.")
    others = [
        one.name
        for one in session.images.values()
        if one.mask is not None and one.nucleus is None and one.name != name
    ]
    if others:
        more = f" and {len(others) - 1:,} more" if len(others) > 1 else ""
        notes.append(
            f"Nuclei are measured once every image has a mask of them: {others[0]}{more} "
            f"{'have' if more else 'has'} none yet."
        )
    else:
        notes.append("Measure again: cells are then measured in their nucleus too.")
    return notes


def _commit(session: Session, image: Image, nuclei: Any, file: Any, copy: bool | None) -> None:
    """Write the nuclei, then let them take effect in one step; cells, labels and all else stay."""
    adding, files = session._adding, list[str]()
    key = f"{image.key.split('-')[0]}-{uuid4().hex[:6]}"
    part: dict[str, Any] = {"key": key}
    try:
        adding.keep_nuclei(part, files, nuclei, file, copy, lambda more: None)
        with committing(session) as project:
            if session.images.get(image.name) is not image:
                raise CellTuneError(f"Image {image.name!r} was changed meanwhile. Give the nuclei again.")
            rows = list(project.settings["images"])
            place = next(i for i, row in enumerate(rows) if row["name"] == image.name)
            was = {k: rows[place][k] for k in ("nucleus", "nucleus_file") if rows[place].get(k)}
            kept = {k: v for k, v in rows[place].items() if k not in ("nucleus", "nucleus_file")}
            rows[place] = kept | {k: v for k, v in part.items() if k != "key"} | {"nucleus_key": key}
            project.settings["images"] = rows
            project.settings["former_nuclei"] = [
                *project.settings.get("former_nuclei", ()), _record(session, image.name, key, was)
            ]  # fmt: skip
            project.save()
            session.images[image.name] = project.image(rows[place], session.chunks)
    except BaseException:
        if not any(row.get("nucleus_key") == key for row in session.project.settings["images"]):
            adding.remove(files)
        raise
    session.changed_items("image")


# ---------------------------------------------------------------------- nuclei of before


class Change(NamedTuple):
    """A mask, or nuclei, that took the place of others: the *nth* of its kind, with what was there before."""

    kind: Literal["mask", "nuclei"]
    nth: int
    key: str
    former: Mapping[str, Any]

    @property
    def had_nuclei(self) -> bool:
        """Whether the image had nuclei before."""
        return bool(self.former.keys() & {"nucleus", "nucleus_file"})


def _record(session: Session, name: str, key: str, was: Mapping[str, Any]) -> dict[str, Any]:
    masks = sum(row.get("image") == name for row in session.project.settings.get("replaced", ()))
    # Which masks came before says the order, whatever the clock did.
    return {"image": name, "key": key, "time": time.time(), "masks": masks, "former": dict(was)}


def changes(session: Session, name: str) -> list[Change]:
    """What took the place of masks and nuclei of an image, oldest first.

    The nuclei that one of them brought or left are those of before the next one, or those that count.
    """
    settings = session.project.settings
    masks = [row for row in settings.get("replaced", ()) if row.get("image") == name]
    nuclei = [row for row in settings.get("former_nuclei", ()) if row.get("image") == name]
    found: list[Change] = []
    for before in range(len(masks) + 1):
        found += [
            Change("nuclei", i, str(row["key"]), row["former"])
            for i, row in enumerate(nuclei)
            if row["masks"] == before
        ]
        found += [Change("mask", before, "", row["former"]) for row in masks[before : before + 1]]
    return found


def former_nuclei(session: Session, name: str, which: int) -> Any:
    """See :meth:`celltune_nb.Session.former_nuclei`."""
    session.image_number(name)
    which = whole_number(which, "Which nuclei", -10_000)
    rows = [row for row in session.project.settings.get("former_nuclei", ()) if row.get("image") == name]
    if not rows or not -len(rows) <= which < len(rows):
        raise InputError(
            f"Image {name!r} was given other nuclei {len(rows) or 'no'} time{'' if len(rows) == 1 else 's'}. "
            "Those that count are session.images[name].nucleus."
        )
    was, project = rows[which]["former"], session.project
    if was.get("nucleus_file"):
        what = f"the former nuclei of image {name!r}"
        return sources.Reference(was["nucleus_file"], project, what, session.chunks).array()
    if not was.get("nucleus"):
        raise InputError(f"Image {name!r} had no mask of nuclei then.")
    return project.read_array(was["nucleus"])
