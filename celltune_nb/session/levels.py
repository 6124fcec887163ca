"""The handles by which levels, categories and labels are reached: ``session.levels``, ``.categories``, ``.labels``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN, Category, CategorySet
from ..data.labels import LabelBook
from ..data.level import Level
from ..data.merging import given_as
from . import levelling
from .checks import texts
from .describing import LabelTable, label_table
from .regions import Region

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["Categories", "Labels", "Levels", "level_name"]

#: Old code → new code, and the items that move where not all of the old code do.
_Move = tuple[dict[int, int], NDArray[np.int64] | None]


def level_name(session: Session, level: str | None) -> str:
    """The level named, or the active one.

    Raises
    ------
    LabelError
        When there is none of the name.
    """
    return session.level if level is None else session.book.level(level).name


class Levels:
    """The levels of a session: category sets with labels of their own."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._session.book.levels

    def __getitem__(self, name: str) -> Level:
        return self._session.book.level(name)

    def __repr__(self) -> str:
        return f"Levels({', '.join(self.names)}; active: {self._session.level})"

    @property
    def names(self) -> list[str]:
        """Names in the order they were added."""
        return list(self._session.book.levels)

    def add(
        self, name: str, parent: str | None = None, *, within: str | Sequence[str] | None = None,
        by: str = "either",
    ) -> Level:  # fmt: skip
        """Begin a level.

        Parameters
        ----------
        name : str
        parent : str, optional
            The level above it in a hierarchy.
        within, by : optional
            Hold it to cells of some categories of the parent: see :meth:`constrain`.
        """
        session, name = self._session, str(name).strip()
        row = None if within is None else session.regions.checked(name, parent, within, by)
        made = session.change_levels(lambda book, user: book.add_level(name, parent, user), name)
        if row is not None:
            session.regions.keep(name, row)
        return made

    def rename(self, name: str, new: str) -> None:
        """Call a level by another name; all that belongs to it stays.  No step of undo's: rename it back.

        Labels, rule, target and channel; once it was trained also runs, predictions, threshold, audit, review, clusters, gates
        and combinations, in whose expressions the name changes; a combination that is called as it is written is called
        anew.  Files keep the first name, so that nothing is written anew and a crash leaves all of it or none; from
        then on no other level may have a name that this one had.

        Raises
        ------
        LabelError
            There is, or was, a level of that name, or none can be called so.
        NotReadyError
            While something is trained or predicted, of a level to which files belong.
        """
        levelling.rename(self._session, name, new)

    def remove(self, name: str) -> None:
        """Remove a level in which nothing is labelled; one undo brings it back.

        Raises
        ------
        InputError
            While it has labels, a training, an audit or a population, when others stand below it, or it is the only one.
        """
        levelling.remove(self._session, name)

    # ------------------------------------------------------------------ held to a region of the parent

    def constrain(
        self, name: str, within: str | Sequence[str] | None = None, *, parent: str | None = None,
        by: str = "either",
    ) -> None:  # fmt: skip
        """Hold a level to the cells that are of some categories at its parent; all others are outside.

        Cells outside are neither offered, nor learned from, nor predicted; labels that they have stay (see
        :meth:`outside_labels`).  The region follows the parent's labels and predictions, without a training.

        Parameters
        ----------
        name : str
        within : str or sequence of str, optional
            Categories of the parent.  None: the level holds for all cells again.
        parent : str, optional
            By default the one it was added with.
        by : {"either", "labels", "predictions"}
            What a cell is at the parent: what it is labelled, or where it is not, what ``Pred_AVG`` says; only
            the label; only the prediction.

        Raises
        ------
        LabelError
            For a level or category that is not there.
        InputError
            When there is no parent, or it rests on this level itself; nothing is changed then.
        """
        level, regions = self[name], self._session.regions
        if within is None:
            if regions.of(level.name) is not None:
                regions.keep(level.name, None)
            return
        now = regions.of(level.name)
        above = parent or (level.parent if now is None else now.parent)
        regions.keep(level.name, regions.checked(level.name, above, within, by))

    def region(self, name: str | None = None) -> Region | None:
        """To which cells a level (by default the active one) is held: ``.parent .within .by .sentence``; None: to all."""
        return self._session.regions.of(level_name(self._session, name))

    def inside(self, name: str | None = None) -> NDArray[np.bool_]:
        """Which cells belong to a level, in the order of the items; shape (n,)."""
        return self._session.regions.inside(level_name(self._session, name)).copy()

    def outside_labels(self, name: str | None = None) -> NDArray[np.int64]:
        """Ids of the cells that have a label at a level and lie outside of its region."""
        return self._session.regions.outside_labels(level_name(self._session, name))


