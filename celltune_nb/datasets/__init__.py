"""Example projects: real cells that scikit-image ships, synthetic tissue and a synthetic brain with known truth.

``available()`` lists them, ``load(name)`` opens one as a session.  ``tissue.generate``, ``tissue.table`` and
``brain.generate`` give the synthetic ones as arrays, for tests and benchmarks.
"""

from __future__ import annotations

from . import brain, ihc, tissue
from .examples import available, load

__all__ = ["available", "brain", "ihc", "load", "tissue"]
