"""Verbs that bring data into a project: images, masks, tables, labels, features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ...data.features import FeatureSource
from ...data.images import Image
from .. import importing, locating, measuring
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
        return locating.locate_image(self._session, name, image, mask, nucleus)

    def import_cells(
        self, table: Any, *, image: str = "image", id: str | None = "cellID", x: str | None = None, y: str | None = None,
        features: Sequence[str] | None = None, group: str | None = None, layers: Sequence[str] | str = "X",
        images: bool | Mapping[str, str] = False, element: str | None = None, radius: float = 20.0,
        coordinate_system: str | None = None,
    ) -> importing.ImportReport:  # fmt: skip
        """Join a table of cells to the items by image and cell id, or make items of it.

        Parameters
        ----------
        table : DataFrame, path, AnnData or SpatialData
            A path names a CSV (also ``.csv.gz``), Parquet or ``.h5ad`` file.  Of an AnnData the variables of X become features, obs
            becomes columns, and ``obsm["spatial"]`` (x, y in pixels) the places of cells that the project does not have.
        image, id, x, y, group : str
            Names of its columns.  Without ``"image"`` and ``"cellID"`` those are taken that other programs write:
            ``fov``, ``library_id``, ``cell_id``, ``instance_id`` …; the names of the cells are ``id="obs_names"``.
            ``id=None`` finds cells by their place, or numbers them where the project has none.
        features : sequence of str, optional
            Columns that become a feature source called ``"table"``; all others become columns of
            :attr:`items`, never features.  Of an AnnData all variables by default.  Probabilities that
            models gave (``CD8T__Probability``) only when they are named, and models do not learn from them
            unless :attr:`features` is told to use them.
        layers : str or sequence of str
            Which matrices of an AnnData become features: ``"X"`` or names of layers.  Beside X, features of a layer
            are called ``CD8__layer``.
        images : bool or mapping of str to str
            Of a SpatialData: add the labels that its table annotates, and the images under them, first.  A
            mapping says which image belongs to which labels.
        element : str, optional
            Of a SpatialData with several tables: the name of the table.
        radius : float
            How far a place may lie from its cell's centroid, pixels (``id=None``).
        coordinate_system : str, optional
            Of a SpatialData: the coordinate system, in µm, from which images have their pixel size and in which they
            are compared with labels and shapes.  By default one that all of them have: called ``"microns"`` or the like,
            else ``"global"``, whose units are not known, so that images have no pixel size.

        Returns
        -------
        ImportReport
            What was joined and, counted and by example, what matched no cell; its notes say what was left out.
        """
        return importing.import_cells(
            self._session, table, image, id, x, y, features, group, layers=layers, images=images, element=element,
            radius=radius, system=coordinate_system,
        )  # fmt: skip

    def import_labels(
        self, table: Any, *, level: str | None = None, on_conflict: str = "new", column: str | None = None
    ) -> importing.ImportReport:
        """Take labels from a table with columns image (or fov), cellID and class.

        Parameters
        ----------
        table : DataFrame, path or AnnData
            A path names a CSV (also ``.csv.gz``), Parquet or ``.h5ad`` file.  ``NA``, ``NaN``, ``None`` and the like
            say that a cell has no label, unless a category is called so.  Names that differ by capitals alone are one
            category.
        on_conflict : {"new", "old", "error"}
            Which label an item keeps that has another one already.
        column : str, optional
            Where the categories stand, if not in ``class`` (of an AnnData also ``label`` or ``cell_type``).  Cells
            that are *Unknown* there keep what they have.
        """
        return importing.import_labels(self._session, table, level, on_conflict, column)

    def measure(self, *, wait: bool = True, **options: Any) -> FeatureSource | Job:
        """Measure the features of all cells, with progress.

        Each image is on disk once it is measured: after a stop, or when the program was killed, the next call with the same
        options goes on there.  Images that were added since are measured alone, and groups and choices of features stay.

        Parameters
        ----------
        wait : bool
            False: measure in the background and return the job.
        **options
            As of :func:`celltune_nb.measure.measure_cells`: percentiles, rings, morphology, neighbours; texture,
            of all channels or of those named; engine; per_image, brightness against the cells of the same image
            (if it is not said: as measured before, at first not).
            again=True measures anew what is measured already; progress is told the fraction done and a text.

        Returns
        -------
        FeatureSource
            Also :attr:`features` from now on.
        """
        return measuring.measure(self._session, wait, options)
