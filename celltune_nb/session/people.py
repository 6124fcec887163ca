"""Labels of two people on the same cells: how far they agree, and one set of labels from both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN, CategorySet
from ..data.labels import LabelBook
from ..errors import InputError
from ..formats.headings import find
from .batches import Batch, put
from .carrying import opened
from .checks import a_path, one_of
from .events import CategoriesChanged, LabelsChanged
from .tables import cell_column, class_names, image_column, image_names, match, read_table, whole_numbers

if TYPE_CHECKING:
    import pandas as pd

    from ..learn.repeats import Repeats
    from .session import Session

__all__ = ["MergeReport", "compare_users", "merge_labels"]


@dataclass(frozen=True, eq=False)
class MergeReport:
    """How far two people agree, and what was taken over.

    Attributes
    ----------
    agreement : Repeats
        ``.n`` cells both have labelled, ``.agreement`` and Cohen's ``.kappa`` with its 95 % interval ``.low``, ``.high``.
    table : DataFrame
        Cells both have labelled, by my category (rows) and theirs (columns).
    disagreements : ndarray of int64
        Their ids, for ``session.review(ids=…)``.
    answers : DataFrame
        The disagreements: columns ``mine``, ``theirs``, ``user``.
    added, changed, unmatched : int
        Labels taken over where there was none, in place of another one, and rows that are no cell here.
    batch : int or None
        The last journal row; one undo takes all back.
    """

    agreement: Repeats
    table: pd.DataFrame
    disagreements: NDArray[np.int64]
    answers: pd.DataFrame
    added: int = 0
    changed: int = 0
    unmatched: int = 0
    batch: int | None = None

    def __str__(self) -> str:
        parts = [str(self.agreement), f"{self.added:,} labels added"]
        parts += [f"{self.changed:,} changed"] * bool(self.changed)
        parts += [f"{len(self.disagreements):,} to look at again"] * bool(len(self.disagreements))
        parts += [f"{self.unmatched:,} rows are no cell here"] * bool(self.unmatched)
        return "; ".join(parts)

    __repr__ = __str__


@dataclass(frozen=True, eq=False)
class _Theirs:
    ids: NDArray[np.int64]
    names: NDArray[np.object_]
    users: NDArray[np.object_]
    looks: dict[str, tuple[str, str]]  # category → colour, key
    unmatched: int
    where: str


def merge_labels(session: Session, other: Any, on_conflict: str, level: str, user: str | None) -> MergeReport:
    """See :meth:`celltune_nb.Session.merge_labels`."""
    one_of(on_conflict, ("queue", "mine", "theirs"), "on_conflict")
    with session.writing():
        pass  # refuse before the work, not after it
    theirs = _theirs(session, other, level, user)
    with session.writing():
        state = session.book.level(level)
        categories = state.categories
        for name in dict.fromkeys(theirs.names.tolist()):
            if name.casefold() not in {n.casefold() for n in categories.names}:
                color, key = theirs.looks.get(name, ("", ""))
                key = key if key not in {c.key for c in categories} else ""
                categories = categories.add(name, color, key)
        place = {c.name.casefold(): c.code for c in categories}
        codes = np.array([place[name.casefold()] for name in theirs.names], np.int16)
        before = state.codes_of(theirs.ids)
        both, fresh = (before != 0) & (codes != 0), (before == 0) & (codes != 0)
        clash = both & (before != codes)
        take = fresh | clash if on_conflict == "theirs" else fresh
        report = _report(categories, theirs, before, codes, both, clash, on_conflict)
        if not take.any():
            return report
        batches = []
        for who in sorted(set(theirs.users[take])):
            rows = np.flatnonzero(take & (theirs.users == who))
            rows = rows[np.argsort(theirs.ids[rows])]
            batches.append(Batch(theirs.ids[rows], codes[rows], who))
        text = f"{int(take.sum()):,} labels taken over from {theirs.where}"
        batch = put(
            session,
            batches,
            level,
            "import",
            text,
            categories=None if categories == state.categories else categories,
        )
    session.emit(session.categories_changed, CategoriesChanged(level))
    session.emit(session.labels_changed, LabelsChanged(level, np.sort(theirs.ids[take]), batch))
    return _report(
        categories, theirs, before, codes, both, clash, on_conflict, added=int(fresh.sum()),
        changed=int((take & clash).sum()), batch=batch,
    )  # fmt: skip


def _report(
    categories: CategorySet, theirs: _Theirs, before: NDArray[np.int16], codes: NDArray[np.int16], both: NDArray[np.bool_],
    clash: NDArray[np.bool_], on_conflict: str, **more: Any,
) -> MergeReport:  # fmt: skip
    import pandas as pd

    agreement, table = _agreement(categories, before[both], codes[both], ", ".join(sorted(set(theirs.users))))
    order = np.flatnonzero(clash)[np.argsort(theirs.ids[clash])]
    name = {c.code: c.name for c in categories}
    answers = pd.DataFrame(
        {
            "mine": [name[int(c)] for c in before[order]],
            "theirs": [name[int(c)] for c in codes[order]],
            "user": theirs.users[order],
        },
        index=pd.Index(theirs.ids[order], name="item", dtype=np.int64),
    )
    open_ = theirs.ids[order] if on_conflict == "queue" else np.empty(0, np.int64)
    return MergeReport(agreement, table, open_, answers, unmatched=theirs.unmatched, **more)


def _agreement(
    categories: CategorySet, mine: NDArray[np.int16], theirs: NDArray[np.int16], who: str
) -> tuple[Repeats, pd.DataFrame]:
    import pandas as pd

    from ..learn.repeats import repeats

    used = [c for c in categories if c.name != UNKNOWN and ((mine == c.code) | (theirs == c.code)).any()]
    counts = [[int(((mine == a.code) & (theirs == b.code)).sum()) for b in used] for a in used]
    names = [c.name for c in used]
    table = pd.DataFrame(
        counts, index=pd.Index(names, name="mine"), columns=pd.Index(names, name="theirs"), dtype=np.int64
    )
    return repeats(mine.astype(np.int64), theirs.astype(np.int64), who), table


# ---------------------------------------------------------------------- whose labels


def _theirs(session: Session, other: Any, level: str, user: str | None) -> _Theirs:
    import pandas as pd

    if isinstance(other, pd.DataFrame) or (isinstance(other, str | Path) and a_path(other).is_file()):
        frame = read_table(other)
        where = "a table" if isinstance(other, pd.DataFrame) else Path(other).name
        return _of_table(session, frame, {}, where, user, level)
    with opened(other) as project:
        if project is session or project.folder.resolve() == session.folder.resolve():
            raise InputError(
                "This is the project itself. Two people's labels in it are compared by session.compare_users(first, second)."
            )
        name = level if level in project.levels else project.level
        labels = project.labels.to_pandas(name)
        rows = project.table.positions(labels.index.to_numpy())
        table = project.table
        frame = pd.DataFrame(
            {
                "image": np.array([*table.names, ""], object)[table.images[rows]], "cellID": table.cells[rows],
                "class": labels["category"].astype(str).to_numpy(), "user": labels["user"].astype(str).to_numpy(),
            }
        )  # fmt: skip
        looks = {c.name: (c.color, c.key or "") for c in project.book.level(name).categories}
        return _of_table(session, frame, looks, project.folder.name, user, level)


def _of_table(
    session: Session,
    frame: pd.DataFrame,
    looks: dict[str, tuple[str, str]],
    where: str,
    user: str | None,
    level: str,
) -> _Theirs:
    image, cell, word = image_column(frame), cell_column(frame), find(frame.columns, ("class", "category"))
    missing = [name for name, found in (("image", image), ("cellID", cell), ("class", word)) if found is None]
    if missing:
        raise InputError(
            f"The labels have no column {missing[0]!r}. They need image (or fov), cellID and class, and may name the user; "
            f"they have: {', '.join(map(str, list(frame.columns)[:20]))}."
        )
    names = class_names(frame[word], {*looks, *session.book.level(level).categories.names}).set_axis(
        frame.index
    )
    use = (names.notna() & (names != "") & (names != UNKNOWN)).fillna(False).to_numpy(bool)
    frame, names = frame[use], names[use]
    places = match(session.table, image_names(frame[image]), whole_numbers(frame[cell], str(cell)))
    hit = np.flatnonzero(places >= 0)
    _, last = np.unique(places[hit][::-1], return_index=True)  # of repeated rows the last one counts
    rows = hit[::-1][last]
    who = find(frame.columns, ("user",)) if user is None else None
    users = frame[who].fillna("").astype(str).to_numpy(object)[rows] if who is not None else None
    if users is None:
        users = np.full(len(rows), user if user is not None else where, object)
    return _Theirs(
        session.table.ids[places[rows]],
        names.to_numpy(object)[rows],
        users,
        looks,
        int((places < 0).sum()),
        where,
    )


def compare_users(session: Session, first: str, second: str, level: str) -> MergeReport:
    """See :meth:`celltune_nb.Session.compare_users`."""
    with session.lock:
        said = _said(session, level)
        categories = session.book.level(level).categories
    for user in (first, second):
        if not isinstance(user, str) or user not in said:
            raise InputError(
                f"{user!r} has labelled nothing here. Who has: {', '.join(sorted(said)) or 'nobody yet'}."
            )
    common = np.array(sorted(said[first].keys() & said[second].keys()), np.int64)
    mine, theirs = (np.array([said[user][i] for i in common.tolist()], np.int16) for user in (first, second))
    by_code = categories.by_code
    names = np.array([by_code[int(c)].name for c in theirs], object)
    found = _Theirs(common, names, np.full(len(common), second, object), {}, 0, second)
    both = np.ones(len(common), bool)
    return _report(categories, found, mine, theirs, both, mine != theirs, "queue")


def _said(session: Session, level: str) -> dict[str, dict[int, int]]:
    """User → item → the category that this user gave it last, in today's categories; what was undone is not there."""
    given, gone, book = [], set(), session.book
    for book, entry in LabelBook.steps(session.journal):
        if entry.verb == "label":
            given.append((book.levels.get(entry.level), entry))
        elif entry.verb == "undo":
            gone.add(entry.detail.get("row"))
        elif entry.verb == "redo":
            gone.discard(entry.detail.get("row"))
    state = book.levels.get(level)  # the same one under any name that it had
    rows = [entry for of, entry in given if of is state]
    categories = session.book.level(level).categories
    said: dict[str, dict[int, int]] = {}
    for entry in rows:
        if entry.seq in gone:
            continue
        codes = np.full(len(entry.ids), entry.codes) if isinstance(entry.codes, int) else entry.codes
        mine = said.setdefault(entry.user, {})
        # Of cells whose mask was replaced, those that took their places.
        for item, code in zip(session.book.lineage.now(entry.ids).tolist(), codes.tolist(), strict=True):
            if not item:
                continue
            now = categories.meaning(int(code))
            if code and now is not None:
                mine[item] = now.code
            else:
                mine.pop(item, None)
    return {user: answers for user, answers in said.items() if answers}
