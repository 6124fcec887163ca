"""Feature sources: the numbers a model learns from, one row an item.

The working copy is a float32 ``.npy`` file that is memory-mapped, with names, units and groups in
``schema.json`` beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FeatureSource", "schema_hash"]


def schema_hash(names: Sequence[str], units: Sequence[str]) -> str:
    """A short fingerprint of feature names and units, in order."""
    text = json.dumps([list(names), list(units)], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class FeatureSource:
    """A named matrix of features.

    Attributes
    ----------
    name : str
        For example ``"cells"``.
    names : list of str
        Feature names, in the order of the matrix' columns.
    units : list of str
        Units, one a feature ("px", "µm", "" for none…).
    groups : dict of str to list of str
        Named groups of features.
    ids : ndarray of int64, shape (n,)
        The items, ascending.
    matrix : ndarray of float32, shape (n, f)
        Memory-mapped; NaN where an item was not measured.
    used : list of str
        The features that models learn from.
    parameters : dict
        How it was measured.
    cofactors : dict of str to float
        Features that models and displays take as arcsinh(value / cofactor); the matrix itself stays as measured.
    """

    name: str
    names: list[str]
    units: list[str]
    ids: NDArray[np.int64]
    matrix: NDArray[np.float32]
    groups: dict[str, list[str]] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    cofactors: dict[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"FeatureSource({self.name!r}: {len(self.ids):,} items × {len(self.names)} features)"

    @property
    def columns(self) -> NDArray[np.int64]:
        """Column numbers of the features that models learn from."""
        place = {name: i for i, name in enumerate(self.names)}
        return np.array([place[name] for name in self.used or self.names], np.int64)

    @property
    def schema_hash(self) -> str:
        """Fingerprint of the features that models learn from."""
        names = [self.names[i] for i in self.columns]
        units = [self.units[i] for i in self.columns]
        scales = [f"; arcsinh(x / {self.cofactors[n]!r})" if n in self.cofactors else "" for n in names]
        return schema_hash(names, [unit + scale for unit, scale in zip(units, scales, strict=True)])

    def rows(self, positions: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """The used features of some items, on their scales.

        Parameters
        ----------
        positions : ndarray of int64, shape (n,), or slice
            Row positions; a slice of the whole matrix is not copied.

        Returns
        -------
        ndarray of float32, shape (n, f)
        """
        taken = self.matrix[positions]
        columns = self.columns
        whole = len(columns) == len(self.names) and np.array_equal(columns, np.arange(len(columns)))
        return self._scaled(np.asarray(taken if whole else taken[:, columns]), columns)

    def _scaled(self, values: NDArray[np.float32], columns: NDArray[np.int64]) -> NDArray[np.float32]:
        scaled = [
            (k, self.cofactors[self.names[i]])
            for k, i in enumerate(columns)
            if self.names[i] in self.cofactors
        ]
        if scaled:
            values = np.array(values)  # the matrix is not ours to change
            for k, cofactor in scaled:
                np.arcsinh(values[:, k] / np.float32(cofactor), out=values[:, k])
        return values

    def blocks(self, size: int = 100_000) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """The used features of everything, block by block, in order."""
        for start in range(0, len(self.ids), size):
            part = slice(start, min(start + size, len(self.ids)))
            yield part, self.rows(part)

    def column(self, name: str, *, scaled: bool = False) -> NDArray[np.float32]:
        """One feature of all items, as it was measured, or on the scale that models and displays take."""
        if not isinstance(name, str) or name not in self.names:
            close = [n for n in self.names if str(name).lower() in n.lower()][:3]
            hint = f" Did you mean {', '.join(close)}?" if close else " See session.features.names."
            raise InputError(f"There is no feature {name!r}.{hint}")
        values = np.asarray(self.matrix[:, self.names.index(name)])
        if scaled and name in self.cofactors:
            values = np.arcsinh(values / np.float32(self.cofactors[name]))
        return values

    def to_pandas(self) -> pd.DataFrame:
        """All features, indexed by item id."""
        import pandas as pd

        return pd.DataFrame(
            np.asarray(self.matrix), index=pd.Index(self.ids, name="item"), columns=self.names
        )
