"""Three knobs, kept apart: which cells are labelled, how training weighs them, where the threshold lies.

* ``panel``: its verbs.
* ``markup``: what it shows.
* ``figure``: precision and recall against the threshold.
"""

from .panel import KnobsPanel

__all__ = ["KnobsPanel"]
