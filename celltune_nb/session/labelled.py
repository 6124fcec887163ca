"""Labelled cells as a table of features, cut into what a trial may see and what judges it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .jobs import Jobs

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["Cells"]

BLOCK = 300  # px: neighbours look alike, so cells of one image are kept out by the block
HELD_OUT = 1 / 3


@dataclass(frozen=True, eq=False)
class Cells:
    """Labelled cells as a table of features.

    Attributes
    ----------
    X : float32 array, shape (n, f)
    names : tuple of str
        Of the features.
    truth : array of str, shape (n,)
    image : array of str, shape (n,)
    group : array of str, shape (n,), or None
        Donor, animal, well; None: the image, where there is more than one.
    y, x : float arrays, shape (n,), or None
        Centroids in pixels; None: the cells have no place (signals, crops).
    """

    X: NDArray[np.float32]
    names: tuple[str, ...]
    truth: NDArray[np.object_]
    image: NDArray[np.object_]
    group: NDArray[np.object_] | None = None
    y: NDArray[np.floating] | None = None
    x: NDArray[np.floating] | None = None

    def __len__(self) -> int:
        return len(self.X)

    @classmethod
    def of(cls, session: Session, truth: pd.Series | None = None, *, level: str | None = None) -> Cells:
        """The cells of a session that have a truth; by default the labels given so far."""
        if truth is None:
            truth = session.labels.to_pandas(level)["category"]
        source = session.active_features()
        known = truth.dropna()
        known = known[known.astype(str) != ""]
        rows = np.sort(session.positions(known.index.to_numpy(np.int64)))
        rows = rows[rows < len(source)]
        items = session.items.iloc[rows]
        columns = source.columns
        return cls(
            source.rows(rows), tuple(source.names[i] for i in columns),
            known.astype(str).reindex(items.index).to_numpy(object), items["image"].to_numpy(object),
            None if items["group"].isna().any() else items["group"].to_numpy(object),
            items["y"].to_numpy(np.float64), items["x"].to_numpy(np.float64),
        )  # fmt: skip

    def split(self, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
        """Keep about a third out: whole groups, else images, else blocks of 300 px, else cells at random.

        Returns
        -------
        seen, kept_out : int64 arrays
            Rows.
        unit : str
            What was kept out, in the plural.
        """
        rng = np.random.default_rng([seed, 3])
        unit, code = self._units()
        count = int(code.max()) + 1
        sizes = np.bincount(code, minlength=count)
        order = rng.permutation(count)
        reach = np.cumsum(sizes[order])
        out = order[: int(np.argmin(np.abs(reach[:-1] - HELD_OUT * len(self)))) + 1]
        kept = np.isin(code, out)
        return np.flatnonzero(~kept), np.flatnonzero(kept), unit

    def _units(self) -> tuple[str, NDArray[np.int64]]:
        for unit, values in (("groups", self.group), ("images", self.image)):
            if values is not None:
                names, code = np.unique(values.astype(str), return_inverse=True)
                if len(names) > 2:
                    return unit, code.reshape(-1)
        if self.y is not None and self.x is not None and len(self):
            # a small image is cut finer, or there would be nothing to choose from
            side = min(BLOCK, max(np.ptp(self.y), np.ptp(self.x)) / 3)
            rows, columns = ((v - v.min()) // max(side, 1) for v in (self.y, self.x))
            _, image = np.unique(self.image.astype(str), return_inverse=True)
            key = (image.reshape(-1) * 10_000 + rows) * 10_000 + columns
            names, code = np.unique(key, return_inverse=True)
            if len(names) > 2:
                return "blocks", code.reshape(-1)
        return "cells", np.arange(len(self))

    def project(self, folder: Path, rows: NDArray[np.int64]) -> tuple[Session, pd.Series]:
        """A session on a new project that holds some of the cells, and their truth by item id."""
        import pandas as pd

        from .session import Session

        frame = pd.DataFrame(self.X[rows], columns=list(self.names))
        at = dict.fromkeys(("_image", "_cell", "_y", "_x", "_truth"))
        at["_image"], at["_truth"] = self.image[rows].astype(str), self.truth[rows]
        at["_cell"] = np.arange(1, len(rows) + 1)
        at["_y"] = self.y[rows] if self.y is not None else np.zeros(len(rows))
        at["_x"] = self.x[rows] if self.x is not None else np.zeros(len(rows))
        if self.group is not None:
            at["_group"] = self.group[rows].astype(str)
        frame = pd.concat([frame, pd.DataFrame(at)], axis=1)
        session = Session.create(folder, jobs=Jobs(inline=True))
        session.import_cells(
            frame, image="_image", id="_cell", x="_x", y="_y", features=list(self.names),
            group="_group" if self.group is not None else None,
        )  # fmt: skip
        return session, session.items["_truth"].copy()
