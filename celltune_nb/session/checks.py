"""Arguments of the verbs, checked: a number that is one, a rectangle that is one."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, NotReadyError

if TYPE_CHECKING:
    from .session import Session

__all__ = [
    "a_name",
    "a_path",
    "check_cells",
    "folder",
    "number",
    "one_of",
    "onsets",
    "rectangle",
    "texts",
    "whole_number",
]


def folder(value: Any, what: str = "folder") -> Path:
    """The value as a path.

    Raises
    ------
    InputError
    """
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise InputError(f"{value!r} is no {what}. Give its path.")
    return a_path(value)


def a_path(value: str | os.PathLike[str]) -> Path:
    """A name of a file or folder as a path, there or not; what was pasted in its place is refused.

    Raises
    ------
    InputError
    """
    try:
        path = Path(value)
        path.expanduser().stat()
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ):
            raise InputError(
                f"{str(value)[:60]!r}… is too long for a path, or none. Give the path of a file or folder."
            ) from error
    except (ValueError, RuntimeError) as error:  # with a character that no path has, or of nobody's home
        raise InputError(
            f"{str(value)[:60]!r} cannot be a path. Give the path of a file or folder."
        ) from error
    return path


def a_name(value: Any, what: str) -> str:
    """The value, if it is text.

    Raises
    ------
    InputError
    """
    if not isinstance(value, str):
        raise InputError(f"{what} is {value!r}. Give its name.")
    return value


def number(value: Any, what: str) -> float:
    """The value as a float, which may be NaN or infinite.

    Raises
    ------
    InputError
    """
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{what} is {value!r}. Give a number.") from error


def one_of(value: Any, known: tuple[str, ...], what: str) -> str:
    """The value, if it is one of the words that are known.

    Raises
    ------
    InputError
    """
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{what} is {value!r}. Choose one of: {', '.join(known)}.")
    return value


def onsets(t0: Any, n: int) -> NDArray[np.float64] | None:
    """Onsets of *n* items, in frames: one for all of them, or one each; None where none is given.

    Returns
    -------
    ndarray of float64, shape (1,) or (n,), or None

    Raises
    ------
    InputError
    """
    if t0 is None:
        return None
    try:
        onset = np.atleast_1d(np.asarray(t0, np.float64))
    except (TypeError, ValueError) as error:
        raise InputError(f"{t0!r} is no onset. Give a number, in frames, or one for each item.") from error
    if onset.ndim != 1 or len(onset) not in (1, n):
        raise InputError(f"{len(onset)} onsets for {n} items. Give one for all, or one each.")
    return onset


def texts(value: Any, what: str) -> tuple[str, ...]:
    """The value as a tuple of names; one name stands for itself.

    Raises
    ------
    InputError
    """
    if isinstance(value, str):
        return (value,)
    try:
        names = tuple(value)
    except TypeError:
        names = (None,)
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"{what} are {value!r}. Give a list of names.")
    return names


def whole_number(value: Any, what: str, least: int = 0) -> int:
    """The value as an int.

    Raises
    ------
    InputError
        When it is no whole number, or below *least*.
    """
    try:
        number = int(value)
        good = number == value and number >= least and not isinstance(value, str | bytes)
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        raise InputError(f"{what} is {value!r}. Give a whole number from {least} up.")
    return number


def rectangle(value: Any) -> tuple[float, float, float, float]:
    """The value as (y0, x0, y1, x1) with the smaller corner first.

    Raises
    ------
    InputError
    """
    try:
        y0, x0, y1, x1 = (float(v) for v in value)
        if not all(map(math.isfinite, (y0, x0, y1, x1))):
            raise ValueError
    except (TypeError, ValueError) as error:
        raise InputError(f"{value!r} is no rectangle. Give (y0, x0, y1, x1), in pixels.") from error
    return (min(y0, y1), min(x0, x1), max(y0, y1), max(x0, x1))


def check_cells(session: Session) -> None:
    """Refuse where there is nothing to choose from.

    Raises
    ------
    NotReadyError
        When the project holds no cell.
    """
    if not len(session.table):
        raise NotReadyError(
            "There are no cells yet. Bring images with a mask of cells, or a table of cells, in Data."
        )
