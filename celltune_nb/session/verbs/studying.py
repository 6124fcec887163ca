"""Verbs of a study of several images: the rule, the images worked on, the verdicts, the way through."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import guide, onoff, study, study_record, thumbnails
from ..levels import level_name
from .base import Verbs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Studying"]


class Studying(Verbs):
    """How a study goes on: what was decided before labelling, and what was found image by image."""

    def add_marker(self, name: str, *, on: str = "ON", off: str = "OFF") -> None:
        """Begin a level of two categories for a further marker on the same cells, and make it the active one.

        It is one step: undo takes the marker back with its categories, as long as nothing was trained or audited in it.
        ``session.levels.rename()`` and ``session.levels.remove()`` mend a name that was mistyped.

        Parameters
        ----------
        name : str
            Of the marker; its level is called so.
        on, off : str
            Names of the two categories, with the keys 1 and 2.
        """
        onoff.add_marker(self._session, name, on, off)

    @property
    def rule(self) -> str:
        """When a cell of the active level counts as positive, in the person's own words; empty before it is written."""
        return study.rule(self._session, self._session.level)

    def set_rule(self, text: str, *, level: str | None = None) -> None:
        """Write down when a cell counts as positive; an empty text removes the rule.

        Examples
        --------
        >>> session.set_rule(
        ...     "ON: nucleus clearly brighter than its surroundings at the slice's contrast"
        ... )  # doctest: +SKIP
        """
        study.set_rule(self._session, text, level_name(self._session, level))

    @property
    def working_set(self) -> tuple[str, ...]:
        """The images that sampling keeps to; empty: all of them."""
        return study.working_set(self._session)

    def set_working_set(self, images: Any) -> None:
        """Keep sampling, proposed rectangles and reviews to some images; None: to all again.

        The audit speaks for every image, and an image named in :meth:`sample` counts whether it is in the set or not.
        """
        study.set_working_set(self._session, images)

    def suggest_images(self, n: int = 4, *, level: str | None = None) -> study.ImageSuggestion:
        """A few images that span the groups and the ways in which images look.

        Returns
        -------
        ImageSuggestion
            ``.images``, ``.reasons`` (image → text), ``.sentence``; nothing is changed.

        Examples
        --------
        >>> session.set_working_set(session.suggest_images(4).images)  # doctest: +SKIP
        """
        return study.suggest_images(self._session, n, level_name(self._session, level))

    def set_verdict(
        self, image: str, verdict: str, note: str | None = None, *, level: str | None = None
    ) -> None:
        """Say what an image's predictions look like to you.

        Parameters
        ----------
        image : str
        verdict : {"not inspected", "acceptable", "needs work"}
        note : str, optional
            Why, in a few words; without one, the note that is there stays.
        """
        study.set_verdict(self._session, image, verdict, note, level_name(self._session, level))

    def verdicts(self, level: str | None = None) -> pd.DataFrame:
        """The verdict on each image: index image; verdict, note, user, time (UTC), run (the training that was looked at)."""
        return study.verdicts(self._session, level_name(self._session, level))

    def study(self, level: str | None = None) -> pd.DataFrame:
        """How far each image is.

        Returns
        -------
        DataFrame
            Index image; group, cells, labelled, a column of labels for each category, audited (labelled blind),
            predicted (positives, at the threshold where one is set; missing before a training), verdict, in_set.
        """
        return study.study_table(self._session, level_name(self._session, level))

    def thumbnail(self, image: str, size: int = 96) -> NDArray[np.uint8]:
        """A small picture of a whole image, in the channels and contrast that are shown: RGB uint8, the longer side *size*."""
        return thumbnails.thumbnail(self._session, image, size)

    def checklist(self, level: str | None = None) -> list[guide.Task]:
        """The steps of the guide, each with whether it is done: ``.key .text .done .state .why``."""
        return guide.checklist(self._session, level_name(self._session, level))

    def nudges(self, level: str | None = None) -> list[str]:
        """What to look after, in sentences: labels of one image only, of one category only, too few, enough."""
        return guide.nudges(self._session, level_name(self._session, level))

    def export_study(self, path: str | Path, *, level: str | None = None) -> Path:
        """Write the record of the study as ``.csv``: the rule, the working set, each image's counts and verdict.

        Parameters
        ----------
        level : str, optional
            One marker alone; by default all are written, a row for each marker and image.
        """
        session = self._session
        return study_record.export_study(session, path, None if level is None else level_name(session, level))
