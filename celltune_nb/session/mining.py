"""Looking for mistakes: which predictions are suspicious, and what a person has looked at already."""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.journal import ProposalRecord
from ..errors import InputError, NotReadyError
from .checks import one_of, whole_number
from .deciding import threshold
from .marker import labels_in_sight, signal_of
from .onoff import positive_of
from .study import stored, working_rows

if TYPE_CHECKING:
    import pandas as pd

    from ..learn.mistakes import Suspects
    from .session import Session

__all__ = ["HOW", "correct", "likely_mistakes", "looked_at", "looks", "next_mistake"]

#: What a person was doing when a cell was looked at.
HOW = ("mistakes", "sheet", "slice")
#: The log of proposals keeps what was looked at too, under this name and how.
_LOOKED = "looked at: "

_KEPT: weakref.WeakKeyDictionary[Session, tuple[Any, _Judged]] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class _Judged:
    """Every prediction of a level, held against the marker."""

    found: Suspects
    answers: Any
    """Probabilities, (n, k), of *classes*."""
    classes: tuple[str, ...]
    probability: NDArray[np.float64]
    """Of the positive category."""
    positive: str
    threshold: float
    run: str | None

    @property
    def negative(self) -> str:
        """What a cell is that is not positive: the other category where there are two."""
        others = [name for name in self.classes if name != self.positive]
        return others[0] if len(others) == 1 else f"not {self.positive}"

    def predicted(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        """What some items are called: the positive category, else the most probable of the others."""
        others = [i for i, name in enumerate(self.classes) if name != self.positive]
        best = np.nan_to_num(self.answers[rows])[:, others].argmax(axis=1)
        other = np.array(self.classes, object)[others][best]
        return np.where(self.probability[rows] >= self.threshold, self.positive, other)


def _judged(session: Session, level: str) -> _Judged:
    from ..learn.mistakes import suspects

    prefix = "" if level == session.level else f"{level}/"
    name = f"{prefix}Pred_AVG"
    if name not in session.populations:
        raise NotReadyError(
            "There are no predictions to look for mistakes in. Train first: in Train, or with session.train()."
        )
    average = session.populations[name]
    positive = positive_of(session, level)
    rows = average.probability
    if rows is None or positive.name not in average.classes:
        raise NotReadyError(f"The models have not learned {positive.name}. Label some, and train again.")
    value = threshold(session, level).value
    at = value if value is not None and 0 < value < 1 else 0.5
    # Not the labels: as long as the models say the same, the same cells are suspicious, and walking them is quick.
    channel = stored(session, "channels").get(level)
    key = (average.run, level, at, positive.code, positive.name, average.classes, channel, len(average))
    kept = _KEPT.get(session)
    if kept is not None and kept[0] == key:
        return kept[1]
    p = np.asarray(rows[:, average.classes.index(positive.name)], np.float64)
    codes = labels_in_sight(session, level, len(p))
    known = np.where(codes == 0, -1, (codes == positive.code).astype(np.int64))
    found = suspects(p, at, signal_of(session, level, ~(p >= at)), known)
    judged = _Judged(found, rows, tuple(average.classes), p, positive.name, at, average.run)
    _KEPT[session] = (key, judged)
    return judged


def likely_mistakes(
    session: Session, n: Any, kind: str | None, image: str | None, level: str
) -> pd.DataFrame:
    """See :meth:`celltune_nb.Session.likely_mistakes`."""
    import pandas as pd

    from ..learn.mistakes import KINDS

    n = whole_number(n, "The number of cells", 1)
    if kind is not None:
        one_of(kind, KINDS, "The kind of mistake")
    judged = _judged(session, level)
    table, size = session.table, len(judged.probability)
    free = np.isfinite(judged.found.suspicion)
    with session.lock:
        free &= session.book.level(level).codes_in_order(table.ids[:size]) == 0
        audit = table.positions(session.audits.of(level).ids)
    free[audit[audit < size]] = False
    free &= ~np.isin(table.ids[:size], _seen(session, level, judged.run))
    working = working_rows(session)
    if image is not None:
        free &= table.images[:size] == session.image_number(image)
    elif working is not None:
        free &= working[:size]
    if kind is not None:
        free &= judged.found.kind == KINDS.index(kind)
    rows = np.flatnonzero(free)
    score = judged.found.suspicion[rows]
    rows = rows[np.argsort(-score, kind="stable")[:n]]
    return pd.DataFrame(
        {
            "image": [table.names[i] for i in table.images[rows]],
            "kind": [KINDS[k] for k in judged.found.kind[rows]],
            "predicted": judged.predicted(rows),
            "probability": judged.probability[rows],
            "suspicion": judged.found.suspicion[rows],
            "reason": [_reason(judged, row) for row in rows.tolist()],
        },
        index=pd.Index(table.ids[rows], name="item"),
    )


def _reason(judged: _Judged, row: int) -> str:
    from ..learn.mistakes import KINDS

    p, opinion = judged.probability[row], judged.found.opinion[row]
    called = p >= judged.threshold
    said = f"{judged.predicted(np.array([row]))[0]} ({judged.positive} {p:.0%})"
    text = {
        "weak signal": "the signal is weak", "strong signal": "the signal is as strong as in most positives",
        "background": "stands out from its surroundings no more than a negative", "borderline": "the models can hardly decide",
    }[KINDS[judged.found.kind[row]]]  # fmt: skip
    if np.isfinite(opinion) and (opinion >= 0.5) != called:
        text += f"; by the marker alone {judged.positive if opinion >= 0.5 else judged.negative} {max(opinion, 1 - opinion):.0%}"
    return f"{said}: {text}"


def next_mistake(session: Session, kind: str | None, image: str | None, level: str) -> int | None:
    """See :meth:`celltune_nb.Session.next_mistake`."""
    found = likely_mistakes(session, 1, kind, image, level)
    return int(found.index[0]) if len(found) else None


# ---------------------------------------------------------------------- what was looked at


def looked_at(session: Session, ids: Any, how: str, level: str) -> None:
    """See :meth:`celltune_nb.Session.looked_at`."""
    one_of(how, HOW, "How cells were looked at")
    unique = np.unique(session.table.ids[session.positions(ids)])
    if not len(unique):
        raise InputError("No cell was given. Name the cells that were looked at.")
    run = _run(session, level)
    with session.writing():
        session.journal.propose(
            ProposalRecord(
                f"{_LOOKED}{how}", level, unique, np.zeros(len(unique), np.float32), np.full(len(unique), np.nan),
                ("",) * len(unique), 0, run, round=session.rounds(level), user=session.user, time=time.time(),
            )
        )  # fmt: skip


def _run(session: Session, level: str) -> str | None:
    prefix = "" if level == session.level else f"{level}/"
    name = f"{prefix}Pred_AVG"
    return session.populations[name].run if name in session.populations else None


def _records(session: Session, level: str) -> list[ProposalRecord]:
    names = session.book.names.every(level)
    return [row for how in HOW for row in session.journal.proposals(f"{_LOOKED}{how}", names)]


def _seen(session: Session, level: str, run: str | None) -> NDArray[np.int64]:
    """What was looked at since the models said what they say now."""
    ids = [row.ids for row in _records(session, level) if row.image == run]
    return np.concatenate([np.empty(0, np.int64), *ids])


def looks(session: Session, level: str) -> pd.DataFrame:
    """See :meth:`celltune_nb.Session.looks`."""
    import pandas as pd

    records = sorted(_records(session, level), key=lambda row: row.id)
    counts = [len(row.ids) for row in records]
    return pd.DataFrame(
        {
            "item": np.concatenate([np.empty(0, np.int64), *(row.ids for row in records)]),
            "how": np.repeat([row.strategy.removeprefix(_LOOKED) for row in records], counts).astype(object),
            "run": np.repeat(np.array([row.image or "" for row in records], object), counts),
            "user": np.repeat(np.array([row.user for row in records], object), counts),
            "time": pd.to_datetime(np.repeat([row.time for row in records], counts), unit="s", utc=True),
        }
    )


def correct(session: Session, ids: Any, category: str | None, how: str, level: str) -> int:
    """See :meth:`celltune_nb.Session.correct`."""
    one_of(how, HOW, "How cells were looked at")
    batch = session.label(ids, category, level=level, source="correction", strategy="mistakes")
    looked_at(session, ids, how, level)
    return batch
