"""Verbs that make cells where nobody has segmented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import centres as placing
from .base import Verbs

__all__ = ["Placing"]


class Placing(Verbs):
    """Cells from centres."""

    def add_centres(
        self, name: str, image: Any, centres: Any, radius: float | str, *, unit: str = "px",
        pixel_size: float | None = None, spacing: float | None = None, channels: Sequence[str] | None = None,
        group: str | None = None, progress: Callable[[float, str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> placing.CentresReport:  # fmt: skip
        """Add an image whose cells are discs around centres.

        Discs never overlap: a pixel within reach of several centres belongs to the nearest.  ``cellID`` is the number of
        the table's row, from 1.

        Parameters
        ----------
        name : str
        image : array, path or list of path
            As of :meth:`add_image`.  Where the centres have a column z, a stack: an array (Z, Y, X) or (Z, C, Y, X), or a
            ``.npy`` or TIFF file with planes in depth; each plane that has centres becomes an image, ``name z012``, and a cell
            lies on the plane of its centre.
        centres : DataFrame or path of a CSV or Parquet file
            Columns ``y``, ``x`` in pixels from 0, origin at the centre of pixel 0; ``z`` the plane, from 0.  Rows of other images
            are left out where a column ``image`` names them.
        radius : float or str
            Or the name of the column that holds it.
        unit : {"px", "µm"}
            Of the radius.
        pixel_size : float, optional
            µm a pixel; by default what the file of an image says.
        spacing : float, optional
            µm from plane to plane: then z is in µm.
        channels, group
            As of :meth:`add_image`; planes of one stack are one group, called *name* where none is given.
        progress, stop : callable, optional
            Of a stack: told the fraction done and a text; True leaves after the plane at hand.

        Returns
        -------
        CentresReport
            ``.images .cells``, and counted: centres ``.outside`` of the image, ``.unusable``, ``.hidden`` by others.

        Raises
        ------
        InputError, FormatError
            When something does not fit; nothing is added then.

        Examples
        --------
        >>> session.add_centres("slice 1", "slice1.tif", "centres.csv", radius=6)  # doctest: +SKIP
        CentresReport(1,204 cells on slice 1, discs of 6.0 pixels radius. Left out: 3 outside of the image.)
        """
        return placing.add_centres(
            self._session,
            name,
            image,
            centres,
            radius,
            unit,
            pixel_size,
            spacing,
            channels,
            group,
            progress,
            stop,
        )
