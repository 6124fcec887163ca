"""Two models' answers for the same cells: where they agree, and which cells they call differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN
from ..errors import InputError, NotReadyError
from .checks import texts

if TYPE_CHECKING:
    import pandas as pd

    from ..data.populations import PopulationSet
    from .session import Session

__all__ = ["Comparison", "agreement", "places_by_name"]

TITLES = {"xgboost": "XGBoost", "catboost": "CatBoost", "lightgbm": "LightGBM"}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Answers of two models for the same cells.

    Attributes
    ----------
    names : (str, str)
        What the models are called.
    ids : ndarray of int64, shape (n,)
    first, second : ndarray of int64, shape (n,)
        Number of each answer in *categories*, -1 where a model has none.
    categories : tuple of str
    table : DataFrame
        Counts; rows: answers of the first model, columns: of the second.
    rate : float
        Share of the cells with the same answer.
    by_category : DataFrame
        Index category; ``row``: of the cells that the first model calls so, the share on which the second agrees
        (CellTune's row agreement); ``column``: the other way round; ``cells``: how many either calls so.
    by_image : DataFrame
        Index image; ``cells``, ``agreement``.
    """

    names: tuple[str, str]
    ids: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    categories: tuple[str, ...]
    table: pd.DataFrame
    rate: float
    by_category: pd.DataFrame
    by_image: pd.DataFrame

    def __repr__(self) -> str:
        return f"Comparison({self.sentence})"

    def items(self, first: str | None = None, second: str | None = None) -> NDArray[np.int64]:
        """Ids of the cells that the models call *first* and *second*; None: whatever that model says.

        Raises
        ------
        InputError
            There is no such category.
        """
        chosen = (self.first >= 0) & (self.second >= 0)
        for name, codes in ((first, self.first), (second, self.second)):
            if name is not None:
                if name not in self.categories:
                    raise InputError(
                        f"There is no category {name!r} here. Choose from: {', '.join(self.categories)}."
                    )
                chosen &= codes == self.categories.index(name)
        return self.ids[chosen]

    @property
    def disagreeing(self) -> NDArray[np.int64]:
        """Ids of the cells that the models call differently."""
        return self.ids[(self.first >= 0) & (self.second >= 0) & (self.first != self.second)]

    @property
    def sentence(self) -> str:
        """How often they agree, and what that is not."""
        one, two = self.names
        n = int(((self.first >= 0) & (self.second >= 0)).sum())
        return (
            f"{one} and {two} give {self.rate:.1%} of all {n:,} cells the same category. This is "
            "agreement of the two models, not accuracy: both can be wrong together."
        )

    @property
    def hint(self) -> str:
        """The categories furthest from CellTune's bounds, or that there are none."""
        from ..learn.advice import below_bounds

        return below_bounds(self.by_category)


def agreement(session: Session, level: str, images: Sequence[str] | None = None) -> Comparison:
    """See :meth:`celltune_nb.Session.agreement`."""
    import pandas as pd

    from ..learn import comparing

    try:
        titles = [TITLES.get(name, name) for name in session.finished_run(level).model_names]
    except NotReadyError:
        titles = ["Model 1", "Model 2"]  # predictions that were kept without their run
    keys = tuple(f"{level}/Pred_MDL{i}" for i in (1, 2))
    # The answers of a second model may be left from a training before.
    if len(titles) < 2 or not all(key in session.populations for key in keys):
        raise NotReadyError(
            "There are not two models to compare. Train two: in Train, or with session.train()."
        )
    one, two = (session.populations[key] for key in keys)
    names = tuple(c.name for c in one.categories if c.name != UNKNOWN)
    first, second = places_by_name(one, names), places_by_name(two, names)
    table = session.table
    ids, units = one.ids, table.images[: len(one.ids)]
    if images is not None:
        numbers = [session.image_number(name) for name in texts(images, "The images")]
        kept = np.isin(units, numbers)
        if not kept.any():
            raise InputError("None of these images has a cell. Name images with cells.")
        ids, first, second, units = ids[kept], first[kept], second[kept], units[kept]
    found = comparing.agreement(first, second, names)
    counts = found.table.to_numpy()
    by_category = found.by_category.assign(
        cells=(counts.sum(axis=0) + counts.sum(axis=1) - np.diagonal(counts)).astype(np.int64)
    )
    return Comparison(
        (titles[0], titles[1]), ids, first, second, names, found.table.astype(np.int64), found.rate, by_category,
        pd.DataFrame(_by_image(first, second, units, table.names), columns=["image", "cells", "agreement"]).set_index(
            "image"
        ),
    )  # fmt: skip


def places_by_name(found: PopulationSet, names: Sequence[str]) -> NDArray[np.int64]:
    """The answer of each item as its number in *names*; -1 for one that is not among them."""
    place = np.full(max(c.code for c in found.categories) + 1, -1, np.int64)
    for category in found.categories:
        if category.name in names:
            place[category.code] = names.index(category.name)
    return np.asarray(place[found.codes])


def _by_image(
    first: NDArray[np.int64], second: NDArray[np.int64], units: NDArray[np.integer], names: Sequence[str]
) -> list[tuple[str, int, float]]:
    both = (first >= 0) & (second >= 0) & (units >= 0)
    cells = np.bincount(units[both], minlength=len(names))
    same = np.bincount(units[both], weights=first[both] == second[both], minlength=len(names))
    return [(str(names[i]), int(cells[i]), float(same[i] / cells[i])) for i in np.flatnonzero(cells).tolist()]
