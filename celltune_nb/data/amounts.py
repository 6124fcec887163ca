"""Amounts in words: bytes, times and shares, as precise as is of use."""

from __future__ import annotations

__all__ = ["bytes_in_words", "duration", "percent"]


def bytes_in_words(nbytes: float) -> str:
    """Bytes as ``"12 kB"``, ``"3.4 MB"``, ``"120 GB"``."""
    if 0 < nbytes < 500:
        return f"{nbytes:.0f} bytes"
    for unit, bound in (("kB", 1e6), ("MB", 1e9), ("GB", 1e12), ("TB", 1e15)):
        if nbytes < bound:
            shown = nbytes / bound * 1000
            return f"{shown:,.0f} {unit}" if shown >= 10 or unit == "kB" else f"{shown:.1f} {unit}"
    return "more than a petabyte"


def duration(seconds: float) -> str:
    """Seconds as ``"40 s"``, ``"12 min"``, ``"2.5 h"``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def percent(share: float) -> str:
    """A share (0 to 1) as ``"4.2 %"``, ``"42 %"``: two figures."""
    return f"{100 * share:.{0 if share >= 0.0995 else 1}f} %"
