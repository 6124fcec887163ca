"""Counts by slice, animal and region: as called, and corrected by the audit, as a table, a plot and a file.

* ``panel``: its verbs.
* ``markup``: what it shows.
* ``figure``: the bars.
"""

from .panel import CountsPanel

__all__ = ["CountsPanel"]
