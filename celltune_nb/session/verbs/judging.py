"""Verbs that judge by animal and by image, and say whether to stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import judging, stoplight, trouble
from ..levels import level_name
from .base import Verbs

if TYPE_CHECKING:
    import pandas as pd

    from ..stoplight import StopLight

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

    @property
    def target(self) -> float:
        """What the audit's lower bound has to reach at the active level for a green stop light; 0.85 before it is set."""
        return stoplight.target(self._session, self._session.level)

    def set_target(self, target: float | None, *, level: str | None = None) -> None:
        """Say how good is good enough: kept with the project, with who said so and when; None: the usual 0.85 again.

        Parameters
        ----------
        target : float or None
            A share between 0 and 1: what the lower bound of the audit has to reach, see :meth:`stop_light`.

        Examples
        --------
        >>> session.set_target(0.8)  # doctest: +SKIP
        """
        stoplight.set_target(self._session, target, level_name(self._session, level))

    def stop_light(self, *, level: str | None = None, target: float | None = None) -> StopLight:
        """Whether more labels are needed, why, and what to do next.

        It reads what is known and works out nothing long: after a training, :meth:`judge` fills in what held-out labels
        say, and an audit what is true.

        Parameters
        ----------
        target : float, optional
            What the lower bound of the audit has to reach: of the F1 of the positive category, or of the accuracy where
            there are more than two.  By default the one kept with the project (:meth:`set_target`).

        Returns
        -------
        StopLight
            ``.color`` and ``.word`` (also without colours), ``.sentence``, ``.reasons``, ``.action`` (see :meth:`follow`),
            ``.conditions``, ``.figures``, ``.warnings``.

        Examples
        --------
        >>> print(session.stop_light())  # doctest: +SKIP
        Go on: Label weak ON cells on slice 3: 25 more.
        """
        session = self._session
        return stoplight.stop_light(session, level_name(session, level), target)

    def follow(self, light: StopLight | None = None, *, level: str | None = None) -> Any:
        """Do what the stop light says comes next.

        Parameters
        ----------
        light : StopLight, optional
            By default the one of now.

        Returns
        -------
        ids, Run, DataFrame or None
            What the verb gives: cells to label (they are selected, and their image is shown), the training, the table.
        """
        session = self._session
        if light is None:
            light = stoplight.stop_light(session, level_name(session, level))
        return stoplight.follow(session, light)

    def sample_kind(
        self, n: int = 25, *, image: str | None = None, kind: str | None = None, level: str | None = None,
        seed: int | None = None,
    ) -> NDArray[np.int64]:  # fmt: skip
        """Unlabelled cells of one kind that the models doubt most.

        Parameters
        ----------
        n : int
        image : str, optional
            By default the images of the working set.
        kind : str, optional
            "weak ON", "strong ON", "bright OFF", "dim OFF", with the names of the categories: ON cells below or above the
            median brightness of those labelled, OFF cells as bright as ON ones or not, each on the scale of its image.
            Also the name of a category: its likeliest cells.

        Returns
        -------
        ndarray of int64
            At most *n* ids, the most doubtful first.

        Examples
        --------
        >>> session.select(session.sample_kind(25, image="slice 3", kind="weak ON"))  # doctest: +SKIP
        """
        session = self._session
        return trouble.sample_kind(session, n, image, kind, level_name(session, level), seed)
