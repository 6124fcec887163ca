"""Verbs that decide which cells are positive, and count them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import applying, areas, counting, deciding, phenotypes
from ..levels import level_name
from .base import Verbs

if TYPE_CHECKING:
    import pandas as pd

    from ...data.populations import PopulationSet
    from ..deciding import Threshold
    from ..job import Job

__all__ = ["Counting"]


class Counting(Verbs):
    """The decision threshold, counts with intervals, combinations of markers, regions of interest."""

    def threshold_curve(
        self, level: str | None = None, category: str | None = None, *, judge: bool = True
    ) -> pd.DataFrame:
        """What every decision threshold would give.

        Parameters
        ----------
        level : str, optional
        category : str, optional
            By default the positive one (ON).
        judge : bool
            Whether to judge the models out of fold where neither an audit nor an earlier judgement is there, which takes
            seconds; without one precision and recall are NaN.

        Returns
        -------
        DataFrame
            threshold, count (cells that reach it), prevalence (their share of the predicted cells), precision and recall
            with 95 % limits ``_low`` and ``_high``.  ``.attrs["source"]`` says what they speak from: the audit where it has
            50 labels, else the labels out of fold; ``.attrs["kind"]`` is ``"audit"``, ``"out-of-fold"`` or empty.
        """
        return deciding.threshold_curve(self._session, level_name(self._session, level), category, judge)

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

    # ------------------------------------------------------------------ counting

    def counts(
        self, by: str | Sequence[str] = "image", *, what: str | None = None, level: str | None = None
    ) -> pd.DataFrame:
        """Positive cells of every slice, animal or region: as called, and as the audit corrects the number.

        Parameters
        ----------
        by : str or sequence of str
            ``"image"``, ``"group"`` (animal), ``"all"``, a column of the items such as ``"region"``, or several:
            ``"image×region"``.
        what : str, optional
            By default the positive category of the level, as its threshold decides.  A combination of markers such as
            ``"cFos+ PV-"`` is corrected too; a gate or another expression is counted as it is.
        level : str, optional

        Returns
        -------
        DataFrame
            cells; raw, raw_share; corrected, low, high (cells, 95 % limits; NaN below 20 audited cells); audited (cells of
            the audit there); area_mm2, density, density_low, density_high (corrected cells per mm², raw ones where nothing
            is corrected; NaN where the area is not known).  ``.attrs["source"]`` says what the correction rests on,
            ``.attrs["warnings"]`` what to look out for.

        Notes
        -----
        See :mod:`celltune_nb.learn.counting` for the estimator.
        """
        return counting.counts(self._session, by, what, level_name(self._session, level))

    def export_counts(
        self, path: str | Path, by: str | Sequence[str] = "image", *, what: str | None = None, level: str | None = None
    ) -> Path:  # fmt: skip
        """Write :meth:`counts` as ``.csv``."""
        return counting.export_counts(self._session, path, by, what, level_name(self._session, level))

    def combine(self, expression: str, name: str | None = None, *, level: str | None = None) -> PopulationSet:
        """Make a population of cells that several markers together single out.

        Parameters
        ----------
        expression : str
            Levels with their signs: ``"cFos+ PV-"``; also with ``&``, ``|``, ``!`` and brackets, ``"cFos+ & (PV+ | SST+)"``.
            A marker is decided by its threshold where one is set, else by the most probable category.
        name : str, optional
            By default as it was written.
        level : str, optional
            The level that the population belongs to, by default the active one.

        Returns
        -------
        PopulationSet
            A gate: it follows trainings and thresholds, is shown, counted and exported like any other.
        """
        return phenotypes.combine(self._session, expression, name, level_name(self._session, level))

    def phenotypes(
        self, levels: Sequence[str] | None = None, by: str | Sequence[str] = "image"
    ) -> pd.DataFrame:
        """Counts of all combinations of some markers (default: all trained ones), indexed by phenotype and *by*.

        Columns as of :meth:`counts`.
        """
        return counting.phenotypes(self._session, levels, by)

    def predict_all(
        self, levels: Sequence[str] | None = None, *, wait: bool = False, changed: Callable[[Job], None] | None = None
    ) -> Job:  # fmt: skip
        """Apply the newest model of every marker to all slices, with what was measured since; in the background.

        Parameters
        ----------
        levels : sequence of str, optional
            By default all that have a model.
        wait : bool
            Return when it is done.
        changed : callable, optional
            Called with the job as it goes on.

        Returns
        -------
        Job
            ``.progress``, ``.stop()``; each marker takes effect as a whole.
        """
        return applying.apply_models(self._session, levels, wait, changed)

    # ------------------------------------------------------------------ regions of interest

    def add_regions(
        self, image: str, regions: Any, *, names: Sequence[str] | Mapping[int, str] | None = None, name: str = "region"
    ) -> pd.DataFrame:  # fmt: skip
        """Say in which region of interest each cell of an image lies, by its centre.

        Parameters
        ----------
        image : str
        regions : array, path, sequence or mapping
            A label image (Y, X), 0 outside, as large as the image or reduced by a whole number, or its path: it takes the
            place of the regions before.  Or a rectangle (y0, x0, y1, x1), a polygon [(y, x), …], several of them, or
            {name: shape}, in pixels: they are added, and where two overlap the later counts.
            Of a label image the project keeps a copy in its folder ``regions/``, packed (usually far below 1 MB), so that cells
            that come later are in its regions and :meth:`script` can read it; ``.attrs["kept"]`` has its path and bytes.
        names : sequence of str, or mapping of int to str, optional
            Of the labels, or of the shapes.
        name : str
            The column of the items that they become; one that came with the cells is not written over.

        Returns
        -------
        DataFrame
            The regions of the image as of :meth:`areas`.
        """
        return areas.add_regions(self._session, image, regions, names, name)

    def remove_regions(self, image: str | None = None, *, name: str = "region") -> int:
        """Remove the regions of an image, or of all; returns how many."""
        return areas.remove_regions(self._session, image, name)

    def take_back_regions(self) -> str:
        """Take back what :meth:`add_regions` or :meth:`remove_regions` did last, also after reopening; says what it was.

        Once more does it again.  Regions are no step of :meth:`undo`, which is about labels.
        """
        return areas.take_back(self._session)

    def areas(self, name: str = "region") -> pd.DataFrame:
        """The regions of interest: image, region, area_px, area_mm2 (NaN without a pixel size), cells."""
        return areas.areas(self._session, name)
