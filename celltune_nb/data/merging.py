"""Merged categories: what models of before say of them, and how they are taken apart again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .categories import CategorySet
from .journal import Journal
from .level import Level
from .lineage import Lineage
from .populations import PopulationSet
from .predictions import PAIR

__all__ = ["added_up", "after_merges", "given_as"]


def given_as(
    journal: Journal, level: Level, lineage: Lineage, codes: set[int], now: int
) -> NDArray[np.int64]:
    """The items that have one category now and were given another.

    A merge moves labels and leaves the row that gave each of them named; what was labelled anew since has another row,
    and stays where it is.

    Parameters
    ----------
    journal : Journal
    level : Level
    lineage : Lineage
        Of items that took the place, and the label, of others.
    codes : set of int
        What they were given.
    now : int
        What they have.

    Returns
    -------
    ndarray of int64
        Item ids, ascending.
    """
    ids = np.flatnonzero(level.codes == now)
    batches = level.batches[ids]
    found = [np.empty(0, np.int64)]
    for row in np.unique(batches).tolist():
        of = ids[batches == row]
        entry = journal.entry(row)
        if isinstance(entry.codes, int):
            given = np.full(len(of), entry.codes)
        else:
            named = lineage.before(of, lambda ids, entry=entry: np.isin(ids, entry.ids))  # type: ignore[misc]
            given = entry.codes[np.searchsorted(entry.ids, named)].astype(np.int64)
        found.append(of[np.isin(given, list(codes))])
    return np.sort(np.concatenate(found))


def after_merges(found: PopulationSet, categories: CategorySet) -> PopulationSet:
    """A model's answers in today's categories: of merged ones the probabilities add up.

    Parameters
    ----------
    found : PopulationSet
        Of a training.
    categories : CategorySet
        Those of its level today.

    Returns
    -------
    PopulationSet
        The very same where nothing was merged that it speaks of.
    """
    spoken = {c.code: c for c in found.categories if c.code < PAIR}
    members = {*spoken, *(code for _, a, b in found.pairs for code in (a, b))}
    now = {code: categories.meaning(code) or spoken.get(code) for code in members}
    becomes = {code: code if category is None else category.code for code, category in now.items()}
    if all(code == other for code, other in becomes.items()):
        return found
    changes = found.name == "Round_diff"
    known = [spoken[0] if changes and code == 0 else now[code] for code in spoken]
    table = np.arange(max([*members, *(c.code for c in found.categories), *becomes.values()]) + 1)
    for code, other in becomes.items():
        table[code] = 0 if changes else other  # a change has a pair's code; all else is "unchanged"
    pairs: dict[tuple[int, int], int] = {}
    for code, a, b in found.pairs:
        both = becomes[a], becomes[b]
        table[code] = (0 if changes else both[0]) if both[0] == both[1] else pairs.setdefault(both, code)
    kept = {category.code: category for category in known if category is not None}
    kept.update({c.code: c for c in found.categories if c.code in pairs.values()})
    codes = table[found.codes].astype(np.int16)
    given, classes = found.given, found.classes
    if given is not None:
        of_name = {c.name: c.code for c in found.categories}
        columns = [becomes[of_name[name]] for name in found.classes]
        targets = list(dict.fromkeys(columns))
        classes = tuple(kept[code].name for code in targets)
        probability = added_up(found.probability, columns)
        missing = np.isnan(probability[:, 0])
        winner = np.argmax(np.where(missing[:, None], 0, probability), axis=1)
        codes = np.where(missing, 0, np.array(targets, np.int16)[winner]).astype(np.int16)
        given = probability
    return replace(
        found, codes=codes, categories=tuple(kept.values()), given=given, classes=classes,
        pairs=tuple((code, a, b) for (a, b), code in pairs.items()),
    )  # fmt: skip


def added_up(
    probability: NDArray[np.float32] | None, columns: Sequence[Hashable], out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:  # fmt: skip
    """Probabilities with the columns of one category added up.

    Parameters
    ----------
    probability : ndarray of float32, shape (n, k)
    columns : sequence of int or str
        The category of each column.
    out : ndarray of float32, shape (n, m), optional
        Filled and returned.

    Returns
    -------
    ndarray of float32, shape (n, m)
        A column a category, in the order of their first.
    """
    assert probability is not None
    targets = list(dict.fromkeys(columns))
    if out is None:
        out = np.empty((len(probability), len(targets)), np.float32)
    out[:] = 0
    for i, code in enumerate(columns):
        out[:, targets.index(code)] += probability[:, i]
    return out
