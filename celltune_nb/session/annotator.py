"""A simulated annotator: a person whose answers are known, at work on a session.

It answers what ways of choosing cells are worth: how many labels, and how many looks, until the
models are good.  It calls the verbs that a person's clicks call, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .checks import whole_number

if TYPE_CHECKING:
    import pandas as pd

    from .runs import Run
    from .session import Session

__all__ = ["Annotator"]

Rectangle = tuple[float, float, float, float]


class Annotator:
    """Somebody who labels by a known truth, now and then wrongly, and counts the work.

    Parameters
    ----------
    session : Session
    truth : Series
        Item id → name of its category; an item that is missing, or empty, is one that nobody can name: it is
        looked at and left without a label.
    error_rate : float
        Share of the items that are answered wrongly, 0 to 1: any other category with equal probability.  An
        item gets the same answer whenever it is looked at, as from a person with a wrong idea of it.
    seed : int
        Of the errors, of the places looked at, and of every draw and training.
    level : str, optional
        By default the active one.
    models : sequence of str
        Trained by :meth:`train`.
    **training
        Options of :meth:`Session.train`, such as ``n_jobs=1``.

    Attributes
    ----------
    labels : int
        Cells that got a label.
    looks : int
        Cells looked at, each time: a cell that is labelled is one; so is each whose prediction was inspected.
    trained : bool
        Whether there is a model to ask.

    Raises
    ------
    InputError
        The truth names no item of the session, or fewer than two categories.
    """

    def __init__(
        self, session: Session, truth: pd.Series, *, error_rate: float = 0.0, seed: int = 0,
        level: str | None = None, models: Sequence[str] = ("xgboost", "catboost"), **training: Any,
    ) -> None:  # fmt: skip
        if not 0 <= error_rate <= 1:
            raise InputError(f"error_rate={error_rate} is no share. Give one from 0 to 1, such as 0.05.")
        self.session = session
        self.level = level or session.level
        self.models, self.training = tuple(models), training
        self.seed = whole_number(seed, "The seed")
        self.rng = np.random.default_rng([self.seed, 1])
        self.labels = self.looks = 0
        self._answers, self.categories = _answers(session, truth, error_rate, self.seed)

    def __repr__(self) -> str:
        return f"Annotator({self.labels:,} labels, {self.looks:,} looks)"

    @property
    def trained(self) -> bool:
        """Whether a finished training of the level has left predictions."""
        return self._predictions in self.session.populations

    @property
    def _predictions(self) -> str:
        return "Pred_AVG" if self.level == self.session.level else f"{self.level}/Pred_AVG"

    # ------------------------------------------------------------------ finding cells

    def draw(self) -> int:
        """The next seed, for a verb that takes one."""
        return int(self.rng.integers(2**31))

    def sample(
        self, n: int, *, image: str | None = None, rectangle: Rectangle | None = None, by: str | None = None
    ) -> NDArray[np.int64]:
        """:meth:`Session.sample` on the annotator's level, with a seed of her own."""
        return self.session.sample(
            n, image=image, rectangle=rectangle, by=by, level=self.level, seed=self.draw()
        )

    def drag(self, n: int) -> tuple[str, Rectangle] | None:
        """A square at a random place that holds about `n` unlabelled cells.

        Returns
        -------
        image : str
        rectangle : (y0, x0, y1, x1)
            In pixels; None when every cell has its label.
        """
        table = self.session.table
        free = np.flatnonzero(self.session.labels.codes(self.level) == 0)
        if not len(free):
            return None
        start = int(free[self.rng.integers(len(free))])
        image = int(table.images[start])
        here = free[table.images[free] == image]
        y, x = table.y[here], table.x[here]
        area = (np.ptp(y) + 1) * (np.ptp(x) + 1)
        half = np.sqrt(area * min(1.0, n / len(here))) / 2
        y, x = table.y[start], table.x[start]
        return table.names[image], (y - half, x - half, y + half, x + half)

    # ------------------------------------------------------------------ what a person does with them

    def look(self, ids: Any) -> NDArray[np.object_]:
        """Look at cells: the annotator's answer for each, None where there is none."""
        answers = self._answers[self.session.positions(ids)]
        self.looks += len(answers)
        return answers

    def label(self, ids: Any, source: str = "click") -> int:
        """Look at cells and give each its category, one step a category.

        Returns
        -------
        int
            Cells that got a label.
        """
        ids = np.asarray(ids, np.int64)
        return self._give(ids, self.look(ids), source)

    def label_rectangle(self, ids: Any) -> int:
        """Give cells the category that most of them have, then flip the exceptions, as after a drag."""
        ids = np.asarray(ids, np.int64)
        answers = self.look(ids)
        known = answers != None  # noqa: E711 - compares every element
        if not known.any():
            return 0
        ids, answers = ids[known], answers[known]
        names, counts = np.unique(answers.astype(str), return_counts=True)
        most = str(names[counts.argmax()])
        self._category(most)
        self.session.label(ids, most, level=self.level, source="rectangle")
        self._give(ids[answers != most], answers[answers != most], "click", counted=False)
        self.labels += len(ids)
        return len(ids)

    def correct(self, ids: Any) -> int:
        """Look at the predictions of cells and label those that are wrong, with source ``correction``.

        Returns
        -------
        int
            Cells that got a label.
        """
        ids = np.asarray(ids, np.int64)
        answers = self.look(ids)
        said = self.session.populations[self._predictions].to_pandas().loc[ids].to_numpy(object)
        wrong = (answers != None) & (said != answers)  # noqa: E711 - compares every element
        return self._give(ids[wrong], answers[wrong], "correction")

    def train(self) -> Run | None:
        """Train on the labels and wait; None while they cannot be learned from."""
        if any(p.severity == "error" for p in self.session.training_problems(level=self.level)):
            return None
        return self.session.train(
            self.models, level=self.level, seed=self.seed, wait=True, **dict(self.training)
        )

    def _give(
        self, ids: NDArray[np.int64], answers: NDArray[np.object_], source: str, *, counted: bool = True
    ) -> int:
        given = 0
        for name in self.categories:
            chosen = ids[answers == name]
            if len(chosen):
                self._category(name)
                self.session.label(chosen, name, level=self.level, source=source)
                given += len(chosen)
        self.labels += given if counted else 0
        return given

    def _category(self, name: str) -> None:
        """Add a category when its first cell is met."""
        if name not in [c.name for c in self.session.book.level(self.level).categories]:
            self.session.categories.add(name, level=self.level)


def _answers(
    session: Session, truth: pd.Series, error_rate: float, seed: int
) -> tuple[NDArray[np.object_], list[str]]:
    """What is said of every item, in row order, and the categories that occur."""
    ids = session.table.ids
    given = truth.reindex(ids)
    known = given.notna().to_numpy() & (given.astype(str) != "").to_numpy()
    answers = np.full(len(ids), None, object)
    answers[known] = given[known].astype(str).to_numpy(object)
    names = sorted(set(answers[known]))
    if not known.any():
        raise InputError("The truth names no item of this session. Index it by item id, as session.items is.")
    if len(names) < 2:
        raise InputError(f"The truth knows one category only ({names[0]}). There is nothing to teach.")
    rng = np.random.default_rng([seed, 2])
    # drawn for every item beforehand: the answer must not depend on when an item is looked at
    wrong = np.flatnonzero((rng.random(len(ids)) < error_rate) & known)
    shift = rng.integers(1, len(names), len(ids))[wrong]
    place = {name: i for i, name in enumerate(names)}
    for row, by in zip(wrong.tolist(), shift.tolist(), strict=True):
        answers[row] = names[(place[answers[row]] + by) % len(names)]
    return answers, names
