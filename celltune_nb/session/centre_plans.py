"""What is to become of centres: everything that can be found out without reading pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.images import check_image
from ..errors import CellTuneError, InputError
from ..formats.depth import Depth, open_depth
from ..formats.images import is_image_path, open_image
from ..formats.stack import is_stack, open_stack
from .centre_tables import CentreRows, Centres, Columns, centre_table, read_centres
from .checks import number
from .mask_plan import image_of

if TYPE_CHECKING:
    from .session import Session

__all__ = ["CentresReport", "Plan", "planned", "report_of"]

#: Times that discs may cover a plane: above, the radius is in another unit.
COVERED = 40
#: Share of cells whose discs touch another one, from which on it is said.
TOUCHING = 0.1


@dataclass(frozen=True)
class CentresReport:
    """What became, or would become, of centres.

    Attributes
    ----------
    images : tuple of str
        One, or one a plane that has cells.
    cells : int
    outside : int
        Centres outside of the image, or of the planes of a stack.
    unusable : int
        Rows without a place or a radius.
    hidden : int
        Centres with another one at their place, so that no pixel is left for a cell.
    radius : float
        Pixels; the mean where cells have radii of their own.
    shape : (int, int, int)
        Channels, rows, columns of the image, or of each plane.
    planes : int
        Of the stack; 0 for an image.
    channels : tuple of str
    pixel_size : float or None
        µm.
    columns : tuple of str
        Of the table that were taken for the places: y and x, or z, y and x.
    notes : tuple of str
        Sentences that a person should read.
    done : bool
        False: it was a preview.
    name : str
        Of the image, or of the stack.
    """

    images: tuple[str, ...]
    cells: int
    outside: int
    unusable: int
    hidden: int
    radius: float
    shape: tuple[int, int, int]
    planes: int = 0
    channels: tuple[str, ...] = ()
    pixel_size: float | None = None
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
    done: bool = True
    name: str = ""

    @property
    def sentence(self) -> str:
        """In words."""
        where = (
            f"on {self.images[0]}"
            if not self.planes
            else f"on {len(self.images):,} of {self.planes:,} planes"
        )
        text = f"{self.cells:,} cells {where}, discs of {self.radius:.1f} pixels radius."
        left = [
            f"{n:,} {what}"
            for n, what in (
                (self.outside, "outside of the image"), (self.unusable, "without a place or radius"),
                (self.hidden, "at the place of another one"),
            ) if n
        ]  # fmt: skip
        return text + (f" Left out: {', '.join(left)}." if left else "")

    def __repr__(self) -> str:
        return f"CentresReport({self.sentence})"


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be added: everything that can be found out without reading pixels."""

    name: str
    image: Any  # None: the one of this name in the project
    depth: Depth | None
    shape: tuple[int, int, int]
    channels: list[str]
    pixel_size: float | None
    group: str | None
    found: Centres
    outside: int
    columns: Columns

    @cached_property
    def plane(self) -> NDArray[np.int64]:
        """Of each centre; 0 on an image."""
        z = self.found.z
        return np.zeros(len(self.found), np.int64) if z is None else np.rint(z).astype(np.int64)

    def name_of(self, plane: int) -> str:
        """What the image of a plane is called."""
        if self.depth is None:
            return self.name
        return f"{self.name} z{plane:0{max(3, len(str(self.depth.planes - 1)))}d}"

    @cached_property
    def by_plane(self) -> dict[int, NDArray[np.int64]]:
        """The places of the centres of each plane that has some, from the top."""
        order = np.argsort(self.plane, kind="stable")
        used, first = np.unique(self.plane[order], return_index=True)
        return dict(zip(used.tolist(), np.split(order, first[1:]), strict=True))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the images that are added."""
        return tuple(map(self.name_of, self.by_plane))


def planned(
    session: Session, name: Any, image: Any, centres: Any, radius: Any, unit: str, places: str | None, pixel_size: Any,
    spacing: Any, channels: Any, group: Any,
) -> Plan:  # fmt: skip
    """Everything that a person may have got wrong, found out before the work; *centres* may be rows of a table that was read."""
    name = session._adding.checked_name(name)
    some = centres if isinstance(centres, CentreRows) else None
    frame, columns = centre_table(centres) if some is None else (some.frame, some.columns)
    if isinstance(image, Mapping) and columns.z is None:
        image, channels = list(image.values()), list(image) if channels is None else channels
    depth = None if columns.z is None or image is None else _stack(image, columns)
    if image is None:
        shape, names, known = _of_project(session, name, columns, channels, group)
    elif name in session.images:
        raise InputError(
            f"There is an image {name!r} already. Give this one another name, or image=None to give that one these cells."
        )
    elif depth is None:
        shape, names, known = _flat(session, name, image, channels)
        session._adding.check_new(name, names)
    else:
        shape, known = depth.shape, depth.pixel_size
        given = depth.channels if channels is None else channels
        names = check_image(name, np.broadcast_to(np.uint8(0), (shape[0], 1, 1)), given)[1]
    size = known if pixel_size is None else number(pixel_size, "The pixel size")
    if size is not None and not 0 < size < 1e6:
        raise InputError(f"The pixel size is {size}. Give µm a pixel, such as 0.5.")
    in_um = columns.micrometres if places is None else places == "µm"
    if size is None and (in_um or unit == "µm"):
        what = "Places" if in_um else "A radius"
        raise InputError(f"{what} in µm need the size of a pixel. Give pixel_size=, or pixels.")
    scale = {True: 1.0 / (size or 1.0), False: 1.0}
    found = read_centres(frame, columns, name, radius, scale[unit == "µm"], spacing, places=scale[in_um])
    if some is not None:
        found = replace(found, row=some.numbers[found.row - 1])
    rows = found.rows
    inside = (found.y >= -0.5) & (found.y < shape[1] - 0.5) & (found.x >= -0.5) & (found.x < shape[2] - 0.5)
    if depth is not None and found.z is not None:
        inside &= (found.z >= -0.5) & (np.rint(found.z) < depth.planes)
    outside = int(np.count_nonzero(~inside))
    found = found.chosen(inside)
    if not len(found):
        where = f"{shape[1]:,} × {shape[2]:,} pixels" + (f", {depth.planes:,} planes" if depth else "")
        raise InputError(
            f"None of the {rows:,} centres lies on image {name!r} ({where}). Places are pixels, y down and x to the right, from 0; "
            "planes from 0 too."
        )
    if in_um and places is None:
        found = replace(found, notes=(*found.notes, f"Places are in µm, as the columns {columns.y!r} and {columns.x!r} say."))  # fmt: skip
    # Planes of one stack are of one animal: without a group each would count as one.
    group = name if depth is not None and group is None else group
    plan = Plan(name, image, depth, shape, names, size, None if group is None else str(group), found, outside, columns)  # fmt: skip
    _check_size(plan)
    if depth is not None:
        for one in plan.names:
            session._adding.check_new(session._adding.checked_name(one), names)
    return plan


def _of_project(
    session: Session, name: str, columns: Columns, channels: Any, group: Any
) -> tuple[tuple[int, int, int], list[str], float | None]:
    """As :func:`_flat`, of an image that is in the project already."""
    image = image_of(session, name)
    if columns.z is not None:
        raise InputError(
            f"Image {name!r} is a single plane, and the centres have a column {str(columns.z)!r}. Leave it out, or give the stack."
        )
    if channels is not None or group is not None:
        raise InputError(f"Image {name!r} is in the project with its channels and group. Leave them out.")
    return (len(image.channels), *image.shape), list(image.channels), image.pixel_size


def _stack(image: Any, columns: Columns) -> Depth:
    try:
        return open_depth(image)
    except CellTuneError as error:
        if "shape" not in str(error):
            raise
        raise InputError(
            f"The centres have a column {str(columns.z)!r}, so they are taken for those of a stack, and that is none. {error} For a "
            "single plane leave the column out."
        ) from error


def _flat(
    session: Session, name: str, image: Any, channels: Any
) -> tuple[tuple[int, int, int], list[str], float | None]:
    """Channels, rows and columns of an image, the names of its channels, and the size of its pixels where it is known."""
    file = (
        open_stack(image, session.chunks) if is_stack(image)
        else open_image(image, session.chunks) if is_image_path(image) else None
    )  # fmt: skip
    given = image if file is None else file.array
    if len(getattr(given, "shape", ())) == 4:
        raise InputError(
            f"Image {name!r} is a stack, and the centres have no column z. Add one (planes from 0), or give one plane."
        )
    array, names = check_image(name, given, file.channels if channels is None and file else channels)
    size = None if file is None else file.pixel_size
    rgb = names == ["Red", "Green", "Blue"] and array.shape[2:] == (3,)
    y, x = array.shape[:2] if rgb else array.shape[1:]
    return (len(names), int(y), int(x)), names, size


def _check_size(plan: Plan) -> None:
    """Refuse discs that would cover everything many times."""
    found, pixels = plan.found, plan.shape[1] * plan.shape[2]
    covered = max(float(np.pi * np.square(found.radius[on]).sum()) / pixels for on in plan.by_plane.values())
    if covered > COVERED:
        raise InputError(
            f"Discs of {found.radius.mean():,.1f} pixels radius would cover the image {covered:,.0f} times. Is the radius in another "
            "unit? Give it in pixels, or in µm with unit='µm'."
        )


def report_of(plan: Plan) -> CentresReport:
    """What would become of the centres."""
    found = plan.found
    distinct = np.unique(np.column_stack([plan.plane, found.y, found.x]), axis=0)
    notes = list(found.notes)
    touching = _touching(plan)
    if touching > TOUCHING:
        notes.append(
            f"{touching:.0%} of the discs touch another one; pixels between two belong to the nearer centre."
        )
    return CentresReport(
        plan.names, len(distinct), plan.outside, found.unusable, len(found) - len(distinct),
        float(found.radius.mean()), plan.shape, 0 if plan.depth is None else plan.depth.planes, tuple(plan.channels),
        plan.pixel_size, plan.columns.words, tuple(notes), False, plan.name,
    )  # fmt: skip


def _touching(plan: Plan) -> float:
    """Share of the centres whose disc reaches the nearest other centre's, were that of the same size."""
    from scipy.spatial import cKDTree

    if len(plan.found) < 2:
        return 0.0
    # Planes lie apart by more than any image is wide.
    places = np.column_stack([plan.plane * 4.0 * sum(plan.shape), plan.found.y, plan.found.x])
    nearest = cKDTree(places).query(places, k=2)[0][:, 1]
    return float((nearest < 2 * plan.found.radius).mean())
