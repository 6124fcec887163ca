"""The review queue: cells to look at one after the other, each with the models' answers and why it is there.

The queue keeps its cells, its place and what the models said when a cell was answered, in ``reviews/<level>.json``.
The answers themselves are labels, rows of the journal: whatever undoes or removes a label opens its cell again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN
from ..errors import InputError, NotReadyError
from .checks import whole_number
from .events import LabelsChanged, QueueChanged
from .reviewed import (
    MODELS,
    STATUS,
    Content,
    ReviewItem,
    States,
    item_now,
    model_set,
    opinions,
    predicted_codes,
    said,
    states,
)

if TYPE_CHECKING:
    import pandas as pd

    from ..learn.repeats import Repeats
    from .session import Session

__all__ = ["ReviewQueue"]


class ReviewQueue:
    """Cells to review in turn; made by :meth:`celltune_nb.Session.review`, found again at ``session.queue``.

    ``queue.current`` is the cell that is asked for; ``answer`` labels it and goes on to the next that has no answer.

    Parameters
    ----------
    session : Session
    content : Content
    """

    def __init__(self, session: Session, content: Content) -> None:
        self._session = session
        self._content = content
        self._known: tuple[Any, States] | None = None

    def __len__(self) -> int:
        return len(self._content.ids)

    def __getitem__(self, place: int) -> ReviewItem:
        return self._item(self._place(place))

    def __iter__(self) -> Iterator[ReviewItem]:
        return (self._item(i) for i in range(len(self)))

    def __repr__(self) -> str:
        counts = ", ".join(f"{n:,} {name}" for name, n in self.counts.items() if n)
        return f"ReviewQueue({self.title}: {len(self):,} cells; {counts}; at {self.at + 1:,})"

    # ------------------------------------------------------------------ what it is

    @property
    def level(self) -> str:
        """The level whose categories are asked for."""
        return self._content.level

    @property
    def by(self) -> str:
        """How it was filled."""
        return self._content.by

    @property
    def title(self) -> str:
        """How it was filled, in words."""
        return self._content.title

    @property
    def ids(self) -> NDArray[np.int64]:
        """The cells, in their order."""
        return self._content.ids.copy()

    @property
    def blind(self) -> bool:
        """Whether cells are judged without seeing labels and predictions."""
        return self._content.blind

    @property
    def left_out(self) -> dict[str, int]:
        """How many cells were not taken, by why: ``audit``, ``reviewed``, ``border``, ``more``."""
        return dict(self._content.left_out)

    @property
    def at(self) -> int:
        """The place of the cell that is asked for, from 0."""
        return self._content.at

    @property
    def current(self) -> ReviewItem:
        """The cell that is asked for."""
        return self._item(self.at)

    @property
    def superseded(self) -> bool:
        """Whether another review of this level was begun since, or the project was read anew."""
        return self._session.reviews.of(self.level) is not self

    # ------------------------------------------------------------------ going through it

    def next(self) -> ReviewItem:
        """Go to the next cell; the last one is followed by none."""
        return self.go(min(self.at + 1, len(self) - 1))

    def previous(self) -> ReviewItem:
        """Go to the cell before."""
        return self.go(max(self.at - 1, 0))

    def go(self, place: int) -> ReviewItem:
        """Go to a cell by its place, from 0."""
        self._content.at = self._place(place)
        if not self._session.read_only and not self.superseded:
            self._session.reviews.keep(self.level)
        self._tell()
        return self.current

    def answer(self, category: str | None, place: int | None = None) -> ReviewItem | None:
        """Say what the current cell is, as one step that undo takes back, and go on to the next without an answer.

        Parameters
        ----------
        category : str or None
            None or ``"Unknown"``: cannot be told; the cell does not come back either.
        place : int, optional
            Another cell than the current one, by its place; the current one then stays.

        Returns
        -------
        ReviewItem or None
            The cell that is asked for next; None when all are answered.

        Raises
        ------
        LabelError
            For an unknown category.
        NotReadyError
            When another review was begun since.
        """
        session, content = self._session, self._content
        self._check_writable()
        name = session.book.level(self.level).categories.named(UNKNOWN if category is None else category).name
        at = self.at if place is None else self._place(place)
        item = int(content.ids[at])
        content.said[item] = (
            [-1] * len(MODELS)
            if self.blind
            else predicted_codes(session, self.level, np.array([item], np.int64))[0].tolist()
        )
        content.skipped.discard(item)
        # On disk first: should the program end in between, it knows what the models said of a cell without an answer.
        session.reviews.keep(self.level)
        if self.blind:
            with session.writing():
                code = session.book.level(self.level).categories.named(name).code
                row = session.book.opinion(
                    item, code, level=self.level, round=session.rounds(self.level), user=session.user
                )
            session.emit(session.labels_changed, LabelsChanged(self.level, np.array([item], np.int64), row))
        else:
            session.label([item], name, level=self.level, source="review", strategy=self.by)
        if at == self.at:
            return self._on()
        self._tell()
        return self.current

    def skip(self) -> ReviewItem | None:
        """Leave the current cell for later and go on; it may come back in another review."""
        self._check_writable()
        self._content.skipped.add(int(self._content.ids[self.at]))
        return self._on()

    def note(self, text: str, place: int | None = None) -> None:
        """Write a note on the current cell, or on the one at *place*; see :meth:`celltune_nb.Session.note`."""
        self._session.note(int(self._content.ids[self.at if place is None else self._place(place)]), text)

    def _on(self) -> ReviewItem | None:
        open_ = self._todo()
        if not len(open_):
            self._session.reviews.keep(self.level)
            self._tell()
            return None
        later = open_[open_ > self.at]
        return self.go(int(later[0] if len(later) else open_[0]))

    def _todo(self) -> NDArray[np.int64]:
        """Places without an answer; those that were skipped only when there are no others."""
        open_ = np.flatnonzero(~self._states().answered)
        fresh = open_[~np.isin(self._content.ids[open_], list(self._content.skipped))]
        return fresh if len(fresh) else open_[open_ != self.at] if len(open_) > 1 else open_

    # ------------------------------------------------------------------ how far it is

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Whether each cell has an answer."""
        return self._states().answered.copy()

    @property
    def finished(self) -> bool:
        """Whether every cell has an answer."""
        return bool(self._states().answered.all())

    @property
    def begun(self) -> bool:
        """Whether some cells were answered in it and some are still open: another review would lose its place."""
        answered = self._states().answered
        ids = self._content.ids[answered]
        return not answered.all() and any(item in self._content.said for item in ids.tolist())

    @property
    def status(self) -> list[str]:
        """``unlabelled``, ``match``, ``mismatch`` or ``labelled`` of each cell; see :class:`ReviewItem`."""
        return [STATUS[code] for code in self._states().status.tolist()]

    @property
    def counts(self) -> dict[str, int]:
        """How many cells have each status, and how many were skipped."""
        tally = np.bincount(self._states().status, minlength=len(STATUS)).tolist()
        skipped = int(np.isin(self._content.ids[~self._states().answered], list(self._content.skipped)).sum())
        return {**dict(zip(STATUS, tally, strict=True)), "skipped": skipped}

    def agreement(self) -> pd.DataFrame:
        """How often the answers are what the models said before they learned from them.

        These cells were chosen, mostly for being difficult: this is no accuracy, which only the audit sample tells.

        Returns
        -------
        DataFrame
            Index model; ``n``, ``alike``, ``share``, ``low``, ``high`` (95 %).
        """
        import pandas as pd

        from ..learn.intervals import share

        rows = {}
        labels, before = self._codes(), said(self._session, self._content)
        known = {c.code for c in self._session.book.level(self.level).categories}
        for i, model in enumerate(MODELS):
            # A category that was deleted or merged since is no answer that could be compared.
            use = self._states().answered & (labels > 0) & np.isin(before[:, i], [c for c in known if c])
            found = share((labels == before[:, i])[use], np.ones(int(use.sum())))
            rows[model] = (
                int(use.sum()),
                int((labels == before[:, i])[use].sum()),
                found.value,
                found.low,
                found.high,
            )
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=["n", "alike", "share", "low", "high"])
        return frame[frame["n"] > 0].rename_axis("model")

    @property
    def kappa(self) -> Repeats:
        """Of a blind review: how far the answers repeat the labels, Cohen's kappa with its interval.

        Raises
        ------
        NotReadyError
            When this is no blind review.
        """
        from ..learn.repeats import repeats

        if not self.blind:
            raise NotReadyError('Kappa needs answers given blind. Begin with session.review(by="blind").')
        found = [o for o in opinions(self._session, self._content).values() if o.before]
        who = ", ".join(sorted({"your own" if o.by == o.user else o.by for o in found}))
        first, second = ([getattr(o, name) for o in found] for name in ("before", "code"))
        return repeats(np.array(first, np.int64), np.array(second, np.int64), who)

    def was_answered(self, item: int) -> bool:
        """Whether a cell has or had an answer here, be it taken back."""
        return item in self._content.said

    def differing(self) -> NDArray[np.int64]:
        """Of a blind review that is finished: the cells whose second answer is another than their label."""
        return self._content.ids[self._states().status == STATUS.index("mismatch")]

    def to_pandas(self) -> pd.DataFrame:
        """One row a cell: image, cellID, reason, label, status, skipped, note, and the models' answers."""
        import pandas as pd

        rows = []
        for item in self:
            row: dict[str, Any] = {
                "image": item.image, "cellID": item.cell, "reason": item.reason, "score": item.score, "label": item.label,
                "status": item.status, "answered": item.answered, "skipped": item.skipped, "note": item.note,
            }  # fmt: skip
            for found in item.answers:
                row[found.model] = found.category
                row[f"{found.model}__Probability"] = found.probability
            rows.append(row)
        return pd.DataFrame(rows, index=pd.Index(self._content.ids, name="item"))

    def summary(self) -> str:
        """How the review went and what to do next, in sentences."""
        counts, n = self.counts, len(self)
        done = int(self._states().answered.sum())
        if self.blind:
            text = (
                f"{done:,} of {n:,} cells judged a second time. {self.kappa if self.finished else ''}".strip()
            )
            if self.finished and len(self.differing()):
                text += f". Look at the {len(self.differing()):,} that differ, and decide."
            return text
        text = f"{done:,} of {n:,} cells reviewed"
        if counts["match"] or counts["mismatch"]:
            text += f": {counts['match']:,} as predicted, {counts['mismatch']:,} otherwise"
        if done < n:
            return f"{text}."
        if not done - counts["unlabelled"]:
            return f"{text}. None could be told: look at other cells."
        return f"{text}. Train now, so that the models learn from them; then evaluate, which says how good they are."

    # ------------------------------------------------------------------ inside

    def _place(self, place: int) -> int:
        place = whole_number(place, "The place in the queue", -len(self))
        if place >= len(self):
            raise InputError(f"The review has {len(self):,} cells; there is no place {place}. Count from 0.")
        return place % len(self)

    def _check_writable(self) -> None:
        with self._session.writing():
            pass  # refuses where one can only look
        if self.superseded:
            raise NotReadyError("Another review was begun since. Go on with that one: session.queue.")

    def _tell(self) -> None:
        self._session.emit(
            self._session.queue_changed, QueueChanged(self.level, int(self._content.ids[self.at]))
        )

    def _codes(self) -> NDArray[np.int64]:
        with self._session.lock:
            return self._session.book.level(self.level).codes_of(self._content.ids).astype(np.int64)

    def _states(self) -> States:
        """How far it is; kept until labels or predictions change."""
        session = self._session
        average = model_set(session, self.level, "Pred_AVG")
        key = (session.book.revision, None if average is None else average.run, len(self._content.said))
        if self._known is None or self._known[0] != key:
            self._known = (key, states(session, self._content))
        return self._known[1]

    def _item(self, place: int) -> ReviewItem:
        return item_now(self._session, self._content, self._states(), place)
