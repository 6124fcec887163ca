"""Levels that are held to a region of their parent: "subtypes, only inside T cell".

The cells of such a level are those that are of some categories at the parent level: by their label there, by the
prediction, or by the label where there is one and else by the prediction.  All others are outside: they are neither
offered nor learned from, and have no prediction.  Models answer for all cells, and what they say of those outside is
covered while the sets are read, so the region follows the parent's labels and predictions at once, without a training.
Labels outside are kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN
from ..data.populations import PopulationSet
from ..errors import InputError, LabelError
from .checks import one_of, texts
from .committing import committing
from .events import CategoriesChanged, PopulationsChanged
from .recording import note

if TYPE_CHECKING:
    from .session import Session

__all__ = ["BY", "Region", "Regions", "covered", "outside_sentence"]

_SETTING = "regions"
#: By what a cell is of the parent's category.
BY = ("either", "labels", "predictions")
_WORDS = {"either": "label, else prediction", "labels": "label", "predictions": "prediction"}


@dataclass(frozen=True)
class Region:
    """To which cells a level is held.

    Attributes
    ----------
    level, parent : str
    within : tuple of str
        Categories of the parent, as they are called now; those that were deleted are left out.
    by : {"either", "labels", "predictions"}
    """

    level: str
    parent: str
    within: tuple[str, ...]
    by: str = "either"

    @property
    def sentence(self) -> str:
        """The region in words."""
        names = " or ".join(self.within) or "a category that was deleted"
        return f"only inside {names} of level {self.parent} (by {_WORDS[self.by]})"


@dataclass(frozen=True, eq=False)
class _Known:
    """A region as it was worked out last, and of what."""

    needs: tuple[Any, ...]
    mask: NDArray[np.bool_]


class Regions:
    """The regions of a session's levels."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._masks: dict[str, _Known] = {}
        self._sets: dict[tuple[str, str], tuple[PopulationSet, NDArray[np.bool_], PopulationSet]] = {}
        #: What listeners were told last.
        self._told: dict[str, NDArray[np.bool_]] = {}

    # ------------------------------------------------------------------ definitions

    def _stored(self) -> dict[str, dict[str, Any]]:
        stored = self._session.project.settings.get(_SETTING)
        return stored if isinstance(stored, dict) else {}

    def of(self, level: str) -> Region | None:
        """The region of a level, None when it is held to none."""
        found = self._read(level)
        if found is None:
            return None
        parent, codes, by = found
        categories = self._session.book.level(parent).categories
        meant = [categories.meaning(code) for code in codes]
        return Region(level, parent, tuple(dict.fromkeys(c.name for c in meant if c is not None)), by)

    def _read(self, level: str) -> tuple[str, tuple[int, ...], str] | None:
        """Parent, codes and by; None where there is no region, or what somebody wrote by hand is none."""
        step = found = self._row(level)
        if found is None:
            return None
        chain = {level}
        while step is not None:
            if step[0] in chain:
                return None  # it would rest on itself
            chain.add(step[0])
            step = self._row(step[0])
        return found

    def _row(self, level: str) -> tuple[str, tuple[int, ...], str] | None:
        row = self._stored().get(level)
        if row is None:
            return None  # asked for with every label: quicker than what is caught below
        try:
            parent, codes, by = str(row["parent"]), tuple(int(c) for c in row["within"]), row["by"]
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return (parent, codes, by) if by in BY and parent in self._session.book.levels else None

    # ------------------------------------------------------------------ which cells are inside

    def mask(self, level: str) -> NDArray[np.bool_] | None:
        """Which items belong to a level, in row order, shape (n,), not to be changed; None: all.

        The array is the same one as long as the region holds the same items.
        """
        found = self._read(level)
        if found is None:
            return None
        parent, within, by = found
        session = self._session
        above = self.mask(parent)
        labels = session.populations.of_labels(parent)
        there = session.populations.stored(parent, "Pred_AVG") is not None
        predicted = session.populations.of(parent, "Pred_AVG").codes if there else None
        meant = [session.book.level(parent).categories.meaning(code) for code in within]
        codes = tuple(sorted({c.code for c in meant if c is not None}))
        needs = (session.table, labels.codes, predicted, above, codes, by)
        known = self._masks.get(level)
        if known is not None and all(
            a is b or (isinstance(a, tuple | str) and a == b) for a, b in zip(known.needs, needs, strict=True)
        ):
            return known.mask
        mask = _worked_out(labels.codes, predicted, above, codes, by)
        if known is not None and np.array_equal(known.mask, mask):
            mask = known.mask  # what rests on it stays as it is
        mask.setflags(write=False)
        self._masks[level] = _Known(needs, mask)
        return mask

    def inside(self, level: str) -> NDArray[np.bool_]:
        """As :meth:`mask`, all True where a level is held to no region."""
        found = self.mask(level)
        return np.ones(len(self._session.table), bool) if found is None else found

    def outside_labels(self, level: str) -> NDArray[np.int64]:
        """Ids of the items that have a label at a level and lie outside of its region."""
        mask, ids = self.mask(level), self._session.table.ids
        if mask is None:
            return np.empty(0, np.int64)
        return np.asarray(ids[~mask & (self._session.populations.of_labels(level).codes != 0)])

    def held(self, found: PopulationSet) -> PopulationSet:
        """What models say, with no answer for the items outside of the level's region."""
        mask = self.mask(found.level)
        if mask is None:
            return found
        key = (found.level, found.name)
        known = self._sets.get(key)
        if known is None or known[0] is not found or known[1] is not mask:
            known = self._sets[key] = (found, mask, covered(found, mask))
        return known[2]

    # ------------------------------------------------------------------ changing them

    def checked(self, level: str, parent: Any, within: Any, by: Any) -> dict[str, Any]:
        """A region as it is kept.

        Raises
        ------
        InputError, LabelError
            For a parent or category that is not there, or a parent that itself rests on the level.
        """
        by = one_of(by, BY, "What tells who is inside")
        if parent is None:
            raise InputError(
                f"Level {level!r} has no parent. Say whose categories are meant: parent='main', within='T cell'."
            )
        above, chain = self._session.book.level(parent).name, [level]
        step: str | None = above
        while step is not None:
            if step in chain:
                raise InputError(
                    f"Level {level!r} would be held to a region of itself. Choose another parent."
                )
            chain.append(step)
            further = self._read(step)
            step = None if further is None else further[0]
        names = texts(within, "The categories")
        if not names:
            raise InputError("No category was given. Name one of the parent's, such as within='T cell'.")
        categories = self._session.book.level(above).categories
        for name in names:
            if name == UNKNOWN or name not in categories.names:
                there = ", ".join(c.name for c in categories if c.name != UNKNOWN)
                raise LabelError(
                    f"Level {above!r} has no category {name!r} to be inside of. It has: {there or 'none yet'}."
                )
        return {"parent": above, "within": sorted({categories[name].code for name in names}), "by": by}

    def keep(self, level: str, row: dict[str, Any] | None) -> None:
        """Hold a level to a region, or to none; on disk when it returns."""
        session = self._session
        with committing(session) as project:
            rest = {name: other for name, other in self._stored().items() if name != level}
            project.settings[_SETTING] = rest if row is None else {**rest, level: row}
            project.save()
        found = self.of(level)
        note(
            session,
            "levels.constrain",
            {"name": level, "within": None}
            if found is None
            else {"name": level, "within": list(found.within), "parent": found.parent, "by": found.by},
        )
        session.emit(session.categories_changed, CategoriesChanged(level))
        self.follow(level)

    # ------------------------------------------------------------------ telling

    def follow(self, level: str | None = None) -> None:
        """Tell listeners of the sets of levels whose region holds other cells now (and of *level* at any rate)."""
        session = self._session
        names = []
        for name in session.book.levels:
            mask = self.mask(name)
            if mask is None:
                changed = self._told.pop(name, None) is not None
            else:
                changed = self._told.get(name) is not mask
                self._told[name] = mask
            if changed or name == level:
                # With the level, so that nobody takes it for a training that is done.
                names += [f"{name}/{bare}" for bare in session.populations.of_level(name)]
        if names:
            session.emit(session.populations_changed, PopulationsChanged(tuple(names)))


