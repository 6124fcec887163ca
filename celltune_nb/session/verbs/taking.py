"""Verbs that take data out of a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import InputError
from .. import bundles, exporting, population_images
from ..job import Job
from ..levels import level_name
from .base import Verbs

__all__ = ["Taking"]


class Taking(Verbs):
    """Tables, label files, images of populations, bundles."""

    def export(
        self, path: str | Path, *, calibrated: bool = False, features: bool = False, population: str | None = None,
        image: str | None = None, wait: bool = True, changed: Callable[[Job], None] | None = None,
    ) -> Any:  # fmt: skip
        """Write items, labels, predictions and probabilities as one table, ``.csv``, ``.parquet`` or ``.h5ad``.

        An ``.h5ad`` holds the features as X (in the order of the matrix), ``obsm["spatial"]`` = x, y in pixels, in
        obs everything that the other tables have, with categories and their colours as scanpy shows them, and
        in ``uns["celltune_nb"]`` the version, the revision of the labels and the pixel sizes.

        Parameters
        ----------
        path : str or Path
            ``.tif`` writes a population set as an image: see :meth:`export_population`.
        calibrated : bool
            Add the probabilities at the temperature that the audit asks for.
        features : bool
            Add the features to a ``.csv`` or ``.parquet`` table.
        population, image : str, optional
            Of a ``.tif``.
        wait : bool
            False: write in the background and return the job; the path is its result.
        changed : callable, optional
            Called with the job at each change of its state or progress.

        Returns
        -------
        Path
        """
        if isinstance(path, str | Path) and Path(path).suffix.lower() in population_images.TIFF:
            name = population or ("Pred_AVG" if "Pred_AVG" in self._session.populations else "labels")
            return population_images.export_population(self._session, name, path, image, wait, changed)
        if population is not None or image is not None:
            raise InputError("population= and image= belong to a .tif file. Leave them out for a table.")
        return exporting.export(
            self._session, path, calibrated=calibrated, features=features, wait=wait, changed=changed
        )

    def export_size(
        self, path: str | Path, *, features: bool = False, population: str | None = None, image: str | None = None,
        labels: str | None = None,
    ) -> int:  # fmt: skip
        """About how many bytes an export will take, before it is made.

        Parameters
        ----------
        path : str or Path
            Its ending says the format.
        features : bool
            As of :meth:`export`.
        population, image : str, optional
            As of :meth:`export_population`.
        labels : str, optional
            The level of a label file.
        """
        return exporting.estimated_size(self._session, path, features, population, image, labels)

    def export_labels(self, path: str | Path, *, level: str | None = None) -> Path:
        """Write a label file ``image,cellID,class`` that :meth:`import_labels` reads."""
        return exporting.export_labels(self._session, path, level_name(self._session, level))

    def export_population(
        self, name: str, path: str | Path, *, image: str | None = None, wait: bool = True,
        changed: Callable[[Job], None] | None = None,
    ) -> Any:  # fmt: skip
        """Write a population set as images: each pixel has the number of its cell's category.

        0 is no cell and 1 *Unknown*; what the other numbers mean stands in ``<file>_legend.csv`` beside
        (value, category, color, cells) and in the file's description; the colours lie in the file too.

        Parameters
        ----------
        name : str
            Of a population set: ``"labels"``, ``"Pred_AVG"``, a gate …
        path : str or Path
            A ``.tif`` file for one image, or a folder for one file an image.
        image : str, optional
            By default all images that have a mask.
        wait, changed
            As of :meth:`export`.
        """
        return population_images.export_population(self._session, name, path, image, wait, changed)

    def save_bundle(
        self,
        path: str | Path,
        *,
        images: str = "all",
        wait: bool = True,
        changed: Callable[[Job], None] | None = None,
    ) -> Any:
        """Write the whole project as one ``.zip`` that opens elsewhere: ``Session.open("x.zip", folder=...)``.

        It is of one moment, also while people go on working.  ``exports/`` and what can be made again stay out of it.

        Parameters
        ----------
        images : {"all", "own"}
            ``"all"``: also the files of images that are read from where they lie outside of the project;
            ``"own"``: those stay where they are.  :meth:`bundle_size` says first what that takes.
        wait, changed
            As of :meth:`export`.
        """
        return bundles.save_bundle(self._session, path, images, wait, changed)

    def bundle_size(self, *, images: str = "all") -> bundles.BundleSize:
        """How many files and bytes a bundle would hold, before they are compressed."""
        return bundles.bundle_size(self._session, images)
