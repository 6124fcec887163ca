"""Verbs that judge by animal and by image, and say whether to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import judging
from ..levels import level_name
from .base import Verbs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Judging"]


class Judging(Verbs):
    """How good the models are on animals that they have not learned from, and whether more labels are needed."""

    def judge(
        self, by: str = "image", *, level: str | None = None,
        progress: Callable[[float, str], None] | None = None, stop: Callable[[], bool] | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """How good the newest models are on each image, or each group, when they know nothing of its animal.

        Each group with labels is left out in turn, up to twelve of them (of more, a fifth at a time); with one group its
        images are, with one image labels at random.  What was asked before of the same labels is not asked again.

        Parameters
        ----------
        by : {"image", "group"}
        progress : callable, optional
            Called with the fraction done and a text.
        stop : callable, optional
            True leaves with :class:`~celltune_nb.errors.Cancelled`.

        Returns
        -------
        DataFrame
            Index image or group.  ``labels`` learned from, ``judged`` of them and ``mistakes``; ``precision, recall, f1``
            and ``low, high`` (95 % of the F1) of the positive category, with more than two categories their mean;
            ``held_out``: its group took no part; ``expected_f1``: what the probabilities promise; ``shift``: spreads
            between its cells and those of the other labelled images, by the features that the models rest on;
            ``trouble``: the kind of cell that most mistakes are of; ``in_set``: in the working set; ``audited`` and
            ``audit_…``: the same figures by the audit.  ``.attrs``: ``split``, ``warnings`` (fewer than three groups),
            ``overall``, ``of``.  A decision threshold that was set is kept to.

        Raises
        ------
        NotReadyError
            Before the first training.
        TrainingError
            The labels cannot be learned from any more.

        Examples
        --------
        >>> session.judge()[["judged", "f1", "low", "shift"]]  # doctest: +SKIP
        """
        session = self._session
        return judging.judge(session, by, level_name(session, level), progress, stop)
