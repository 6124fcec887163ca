"""Verbs that group cells by what is known of their types: the table of cell types, landmarks, clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...data.features import FeatureSource
from ...data.populations import PopulationSet
from .. import clusters as clustering
from .. import embedding
from .. import landmarks as marking
from ..batch import BatchReport
from ..celltypes import CellTypeReport, CellTypes, import_celltypes
from ..conditions import condition
from ..gating import inside
from ..job import Job
from ..levels import level_name
from .base import Verbs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Grouping"]


class Grouping(Verbs):
    """Cell types, landmarks, clusters, embeddings."""

    @property
    def celltypes(self) -> CellTypes:
        """What the table of cell types says of the active level's categories, by name.

        ``session.celltypes["CD8T"]`` has ``.expression``, ``.markers``, ``.channels`` and ``.color``; empty before
        :meth:`import_celltypes`.
        """
        return CellTypes(self._session)

    def import_celltypes(self, table: Any, *, level: str | None = None) -> CellTypeReport:
        """Take categories, their colours, marker expressions and channels from a table of cell types.

        The categories are one step that can be undone.  A category that is there already keeps its labels and takes the
        colour of the table; categories that the table does not name stay.  Importing again replaces the table.

        Parameters
        ----------
        table : path, DataFrame or dict of str to list of str
            CellTune's columns ``CellType, PrimaryMarker, SecondaryMarker, TertiaryMarker, Channel_1..3, hex``.

        Raises
        ------
        FormatError
            When the table cannot be used; nothing is changed then.
        """
        return import_celltypes(self._session, table, level_name(self._session, level))

    # ------------------------------------------------------------------ landmarks

    def landmarks(
        self, per_type: int = 30, *, types: Any = None, within: str | None = None, label: bool = False, seed: int = 0,
        level: str | None = None,
    ) -> marking.LandmarkReport:  # fmt: skip
        """Find cells that clearly satisfy the marker expressions of the table of cell types.

        They are shown as the population set ``"Landmarks"`` and labelled when :meth:`accept_landmarks` is called.  Cells
        that have a label, or belong to the audit sample, are never among them.

        Parameters
        ----------
        per_type : int
            At most so many a type, spread over the images.
        types : sequence of str, optional
            By default all of the table.
        within : str, optional
            Only cells of a gate, or of an expression.
        label : bool
            Label them at once.

        Returns
        -------
        LandmarkReport
            The cells, and which types have few and why.
        """
        session = self._session
        level = level_name(session, level)
        only = None if within is None else inside(session, within, condition)
        report = marking.find(session, level, per_type, types, only, seed)
        marking.propose(session, level, report)
        if label and any(len(ids) for ids in report.ids.values()):
            return replace(report, labelled=self.accept_landmarks(level=level))
        return report

    def accept_landmarks(
        self, types: Any = None, *, overwrite: bool = False, level: str | None = None
    ) -> BatchReport:
        """Label the landmarks found last (of some types), as one step that can be undone; the proposal is removed."""
        session = self._session
        return marking.accept(session, level_name(session, level), types, overwrite)

    def discard_landmarks(self, *, level: str | None = None) -> None:
        """Remove the landmarks found last without labelling them."""
        session = self._session
        marking.discard(session, level_name(session, level))

    # ------------------------------------------------------------------ clusters

    def cluster(
        self, method: str = "leiden", *, n: int = 20, resolution: float = 1.0, features: Any = None,
        name: str = clustering.CLUSTERS, seed: int = 0, wait: bool = True, level: str | None = None,
    ) -> PopulationSet | Job:  # fmt: skip
        """Group cells by their features, in the background.

        Groups are found on a sample (20,000 cells for ``leiden``, else 50,000) of arcsinh(value / cofactor), with the
        cofactor of the channel (:meth:`set_transform`) or else the feature's typical value; every other cell goes to the
        nearest part of one.

        Parameters
        ----------
        method : {"leiden", "kmeans", "flowsom"}
        n : int
            How many ``kmeans`` and ``flowsom`` make.
        resolution : float
            Of ``leiden``: larger gives more clusters.
        features : sequence of str, optional
            Features or feature groups; by default the mean intensity of every marker in the cell.
        name : str
            Of the population set; clusters of this name are replaced.
        wait : bool
            False: return the job.
        """
        session = self._session
        job = clustering.start(
            session, level_name(session, level), method, n, resolution, features, name, seed
        )
        if not wait:
            return job
        found: PopulationSet = job.wait().result
        return found

    def clusters(self, name: str = clustering.CLUSTERS, *, level: str | None = None) -> pd.DataFrame:
        """The clusters as a table: size, share, top (their highest markers), name, color.

        ``.attrs["stale"]`` says when the features have changed since.
        """
        session = self._session
        return clustering.describe(session, level_name(session, level), name)

    def name_clusters(
        self, names: Mapping[Any, Any], *, name: str = clustering.CLUSTERS, level: str | None = None
    ) -> PopulationSet:
        """Name clusters by their number; those of one name are shown together as the set ``"Clusters named"``.

        Parameters
        ----------
        names : mapping
            ``{1: "B cell", 4: "B cell"}``; an empty name takes it away.  The clusters themselves stay as they were found.
        """
        session = self._session
        return clustering.name_clusters(session, names, level_name(session, level), name)

    def label_clusters(
        self, *, name: str = clustering.CLUSTERS, overwrite: bool = False, level: str | None = None
    ) -> BatchReport:
        """Label the cells of every named cluster by its name, as one step; categories that are missing are added in it."""
        session = self._session
        return clustering.label(session, level_name(session, level), name, overwrite)

    def remove_clusters(self, name: str = clustering.CLUSTERS, *, level: str | None = None) -> None:
        """Remove clusters and their names; labels that were given by them stay."""
        session = self._session
        clustering.forget(session, level_name(session, level), name)

    def embed(
        self, method: str = "pca", *, features: Any = None, seed: int = 0, wait: bool = True
    ) -> FeatureSource | Job:
        """Lay the cells out on a map of two dimensions, in the background.

        It is the feature source ``"embedding"``, to plot and gate by (``"embedding/PCA1"``, ``"embedding/UMAP1"``); no
        model learns from it.  A new map takes the place of the former one; stopped, the former stays.

        Parameters
        ----------
        method : {"pca", "umap"}
            Along the two principal axes, learned from 50,000 cells at most; or UMAP of 10,000 cells at most, the others
            placed by the 10 most similar of these (needs ``celltune-nb[umap]``).  Distances between the islands of a
            UMAP mean little: what one shows, check on the image.
        seed : int
            The same features and seed give the same map.
        features : sequence of str, optional
            Features or feature groups; by default the mean intensity of every marker in the cell.
        """
        job = embedding.start(self._session, method, features, seed)
        if not wait:
            return job
        found: FeatureSource = job.wait().result
        return found
