"""What the cells of a review are now: answered or open, as predicted or otherwise, and what the models say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..data.populations import PopulationSet
    from ..data.remarks import Opinion
    from .session import Session

__all__ = [
    "MODELS", "STATUS", "Answer", "Content", "ReviewItem", "States", "answers", "item_now", "left_unknown", "model_set",
    "opinions", "predicted_codes", "said", "states",
]  # fmt: skip

#: Whose answers are kept with a cell when it is answered: the first two models' and that of their mean.
MODELS = ("Pred_MDL1", "Pred_MDL2", "Pred_AVG")


@dataclass(frozen=True)
class Answer:
    """What a model says of a cell.

    Attributes
    ----------
    model : str
        ``"Pred_MDL1"``, ``"Pred_MDL2"`` or ``"Pred_AVG"``.
    category : str
    probability : float
        NaN where it is not kept.
    """

    model: str
    category: str
    probability: float


@dataclass(frozen=True)
class ReviewItem:
    """A cell of a queue as it is now.

    Attributes
    ----------
    place : int
        From 0.
    id : int
    image : str
    cell : int
        Its number in the user's own mask or table.
    reason : str
        Why it is here, in words.
    score : float
        What its sampler ranked by.
    label : str or None
        None while it is to be judged blind.
    answers : tuple of Answer
        Of the models as they are trained now; none while it is to be judged blind.
    status : {"unlabelled", "match", "mismatch", "labelled"}
        Whether the answer is what ``Pred_AVG`` said when it was given (``"labelled"``: nothing was predicted); of a
        blind repeat whether it is the former label, which is told when all are answered.
    answered, skipped : bool
        A cell answered *Unknown* is answered and unlabelled.
    note : str
    """

    place: int
    id: int
    image: str
    cell: int
    reason: str
    score: float
    label: str | None
    answers: tuple[Answer, ...]
    status: str
    answered: bool
    skipped: bool
    note: str

    def answer(self, model: str) -> Answer | None:
        """What one of the models says."""
        return next((found for found in self.answers if found.model == model), None)


@dataclass
class Content:
    """What a queue consists of.

    Attributes
    ----------
    by, title : str
        How it was filled, as a word and for the person.
    ids : ndarray of int64, shape (n,)
    reasons : tuple of str
    score : ndarray of float32, shape (n,)
    revision : int
        Of the label journal when it was filled: what was labelled later was labelled during this review.
    left_out : dict of str to int
        Cells that were not taken, by why.
    at : int
    skipped : set of int
        Item ids.
    said : dict of int to list of int
        Item id → category code of each of :data:`MODELS` when it was answered, −1 for none.
    """

    level: str
    by: str
    title: str
    ids: NDArray[np.int64]
    reasons: tuple[str, ...]
    score: NDArray[np.float32]
    revision: int
    seed: int
    user: str
    blind: bool = False
    left_out: dict[str, int] = field(default_factory=dict)
    at: int = 0
    skipped: set[int] = field(default_factory=set)
    said: dict[int, list[int]] = field(default_factory=dict)


STATUS = ("unlabelled", "match", "mismatch", "labelled")
UNLABELLED, MATCH, MISMATCH, LABELLED = range(4)


@dataclass(frozen=True, eq=False)
class States:
    """How far a review is.

    Attributes
    ----------
    answered : ndarray of bool, shape (n,)
    status : ndarray of int64, shape (n,)
        Place in :data:`STATUS`.
    """

    answered: NDArray[np.bool_]
    status: NDArray[np.int64]


def states(session: Session, content: Content) -> States:
    """Which cells have an answer, and whether it is what was predicted."""
    if content.blind:
        return _states_blind(session, content)
    with session.lock:
        state = session.book.level(content.level)
        codes = state.codes_of(content.ids).astype(np.int64)
        later = state.batches_of(content.ids) > content.revision
        answered = later & ((codes > 0) | left_unknown(session, content.level, content.ids))
    average = said(session, content)[:, MODELS.index("Pred_AVG")]
    status = np.where(codes == average, MATCH, np.where(average > 0, MISMATCH, LABELLED))
    return States(answered, np.where(answered & (codes > 0), status, UNLABELLED))


def _states_blind(session: Session, content: Content) -> States:
    given = opinions(session, content)
    answered = np.array([item in given for item in content.ids.tolist()], bool)
    status = np.where(answered, LABELLED, UNLABELLED)
    if answered.all():  # while some are open, nothing is told that could colour the answers to come
        alike = [given[item].code == given[item].before for item in content.ids.tolist()]
        status = np.where(alike, MATCH, MISMATCH)
    return States(answered, status)


def opinions(session: Session, content: Content) -> dict[int, Opinion]:
    """The blind answers of a review, by item."""
    with session.lock:
        given = session.book.remarks.opinions(content.level)
    wanted = set(content.ids.tolist())
    return {o.item: o for o in given if o.row > content.revision and o.item in wanted}


def left_unknown(session: Session, level: str, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which items somebody called *Unknown* in a review, as opposed to those whose category was deleted."""
    with session.lock:
        state, book = session.book.level(level), session.book
        found = (state.codes_of(ids) == 0) & (book.sources(level, ids) == "review")
        batches = state.batches_of(ids)
        for row in np.unique(batches[found]).tolist():
            entry = book.journal.entry(row)
            codes = entry.codes if isinstance(entry.codes, int) else int(np.max(entry.codes))
            if codes != 0:
                found &= batches != row
    return np.asarray(found, bool)


