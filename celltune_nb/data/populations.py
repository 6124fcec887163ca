"""Population sets: one category for each item, whoever gave it.

Labels, predictions, gates, clusters and imports are all this type, so colouring, counting,
comparing and exporting are written once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import NotReadyError
from .categories import Category

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PopulationSet"]


@dataclass(frozen=True, eq=False)
class PopulationSet:
    """One category code for each item, optionally with probabilities.

    Attributes
    ----------
    name : str
        For example ``"Pred_AVG"``.
    level : str
    ids : ndarray of int64, shape (n,)
        Item ids, ascending.
    codes : ndarray of int16, shape (n,)
        Code of each item's category; 0 is *Unknown*.
    categories : tuple of Category
        The categories the codes speak of.
    given : ndarray of float32, shape (n, k), or None
        Probability of each of :attr:`classes`; or a function that reads them when they are asked for the first time.
    classes : tuple of str
        Names of the columns of :attr:`probability`.
    pairs : tuple of (int, int, int)
        For each category that stands for two others (``A/B``): its code and theirs.
    run : str or None
        Id of the training that it came of.
    kind : str
        ``""`` where :attr:`categories` are those of the level: labels, predictions; ``"gate"`` or ``"cluster"`` where
        they are the set's own.
    """

    name: str
    level: str
    ids: NDArray[np.int64]
    codes: NDArray[np.int16]
    categories: tuple[Category, ...]
    given: NDArray[np.float32] | Callable[[], NDArray[np.float32]] | None = None
    classes: tuple[str, ...] = ()
    pairs: tuple[tuple[int, int, int], ...] = ()
    run: str | None = None
    kind: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {n:,}" for name, n in self.tally().items() if n)
        return f"PopulationSet({self.name!r}: {counts})"

    @property
    def probability(self) -> NDArray[np.float32] | None:
        """Probability of each of :attr:`classes`, float32, shape (n, k); None for labels and gates."""
        return self.given() if callable(self.given) else self.given

    def to_pandas(self) -> pd.Series:
        """Category name of every item, indexed by item id."""
        import pandas as pd

        place = np.zeros(max(c.code for c in self.categories) + 1, np.int16)
        for i, category in enumerate(self.categories):
            place[category.code] = i
        values = pd.Categorical.from_codes(
            place[self.codes], categories=pd.Index([c.name for c in self.categories])
        )
        return pd.Series(values, index=pd.Index(self.ids, name="item"), name=self.name)

    def probabilities(self) -> pd.DataFrame:
        """Probability of every category, float32, one row an item, one column a category.

        Raises
        ------
        NotReadyError
            When the set has none (labels, gates).
        """
        import pandas as pd

        probability = self.probability
        if probability is None:
            raise NotReadyError(
                f"{self.name!r} has no probabilities. Train, then use Pred_AVG, Pred_MDL1 or Pred_MDL2."
            )
        return pd.DataFrame(probability, index=pd.Index(self.ids, name="item"), columns=list(self.classes))

    def counts(self) -> pd.Series:
        """Number of items in every category, in the order of the categories."""
        import pandas as pd

        return pd.Series(self.tally(), name=self.name, dtype=np.int64)

    def tally(self) -> dict[str, int]:
        """As :meth:`counts`, as a plain dictionary."""
        found = np.bincount(self.codes, minlength=max(c.code for c in self.categories) + 1)
        return {c.name: int(found[c.code]) for c in self.categories}

    def confidence(self) -> NDArray[np.float32] | None:
        """The largest probability of each item, or None."""
        probability = self.probability
        return None if probability is None or not self.classes else probability.max(axis=1)
