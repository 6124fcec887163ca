"""Verbs that bring a folder of images into a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...formats.folders import FolderPlan, PlannedTable
from ...formats.folders.tables import TableHead
from .. import folders
from ..celltypes import CellTypeReport
from ..jobs import Job
from ..tables import ImportReport
from .base import Verbs

__all__ = ["Folders"]


class Folders(Verbs):
    """Look at a folder, then import it."""

    def look_at(
        self, folder: str | Path, *, wait: bool = True, progress: Callable[[float, str], object] | None = None
    ) -> FolderPlan | Job:
        """Recognise the images, masks and tables of a folder; nothing is written, and no pixel is read.

        Images are TIFF, OME-TIFF, OME-Zarr (0.4, 0.5), Zarr or ``.npy`` files of several channels, or folders of one file a
        channel.  A mask is found by its name: ``{image}_segmentation_labels.tif``, ``segmentation_labels.tif`` or ``mask.tif`` in
        the image's own folder, ``{image}_mask``, ``_cells``, ``_labels``, ``_cp_masks`` …, or the image's name in a folder
        ``masks`` or ``segmentation``; so are those of nuclei.  Channels are called as the file says, else as
        ``channels.csv``, ``markers.csv`` … beside it.  The group is the folder above the images, or what a CSV with
        the columns image and group says.

        Parameters
        ----------
        folder : path
        wait : bool
            False: look in the background and return the job, whose ``result`` is the plan.
        progress : callable, optional
            Is told the fraction done and what is being done; instead of a bar.

        Returns
        -------
        FolderPlan
            Print it, change it, give it to :meth:`import_folder`.

        Raises
        ------
        InputError
            When there is no such folder, or it holds too much.
        """
        return folders.look_at(self._session, folder, wait, progress)

    def import_folder(
        self, folder: str | Path, *, plan: FolderPlan | None = None, tables: bool = False, copy: bool | None = None,
        wait: bool = True, progress: Callable[[float, str], object] | None = None,
    ) -> folders.FolderReport | Job:  # fmt: skip
        """Import the images and masks of a folder: see :meth:`look_at` for what is recognised.

        An image that the project has already is skipped, so a folder that has grown can be imported again.  An image that
        cannot be imported is named in the report, with the reason; the others are imported.  Stopped in between, what is
        in is complete.

        Parameters
        ----------
        folder : path
        plan : FolderPlan, optional
            What :meth:`look_at` gave, as changed since.
        tables : bool
            Without a plan: also import the tables of cells and labels that lie there.
        copy : bool, optional
            As of :meth:`add_image`.
        wait : bool
            False: import in the background and return the job, whose ``result`` is the report.
        progress : callable, optional
            Is told the fraction done and what is being done; instead of a bar.

        Returns
        -------
        FolderReport

        Raises
        ------
        InputError
            When there is nothing to import.
        ReadOnlyError
            When the session may only look.
        """
        return folders.import_folder(self._session, folder, plan, tables, copy, wait, progress)

    def look_at_table(self, path: str | Path) -> TableHead:
        """Read the first line of a table and tell which columns name image, cell, place, group and category.

        Raises
        ------
        InputError
            When there is no such table, or it cannot be read.
        """
        return folders.look_at_table(path)

    def import_table(
        self,
        table: PlannedTable,
        *,
        wait: bool = True,
        progress: Callable[[float, str], object] | None = None,
    ) -> ImportReport | CellTypeReport | Job:
        """Import a table of cells, labels or cell types by the columns that its head names.

        Parameters
        ----------
        table : PlannedTable
            ``PlannedTable(session.look_at_table(path))``, or one of a plan's.
        wait : bool
            False: import in the background and return the job.

        Raises
        ------
        InputError
            When a column is missing.
        """
        return folders.import_table(self._session, table, wait, progress)