def model_set(session: Session, level: str, name: str) -> PopulationSet | None:
    """A model's predictions of a level, None before a training."""
    full = name if level == session.level else f"{level}/{name}"
    # A set that is not there is no KeyError.
    return session.populations[full] if full in session.populations else None  # noqa: SIM401


def predicted_codes(session: Session, level: str, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Category code that each of :data:`MODELS` gives to items, (n, 3); −1 for none."""
    rows = session.positions(ids)
    out = np.full((len(ids), len(MODELS)), -1, np.int64)
    for i, model in enumerate(MODELS):
        found = model_set(session, level, model)
        if found is not None:
            there = rows < len(found)
            out[there, i] = found.codes[rows[there]]
    out[out == 0] = -1
    return out


def said(session: Session, content: Content) -> NDArray[np.int64]:
    """What the models said of each cell before its answer, (n, 3) codes; −1 where that is not known."""
    out = np.full((len(content.ids), len(MODELS)), -1, np.int64)
    now = predicted_codes(session, content.level, content.ids)
    with session.lock:
        rounds = session.book.rounds(content.level, content.ids)
    newest = session.rounds(content.level)
    for i, item in enumerate(content.ids.tolist()):
        if item in content.said:
            out[i] = content.said[item]
        elif rounds[i] == newest:  # answered elsewhere on the page, since the last training
            out[i] = now[i]
    return out


def answers(session: Session, level: str, row: int) -> tuple[Answer, ...]:
    """What the models say of an item, by its row; nothing where none has predicted it, or while predictions are hidden."""
    found = []
    for model in () if session.view.blind else MODELS:
        kept = model_set(session, level, model)
        if kept is None or row >= len(kept) or not kept.codes[row]:
            continue
        name = next(c.name for c in kept.categories if c.code == kept.codes[row])
        probability = kept.probability
        found.append(
            Answer(model, name, float("nan") if probability is None else float(probability[row].max()))
        )
    return tuple(found)


def item_now(session: Session, content: Content, now: States, place: int) -> ReviewItem:
    """A cell of a review as it is now."""
    item = int(content.ids[place])
    row = int(session.positions([item])[0])
    number = int(session.table.images[row])
    hidden = content.blind and not now.answered.all()
    with session.lock:
        state = session.book.level(content.level)
        label = state.categories.by_code[int(state.codes_of(content.ids[place : place + 1])[0])].name
        note = session.book.remarks.note_of(item)
    return ReviewItem(
        place, item, session.table.names[number] if number >= 0 else "", int(session.table.cells[row]),
        content.reasons[place], float(content.score[place]), None if hidden else label,
        () if content.blind else answers(session, content.level, row), STATUS[int(now.status[place])],
        bool(now.answered[place]), item in content.skipped and not now.answered[place], note,
    )  # fmt: skip
