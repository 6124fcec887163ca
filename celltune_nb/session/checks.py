"""Arguments of the verbs, checked: a number that is one, a rectangle that is one."""

from __future__ import annotations

import math
from typing import Any

from ..errors import InputError

__all__ = ["rectangle", "whole_number"]


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
