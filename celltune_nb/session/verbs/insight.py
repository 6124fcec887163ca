"""Verbs that say why: where models disagree, what changed, what a prediction rests on, which labels look wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import FormatError
from .. import agreeing, curves, estimating, explaining, figures, held_out, kept_scores, rounds, scoring
from ..checks import number, texts
from ..levels import level_name
from ..runs import Run, as_run
from .base import Verbs

if TYPE_CHECKING:
    import pandas as pd

    from ...learn.advice import Advice

__all__ = ["Insight"]


class Insight(Verbs):
    """What the models agree on, what they rest on, and what to doubt."""

    _scores: scoring.Scores | FormatError | None = None

    @property
    def scores(self) -> scoring.Scores | None:
        """What :meth:`score` found last, also after a restart; None when nothing was compared yet.

        A damaged file is said in ``session.problems``.
        """
        session = self._session
        if self._scores is None:
            try:
                self._scores = kept_scores.load(session)
            except FormatError as error:
                session.problems.append(str(error))
                self._scores = error  # said once
        if isinstance(self._scores, FormatError) or self._scores is None:
            return None
        if (self._scores.ids > 0).any() and not session.book.lineage.living(self._scores.ids).all():
            self._scores = kept_scores.brought_up(session, self._scores)
        return self._scores

    def agreement(self, level: str | None = None, images: Sequence[str] | None = None) -> agreeing.Comparison:
        """Where the first two models of the newest training agree, over all cells.

        This is agreement, not accuracy: both can be wrong together.

        Parameters
        ----------
        images : sequence of str, optional
            Only the cells of these.

        Returns
        -------
        Comparison
            ``.table`` counts, ``.by_category`` row and column agreement, ``.rate``, ``.by_image``;
            ``.items("A", "B")`` are the cells that the first model calls A and the second B.

        Examples
        --------
        >>> found = session.agreement()  # doctest: +SKIP
        >>> session.select(found.items("CD4T", "CD8T"))  # doctest: +SKIP
        """
        return agreeing.agreement(self._session, level_name(self._session, level), images)

    def advice(self, *, level: str | None = None, target: float = 0.9) -> Advice:
        """Whether more labels are worth giving, in one sentence, with the figures it rests on.

        Parameters
        ----------
        target : float
            Accuracy that is good enough; "enough" asks an audit whose lower bound reaches it.

        Returns
        -------
        Advice
            ``.sentence``, ``.verdict`` ("go on", "nearly", "enough"), ``.next_step``, ``.figures``, ``.open`` (what
            stands in the way of "enough") and ``.stop_rule``, CellTune's own.
        """
        return rounds.advice(self._session, level_name(self._session, level), number(target, "The target"))

    def round_diff(
        self, run: Run | None = None, before: Run | None = None, *, level: str | None = None
    ) -> rounds.RoundDiff:
        """Which items changed category between two trainings.

        Parameters
        ----------
        run, before : Run, optional
            By default the newest training and the one before.  Of others the models are asked again, which takes
            as long as predicting every item twice.

        Returns
        -------
        RoundDiff
            ``.table`` (from, to, cells), ``.items("A", "B")``, ``.sentence``.
        """
        return rounds.round_diff(self._session, as_run(run), as_run(before), level_name(self._session, level))

    def explain(
        self, item: int, *, category: str | None = None, run: Run | None = None, level: str | None = None,
        neighbours: int = 5,
    ) -> explaining.Explanation:  # fmt: skip
        """What the prediction of one item rests on.

        Parameters
        ----------
        item : int
            Item id.
        category : str, optional
            What to explain; by default what the models say.
        neighbours : int
            Labelled cells to name that are most like it.

        Returns
        -------
        Explanation
            ``.sentence``: "CD8T 91 %: CD8 mean +1.9, CD3 mean +0.7; speaks against: CD20 mean −0.4"; ``.features``,
            ``.markers``, ``.neighbours``.  Contributions are SHAP values, log-odds against the other categories.
        """
        return explaining.explain(
            self._session, item, category, as_run(run), level_name(self._session, level), neighbours
        )

    def score(
        self, truth: Any, *, population: str = "Pred_AVG", by: str | None = None, radius: float = 20.0,
        names: Mapping[str, str] | None = None,
    ) -> scoring.Scores:  # fmt: skip
        """Compare a population set with a ground truth.  Labels stay as they are, and nothing is learned from it.

        Parameters
        ----------
        truth : DataFrame or path
            Columns ``cellID`` and ``class``, ``image`` (or ``fov``) where the project has several images; or ``y``, ``x``
            in pixels instead of the id.
        population : str
        by : {"id", "position"}, optional
            By default the id where there is one.
        radius : float
            How far apart two positions of one cell may lie, pixels.
        names : mapping of str to str, optional
            Class of the truth → category here.  Others are matched by name, whatever their case and spaces; what
            matches none is counted in ``.unknown`` and left out.

        Returns
        -------
        Scores
            ``.accuracy``, ``.macro_f1``, ``.kappa``, ``.per_category``, ``.confusion``, ``.items(truth, predicted)``; kept in
            the project as ``session.scores``, where it may be written.
        """
        found = self._scores = scoring.score(self._session, truth, population, by, radius, names)
        if not self._session.read_only:
            kept_scores.keep(self._session, found)
        return found

    def learning_curve(
        self, run: Run | None = None, *, level: str | None = None,
        progress: Callable[[float, str], None] | None = None, stop: Callable[[], bool] | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """How accuracy grew with the labels: models of part of them, judged on groups that were held out.

        Returns
        -------
        DataFrame
            labels, accuracy, macro_f1, log_loss, repeats; kept with the training as ``run.curve``.
        """
        return curves.learning_curve(
            self._session, as_run(run), level_name(self._session, level), progress, stop
        )

    def training_estimate(
        self, models: Sequence[str] = ("xgboost", "catboost", "lightgbm"), *, level: str | None = None,
        stop: Callable[[], bool] | None = None, **options: Any,
    ) -> dict[str, estimating.Estimate]:  # fmt: skip
        """Seconds that each model of the next training will take.

        From what the last training took where it was much the same, else from some timed rounds, which takes a
        second or a few.  Rounds do not tell how many of them the models will want, nor what else the machine is doing;
        what the last trainings took beside them corrects that.

        Returns
        -------
        dict of str to Estimate
            A number with ``.low`` and ``.high``, and ``.words`` ("about 5–15 s").  Wide before the first training.

        Parameters
        ----------
        models : sequence of str
        **options
            As of :meth:`train`: rounds, patience, n_jobs, exclude_images, params.
        """
        return estimating.estimate(
            self._session, texts(models, "The models"), level_name(self._session, level), options, stop
        )

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

    def export_figure(self, what: Any, path: str | Path, *, level: str | None = None) -> Path:
        """Write a figure of the newest training.

        Parameters
        ----------
        what : str or result
            ``confusion``, ``categories``, ``calibration``, ``agreement``, ``learning_curve``, ``rounds``, ``truth``; or what
            :meth:`evaluate`, :meth:`agreement`, :meth:`round_diff` or :meth:`score` gave.
        path : path
            ``.png`` (300 dots an inch), ``.pdf``, ``.svg``, or ``.csv`` for the numbers.

        Examples
        --------
        >>> session.export_figure("confusion", "figures/confusion.pdf")  # doctest: +SKIP
        """
        return figures.export_figure(self._session, what, path, level_name(self._session, level))
