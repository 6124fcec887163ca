"""What a person reads on a page."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

__all__ = ["words"]


def words(*lives: Any) -> str:
    """The words of pieces of markup, blanks as one space."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", " ".join(live.html for live in lives))).split())
