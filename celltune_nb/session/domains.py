"""Where cells are counted: the numbers of their slice, animal, region, or any other column of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

if TYPE_CHECKING:
    from .session import Session

__all__ = ["NONE", "Domains", "column_of", "domains_of"]

Ints = NDArray[np.int64]
NONE = "–"
"""The name of where cells are that are nowhere."""


@dataclass(frozen=True, eq=False)
class Domains:
    """Where cells are counted.

    Attributes
    ----------
    keys : tuple of str
        What they are counted by.
    codes : int64 array, shape (n,)
        Of every cell.
    names : list of tuple of str
        One for each key.
    """

    keys: tuple[str, ...]
    codes: Ints
    names: list[tuple[str, ...]]


def domains_of(session: Session, by: Any) -> Domains:
    """The slices, animals or regions that are counted by.

    Raises
    ------
    InputError
        That names what can be counted by.
    """
    keys = (
        tuple(by.replace("*", "×").split("×"))
        if isinstance(by, str)
        else tuple(by)
        if isinstance(by, Sequence)
        else (by,)
    )
    keys = tuple(key.strip() if isinstance(key, str) else key for key in keys)
    if not keys or not all(isinstance(key, str) and key for key in keys) or len(set(keys)) != len(keys):
        raise InputError(
            f'Counts cannot be made by {by!r}. Name a column, such as "image", "group" or "image×region".'
        )
    codes, names = zip(*(column_of(session, key) for key in keys), strict=True)
    whole, sizes = np.zeros(len(session.table), np.int64), [len(one) for one in names]
    for code, size in zip(codes, sizes, strict=True):
        whole = whole * size + code
    every, place = _renumbered(whole, int(np.prod(sizes, dtype=np.float64)))
    parts = np.unravel_index(every, sizes) if len(every) else [np.empty(0, np.int64)] * len(sizes)
    named = [
        tuple(one[int(k)] for one, k in zip(names, row, strict=True)) for row in zip(*parts, strict=True)
    ]
    return Domains(keys, place, named)


def _renumbered(whole: Ints, size: int) -> tuple[Ints, Ints]:
    """The different numbers below *size*, ascending, and the place of each among them."""
    if size > max(len(whole), 1 << 16):
        every, place = np.unique(whole, return_inverse=True)
        return every, place.reshape(-1).astype(np.int64)
    there = np.bincount(whole, minlength=size) > 0  # without sorting
    return np.flatnonzero(there).astype(np.int64), (np.cumsum(there) - 1)[whole]


def column_of(session: Session, key: str) -> tuple[Ints, list[str]]:
    """Numbers 0… of every cell's value, and their names; the last one for cells without any."""
    import pandas as pd

    table = session.table
    if key in ("all", "image", "group"):
        if key == "all":
            return np.zeros(len(table), np.int64), ["all"]
        coded, names = (table.images, table.names) if key == "image" else (table.groups, table.group_names)
        given: Ints = coded.astype(np.int64)
    else:
        extra = table.extra
        if extra is None or key not in extra.columns:
            own = [] if extra is None else [str(c) for c in extra.columns if extra[c].dtype.kind != "f"]
            raise InputError(
                f"There is no column {key!r} to count by. There are: {', '.join(['image', 'group', *own])}. Regions are added with "
                "session.add_regions()."
            )
        number, values = pd.factorize(extra[key], sort=True)
        given, names = number.astype(np.int64), [str(v) for v in values]
        if len(names) > 10_000:
            raise InputError(
                f"{key!r} has {len(names):,} different values: it names cells, not places. Choose another column."
            )
    names = list(names)
    if (given < 0).any():
        given, names = np.where(given < 0, len(names), given), [*names, NONE]
    return given, names
