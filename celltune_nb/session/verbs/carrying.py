"""Verbs that carry work from one place to another: as a script, across a new segmentation, from another person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import batches, carrying, nuclei, people, resegmenting, script
from ..checks import folder as as_folder
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
        return script.save(self._session, as_folder(path, "file").expanduser().absolute())

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

    def replace_mask(
        self, name: str, mask: Any, *, nucleus: Any = None, minimum: float = 0.5, by: str = "covered",
        copy: bool | None = None, preview: bool = False,
    ) -> resegmenting.MaskReport:  # fmt: skip
        """Give an image another segmentation: new cells with new ids, and the labels carried over to them.

        Each former cell is matched with the cell that took its place, one to one, the best overlap first, on all levels.
        Its labels, notes, membership in clusters and imported populations, and its place, answer and selection
        probability in an audit go over; what a new mask cannot tell (features, predictions) goes.  Gates are rules and
        hold for whoever satisfies them.  :meth:`measure` then measures this image alone.

        One undo takes the carried labels off again.  The former mask stays in the project (:meth:`former_mask`), the
        former labels in the journal; to go back, replace the mask by the former one.

        Parameters
        ----------
        name : str
            The image; one without cells gets its first mask.
        mask : array of int, shape (Y, X), or path
            0 for background, one number a cell; a ``.npy``, TIFF or Zarr file.
        nucleus : array of int, shape (Y, X), or path, optional
            New nuclei too; else those that are there stay.
        minimum : float
            Least overlap, 0 to 1.
        by : {"covered", "iou"}
            What *minimum* is of: the part of the former cell that the new one covers, or intersection over union.
        copy : bool, optional
            As of :meth:`add_image`.
        preview : bool
            Only tell what would become of cells and labels; nothing is written.

        Returns
        -------
        MaskReport
            ``print(report)`` is a sentence; ``.table`` counts by category what was carried, ambiguous, merged, split or
            lost, ``.lost`` lists every labelled cell whose label no cell has now, ``.notes`` say what else goes.

        Raises
        ------
        InputError
            When the mask does not fit; nothing is changed then.
        NotReadyError
            While the cells are being measured or learned from.
        """
        return resegmenting.replace_mask(self._session, name, mask, nucleus, minimum, by, copy, bool(preview))

    def set_nuclei(
        self, name: str, nucleus: Any, *, copy: bool | None = None, preview: bool = False
    ) -> nuclei.NucleusReport:
        """Give the cells of an image their nuclei; cells, ids and labels stay as they are.

        Once every image has a mask of nuclei, :meth:`measure` measures the cells in their nucleus too.  Nuclei that the
        image had are no longer part of the project.

        Parameters
        ----------
        name : str
        nucleus : array of int, shape (Y, X), or path
            Not 0 in a nucleus, numbered in any way; a ``.npy``, TIFF or Zarr file.
        copy : bool, optional
            As of :meth:`add_image`.
        preview : bool
            Only tell how many cells would have a nucleus; nothing is written.

        Raises
        ------
        InputError
            When the mask does not fit, or no cell has a nucleus in it; nothing is changed then.
        """
        return nuclei.set_nuclei(self._session, name, nucleus, copy, bool(preview))

    def former_mask(self, name: str, which: int = -1, *, nucleus: bool = False) -> Any:
        """A mask that :meth:`replace_mask` replaced, with the numbers that its cells had.

        Parameters
        ----------
        which : int
            0 is the first that the image had, -1 the one before the present.
        nucleus : bool
            The mask of nuclei of that time.
        """
        return resegmenting.former_mask(self._session, name, which, nucleus is True)

    def former_nuclei(self, name: str, which: int = -1) -> Any:
        """Nuclei that :meth:`set_nuclei` replaced; those of a mask that was replaced are ``former_mask(name, nucleus=True)``.

        Parameters
        ----------
        which : int
            0 is the first time that the image was given others, -1 the last.

        Raises
        ------
        InputError
            The image was not given others so often, or had none before.
        """
        return nuclei.former_nuclei(self._session, name, which)

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
