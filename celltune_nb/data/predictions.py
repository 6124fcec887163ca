"""From the models' probabilities to population sets.

``Pred_MDL1``, ``Pred_MDL2``… are each model's own answer, ``Pred_AVG`` the argmax of the mean of all
models' probabilities, ``Pred_ALL`` compares the first two: ``A`` where they agree, ``A/B`` where not.
``Round_diff`` says what became of each item since the former training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .categories import UNKNOWN_COLOR, Category
from .populations import PopulationSet

__all__ = ["PAIR", "called_now", "compared", "named_as_now", "predicted", "round_diff"]

#: Codes from here on are pairs of categories, far above any category's own code.
DELETED = " (deleted)"
PAIR = 10_000

#: Colours of pairs: they have to stand apart from every category, so they are one family.
_PAIR_COLORS = ("#FF4FD8", "#C13BFF", "#FF3B6B", "#8A5BFF", "#FF8AE2", "#E03BB0")


def predicted(
    probabilities: Sequence[NDArray[np.float32]], classes: Sequence[Category], ids: NDArray[np.int64],
    level: str, unknown: Category,
) -> list[PopulationSet]:  # fmt: skip
    """The population sets of one training.

    Parameters
    ----------
    probabilities : sequence of ndarray of float32, shape (n, k)
        One array a model, columns in the order of *classes*; a row of NaN (an item without features)
        becomes *Unknown*.
    classes : sequence of Category
        The categories the models know.
    ids : ndarray of int64, shape (n,)
    level : str
    unknown : Category
        The level's *Unknown*.

    Returns
    -------
    list of PopulationSet
        Pred_MDL1, Pred_MDL2, …, Pred_AVG, and with two models or more Pred_ALL.
    """
    codes = np.array([c.code for c in classes], np.int16)
    names = tuple(c.name for c in classes)
    categories = (unknown, *classes)

    def best(name: str, probability: NDArray[np.float32]) -> PopulationSet:
        missing = np.isnan(probability[:, 0])
        winner = np.argmax(np.where(missing[:, None], 0, probability), axis=1)
        return PopulationSet(
            name,
            level,
            ids,
            np.where(missing, 0, codes[winner]).astype(np.int16),
            categories,
            probability,
            names,
        )

    models = [best(f"Pred_MDL{i + 1}", p) for i, p in enumerate(probabilities)]
    mean = np.asarray(np.mean(probabilities, axis=0, dtype=np.float32))
    sets = [*models, best("Pred_AVG", mean)]
    if len(models) > 1:
        sets.append(compared("Pred_ALL", models[0], models[1]))
    return sets


def compared(name: str, first: PopulationSet, second: PopulationSet) -> PopulationSet:
    """``A`` where two sets agree, ``A/B`` where they differ."""
    by_code = {c.code: c for c in (*first.categories, *second.categories)}
    return _paired(
        name,
        first,
        first.codes,
        second.codes,
        by_code,
        "/",
        lambda _, i: _PAIR_COLORS[i % len(_PAIR_COLORS)],
    )


def round_diff(before: PopulationSet, after: PopulationSet) -> PopulationSet:
    """What changed between two trainings: ``unchanged``, or ``A → B`` in B's colour.

    An item to which one of them gives no answer, such as one of another mask since, did not change.
    """
    common = np.searchsorted(before.ids, after.ids)
    known = common < len(before.ids)
    known[known] = before.ids[common[known]] == after.ids[known]
    # Categories are matched by name: a code belongs to a level, and levels do not reuse codes.
    old = np.zeros(len(after.ids), np.int16)
    old[known] = before.codes[common[known]]
    by_code = {c.code: c for c in (*before.categories, *after.categories)}
    changed = (old != after.codes) & (old != 0) & (after.codes != 0)
    same = Category(0, "unchanged", UNKNOWN_COLOR)
    result = _paired(
        "Round_diff", after, np.where(changed, old, 0).astype(np.int16),
        np.where(changed, after.codes, 0).astype(np.int16), by_code, " → ", lambda after, _: after.color,
    )  # fmt: skip
    kept = [c for c in result.categories if c.code >= PAIR]
    return replace(result, categories=(same, *kept))


def called_now(codes: Mapping[str, int], known: Mapping[int, Category]) -> tuple[str, ...]:
    """Today's names of the categories that models learned, in the models' order.

    Parameters
    ----------
    codes : mapping of str to int
        Name on the day of the training → code.
    known : mapping of int to Category
        The categories of the level by code, merged ones with the one they are part of.

    Returns
    -------
    tuple of str
        All different: one that was deleted is called so, since another may have its name by now.
    """
    return tuple(
        known[code].name if code in known else name.removesuffix(DELETED) + DELETED
        for name, code in codes.items()
    )


def named_as_now(found: PopulationSet, known: Mapping[int, Category]) -> PopulationSet:
    """A set with today's names and colours of its level's categories, the two names of a pair among them.

    Parameters
    ----------
    found : PopulationSet
    known : mapping of int to Category
        The categories of the level by code.
    """
    changes = found.name == "Round_diff"
    now = dict(known) if changes else {c.code: known.get(c.code) or _gone(c) for c in found.categories}
    pairs = {code: (now.get(a), now.get(b)) for code, a, b in found.pairs}

    def current(category: Category) -> Category:
        if category.code < PAIR:  # 0 is "unchanged" where changes are told
            return category if changes else now[category.code]
        first, second = pairs.get(category.code, (None, None))
        if first is None or second is None:  # a change from or to a category that is gone
            return category
        if changes:
            return replace(category, name=f"{first.name} → {second.name}", color=second.color)
        return replace(category, name=f"{first.name}/{second.name}")

    categories = tuple(map(current, found.categories))
    if categories == found.categories:
        return found
    renamed = {old.name: new.name for old, new in zip(found.categories, categories, strict=True)}
    return replace(found, categories=categories, classes=tuple(renamed.get(c, c) for c in found.classes))


def _gone(category: Category) -> Category:
    """A category that was deleted since: its name may belong to another one now."""
    return replace(category, name=category.name.removesuffix(DELETED) + DELETED)


def _paired(
    name: str, like: PopulationSet, a: NDArray[np.int16], b: NDArray[np.int16], by_code: dict[int, Category],
    sign: str, color: Callable[[Category, int], str],
) -> PopulationSet:  # fmt: skip
    span = max(by_code) + 1
    pair = a.astype(np.int64) * span + b
    unique, inverse = np.unique(pair[a != b], return_inverse=True)
    extra = [
        Category(
            PAIR + i,
            f"{by_code[int(p // span)].name}{sign}{by_code[int(p % span)].name}",
            color(by_code[int(p % span)], i),
        )
        for i, p in enumerate(unique)
    ]
    codes = a.copy()
    codes[a != b] = (PAIR + inverse).astype(np.int16)
    pairs = tuple((PAIR + i, int(p // span), int(p % span)) for i, p in enumerate(unique))
    return PopulationSet(name, like.level, like.ids, codes, (*by_code.values(), *extra), pairs=pairs)
