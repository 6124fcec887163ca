"""Verbs that look for mistakes of the models and correct them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import marker, mining
from ..levels import level_name
from .base import Verbs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Mining"]


class Mining(Verbs):
    """Predictions that are probably wrong, and what a person said of them."""

    def likely_mistakes(
        self, n: int = 50, *, kind: str | None = None, image: str | None = None, level: str | None = None
    ) -> pd.DataFrame:
        """Predictions that are probably wrong, the most suspicious first.

        A prediction is held against a second opinion that knows only how bright the cell is in the marker, for its image
        and against its surroundings.  Left out are labelled cells, the audit sample, and what was looked at since the
        training.

        Parameters
        ----------
        n : int
            At most so many.
        kind : str, optional
            ``weak signal``, ``strong signal`` (as bright as most positives, called negative), ``background`` (called
            positive, no brighter against its surroundings than a negative), ``borderline`` (hardly decided).
        image : str, optional
            By default those of the working set.

        Returns
        -------
        DataFrame
            Index item id; image, kind, predicted, probability (of a positive), suspicion (0–1), reason.

        Examples
        --------
        >>> found = session.likely_mistakes(50, kind="strong signal")  # doctest: +SKIP
        >>> session.correct(found.index[:3], "ON")  # doctest: +SKIP
        """
        return mining.likely_mistakes(self._session, n, kind, image, level_name(self._session, level))

    def next_mistake(
        self, kind: str | None = None, image: str | None = None, *, level: str | None = None
    ) -> int | None:
        """The most suspicious prediction that was not looked at yet; None when there is none left."""
        return mining.next_mistake(self._session, kind, image, level_name(self._session, level))

    def correct(
        self, ids: Any, category: str | None, *, how: str = "mistakes", level: str | None = None
    ) -> int:
        """Label cells whose prediction is wrong, as one step (source ``correction``); they count as looked at.

        Returns
        -------
        int
            Batch id: the journal row.
        """
        return mining.correct(self._session, ids, category, how, level_name(self._session, level))

    def looked_at(self, ids: Any, *, how: str = "mistakes", level: str | None = None) -> None:
        """Note that a person looked at cells and found nothing to correct; they do not come again until the next training.

        Parameters
        ----------
        how : {"mistakes", "sheet", "slice"}
        """
        mining.looked_at(self._session, ids, how, level_name(self._session, level))

    def looks(self, level: str | None = None) -> pd.DataFrame:
        """What was looked at: item, how, run (the training whose predictions were seen), user, time (UTC)."""
        return mining.looks(self._session, level_name(self._session, level))

    def marker_channel(self, level: str | None = None) -> str | None:
        """The channel that shows a level's marker: the one set, or that of the level's name; None when none is known."""
        return marker.marker_channel(self._session, level_name(self._session, level))

    def set_marker_channel(self, channel: str | None, *, level: str | None = None) -> None:
        """Say which channel shows a level's marker; None: the one of its name again."""
        marker.set_marker_channel(self._session, channel, level_name(self._session, level))
