"""Which cells lie in which region: where cells come or go on an image that has regions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .kept_areas import columns, kept, regions_at

if TYPE_CHECKING:
    import pandas as pd

    from ..data.items import ItemTable
    from .session import Session

__all__ = ["filled", "placed", "with_values"]

Rows = slice | NDArray[np.int64]


def with_values(table: ItemTable, column: str, values: list[tuple[Rows, NDArray[np.object_]]]) -> ItemTable:
    """The table with other regions of some of its cells; a column in which nothing is left goes."""
    import pandas as pd

    extra = table.extra
    extra = pd.DataFrame(index=range(len(table))) if extra is None else extra.copy()
    new: pd.Series[Any] = (
        extra[column].astype(object) if column in extra else pd.Series(None, index=extra.index, dtype=object)
    )
    for rows, found in values:
        new.iloc[rows] = found
    extra[column] = new.where(new.notna(), None).astype("string")
    if extra[column].isna().all():
        extra = extra.drop(columns=column)
    return replace(table, own=extra if len(extra.columns) else None)


def filled(session: Session, base: ItemTable, table: ItemTable) -> ItemTable:
    """The table with the cells that were added to an image in the regions of it.

    Parameters
    ----------
    base : ItemTable
        As it was before they were added.
    """
    fresh = table.ids > (int(base.ids[-1]) if len(base) else 0)
    here = {table.names[i] for i in np.unique(table.images[fresh]).tolist() if i >= 0}
    for column in columns(session):
        values: list[tuple[Rows, NDArray[np.object_]]] = []
        for image, regions in kept(session, column).items():
            if image in here:
                rows = np.flatnonzero(fresh & (table.images == table.names.index(image)))
                found = regions_at(session, image, regions, table.y[rows], table.x[rows])
                if found is not None:
                    values.append((rows, found))
        if values:
            table = with_values(table, column, values)
    return table


def placed(session: Session, image: str, base: ItemTable, table: ItemTable) -> ItemTable:
    """The table after a new mask, with the cells of the image in its regions.

    Where a label image was read of which the project has no copy, a cell takes the region of the former cell that was nearest
    to its centre.
    """
    rows = table.of_image(table.names.index(image))
    y, x = table.y[rows], table.x[rows]
    for column in columns(session):
        regions = kept(session, column).get(image)
        if regions is None:
            continue
        found = regions_at(session, image, regions, y, x)
        if found is None:
            found = _of_former(base, image, column, y, x)
        if found is not None:
            table = with_values(table, column, [(rows, found)])
    return table


def _of_former(
    base: ItemTable, image: str, column: str, y: NDArray[np.floating], x: NDArray[np.floating]
) -> NDArray[np.object_] | None:
    from scipy.spatial import cKDTree

    former = base.extra
    if former is None or column not in former or image not in base.names:
        return None
    before = base.of_image(base.names.index(image))
    if before.stop == before.start:
        return None
    tree = cKDTree(np.column_stack([base.y[before], base.x[before]]))
    values = former[column].iloc[before].astype(object)
    known: NDArray[np.object_] = values.where(values.notna(), None).to_numpy()
    return known[tree.query(np.column_stack([y, x]))[1]]
