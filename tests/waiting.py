"""Waiting for the thing itself, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["LONG", "until"]

#: Seconds after which what was waited for will not come any more; nothing waits that long on any machine that works.
LONG = 100.0


def until(holds: Callable[[], object], seconds: float = LONG) -> None:
    """Return as soon as *holds* does; a test whose wish never comes true fails here."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not so after {seconds:g} s"
        time.sleep(0.005)
