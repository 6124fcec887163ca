"""Tables of the centres of cells: which columns hold the places, and which rows are of use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..formats.headings import IMAGE, X, Y, Z, find
from ..formats.stack import plain_stem
from .checks import number
from .tables import image_names, read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["UNITS", "CentreRows", "Centres", "Columns", "centre_table", "place_columns", "read_centres"]

UNITS = ("px", "µm")
#: Radius in pixels beyond which it is none.
LARGEST = 100_000.0
#: A unit at the end of a column's name.
_UNIT = re.compile(r"[\s_.([]*(?P<unit>[µμu]m|microns?|micromet(?:er|re)s?|px|pixels?)[\])]*$", re.IGNORECASE)
#: What napari calls the columns of points, by how many there are.
_AXES = {2: ("axis-0", "axis-1"), 3: ("axis-0", "axis-1", "axis-2")}


@dataclass(frozen=True, eq=False)
class Centres:
    """The usable rows of a table.

    Attributes
    ----------
    row : ndarray of int64, shape (n,)
        Number of each in the table, from 1: the number of its cell.
    y, x : ndarray of float64
        Pixels.
    z : ndarray of float64 or None
        Planes.
    radius : ndarray of float64
        Pixels.
    rows : int
        Of this image, usable or not.
    notes : tuple of str
    """

    row: NDArray[np.int64]
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    z: NDArray[np.float64] | None
    radius: NDArray[np.float64]
    rows: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.row)

    @property
    def unusable(self) -> int:
        """Rows without a place, or without a radius."""
        return self.rows - len(self)

    def chosen(self, which: NDArray[Any]) -> Centres:
        """Some of them, by a mask or by their places."""
        z, row = None if self.z is None else self.z[which], self.row[which]
        return replace(
            self, row=row, y=self.y[which], x=self.x[which], z=z, radius=self.radius[which],
            rows=self.rows - len(self) + len(row),
        )  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """Which columns of a table say where cells are.

    Attributes
    ----------
    y, x : column or None
    z : column or None
        Of the planes of a stack.
    micrometres : bool
        Whether the names of y and x say µm.
    """

    y: Any
    x: Any
    z: Any = None
    micrometres: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """Their names, z first."""
        return tuple(str(one) for one in (self.z, self.y, self.x) if one is not None)


@dataclass(frozen=True, eq=False)
class CentreRows:
    """Some rows of a table of centres, those of one image.

    Attributes
    ----------
    frame : DataFrame
        Without a column that names images.
    columns : Columns
    numbers : ndarray of int64
        Of its rows in the whole table, from 1.
    """

    frame: pd.DataFrame
    columns: Columns
    numbers: NDArray[np.int64]


def place_columns(columns: Sequence[Any]) -> Columns:
    """The columns of places by their names, as people and other programs write them; with or without a unit."""
    axes = [name for name in _AXES[3] if name in columns]
    if tuple(axes) in _AXES.values() and find(columns, Y) is None:
        return Columns(axes[-2], axes[-1], axes[0] if len(axes) == 3 else None)
    bare = {_UNIT.sub("", str(name)): name for name in reversed(columns)}
    places = {}
    for axis, words in zip("yxz", (Y, X, Z), strict=True):
        places[axis] = find(columns, words)
        if places[axis] is None and (found := find(bare, words)) is not None:
            places[axis] = bare[found]
    return Columns(**places, micrometres=_micrometres(places["y"]) and _micrometres(places["x"]))


def _micrometres(column: Any) -> bool:
    found = _UNIT.search(str(column))
    return found is not None and not found["unit"].lower().startswith("p")


def centre_table(centres: Any) -> tuple[pd.DataFrame, Columns]:
    """Read a table of centres and find its columns.

    Parameters
    ----------
    centres : DataFrame, path of CSV or Parquet, or array or list (n, 2) of y, x or (n, 3) of z, y, x

    Raises
    ------
    FormatError
        A file cannot be read.
    InputError
        There are no columns of places.
    """
    import pandas as pd

    if isinstance(centres, list | tuple):
        try:
            centres = np.asarray(centres, np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                "These centres are no numbers. Give rows of y, x or of z, y, x, a table, or its path."
            ) from error
    if isinstance(centres, np.ndarray):
        if (
            centres.ndim != 2
            or not len(centres)
            or centres.shape[1] not in _AXES
            or centres.dtype.kind not in "uif"
        ):
            raise InputError(
                f"Centres of shape {centres.shape} are none. Give (n, 2) numbers as y, x, or (n, 3) as z, y, x."
            )
        centres = pd.DataFrame(centres, columns=list("zyx")[3 - centres.shape[1] :])
    frame = read_table(centres)
    columns = place_columns(list(frame.columns))
    for axis in "yx":
        if getattr(columns, axis) is None:
            raise InputError(
                f"The centres have no column {axis!r}; there are: {', '.join(map(str, list(frame.columns)[:20]))}. Call the "
                "columns y and x, with z for stacks."
            )
    return frame, columns


def read_centres(
    frame: pd.DataFrame, columns: Columns, name: str, radius: Any, scale: float, spacing: Any, *, places: float = 1.0
) -> Centres:  # fmt: skip
    """The rows of an image with a place, in pixels.

    Parameters
    ----------
    name : str
        Of the image: rows of others are left out.
    radius : float or str
        Or the column that holds it.
    scale, places : float
        Pixels in the unit of the radius, and of the places.
    spacing : float or None
        µm from plane to plane, where z is in µm.

    Raises
    ------
    InputError
    """
    notes: list[str] = []
    here = np.ones(len(frame), bool)
    which = find(frame.columns, IMAGE)
    if which is not None:
        said = image_names(frame[which]).to_numpy()
        if not (said == name).any():  # tables of other programs name the file
            stems = {one: plain_stem(Path(one)) for one in set(said.tolist())}
            said = np.array([name if stems[one] == name else one for one in said], object)
        # One other name for all of them is that of the file they were found in.
        if (said == name).any() or len(set(said.tolist())) > 1:
            here = said == name
            if not here.any():
                raise InputError(
                    f"The column {which!r} of the centres names no image {name!r}. Call the image as it is called there."
                )
            if not here.all():
                notes.append(f"{int((~here).sum()):,} centres are of other images.")
    row = np.flatnonzero(here) + 1
    y, x = (_numbers(frame, column, here) * places for column in (columns.y, columns.x))
    z = None if columns.z is None else _numbers(frame, columns.z, here)
    if z is not None and spacing is not None:
        step = number(spacing, "The spacing")
        if not 0 < step < 1e6:
            raise InputError(f"The spacing is {spacing!r}. Give µm from plane to plane, such as 2.")
        z = z / step
    if isinstance(radius, str):
        if radius not in frame.columns:
            raise InputError(
                f"The centres have no column {radius!r} for the radius. Give a number, or a column's name."
            )
        radii = _numbers(frame, radius, here)
    else:
        value = number(radius, "The radius")
        if not 0 < value < np.inf:
            raise InputError(f"The radius is {radius!r}. Give a number above 0, such as 6.")
        radii = np.full(len(row), value)
    radii = radii * scale
    usable = np.isfinite(y) & np.isfinite(x) & (radii > 0) & (radii < np.inf)
    if z is not None:
        usable &= np.isfinite(z)
    if usable.any():
        largest = float(radii[usable].max())
        if not 0.5 <= largest <= LARGEST:
            raise InputError(
                f"The radius is {largest:,.2g} pixels. Discs need half a pixel or more, and fit on an image; is it in another "
                "unit?"
            )
    usable &= radii >= 0.5
    found = Centres(row, y, x, z, radii, len(row), tuple(notes)).chosen(usable)
    return replace(found, rows=len(row))


def _numbers(frame: pd.DataFrame, column: Any, here: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A column as numbers, NaN where there is none."""
    import pandas as pd

    values = frame[column][here]
    if values.dtype.kind in "mMc":
        raise InputError(f"The column {column!r} of the centres holds {values.dtype}. Give numbers.")
    try:
        found = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"The column {column!r} of the centres holds no numbers.") from error
    if not np.isfinite(found).any():
        raise InputError(f"The column {column!r} of the centres holds no numbers.")
    return np.asarray(found)
