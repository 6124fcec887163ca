"""Verbs that train models, predict and judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .. import evaluating, predicting, training
from ..checks import texts
from ..levels import level_name
from ..runs import Run, as_run
from .base import Verbs

if TYPE_CHECKING:
    import pandas as pd

    from ...learn.evaluation import Evaluation
    from ...learn.training import Problem

__all__ = ["Learning"]


class Learning(Verbs):
    """Training, prediction, evaluation."""

    def training_problems(self, *, level: str | None = None) -> list[Problem]:
        """What stands in the way of a training, or will make it poor, in sentences."""
        return training.problems(self._session, level_name(self._session, level))

    def learned_labels(
        self, *, exclude_images: Sequence[str] = (), level: str | None = None
    ) -> dict[str, int]:
        """How many labels of each category a training would learn from now.

        Not among them: the audit sample, which only judges, categories and images that are left out, and cells that
        have not been measured.
        """
        images = texts(exclude_images, "The images")
        return training.learned_labels(self._session, level_name(self._session, level), images)

    def train(
        self, models: Sequence[str] = ("xgboost", "catboost"), *, level: str | None = None, seed: int = 0,
        wait: bool = False, **options: Any,
    ) -> Run:  # fmt: skip
        """Train the models on the labels and predict every item, in the background.

        Parameters
        ----------
        models : sequence of str
            ``xgboost``, ``catboost``, ``lightgbm``; the first two make ``Pred_MDL1`` and ``Pred_MDL2``.
        seed : int
            The same labels and seed give the same models.
        wait : bool
            Return when it is done.
        **options
            rounds, patience, holdout_fraction, n_jobs, weights ("auto", "sqrt", "none" or "balanced"), balance (share of the
            positive category in the whole training weight, 0–1, on top of *weights*; default: as labelled), device
            ("auto", "cpu", "cuda"), exclude_images, params (dict: model → its own parameters).

        Raises
        ------
        TrainingError
            When the labels cannot be learned from; see :meth:`training_problems`.
        """
        run = training.start(
            self._session, texts(models, "The models"), level_name(self._session, level), seed, options
        )
        return run.wait() if wait else run

    @property
    def run(self) -> Run | None:
        """The newest training."""
        return self._session.runs[-1] if self._session.runs else None

    @property
    def models(self) -> list[Any]:
        """Handles of the newest finished training of the active level: ``.name .device .memory .release()``."""
        return training.models(self._session, self._session._level)

    def predict(
        self, ids: Any = None, *, run: Run | None = None, level: str | None = None, calibrated: bool = False
    ) -> pd.DataFrame:
        """Mean probability of every category for some items (default: all), one row an item.

        Parameters
        ----------
        calibrated : bool
            At the temperature that the run's audit asks for, so that .8 is right in 80 of 100; needs an
            evaluation that speaks from an audit.
        """
        return predicting.predict(
            self._session, ids, as_run(run), level_name(self._session, level), calibrated
        )

    def evaluate(
        self, run: Run | None = None, *, level: str | None = None,
        progress: Callable[[float, str], None] | None = None, stop: Callable[[], bool] | None = None,
    ) -> Evaluation:  # fmt: skip
        """How good the models are: from the audit sample when it has 50 labels, else out of fold by group.

        Parameters
        ----------
        run : Run, optional
            By default the newest finished one.
        progress : callable, optional
            Called with the fraction done and a text.
        stop : callable, optional
            True leaves with :class:`~celltune_nb.errors.Cancelled`.

        Returns
        -------
        Evaluation
            ``.split`` says in a sentence what the figures speak from.
        """
        return evaluating.evaluate(
            self._session, as_run(run), level_name(self._session, level), progress, stop
        )

    def outdated(self, evaluation: Evaluation) -> str:
        """Why an evaluation speaks of a former state: newer labels or a newer training; empty when it does not.

        An evaluation is kept with its run, ``run.evaluation``, also after a restart.
        """
        return evaluating.outdated(self._session, evaluation)
