"""What tifffile says of the files it reads, kept from the terminal.

It logs what is odd about a file, and a logger that nobody set up prints to the standard error.  Here it is told where the
file is told of.  Whoever uses tifffile beside this program hears of it as before.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet", "remarks"]

_here = threading.local()

#: Words of tifffile's (2024 to 2026), and what they mean for the image.
_MEANINGS = {
    "page offset": "The file ends before its last page, so channels may be missing. Check the copy.",
    "OME series raised": "What it says of itself as OME-TIFF cannot be read; names of channels and pixel size may be missing.",
}


class _Keep(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        said: list[str] | None = getattr(_here, "said", None)
        if said is not None:
            said.append(record.getMessage())
        return said is None


logging.getLogger("tifffile").addFilter(_Keep())


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Collect what tifffile logs in this thread instead of printing it."""
    before, _here.said = getattr(_here, "said", None), list[str]()
    try:
        yield _here.said
    finally:
        _here.said = before


def remarks(said: list[str]) -> tuple[str, ...]:
    """What it means for the person whose image it is; a sentence each."""
    return tuple(meaning for words, meaning in _MEANINGS.items() if any(words in one for one in said))
