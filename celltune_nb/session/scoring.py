"""Predictions against a ground truth that somebody brings: a table of cells and their classes.  Labels stay as they are."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN
from ..errors import InputError
from ..formats.headings import CATEGORY, IMAGE, X, Y, find
from .agreeing import places_by_name
from .checks import number, one_of
from .tables import (
    cell_column,
    class_names,
    examples,
    image_names,
    image_numbers,
    match,
    match_positions,
    read_table,
    whole_numbers,
)

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["Scores", "compared", "score"]

#: What the classes are called: as in other tables, or as what they are here.
_TRUTH = (*CATEGORY, "truth", "groundtruth")


@dataclass(frozen=True, eq=False)
class Scores:
    """How well a population set agrees with a ground truth.

    Attributes
    ----------
    population : str
    accuracy, macro_f1, kappa : float
        Of the cells compared; macro-F1 over the categories of the truth.
    per_category : DataFrame
        Index category; precision, recall, f1, support.
    confusion : DataFrame
        Counts; rows are the truth, columns the prediction.
    categories : tuple of str
    ids, truth, predicted : ndarray of int64, shape (n,)
        The cells compared and the numbers of both answers in *categories*; id 0 for a cell that is gone with its mask.
    matched, unmatched : int
        Rows of the table that found their cell, and that did not.
    by : {"id", "position"}
    unanswered : int
        Matched cells without a prediction; left out.
    unknown : dict of str to int
        Classes of the truth that are no category here, with their cells; left out.
    unused : tuple of str
        Categories that are predicted for some compared cell and do not occur in the truth at all.
    examples : tuple of str
        A few of the rows that found no cell.
    when : float
        Seconds since 1970.
    run : str
        The training that the population set is of; empty for another.
    file : str
        Name of the table's file; empty when it was none.
    """

    population: str
    accuracy: float
    macro_f1: float
    kappa: float
    per_category: pd.DataFrame
    confusion: pd.DataFrame
    categories: tuple[str, ...]
    ids: NDArray[np.int64]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    matched: int
    unmatched: int
    by: str
    unanswered: int
    unknown: dict[str, int]
    unused: tuple[str, ...]
    examples: tuple[str, ...]
    when: float = 0.0
    run: str = ""
    file: str = ""

    def __repr__(self) -> str:
        return f"Scores({self.sentence})"

    @property
    def n(self) -> int:
        """Cells compared."""
        return len(self.ids)

    def items(self, truth: str | None = None, predicted: str | None = None) -> NDArray[np.int64]:
        """Ids of the cells behind a cell of the confusion matrix (None: a whole row or column), but for those gone since.

        Raises
        ------
        InputError
            There is no such category.
        """
        chosen = self.ids != 0
        for name, codes in ((truth, self.truth), (predicted, self.predicted)):
            if name is not None:
                if name not in self.categories:
                    raise InputError(
                        f"There is no category {name!r} here. Choose from: {', '.join(self.categories)}."
                    )
                chosen &= codes == self.categories.index(name)
        return self.ids[chosen]

    @property
    def sentence(self) -> str:
        """The figures, and what they are of."""
        how = "cell id" if self.by == "id" else "position"
        text = (
            f"{self.population} against the truth: accuracy {self.accuracy:.1%}, macro-F1 {self.macro_f1:.2f} on "
            f"{self.n:,} cells, matched by {how}"
        )
        left = []
        if self.unmatched:
            left.append(f"{self.unmatched:,} rows match no cell (such as {'; '.join(self.examples)})")
        if self.unknown:
            names = ", ".join(f"{name} ({count:,})" for name, count in list(self.unknown.items())[:5])
            left.append(f"no category is called {names}")
        if self.unanswered:
            left.append(f"{self.unanswered:,} cells have no prediction")
        return f"{text}. Left out: {'; '.join(left)}." if left else f"{text}."


def score(
    session: Session,
    truth: Any,
    population: str,
    by: str | None,
    radius: float,
    names: Mapping[str, str] | None,
) -> Scores:
    """See :meth:`celltune_nb.Session.score`."""
    import pandas as pd

    if by is not None:
        one_of(by, ("id", "position"), "What cells are matched by")
    radius = number(radius, "The radius")
    found = session.populations[population]
    if found.pairs or found.name in ("Pred_ALL", "Round_diff"):
        raise InputError(
            f"{population!r} holds pairs of categories, which no truth names. Choose Pred_AVG or another set."
        )
    spoken = {c.name for c in found.categories} | set(names if isinstance(names, Mapping) else ())
    places, given, by, lost = _matched(session, truth, by, radius, spoken)
    if not (places >= 0).any():
        raise InputError(
            f"None of the {len(places):,} rows of the truth matches a cell (such as {'; '.join(lost)}). Check the names "
            "of the images and the cell ids, or match by position: by='position'."
        )
    known = [c.name for c in found.categories if c.name != UNKNOWN]
    calls = _calls(known, names)
    rows = np.flatnonzero(
        (places >= 0) & given.notna().to_numpy() & (given != "").fillna(False).to_numpy(bool)
    )
    # Of rows that name one cell twice the last counts, as for labels.
    _, last = np.unique(places[rows][::-1], return_index=True)
    rows = np.sort(rows[::-1][last])
    called = [calls(str(word)) for word in given.iloc[rows]]
    unknown = pd.Series(
        [str(w) for w, c in zip(given.iloc[rows], called, strict=True) if c is None], dtype=object
    )
    right = np.array([known.index(c) if c is not None else -1 for c in called], np.int64)
    answers = np.full(len(session.table), -1, np.int64)
    answers[: len(found)] = places_by_name(found, known)
    said = answers[places[rows]]
    use = (right >= 0) & (said >= 0)
    if not use.any():
        raise InputError(
            "No cell of the truth can be compared: its classes are "
            f"{', '.join(map(str, unknown.unique()[:5])) or 'empty'}, the categories are {', '.join(known)}. Say which is "
            "which: names={'their name': 'category'}."
        )
    a, b = right[use], said[use]
    occurs = [i for i in range(len(known)) if (a == i).any() or (b == i).any()]
    place = np.full(len(known), -1, np.int64)
    place[occurs] = np.arange(len(occurs))
    return compared(
        session.table.ids[places[rows][use]], place[a], place[b], tuple(known[i] for i in occurs), population=population,
        matched=int((places >= 0).sum()), unmatched=int((places < 0).sum()), by=by,
        unanswered=int(((right >= 0) & (said < 0)).sum()),
        unknown={str(k): int(v) for k, v in unknown.value_counts().items()}, examples=lost, when=time.time(),
        run=found.run or "", file=Path(truth).name if isinstance(truth, str | Path) else "",
    )  # fmt: skip


def compared(
    ids: NDArray[np.int64], truth: NDArray[np.int64], predicted: NDArray[np.int64], categories: tuple[str, ...],
    **rest: Any,
) -> Scores:  # fmt: skip
    """The figures of cells whose truth and prediction are known as numbers in *categories*; *rest* as :class:`Scores`."""
    import pandas as pd

    from ..learn.metrics import confusion_counts, kappa, macro_f1, per_category

    counts = confusion_counts(truth, predicted, len(categories))
    index = pd.Index(list(categories), name="category")
    table = pd.DataFrame(per_category(counts), index=index).drop(columns="prevalence")
    table["support"] = table["support"].astype(np.int64)
    return Scores(
        accuracy=float(np.diagonal(counts).sum() / counts.sum()), macro_f1=macro_f1(counts), kappa=kappa(truth, predicted),
        per_category=table, categories=categories, ids=ids, truth=truth, predicted=predicted,
        confusion=pd.DataFrame(
            counts.astype(np.int64), index=pd.Index(index, name="truth"), columns=pd.Index(index, name="predicted")
        ),
        unused=tuple(name for i, name in enumerate(categories) if not (truth == i).any()), **rest,
    )  # fmt: skip


def _matched(
    session: Session, truth: Any, by: str | None, radius: float, known: Collection[str]
) -> tuple[NDArray[np.int64], pd.Series[Any], str, tuple[str, ...]]:
    """The cell of each row, its class, how they were matched, and some rows without a cell."""
    import pandas as pd

    frame = read_table(truth)
    kind, image, y, x = (find(frame.columns, words) for words in (_TRUTH, IMAGE, Y, X))
    if kind is None:
        kind = find(frame.columns, ("label",))
    cell = cell_column(frame.drop(columns=[c for c in (kind,) if c is not None]))
    there = ", ".join(map(str, list(frame.columns)[:20]))
    if kind is None:
        raise InputError(
            f"The truth has no column 'class'. It needs cellID (or y and x) and class; it has: {there}."
        )
    how = by or ("id" if cell is not None else "position")
    if (how == "id" and cell is None) or (how == "position" and (y is None or x is None)):
        raise InputError(
            f"The truth cannot be matched by {how}: it has no column {'cellID' if how == 'id' else 'y or x'}. It has: {there}."
        )
    table = session.table
    if image is None and len(table.names) != 1:
        raise InputError(
            f"The truth has no column 'image' (or fov), and the project has {len(table.names)} images. Add it. It has: {there}."
        )
    if image is not None:
        images = image_names(frame[image]).set_axis(frame.index)
    else:
        images = pd.Series(table.names[0], index=frame.index)
    if image is not None and len(table.names) == 1 and (image_numbers(table, images) < 0).all():
        # One image here and one there: whatever each is called, it is the same.
        images = pd.Series(table.names[0], index=frame.index) if images.nunique() == 1 else images
    given = class_names(frame[kind], known).set_axis(frame.index)
    if how == "id":
        cells = whole_numbers(frame[cell], str(cell))
        places = match(table, images, cells)
        return places, given, how, examples(images, cells, places)
    at = [pd.to_numeric(frame[c], errors="coerce").to_numpy(np.float64, na_value=np.nan) for c in (y, x)]
    places = match_positions(table, images, at[0], at[1], radius)
    lost = np.flatnonzero(places < 0)[:3]
    return places, given, how, tuple(f"image {images.iloc[i]}, y {at[0][i]:g}, x {at[1][i]:g}" for i in lost)


def _calls(known: list[str], names: Mapping[str, str] | None) -> Any:
    """Says which category a class of the truth is: as told, else by its name, whatever its case and spaces."""
    if names is not None and not isinstance(names, Mapping):
        raise InputError("names= says which class is which category: names={'T CD8': 'CD8T'}.")
    told = {str(a): str(b) for a, b in (names or {}).items()}
    wrong = [b for b in told.values() if b not in known]
    if wrong:
        raise InputError(f"There is no category {wrong[0]!r}. Choose from: {', '.join(known)}.")
    alike: dict[str, list[str]] = {}
    for name in known:
        alike.setdefault(_plain(name), []).append(name)

    def call(word: str) -> str | None:
        if word in told:
            return told[word]
        if word in known:
            return word
        same = alike.get(_plain(word), [])
        return same[0] if len(same) == 1 else None

    return call


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum() or c in "+-")
