"""What stops or weakens a training, said before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Problem", "problems"]

FEW = 5  # labels of a category


@dataclass(frozen=True)
class Problem:
    """Something that stops a training ("error") or makes it weak ("warning"), with what to do."""

    severity: str
    text: str


def problems(
    y: NDArray[np.integer],
    categories: Sequence[str],
    groups: NDArray[Any] | None = None,
    *,
    unit: str = "group",
) -> list[Problem]:
    """What is wrong with a set of labels, before training on it.

    Parameters
    ----------
    y : int array, shape (n,)
        Codes 0..k-1 into `categories`.
    categories : sequence of str
    groups : array, shape (n,), optional
    unit : str
        What a group is called ("image", "donor").

    Returns
    -------
    list of Problem
        Errors first; empty when all is well.
    """
    y = np.asarray(y)
    counts = np.bincount(y, minlength=len(categories)) if len(y) else np.zeros(len(categories), int)
    present = np.flatnonzero(counts)
    if not len(categories):
        return [
            Problem("error", "There are no categories yet. Add at least two, then label a few cells of each.")
        ]
    if len(present) == 0:
        return [
            Problem(
                "error",
                "Nothing is labelled yet. Label a few cells of at least two categories before training.",
            )
        ]
    if len(present) == 1:
        name = categories[int(present[0])]
        others = [c for c in categories if c != name]
        ask = f"one {others[0]} cell" if len(others) == 1 else "one cell of another category"
        return [
            Problem(
                "error",
                f"There are labels in one category only ({name}, {counts[present[0]]}). Label at least {ask} before training.",
            )
        ]
    found: list[Problem] = []
    few = [f"{categories[int(c)]} ({counts[c]})" for c in present if counts[c] < FEW]
    if few:
        found.append(
            Problem(
                "warning",
                f"Fewer than {FEW} labels: {_listed(few)}. Predictions of "
                f"{'this category' if len(few) == 1 else 'these categories'} will be poor; label a few more.",
            )
        )
    empty = [categories[c] for c in range(len(categories)) if not counts[c]]
    if empty:
        found.append(
            Problem(
                "warning",
                f"No label yet: {_listed(empty)}. The models cannot predict "
                f"{'this category' if len(empty) == 1 else 'these categories'}; label some, or go on without.",
            )
        )
    if groups is not None and len(y):
        names, group = np.unique(np.asarray(groups), return_inverse=True)
        if len(names) == 1:
            found.append(
                Problem(
                    "warning",
                    f"All labels come from one {unit} ({names[0]}). Label some in another {unit}, "
                    f"or nothing tells how the models do on new {unit}s.",
                )
            )
        else:
            table = np.zeros((len(categories), len(names)), bool)
            table[y, group.reshape(-1)] = True
            alone = [categories[int(c)] for c in present if table[c].sum() == 1 and counts[c] >= FEW]
            if alone:
                found.append(
                    Problem(
                        "warning",
                        f"Labelled in one {unit} only: {_listed(alone)}. The models may learn the {unit} instead of "
                        f"the category; label some in another {unit}.",
                    )
                )
    return found


def _listed(names: Sequence[str], limit: int = 6) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
