"""Verbs that carry work from one place to another: as a script, across a new segmentation, from another person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import batches, carrying, people, script
from ..levels import level_name
from .base import Verbs

__all__ = ["Carrying"]


class Carrying(Verbs):
    """The work as a script, labels of several categories at once, labels from elsewhere."""

    def script(self) -> str:
        """Python that does again what was done so far: images, features, labels with undo and redo, gates, trainings.

        Run on a fresh project it gives the same labels, with their sources and users, and the same predictions.  Data
        that came from files is read from them, data from memory from this project's own copy.
        """
        return script.script(self._session)

    def save_script(self, path: str | Path = "replay.py") -> Path:
        """Write :meth:`script` to a file; long lists of ids stand in an ``.npz`` of the same name beside it.

        ``python replay.py NEW_FOLDER`` runs it.
        """
        return script.save(self._session, Path(path).expanduser().absolute())

    def label_each(
        self, labels: Mapping[str | None, Any], *, level: str | None = None, source: str = "batch",
        t0: float | Sequence[float] | None = None, create: Sequence[Any] = (), joined: bool = False,
        what: str = "",
    ) -> int:  # fmt: skip
        """Give items different categories, as one step that can be undone.

        Parameters
        ----------
        labels : dict of str to sequence of int
            Category → ids; None removes labels.
        source : str
            As of :meth:`~celltune_nb.Session.label`.
        t0 : float or sequence of float, optional
            Onset: one for all, or one each in ascending order of id.
        create : sequence of str or (name, colour, key)
            Categories to add, where the level lacks them.
        joined : bool
            Part of the labelling before: one undo takes both back.
        what : str
            What undo calls the step, in words; by default how many items were labelled.

        Returns
        -------
        int
            Batch id: the journal row.
        """
        session = self._session
        return batches.label_each(
            session, labels, level_name(session, level), source, t0, create, bool(joined), str(what)[:200]
        )

    def carry_labels(
        self, source: Any, *, images: Mapping[str, str] | Sequence[str] | None = None, minimum: float = 0.5,
        by: str = "covered", level: str | None = None, their_level: str | None = None,
    ) -> carrying.CarryReport:  # fmt: skip
        """Carry the labels of another segmentation of the same images over to the cells of this project.

        Each labelled cell gives its label to the cell that took its place, one to one, the best overlap first.  A cell
        that has a label here keeps it.  One undo takes everything back; the users who labelled stay named.

        Parameters
        ----------
        source : path or Session
            The project with the former segmentation.
        images : sequence of str or dict of str to str, optional
            Names, or name here → name there; by default all that have a mask in both.
        minimum : float
            Least overlap, 0 to 1.
        by : {"covered", "iou"}
            What *minimum* is of: the part of the former cell that the new one covers (also right where cells were grown
            from nuclei), or intersection over union.
        their_level : str, optional
            By default the level of the same name, else their active one.

        Returns
        -------
        CarryReport
            By category what was carried, and what was ambiguous, merged, split or lost, with ids to look at.
        """
        session = self._session
        return carrying.carry_labels(
            session, source, images, minimum, by, level_name(session, level), their_level
        )

    def merge_labels(
        self, other: Any, *, on_conflict: str = "queue", level: str | None = None, user: str | None = None
    ) -> people.MergeReport:
        """Take over another person's labels of the same cells, and see how far you agree.

        Parameters
        ----------
        other : path, Session or DataFrame
            A project folder, or a table with image (or fov), cellID, class and, if it says so, user.
        on_conflict : {"queue", "mine", "theirs"}
            Where both have labelled a cell differently: leave yours and list the cell in ``.disagreements``, to be looked
            at again with ``session.review(ids=…)``; keep yours; take theirs.
        user : str, optional
            Who gave the labels, where the table does not say.

        Returns
        -------
        MergeReport
            Agreement as a table and as Cohen's kappa with its interval, and what was taken over, as one undo step.
        """
        session = self._session
        return people.merge_labels(session, other, on_conflict, level_name(session, level), user)

    def compare_users(self, first: str, second: str, *, level: str | None = None) -> people.MergeReport:
        """How far two people agree on the cells that both have labelled in this project, each with the last answer."""
        session = self._session
        return people.compare_users(session, first, second, level_name(session, level))
