"""Regions of interest as a project keeps them: drawn shapes, and labels of an image, with the size of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.shapes import Shape, label_at, reduced_by
from ..errors import CellTuneError
from ..formats.images import open_image
from .study import stored

if TYPE_CHECKING:
    from .session import Session

__all__ = ["FILES", "PART", "STEP", "Kept", "columns", "kept", "regions_at", "rows_of"]

PART = "areas"
#: What was done last, and the copies of label images that were ever read.
STEP, FILES = "areas_step", "areas_files"


@dataclass(frozen=True)
class Kept:
    """A region as it is kept.

    Attributes
    ----------
    name : str
    area : float
        Square pixels of the image.
    shape : Shape or None
        What was drawn; None for a label of an image that was read.
    label : int
        Of that image; 0 where it was not kept.
    file : str
        The project's copy of it, from the project's folder on.
    """

    name: str
    area: float
    shape: Shape | None
    label: int = 0
    file: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        about: dict[str, Any] = {"name": self.name} if self.shape is None else self.shape.to_json()
        of = {"label": self.label, "file": self.file} if self.file else {}
        return {**about, **of, "area_px": self.area}

    @classmethod
    def from_json(cls, row: Any) -> Kept:
        """A region of plain data.

        Raises
        ------
        KeyError, TypeError, ValueError, OverflowError
            It is none.
        """
        name, area = str(row["name"]), float(row["area_px"])
        if not 0 <= area < math.inf:
            raise ValueError("its size")
        if "kind" not in row:
            return cls(name, area, None, int(row.get("label", 0)), str(row.get("file", "")))
        corners = tuple((float(y), float(x)) for y, x in row["corners"])
        if row["kind"] not in ("rectangle", "polygon") or len(corners) < 2:
            raise ValueError("its shape")
        return cls(name, area, Shape(name, str(row["kind"]), corners))


def kept(session: Session, column: str) -> dict[str, list[Kept]]:
    """Image → its regions in a column; what somebody wrote badly by hand is left out."""
    found = {}
    of_column = stored(session, PART).get(column)
    for image, rows in of_column.items() if isinstance(of_column, dict) else ():
        if (regions := rows_of(rows)) is not None:
            found[str(image)] = regions
    return found


def rows_of(rows: Any) -> list[Kept] | None:
    """Regions of plain data; None where it holds none."""
    try:
        return [Kept.from_json(row) for row in rows]
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def columns(session: Session) -> list[str]:
    """Columns of the items that regions became."""
    return [str(column) for column in stored(session, PART) if kept(session, str(column))]


def regions_at(
    session: Session, image: str, regions: list[Kept], y: NDArray[np.floating], x: NDArray[np.floating],
    labels: Any = None,
) -> NDArray[np.object_] | None:  # fmt: skip
    """The region of each point, None for those in none; None where it cannot be told.

    Parameters
    ----------
    labels : array (Y, X), optional
        The label image, where it is at hand; else the project's copy is read.
    """
    found = np.full(len(y), None, object)
    for one in regions:  # where two lie over one another the later counts
        if one.shape is not None:
            found[one.shape.inside(y, x)] = one.name
    by_label = {one.label: one.name for one in regions if one.shape is None}
    if not by_label:
        return found
    shape = session.images[image].shape if image in session.images else None
    files = {one.file for one in regions if one.shape is None}
    if labels is None and len(files) == 1 and (file := files.pop()):
        try:
            labels = open_image(session.project.path(file), session.chunks).array
        except CellTuneError:
            return None
    factor = None if labels is None or shape is None else reduced_by(labels.shape, shape)
    if factor is None:
        return None
    try:
        under = label_at(labels, factor, y, x)
    except CellTuneError:  # the copy was damaged
        return None
    for value in np.unique(under[under != 0]).tolist():
        found[under == value] = by_label.get(int(value))
    return found
