"""Cells from centres, where nobody has segmented: discs around them, plane by plane where centres have a depth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.images import check_image
from ..errors import Cancelled, InputError
from ..formats.depth import open_depth
from ..formats.headings import IMAGE, X, Y, Z, find
from ..formats.images import is_image_path, open_image
from ..formats.stack import is_stack, open_stack
from ..measure.discs import Discs
from .checks import number, one_of
from .tables import read_table

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["CentresReport", "add_centres"]

#: Times that discs may cover the image: above, the radius is in another unit.
COVERED = 40
UNITS = ("px", "µm")

Told = Callable[[float, str], None]


@dataclass(frozen=True)
class CentresReport:
    """What became of centres.

    Attributes
    ----------
    images : tuple of str
        Added: one, or one a plane that has cells.
    cells : int
    outside : int
        Centres outside of the image, or of the planes of a stack.
    unusable : int
        Rows without a place.
    hidden : int
        Centres that share their place with another one, so that no pixel is left for a cell.
    radius : float
        Pixels; the mean where cells have radii of their own.
    notes : tuple of str
    """

    images: tuple[str, ...]
    cells: int
    outside: int
    unusable: int
    hidden: int
    radius: float
    notes: tuple[str, ...] = field(default=())

    @property
    def sentence(self) -> str:
        """In words."""
        where = f"on {self.images[0]}" if len(self.images) == 1 else f"on {len(self.images):,} planes"
        text = f"{self.cells:,} cells {where}, discs of {self.radius:.1f} pixels radius."
        left = [
            f"{n:,} {what}"
            for n, what in (
                (self.outside, "outside of the image"), (self.unusable, "without a place"), (self.hidden, "hidden by others"),
            ) if n
        ]  # fmt: skip
        return text + (f" Left out: {', '.join(left)}." if left else "")

    def __repr__(self) -> str:
        return f"CentresReport({self.sentence})"


@dataclass(frozen=True, eq=False)
class _Centres:
    """Usable rows of a table."""

    row: NDArray[np.int64]  # from 1: the cell's number
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    z: NDArray[np.float64] | None
    radius: NDArray[np.float64]
    unusable: int
    notes: tuple[str, ...]

    def chosen(self, which: NDArray[np.bool_]) -> _Centres:
        z = None if self.z is None else self.z[which]
        return _Centres(
            self.row[which], self.y[which], self.x[which], z, self.radius[which], self.unusable, self.notes
        )


def add_centres(
    session: Session, name: Any, image: Any, centres: Any, radius: Any, unit: str, pixel_size: Any, spacing: Any,
    channels: Any, group: Any, progress: Told | None = None, stop: Callable[[], bool] | None = None,
) -> CentresReport:  # fmt: skip
    """See :meth:`celltune_nb.Session.add_centres`."""
    with session.writing():
        pass  # refuse before the work
    one_of(unit, UNITS, "The unit of the radius")
    name = str(name).strip()
    table = read_table(centres)
    deep = find(table.columns, Z) is not None
    if deep:
        depth = open_depth(image)
        shape, size = depth.shape, pixel_size
        check_image(name, np.empty((shape[0], 1, 1), np.uint8), channels)
    else:
        depth = None
        shape, size = _flat(session, name, image, channels, pixel_size)
    if size is not None:
        size = number(size, "The pixel size")
        if not 0 < size < 1e6:
            raise InputError(f"The pixel size is {size}. Give µm a pixel, such as 0.5.")
    scale = 1.0
    if unit == "µm":
        if size is None:
            raise InputError(
                "A radius in µm needs the size of a pixel. Give pixel_size=, or the radius in pixels."
            )
        scale = 1 / float(size)
    found = _read(table, name, radius, scale, spacing)
    inside = (found.y >= -0.5) & (found.y < shape[1] - 0.5) & (found.x >= -0.5) & (found.x < shape[2] - 0.5)
    if depth is not None:
        assert found.z is not None
        plane = np.rint(found.z)
        inside &= (plane >= 0) & (plane < depth.planes)
    outside = int(np.count_nonzero(~inside))
    found = found.chosen(inside)
    if not len(found.y):
        raise InputError(
            f"None of the {outside + found.unusable:,} centres lies on image {name!r} ({shape[1]:,} × {shape[2]:,} pixels). Positions "
            "are pixels, y down and x to the right, from 0."
        )
    covered = float((np.pi * found.radius**2).sum()) / (shape[1] * shape[2] * (1 if depth is None else depth.planes))  # fmt: skip
    if covered > COVERED:
        raise InputError(
            f"Discs of {found.radius.mean():,.1f} pixels radius would cover the image {covered:,.0f} times. Is the radius in another "
            "unit? Give it in pixels, or in µm with unit='µm'."
        )
    if depth is None:
        mask = Discs(shape[1:], found.y, found.x, found.radius, found.row)
        session.add_image(name, image, mask, channels=channels, pixel_size=size, group=group)
        names = [name]
    else:
        names = _planes(session, name, depth, found, channels, size, group, progress, stop)
    rows = session.table
    cells = sum(
        int(part.stop - part.start) for part in (rows.of_image(session.image_number(n)) for n in names)
    )
    return CentresReport(
        tuple(names), cells, outside, found.unusable, len(found.y) - cells, float(found.radius.mean()), found.notes
    )  # fmt: skip


def _flat(
    session: Session, name: str, image: Any, channels: Any, pixel_size: Any
) -> tuple[tuple[int, int, int], Any]:
    """Channels, rows and columns of an image, and the size of its pixels where it is known."""
    file = (
        open_stack(image, session.chunks) if is_stack(image)
        else open_image(image, session.chunks) if is_image_path(image) else None
    )  # fmt: skip
    if file is not None:
        pixel_size = file.pixel_size if pixel_size is None else pixel_size
        channels = file.channels if channels is None else channels
    given = image if file is None else file.array
    if len(getattr(given, "shape", ())) == 4:
        raise InputError(
            f"Image {name!r} is a stack, and the centres have no column z. Add one (planes from 0), or give one plane."
        )
    array, names = check_image(name, given, channels)
    if names == ["Red", "Green", "Blue"] and array.shape[2:] == (3,):
        return (3, int(array.shape[0]), int(array.shape[1])), pixel_size
    return (int(array.shape[0]), int(array.shape[1]), int(array.shape[2])), pixel_size


def _read(table: pd.DataFrame, name: str, radius: Any, scale: float, spacing: Any) -> _Centres:
    """The rows of an image with a place, in pixels."""
    columns = {axis: find(table.columns, words) for axis, words in (("y", Y), ("x", X), ("z", Z))}
    for axis in "yx":
        if columns[axis] is None:
            raise InputError(
                f"The centres have no column {axis!r}; there are: {', '.join(map(str, list(table.columns)[:20]))}. Call the "
                "columns y and x, with z for stacks, in pixels."
            )
    notes: list[str] = []
    here = np.ones(len(table), bool)
    which = find(table.columns, IMAGE)
    if which is not None:
        said = table[which].astype(str).str.strip().to_numpy()
        if len(set(said)) > 1 or name in said:
            here = said == name
            if not here.any():
                raise InputError(
                    f"The column {which!r} of the centres names no image {name!r}. Call the image as it is called there."
                )
            if not here.all():
                notes.append(f"{int((~here).sum()):,} centres are of other images.")
    number_ = np.flatnonzero(here) + 1
    places = {axis: _numbers(table, column, here) for axis, column in columns.items() if column is not None}
    if isinstance(radius, str):
        if radius not in table.columns:
            raise InputError(f"The centres have no column {radius!r} for the radius. Give a number, or a column's name.")  # fmt: skip
        radii = _numbers(table, radius, here)
    else:
        value = number(radius, "The radius")
        radii = np.full(len(number_), value)
        if not np.isfinite(value) or value <= 0:
            raise InputError(f"The radius is {radius!r}. Give a number above 0, such as 6.")
    radii = radii * scale
    z = places.get("z")
    if z is not None and spacing is not None:
        step = number(spacing, "The spacing")
        if not 0 < step < 1e6:
            raise InputError(f"The spacing is {spacing!r}. Give µm from plane to plane, such as 2.")
        z = z / step
    usable = np.isfinite(places["y"]) & np.isfinite(places["x"]) & np.isfinite(radii) & (radii > 0)
    if z is not None:
        usable &= np.isfinite(z)
    few = radii[usable]
    if len(few) and few.max() < 0.5:
        raise InputError(
            f"The radius is {few.max():.2g} pixels. Discs need half a pixel or more; is it in another unit?"
        )
    usable &= radii >= 0.5
    return _Centres(
        number_[usable], places["y"][usable], places["x"][usable], None if z is None else z[usable], radii[usable],
        int(np.count_nonzero(~usable)), tuple(notes),
    )  # fmt: skip


def _numbers(table: pd.DataFrame, column: Any, here: NDArray[np.bool_]) -> NDArray[np.float64]:
    import pandas as pd

    values = table[column]
    if isinstance(values, pd.DataFrame):
        raise InputError(f"The centres have several columns {column!r}. Keep one of them.")
    found = pd.to_numeric(values[here], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if len(found) and not np.isfinite(found).any():
        raise InputError(f"The column {column!r} of the centres holds no numbers.")
    return np.asarray(found)


def _planes(
    session: Session, name: str, depth: Any, found: _Centres, channels: Any, pixel_size: Any, group: Any,
    progress: Told | None, stop: Callable[[], bool] | None,
) -> list[str]:  # fmt: skip
    """An image of each plane that has centres."""
    assert found.z is not None
    plane = np.rint(found.z).astype(np.int64)
    wide = max(3, len(str(depth.planes - 1)))
    used = np.unique(plane).tolist()
    names = [f"{name} z{z:0{wide}d}" for z in used]
    taken = [n for n in names if n in session.images]
    if taken:
        raise InputError(f"There is an image {taken[0]!r} already. Give this stack another name.")
    done: list[str] = []
    with session.adding_images():
        for z, called in zip(used, names, strict=True):
            if stop is not None and stop():
                break
            here = found.chosen(plane == z)
            mask = Discs(depth.shape[1:], here.y, here.x, here.radius, here.row)
            # Planes of one stack are of one animal: without a group each would count as one.
            session.add_image(
                called, depth.read(z), mask, channels=channels, pixel_size=pixel_size, group=group or name
            )
            done.append(called)
            if progress is not None:
                progress(len(done) / len(used), f"plane {len(done):,} of {len(used):,}")
    if not done:
        raise Cancelled
    return done
