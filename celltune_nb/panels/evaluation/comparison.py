"""The first two models of the newest training against each other, over all cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from celltune_nb.data.categories import UNKNOWN
from celltune_nb.errors import NotReadyError
from celltune_nb.session import Session

from .matrix import content

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ONE_MODEL", "Comparison", "compare"]

ONE_MODEL = "There is one model only. Train two, and this shows where they agree."
_TITLES = {"xgboost": "XGBoost", "catboost": "CatBoost", "lightgbm": "LightGBM"}


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
        Share of cells with the same answer.
    """

    names: tuple[str, str]
    ids: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    categories: tuple[str, ...]
    table: pd.DataFrame
    rate: float

    def items(self, first: str, second: str) -> NDArray[np.int64]:
        """Ids of the cells that the models call *first* and *second*."""
        place = self.categories.index
        return self.ids[(self.first == place(first)) & (self.second == place(second))]

    @property
    def sentence(self) -> str:
        """How often they agree, and what that is not."""
        one, two = self.names
        return (
            f"{one} and {two} give {self.rate:.1%} of all {len(self.ids):,} cells the same category. This is "
            "agreement of the two models, not accuracy: both can be wrong together."
        )

    def content(self, colors: Mapping[str, str]) -> dict[str, Any]:
        """What a matrix shows of it."""
        one, two = self.names
        return content(
            self.table, colors, row_title=one, column_title=two, notes=("agree %", "agree %"), total=f"{self.rate:.0%}",
            label=f"Agreement of the two models: rows are {one}, columns {two}",
            sentence=lambda a, b, figures:
                f"Both say {a}: {figures}" if a == b else f"{one} says {a}, {two} {b}: {figures}",
        )  # fmt: skip


def compare(session: Session) -> Comparison | None:
    """The first two models of the active level's newest training; None when there are not two."""
    from celltune_nb.learn.comparing import agreement

    try:
        titles = [_TITLES.get(name, name) for name in session.finished_run(session.level).model_names]
    except NotReadyError:
        titles = ["Model 1", "Model 2"]  # predictions that were kept without their run
    # The answers of a second model may be left from a training before.
    if len(titles) < 2 or not all(name in session.populations for name in ("Pred_MDL1", "Pred_MDL2")):
        return None
    one, two = session.populations["Pred_MDL1"], session.populations["Pred_MDL2"]
    names = [c.name for c in one.categories if c.name != UNKNOWN]
    place = np.full(max(c.code for s in (one, two) for c in s.categories) + 1, -1, np.int64)
    for i, name in enumerate(names):
        place[next(c.code for c in one.categories if c.name == name)] = i
    first, second = place[one.codes], place[two.codes]
    found = agreement(first, second, names)
    return Comparison((titles[0], titles[1]), one.ids, first, second, tuple(names), found.table, found.rate)