class Categories:
    """The categories of the active level (or of the level named with ``level=``)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def _set(self, level: str | None = None) -> CategorySet:
        return self._session.book.level(level_name(self._session, level)).categories

    def __iter__(self) -> Iterator[Category]:
        return iter(self._set())

    def __len__(self) -> int:
        return len(self._set())

    def __contains__(self, name: object) -> bool:
        return name in self._set()

    def __getitem__(self, name: str) -> Category:
        return self._set().named(name)

    def __repr__(self) -> str:
        return f"Categories({', '.join(self.names)})"

    @property
    def names(self) -> list[str]:
        """Names in order, *Unknown* first."""
        return self._set().names

    def add(
        self, name: str, color: str | None = None, key: str | None = None, *, level: str | None = None
    ) -> Category:
        """Add a category.

        Parameters
        ----------
        name : str
        color : str, optional
            ``"#RRGGBB"``; by default the next of a palette that colour-blind eyes can tell apart.
        key : str, optional
            ``"1"`` to ``"9"``; by default the next free one, ``""`` for none.
        """
        self._edit(lambda now: now.add(name, color, key), f"category {name} added", level)
        category: Category = self._set(level)[name.strip()]
        return category

    def rename(self, old: str, new: str, *, level: str | None = None) -> None:
        """Call *old* by another name; its labels stay."""
        self._edit(lambda now: now.rename(old, new), f"category {old} renamed to {new}", level)

    def recolor(self, name: str, color: str, *, level: str | None = None) -> None:
        """Give a category another colour."""
        self._edit(lambda now: now.recolor(name, color), f"colour of {name} changed", level)

    def set_key(self, name: str, key: str | None, *, level: str | None = None) -> None:
        """Give a category another key, or none."""
        self._edit(lambda now: now.set_key(name, key), f"key of {name} changed", level)

    def set_excluded(self, name: str, excluded: bool = True, *, level: str | None = None) -> None:
        """Keep a category's items out of training, or let them in again."""
        what = f"{name} {'kept out of' if excluded else 'let into'} training"
        self._edit(lambda now: now.set_excluded(name, excluded), what, level)

    def delete(self, name: str, *, level: str | None = None) -> None:
        """Remove a category; its items return to *Unknown*.  Undo brings both back."""
        self._edit(
            lambda now: now.remove(name), f"category {name} deleted", level,
            lambda _, now, __: ({now[name].code: 0}, None),
        )  # fmt: skip

    @property
    def merged(self) -> dict[str, str]:
        """Categories that were merged: name → the category in which they are today."""
        now = self._set()
        into = {c.name: now.meaning(c.code) for c, _ in now.merged}
        return {name: found.name for name, found in into.items() if found is not None}

    def merge(self, name: str | Sequence[str], into: str, *, level: str | None = None) -> None:
        """Move all items of *name* (or of several names) to *into*, as one step.

        Undo takes it apart again, and so does :meth:`unmerge` at any time later: the journal keeps as what each
        label was given.  Predictions of models that know the former categories show the one they are part of.
        """
        names = list(texts(name, "The categories to merge"))
        self._edit(
            lambda now: now.merge(names, into), f"category {', '.join(names)} merged into {into}", level,
            lambda book, now, _: ({now[n].code: now[into].code for n in names}, None),
        )  # fmt: skip

    def unmerge(self, name: str, *, level: str | None = None) -> None:
        """Take a merged category out again, with the items that were labelled so and not otherwise since."""

        def back(book: LabelBook, now: CategorySet, edited: CategorySet) -> _Move:
            code = edited[name].code
            at = now.meaning(code)
            assert at is not None  # a merged category goes when that is deleted which it is part of
            state = book.level(level_name(self._session, level))
            return {at.code: code}, given_as(book.journal, state, book.lineage, now.parts(code), at.code)

        self._edit(lambda now: now.unmerge(name), f"category {name} taken out again", level, back)

    def reorder(self, names: Sequence[str], *, level: str | None = None) -> None:
        """Put the categories into another order."""
        self._edit(lambda now: now.reorder(names), "categories reordered", level)

    def _edit(
        self,
        edit: Callable[[CategorySet], CategorySet],
        what: str,
        level: str | None,
        move: Callable[[LabelBook, CategorySet, CategorySet], _Move] | None = None,
    ) -> None:
        """Change the set as it is under the lock: two edits at once must not undo one another.

        *move* says, of the book and the sets before and after, which codes become which others, and of which items.
        """
        name = level_name(self._session, level)

        def change(book: LabelBook, user: str) -> int:
            now = book.level(name).categories
            edited = edit(now)
            moved, ids = move(book, now, edited) if move else (None, None)
            return book.edit_categories(
                name, edited, what, moved=moved, ids=ids, round=self._session.rounds(name), user=user
            )

        self._session.change_levels(change, name, labels=move is not None)


class Labels:
    """The labels of the active level (or of the level named)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __len__(self) -> int:
        return sum(n for name, n in self.counts().items() if name != UNKNOWN)

    def __repr__(self) -> str:
        return f"Labels({', '.join(f'{name} {n:,}' for name, n in self.counts().items() if n) or 'none yet'})"

    @property
    def revision(self) -> int:
        """Number of the newest row of the label journal."""
        return self._session.book.revision

    def to_pandas(self, level: str | None = None) -> pd.DataFrame:
        """Every label, indexed by item id: category, level, source, user, time, round, batch, t0."""
        with self._session.lock:
            return self._session.book.to_pandas(level_name(self._session, level))

    def codes(self, level: str | None = None) -> NDArray[np.int16]:
        """Category code of every item in row order, 0 where unlabelled; shape (n,), a copy."""
        with self._session.lock:
            state = self._session.book.level(level_name(self._session, level))
            return state.codes_in_order(self._session.table.ids)

    def table(self, by: str = "image", level: str | None = None) -> LabelTable:
        """Labels counted by ``"image"`` or ``"group"`` and category, as arrays; see ``session.label_counts``."""
        return label_table(self._session, by, level_name(self._session, level))

    def counts(self, level: str | None = None) -> dict[str, int]:
        """Number of labelled items of each category (*Unknown*: the unlabelled rest of those that belong to the level)."""
        with self._session.lock:
            state = self._session.book.level(level_name(self._session, level))
            tally = {
                c.name: int(state.tally[c.code]) if c.code < len(state.tally) else 0 for c in state.categories
            }
            held = self._session.regions.mask(state.name)
            if held is None:
                labelled = sum(n for name, n in tally.items() if name != UNKNOWN)
                tally[UNKNOWN] = len(self._session.table) - labelled
            else:
                codes = state.codes_in_order(self._session.table.ids)
                tally[UNKNOWN] = int(np.count_nonzero(held & (codes == 0)))
            return tally