def _worked_out(
    labels: NDArray[np.int16], predicted: NDArray[np.int16] | None, above: NDArray[np.bool_] | None,
    codes: tuple[int, ...], by: str,
) -> NDArray[np.bool_]:  # fmt: skip
    span = max(int(labels.max(initial=0)), *codes, 0) if codes else int(labels.max(initial=0))
    answers = np.zeros(len(labels), np.int16)
    if predicted is not None:
        answers[: len(predicted)] = predicted  # items added since are predicted to be nothing
    wanted = np.zeros(max(span, int(answers.max(initial=0))) + 1, bool)
    wanted[list(codes)] = True
    if by == "labels":
        mask = wanted[labels]
    elif by == "predictions":
        mask = wanted[answers]
    else:
        mask = wanted[np.where(labels != 0, labels, answers)]
    return mask if above is None else mask & above


def covered(found: PopulationSet, mask: NDArray[np.bool_]) -> PopulationSet:
    """A set without an answer for the items that *mask* is False for."""
    outside = ~mask[: len(found)]
    codes = found.codes.copy()
    codes[: len(outside)][outside] = 0
    codes.setflags(write=False)
    given = found.given
    return replace(found, codes=codes, given=None if given is None else _Covered(found, outside))


class _Covered:
    """Probabilities with NaN for some items, copied when they are asked for the first time."""

    def __init__(self, found: PopulationSet, outside: NDArray[np.bool_]) -> None:
        self._found, self._outside = found, outside
        self._made: NDArray[np.float32] | None = None

    def __call__(self) -> NDArray[np.float32]:
        if self._made is None:
            probability = self._found.probability
            assert probability is not None
            made = np.array(probability)
            made[self._outside] = np.nan
            self._made = made
        return self._made


def outside_sentence(session: Session, level: str) -> str:
    """That some labels of a level lie outside of its region; empty when none does."""
    region = session.regions.of(level)
    n = 0 if region is None else len(session.regions.outside_labels(level))
    if region is None or not n:
        return ""
    what = "1 label lies" if n == 1 else f"{n:,} labels lie"
    return f"{what} outside ({region.sentence}): kept, but not learned from."
