"""Verbs that bring data into a project: images, masks, tables, labels, features."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from ...data.features import FeatureSource
from ...data.images import Image
from .. import importing, measuring
from ..jobs import Job
from .base import Verbs

__all__ = ["Bringing"]


class Bringing(Verbs):
    """Images, masks, tables, labels, features."""

    def add_image(
        self, name: str, image: Any, mask: Any = None, *, channels: Sequence[str] | None = None,
        pixel_size: float | None = None, group: str | None = None, copy: bool | None = None, nucleus: Any = None,
    ) -> Image:  # fmt: skip
        """Add an image, and its cells when it has a mask.

        Parameters
        ----------
        name : str
            Unique in the project.
        image : array, path or list of path
            (Y, X), (C, Y, X), or RGB as (Y, X, 3) uint8; or the path of a ``.npy``, TIFF, OME-TIFF or Zarr file that
            holds it; or the paths of files that hold one channel each.
        mask : array of int, shape (Y, X), or path, optional
            0 for background, one number a cell.
        channels : sequence of str, optional
            One name a channel; the same set in every image of a project.  By default what the file says.
        pixel_size : float, optional
            µm a pixel.  By default what the file says.
        group : str, optional
            The independent unit it belongs to: donor, animal, well.
        copy : bool, optional
            Whether the pixels of a file are copied into the project.  By default those of large files (512 MB decoded)
            are not: they are read from where the file lies, which has to stay there.
        nucleus : array of int, shape (Y, X), or path, optional
            The nuclei, numbered in any way; then cells are measured in their nucleus too.

        Raises
        ------
        InputError
            When something does not fit; nothing is added then.
        """
        return self._session._adding.add(name, image, mask, channels, pixel_size, group, copy, nucleus)

    def adding_images(self) -> AbstractContextManager[None]:
        """``with session.adding_images():`` – images added inside take effect together, many of them sooner."""
        return self._session._adding.together()

    def locate_image(self, name: str, image: Any = None, mask: Any = None, nucleus: Any = None) -> Image:
        """Say where the file of an image, or of its masks, lies now that it was moved.

        An image of one file a channel is named by the folder that holds the files.

        Raises
        ------
        InputError
            When it is another file.
        """
        return self._session._adding.locate(name, image, mask, nucleus)

    def import_cells(
        self, table: Any, *, image: str = "image", id: str = "cellID", x: str | None = None, y: str | None = None,
        features: Sequence[str] | None = None, group: str | None = None,
    ) -> importing.ImportReport:  # fmt: skip
        """Join a table of cells to the items by image and cell id, or make items of it.

        Parameters
        ----------
        table : DataFrame or path
            CSV or Parquet.
        image, id, x, y, group : str
            Names of its columns.
        features : sequence of str, optional
            Columns that become a feature source called ``"table"``; all others become columns of
            :attr:`items`, never features.

        Returns
        -------
        ImportReport
            What was joined and, counted and by example, what matched no cell.
        """
        return importing.import_cells(self._session, table, image, id, x, y, features, group)

    def import_labels(
        self, table: Any, *, level: str | None = None, on_conflict: str = "new"
    ) -> importing.ImportReport:
        """Take labels from a table with columns image (or fov), cellID and class.

        Parameters
        ----------
        table : DataFrame or path
        on_conflict : {"new", "old", "error"}
            Which label an item keeps that has another one already.
        """
        return importing.import_labels(self._session, table, level, on_conflict)

    def measure(self, *, wait: bool = True, **options: Any) -> FeatureSource | Job:
        """Measure the features of all cells, with progress.

        Parameters
        ----------
        wait : bool
            False: measure in the background and return the job.
        **options
            As of :func:`celltune_nb.measure.measure_cells`: percentiles, rings, morphology, neighbours; texture,
            of all channels or of those named; engine.

        Returns
        -------
        FeatureSource
            Also :attr:`features` from now on.
        """
        return measuring.measure(self._session, wait, options)
