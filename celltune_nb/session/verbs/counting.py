"""Verbs that decide which cells are positive, and count them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import deciding
from ..levels import level_name
from .base import Verbs

if TYPE_CHECKING:
    import pandas as pd

    from ..deciding import Threshold

__all__ = ["Counting"]


class Counting(Verbs):
    """The decision threshold, counts with intervals, combinations of markers, regions of interest."""

    def threshold_curve(self, level: str | None = None, category: str | None = None) -> pd.DataFrame:
        """What every decision threshold would give.

        Parameters
        ----------
        level : str, optional
        category : str, optional
            By default the positive one (ON).

        Returns
        -------
        DataFrame
            threshold, count (cells that reach it), prevalence (their share of the predicted cells), precision and recall
            with 95 % limits ``_low`` and ``_high``.  ``.attrs["source"]`` says what they speak from: the audit where it has
            50 labels, else the labels out of fold; ``.attrs["kind"]`` is ``"audit"`` or ``"out-of-fold"``.
        """
        return deciding.threshold_curve(self._session, level_name(self._session, level), category)

    def set_threshold(
        self, value: float | None = None, *, precision: float | None = None, recall: float | None = None,
        count: int | None = None, level: str | None = None,
    ) -> Threshold:  # fmt: skip
        """Decide from which probability on a cell is positive; None: the most probable category.

        The cells so decided are the population set ``Pred_THR``, made anew at each training; a target is worked out anew
        then where an audit can tell.

        Parameters
        ----------
        value : float, optional
            Between 0 and 1.
        precision, recall : float, optional
            A target, between 0 and 1: of the thresholds that reach it the one with the best of the other.
        count : int, optional
            As many positive cells.

        Returns
        -------
        Threshold
            Its precision and recall are cross-fitted where a target was chosen on the same cells.

        Examples
        --------
        >>> session.set_threshold(precision=0.9).sentence  # doctest: +SKIP
        'ON from a probability of 0.62 on, for a precision of 90%: 1,204 cells; precision 89% [82%, 94%]; …'
        """
        return deciding.set_threshold(
            self._session, value, precision, recall, count, level_name(self._session, level)
        )

    def threshold(self, level: str | None = None) -> Threshold:
        """The decision threshold as it is: ``.value .rule .target .category .sentence .figures .source``."""
        return deciding.threshold(self._session, level_name(self._session, level))
