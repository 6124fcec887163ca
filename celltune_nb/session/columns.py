"""One number for every item, by name: a feature, a prediction's probability, a numeric column of the items."""

from __future__ import annotations

import difflib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, NotReadyError

if TYPE_CHECKING:
    from .session import Session

__all__ = ["PROBABILITY", "Columns"]

#: What the name of a prediction's probability ends in: ``CD8T__Probability``.
PROBABILITY = "__Probability"
#: Bytes of columns that are kept: gathering one of a wide matrix takes longer than anything done with it.
KEPT = 64 << 20


class Columns:
    """Looks columns up by name.

    * ``CD8__Mean__Cell`` – a feature of the active source; ``table/CD8`` of another source;
    * ``CD8T__Probability`` – the mean over the models; ``Pred_MDL1/CD8T__Probability`` one model's;
    * ``area`` – a numeric column of the items, where no feature has that name; ``items/area`` in any case.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        #: (kind, where, what) → what it was gathered from, and the column
        self._kept: OrderedDict[tuple[str, str, str], tuple[Any, NDArray[Any]]] = OrderedDict()
        self._lock = threading.Lock()  # a panel draws beside the thread that answers a click

    def has(self, name: str, level: str) -> bool:
        """Whether there is such a column now."""
        return self._find(name, level) is not None

    def names(self, level: str) -> list[str]:
        """What can be asked for: probabilities, features of the active source, then of the others, then items' columns."""
        session = self._session
        found = []
        if session.populations.stored(level, "Pred_AVG") is not None:
            found += [f"{c}{PROBABILITY}" for c in session.populations.of(level, "Pred_AVG").classes]
        if session.features_by_name:
            active = session.active_features()
            found += active.names
            for source in session.features_by_name.values():
                if source.name != active.name:
                    found += [f"{source.name}/{feature}" for feature in source.names]
        return found + [name if name not in found else f"items/{name}" for name in self._own_names()]

    def values(self, name: str, level: str) -> tuple[NDArray[Any], Any]:
        """A column, and the object it came of: another one means that it has changed.

        Returns
        -------
        ndarray of float32 or float64, shape (n,)
            NaN where an item has no value.  Not to be changed.

        Raises
        ------
        InputError
            When there is no such column; names close ones.
        """
        key = self._find(name, level)
        if key is None:
            raise self._missing(name, level)
        token = self._token(key)
        with self._lock:
            before = self._kept.get(key)
            if before is not None and before[0] is token and len(before[1]) == len(self._session.table):
                self._kept.move_to_end(key)
                return before[1], token
        column = self._gather(key)
        column.setflags(write=False)
        with self._lock:
            self._kept[key] = (token, column)
            while len(self._kept) > 1 and sum(c.nbytes for _, c in self._kept.values()) > KEPT:
                self._kept.popitem(last=False)
        return column, token

    def cofactor(self, name: str, level: str) -> float | None:
        """The cofactor of a feature's channel, None where the channel has no scale of its own."""
        key = self._find(name, level)
        if key is None or key[0] != "feature":
            return None
        return self._session.features_by_name[key[1]].cofactors.get(key[2])

    # ------------------------------------------------------------------ looking up

    def _find(self, name: str, level: str) -> tuple[str, str, str] | None:
        session = self._session
        active = session.active_features() if session.features_by_name else None
        if active is not None and name in active.names:
            return ("feature", active.name, name)
        where, slash, what = name.rpartition("/")
        while slash:
            if where in session.features_by_name and what in session.features_by_name[where].names:
                return ("feature", where, what)
            where, slash, more = where.rpartition("/")
            what = f"{more}/{what}"
        if name.endswith(PROBABILITY):
            found = self._probability(name.removesuffix(PROBABILITY), level)
            if found is not None:
                return found
        what = name.removeprefix("items/")
        return ("items", "", what) if what in self._own_names() else None

    def _probability(self, name: str, level: str) -> tuple[str, str, str] | None:
        """The population set, as ``level/set``, and the category."""
        session = self._session
        where, slash, category = name.partition("/")
        first, second, rest = (*name.split("/", 2), "", "")[:3]
        for of, bare, wanted in (
            (level, "Pred_AVG", name),
            (level, where, category) if slash else ("", "", ""),
            (first, second, rest) if rest else ("", "", ""),
        ):
            known = session.populations.stored(of, bare) is not None
            if known and wanted in session.populations.of(of, bare).classes:
                return ("probability", f"{of}/{bare}", wanted)
        return None

    def _own_names(self) -> list[str]:
        table = self._session.table
        extra = table.extra
        found = [] if extra is None else [str(c) for c in extra.columns if extra[c].dtype.kind in "iufb"]
        return [*found, *(name for name in ("y", "x", "cellID") if name not in found)]

    def _token(self, key: tuple[str, str, str]) -> Any:
        kind, where, _ = key
        if kind == "feature":
            return self._session.features_by_name[where].matrix
        if kind == "probability":
            of, _, bare = where.rpartition("/")
            return self._session.populations.of(of, bare).given
        return self._session.table

    def _gather(self, key: tuple[str, str, str]) -> NDArray[Any]:
        kind, where, what = key
        session, n = self._session, len(self._session.table)
        if kind == "feature":
            column = np.ascontiguousarray(session.features_by_name[where].column(what), np.float32)
        elif kind == "probability":
            of, _, bare = where.rpartition("/")
            found = session.populations.of(of, bare)
            probability = found.probability
            if probability is None:
                raise NotReadyError(f"{bare!r} has no probabilities. Train, then gate by them.")
            column = np.ascontiguousarray(probability[:, found.classes.index(what)])
        elif what in ("y", "x", "cellID"):
            column = {"y": session.table.y, "x": session.table.x, "cellID": session.table.cells}[what].astype(
                np.float64
            )
        else:
            extra = session.table.extra
            assert extra is not None
            column = extra[what].to_numpy(np.float64, na_value=np.nan)
        if len(column) < n:  # items added since
            column = np.pad(column, (0, n - len(column)), constant_values=np.nan)
        return column if column.flags.owndata else column.copy()

    def _missing(self, name: str, level: str) -> InputError:
        every = self.names(level)
        lower = {known.lower(): known for known in every}
        inside = [known for known in every if str(name).lower() in known.lower()][:3]
        close = inside or [
            lower[c] for c in difflib.get_close_matches(str(name).lower(), list(lower), 3, 0.5)
        ]
        hint = f"Did you mean {', '.join(close)}?" if close else "See session.features.names."
        if str(name).endswith(PROBABILITY) and not any(c.endswith(PROBABILITY) for c in every):
            hint = "Probabilities come with a training: session.train()."
        if not self._session.features_by_name and not every[3:]:
            hint = "Measure first: in Data, or with session.measure()."
        return InputError(f"There is no feature {name!r} to gate by. {hint}")
