"""Verbs that carry work from one place to another: as a script, across a new segmentation, from another person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .. import batches, script
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

        Returns
        -------
        int
            Batch id: the journal row.
        """
        session = self._session
        return batches.label_each(
            session, labels, level_name(session, level), source, t0, create, bool(joined)
        )
