"""Columns of words for tables, made from numbers and a short list of names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["words"]


def words(names: list[str], numbers: NDArray[np.integer[Any]], *, missing: bool = False) -> Any:
    """A column of names by number; several times quicker than from a million strings.

    Parameters
    ----------
    names : list of str
    numbers : ndarray of int, shape (n,)
    missing : bool
        Whether -1 is a missing value; it is the last name otherwise.

    Returns
    -------
    pandas array, shape (n,)
    """
    import pandas as pd

    return pd.Series(names, dtype=None if names else object).array.take(numbers, allow_fill=missing)
