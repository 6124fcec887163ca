"""Verbs that say why: where models disagree, what changed, what a prediction rests on, which labels look wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import held_out
from ..levels import level_name
from .base import Verbs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Insight"]


class Insight(Verbs):
    """What the models agree on, what they rest on, and what to doubt."""

    def label_errors(
        self, *, level: str | None = None, progress: Callable[[float, str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Labels that are probably wrong, the least likely first: look at them again, nothing is changed.

        Every label is judged by models that have not learned from its group.  The last evaluation has asked them
        already where most of today's labels were in it; otherwise it takes as long as an evaluation out of fold.

        Parameters
        ----------
        progress : callable, optional
            Called with the fraction done and a text.
        stop : callable, optional
            True leaves with :class:`~celltune_nb.errors.Cancelled`.

        Returns
        -------
        DataFrame
            Index item id; ``label``, ``suggested``, ``confidence`` (probability of the suggestion), ``quality``
            (probability of the label).  ``.attrs["judged"]`` is the number of labels that could be judged.

        Raises
        ------
        NotReadyError
            Before the first training.
        """
        return held_out.label_errors(self._session, level_name(self._session, level), progress, stop)
