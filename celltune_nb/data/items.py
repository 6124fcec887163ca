"""Items: the cells (or patches, or tracks) that are labelled, one row each.

Ids are int64, start at 1, are given in the order images are added and then by ascending cell id,
and are never used twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .columns import words
from .grid import Grid

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ItemTable", "NewCells"]

#: Columns that the table itself fills; the user's own columns stand beside them.
COLUMNS = ("image", "cellID", "y", "x", "group", "kind")


@dataclass(frozen=True, eq=False)
class NewCells:
    """The cells of one image on their way into a table; the fields are those of :class:`ItemTable`."""

    name: str
    cells: NDArray[np.int64]
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    bbox: NDArray[np.int32] | None = None
    border: NDArray[np.float32] | None = None
    group: str | None = None


@dataclass
class ItemTable:
    """The items of a project, ordered by id.

    Attributes
    ----------
    ids : ndarray of int64, shape (n,)
    images : ndarray of int32, shape (n,)
        Number of the image an item lies on, -1 for none.
    cells : ndarray of int64, shape (n,)
        The id an item has in its own mask or table.
    y, x : ndarray of float64, shape (n,)
        Centroid in pixels, origin at the centre of pixel 0.
    border : ndarray of float32, shape (n,)
        Distance from the item's bounding box to the image edge, pixels.
    bbox : ndarray of int32, shape (n, 4)
        Bounding box y0, x0, y1, x1, half-open; all zero where there is no mask.
    names : list of str
        Image names by number.
    groups : ndarray of int32, shape (n,)
        Number of the independent unit (donor, animal, well) of each item, -1 where none was given.
    group_names : list of str
        Groups by number, in the order of their first items.
    own : DataFrame, None, or a function that reads it
        The user's own columns, row by row; never used as features.  See :attr:`extra`.
    """

    ids: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    images: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    cells: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    y: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    x: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    border: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    bbox: NDArray[np.int32] = field(default_factory=lambda: np.empty((0, 4), np.int32))
    names: list[str] = field(default_factory=list)
    groups: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    group_names: list[str] = field(default_factory=list)
    kind: str = "cell"
    own: pd.DataFrame | Callable[[], pd.DataFrame | None] | None = None
    #: Of each image that was asked for rectangles; made on first use.
    _grids: dict[int, Grid] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"ItemTable({len(self):,} {self.kind}s on {len(self.names):,} image{'s' if len(self.names) != 1 else ''})"

    @property
    def extra(self) -> pd.DataFrame | None:
        """The user's own columns, row by row, None where there are none; read when they are asked for."""
        return self.own() if callable(self.own) else self.own

    def extended(
        self, name: str, cells: NDArray[np.int64], y: NDArray[np.float64], x: NDArray[np.float64],
        *, bbox: NDArray[np.int32] | None = None, border: NDArray[np.float32] | None = None,
        group: str | None = None,
    ) -> ItemTable:  # fmt: skip
        """A table with the cells of one more image, which get the next ids by ascending cell id."""
        return self.extended_by([NewCells(name, cells, y, x, bbox, border, group)])

    def extended_by(self, images: Sequence[NewCells]) -> ItemTable:
        """A table with the cells of more images, in their order; as many images cost one copy of the table."""
        names, group_names = list(self.names), list(self.group_names)
        parts: list[list[NDArray[Any]]] = [
            [self.images], [self.cells], [self.y], [self.x], [self.border], [self.bbox], [self.groups]
        ]  # fmt: skip
        for new in images:
            n, order = len(new.cells), np.argsort(new.cells, kind="stable")
            if new.name not in names:
                names.append(new.name)
            if n and new.group is not None and new.group not in group_names:
                group_names.append(new.group)
            group = group_names.index(new.group) if n and new.group is not None else -1
            values: list[NDArray[Any]] = [
                np.full(n, names.index(new.name), np.int32),
                np.asarray(new.cells, np.int64)[order],
                np.asarray(new.y, np.float64)[order],
                np.asarray(new.x, np.float64)[order],
                np.full(n, np.inf, np.float32) if new.border is None else new.border[order],
                np.zeros((n, 4), np.int32) if new.bbox is None else new.bbox[order],
                np.full(n, group, np.int32),
            ]
            for part, value in zip(parts, values, strict=True):
                part.append(value)
        image, cells, y, x, border, bbox, groups = (np.concatenate(part) for part in parts)
        first = int(self.ids[-1]) + 1 if len(self) else 1
        more = np.arange(first, first + len(image) - len(self), dtype=np.int64)
        extra = self.extra
        extra = None if extra is None else extra.reindex(range(len(image)))
        return ItemTable(
            np.concatenate([self.ids, more]), image, cells, y, x, border, bbox, names, groups, group_names,
            self.kind, extra,
        )  # fmt: skip

    def resegmented(self, new: NewCells) -> ItemTable:
        """A table in which an image has other cells, with new ids at its end.

        The image moves to the end of the names, since the items of an image stand together and ids ascend.  Where all
        its cells were of one group, or had one value in a column of the user's, the new ones are and have it too.
        """
        number = self.names.index(new.name) if new.name in self.names else len(self.names)
        here = self.of_image(number)
        kept = np.r_[0 : here.start, here.stop : len(self)]
        images = self.images[kept]
        rest = replace(
            self, ids=self.ids[kept], images=images - (images > number).astype(np.int32), cells=self.cells[kept],
            y=self.y[kept], x=self.x[kept], border=self.border[kept], bbox=self.bbox[kept],
            names=[name for name in self.names if name != new.name], groups=self.groups[kept], own=None,
        )  # fmt: skip
        table = rest.extended_by([replace(new, group=None)])
        n = len(new.cells)
        first = int(self.ids[-1]) + 1 if len(self) else 1  # those that go are not given again
        table = replace(
            table,
            ids=np.concatenate([rest.ids, np.arange(first, first + n)]),
            own=self._own_of(kept, here, n),
        )
        groups = set(self.groups[here].tolist())
        one = groups.pop() if len(groups) == 1 else -1
        group = new.group if here.start == here.stop else self.group_names[one] if one >= 0 else None
        return table.regrouped(np.arange(len(rest), len(table)), np.full(n, group, object))

    def _own_of(self, kept: NDArray[np.int64], here: slice, n: int) -> pd.DataFrame | None:
        """The user's columns of some rows, and after them of the *n* that take the place of others."""
        extra = self.extra
        if extra is None:
            return None
        import pandas as pd

        extra, columns = extra.set_axis(range(len(extra))), {}
        for name in extra.columns:
            former = extra[name].iloc[here]
            alike = len(former) > 1 and former.notna().all() and former.nunique() == 1
            rows = np.concatenate([kept, np.full(n, here.start if alike else -1)])
            columns[name] = extra[name].reindex(rows).set_axis(range(len(rows)))
        return pd.DataFrame(columns, index=range(len(kept) + n))

    def positions(self, ids: Any) -> NDArray[np.int64]:
        """Row positions of item ids, in the order given.

        Raises
        ------
        InputError
            When an id is not an item of the project.
        """
        try:
            wanted = np.atleast_1d(np.asarray(ids))
        except (ValueError, TypeError, OverflowError):  # a list of lists of different lengths, among others
            wanted = np.array([None])
        if wanted.size == 0:
            return np.empty(0, np.int64)
        if wanted.ndim != 1 or wanted.dtype.kind not in "iu":
            raise InputError("Items are named by a list of whole numbers, as in session.items.index.")
        wanted = wanted.astype(np.int64)
        n = len(self)
        if n and self.ids[0] == 1 and self.ids[-1] == n and wanted.min() >= 1 and wanted.max() <= n:
            return wanted - 1  # no id is missing: nothing has to be searched for
        places = np.searchsorted(self.ids, wanted)
        bad = (
            (places >= len(self)) | (self.ids[np.minimum(places, max(len(self) - 1, 0))] != wanted)
            if len(self)
            else np.ones(len(wanted), bool)
        )
        if bad.any():
            raise InputError(
                f"{int(bad.sum()):,} of {len(wanted):,} ids are not items of this project (the first: "
                f"{int(wanted[bad][0])}). Take ids from session.items.index."
            )
        return places.astype(np.int64)

    def of_image(self, number: int) -> slice:
        """The rows of an image (its items stand together, by ascending cell id)."""
        # Of the same type as the column: NumPy would convert all of it otherwise, each time.
        start, stop = np.searchsorted(self.images, np.array([number, number + 1], self.images.dtype))
        return slice(int(start), int(stop))

    def inside(self, number: int, rectangle: tuple[float, float, float, float]) -> NDArray[np.int64]:
        """Row positions of an image's items whose centroid lies in a half-open rectangle (y0, x0, y1, x1)."""
        rows = self.of_image(number)
        found = self._grid(number, rows).inside(rectangle)
        found += rows.start
        return found

    def nearest(self, number: int, y: float, x: float, reach: float) -> int | None:
        """Row position of the item of an image whose centroid is nearest to a point, at most *reach* pixels away."""
        rows = self.of_image(number)
        # A hair wider, so that a point exactly on the edge is seen.
        y0, x0 = np.nextafter([y - reach, x - reach], -np.inf).tolist()
        y1, x1 = np.nextafter([y + reach, x + reach], np.inf).tolist()
        near = self._grid(number, rows).inside((y0, x0, y1, x1)) + rows.start
        if not len(near):
            return None
        distance = np.hypot(self.y[near] - y, self.x[near] - x)
        best = int(np.argmin(distance))
        return int(near[best]) if distance[best] <= reach else None

    def _grid(self, number: int, rows: slice) -> Grid:
        grid = self._grids.get(number)
        if grid is None:
            grid = self._grids[number] = Grid(self.y[rows], self.x[rows])
        return grid

    def regrouped(self, rows: NDArray[np.int64], names: NDArray[np.object_]) -> ItemTable:
        """A table in which some rows belong to other groups.

        Parameters
        ----------
        rows : ndarray of int64, shape (m,)
        names : ndarray of str or None, shape (m,)
            The group of each; None takes it out of its group.
        """
        import pandas as pd

        given, brought = pd.factorize(names)
        every = np.array([*self.group_names, *brought], object)
        numbers = self.groups.astype(np.int64)
        numbers[rows] = np.where(given < 0, -1, given + len(self.group_names))
        # Numbered anew: the same name may stand in both lists, and a group may have lost its last item.
        has = np.flatnonzero(numbers >= 0)
        found, kept = pd.factorize(pd.factorize(every)[0][numbers[has]])
        groups = np.full(len(self), -1, np.int32)
        groups[has] = found
        return replace(self, groups=groups, group_names=[str(pd.unique(every)[k]) for k in kept])

    @cached_property
    def grouped(self) -> bool:
        """Whether every item has a group."""
        return bool(len(self) and self.groups.min() >= 0)

    def units(self) -> tuple[NDArray[np.int32], str]:
        """The independent unit of every item as a number, and what it is: ``"group"`` or ``"image"``."""
        return (self.groups, "group") if self.grouped else (self.images, "image")

    @cached_property
    def several_units(self) -> bool:
        """Whether there is more than one independent unit."""
        units, _ = self.units()
        return bool(len(self) and units.min() != units.max())

    @property
    def unit_names(self) -> list[str]:
        """The independent units by number."""
        return self.group_names if self.grouped else self.names

    def to_pandas(self) -> pd.DataFrame:
        """The items as a table indexed by item id."""
        import pandas as pd

        frame = pd.DataFrame(
            {
                "image": words([*self.names, ""], self.images),
                "cellID": self.cells,
                "y": self.y,
                "x": self.x,
                "group": words(self.group_names, self.groups, missing=True) if self.group_names else None,
                "kind": words([self.kind], np.zeros(len(self), np.int32)),
            },
            index=pd.Index(self.ids, name="item"),
        )
        extra = self.extra
        if extra is None:
            return frame
        return pd.concat([frame, extra.set_axis(frame.index)], axis=1)  # one by one, many columns are slow
