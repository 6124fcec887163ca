"""Example projects: real cells that scikit-image ships, and synthetic tissue with known truth.

``available()`` lists them, ``load(name)`` opens one as a session.  ``tissue.generate`` and
``tissue.table`` give the synthetic tissue as arrays, for tests and benchmarks.
"""

from __future__ import annotations

from . import ihc, tissue
from .examples import available, load

__all__ = ["available", "ihc", "load", "tissue"]
