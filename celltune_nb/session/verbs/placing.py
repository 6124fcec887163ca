"""Verbs that make cells where nobody has segmented."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from .. import centres as placing
from .. import centres_of_many as study
from ..jobs import Job
from .base import Verbs

__all__ = ["Placing"]


class Placing(Verbs):
    """Cells from centres."""

    def add_centres(
        self, name: str, image: Any, centres: Any, radius: float | str, *, unit: str = "px", places: str | None = None,
        pixel_size: float | None = None, spacing: float | None = None, channels: Sequence[str] | None = None,
        group: str | None = None, preview: bool = False, wait: bool = True,
        progress: Callable[[float, str], object] | None = None,
    ) -> placing.CentresReport | Job:  # fmt: skip
        """Add an image whose cells are discs around centres.

        Discs never overlap: a pixel within reach of several centres belongs to the nearest, of equally near ones to the
        first.  ``cellID`` is the number of the table's row, from 1.  All of it takes effect in one step: after a stop, or an
        error half-way through a stack, nothing is added.

        Parameters
        ----------
        name : str
        image : array, path, list of path, mapping, or None
            None: the image of this name in the project, which gets its first mask, or another one (labels go over: see
            :meth:`replace_mask`).  Else as of :meth:`add_image`, or the file of each channel by its name.  Where the centres
            have a column z, a stack: an array (Z, Y, X) or (Z, C, Y, X); a ``.npy``, TIFF or OME-Zarr file with planes in depth; a
            folder with one image file a plane, or a list of them; a mapping names the stack of each channel.  Each plane that has
            centres becomes an image, ``name z012``, and a cell lies on the plane that its centre is nearest to.
        centres : DataFrame, path of a CSV or Parquet file, or array (n, 2) of y, x or (n, 3) of z, y, x
            Columns ``y``, ``x`` from 0, origin at the centre of pixel 0; ``z`` the plane, from 0; or what other programs call
            them (``Centroid X µm``, ``Position X``; ``axis-0``, ``axis-1`` as napari).  Rows of other images are left out
            where a column ``image`` names them.
        radius : float or str
            Or the name of the column that holds it.
        unit : {"px", "µm"}
            Of the radius.
        places : {"px", "µm"}, optional
            Of y and x; by default µm if their names say so, else pixels.
        pixel_size : float, optional
            µm a pixel; by default what the file of the image says.
        spacing : float, optional
            µm from plane to plane: then z is in µm.
        channels, group
            As of :meth:`add_image`; planes of one stack are one group, called *name* where none is given.
        preview : bool
            True: find out and report what would be added; nothing is written.
        wait : bool
            False: do it in the background and return the job, whose ``result`` is the report.
        progress : callable, optional
            Is told the fraction done and what is being done; instead of a bar.

        Returns
        -------
        CentresReport
            ``.images .cells``, and counted: centres ``.outside`` of the image, ``.unusable``, ``.hidden`` by others.

        Raises
        ------
        InputError, FormatError
            When something does not fit; nothing is added then.
        ReadOnlyError
            When the session may only look (a preview it may have).
        NotReadyError
            While cells that are to go are being measured or learned from.

        Examples
        --------
        >>> session.add_centres("slice 1", "slice1.tif", "centres.csv", radius=6)  # doctest: +SKIP
        CentresReport(1,204 cells on slice 1, discs of 6.0 pixels radius. Left out: 3 outside of the image.)
        """
        return placing.add_centres(
            self._session, name, image, centres, radius, unit=unit, places=places, pixel_size=pixel_size, spacing=spacing,
            channels=channels, group=group, preview=bool(preview), wait=wait, progress=progress,
        )  # fmt: skip

    def add_all_centres(
        self, images: Any, centres: Any, radius: float | str, *, unit: str = "px", places: str | None = None,
        pixel_size: float | None = None, spacing: float | None = None, channels: Sequence[str] | None = None,
        group: str | Mapping[str, str] | None = None, column: str | None = None, partial: bool | Collection[str] = False,
        preview: bool = False, wait: bool = True, progress: Callable[[float, str], object] | None = None,
    ) -> study.StudyCentresReport | Job:  # fmt: skip
        """Add the cells of many images from their centres, as :meth:`add_centres` does for one, in one step: all or none.

        The images are found by the names in the table: the name of the image, or of its file, with or without folder and
        ending, capitals or not.  Whatever matches no image, or does not fit, is said and nothing is added, unless *partial*
        lets it be left out.

        Parameters
        ----------
        images : path of a folder, list of paths, mapping of str to image, or None
            None: the images of the project, of which those that are named and have no cells get them.  A folder is read as
            :meth:`look_at` does; where the centres have a column z, each file, Zarr folder or folder of planes in it is a
            stack.
        centres : DataFrame, path of a CSV or Parquet file, path of a folder of those, or mapping of str to those
            With a column ``image`` (``Image``, ``slice``, ``filename`` …), or a table an image, called as the image is
            (``slice 1.csv``, ``slice 1_centres.csv``).  ``cellID`` is the number of a row in its table, from 1.
        radius, unit, places, pixel_size, spacing, channels
            As of :meth:`add_centres`, for all images.
        group : str or mapping of str to str, optional
            A column of the table, the group of all images, or the group of each; by default what a column ``animal``,
            ``mouse``, ``group`` … or the folder says.
        column : str, optional
            That names the images; by default found by its name.
        partial : bool or collection of str
            True: add what fits.  Or the names that may be left out, as ``preview.left_out`` has them.
        preview, wait, progress
            As of :meth:`add_centres`.

        Returns
        -------
        StudyCentresReport
            ``.table`` (a row an image), ``.cells``, ``.left_out`` (name → why), ``.without`` (images that no row names),
            ``.images`` (the report of each).

        Raises
        ------
        InputError, FormatError
            When something does not fit; nothing is added then.
        ReadOnlyError
            When the session may only look (a preview it may have).

        Examples
        --------
        >>> session.add_all_centres("slices/", "centres.csv", radius=6, preview=True)  # doctest: +SKIP
        StudyCentresReport(14,204 cells on 12 images. Not matched: 'slice 13'.)
        """
        return study.add_all_centres(
            self._session, images, centres, radius, unit=unit, places=places, pixel_size=pixel_size, spacing=spacing,
            channels=channels, group=group, column=column, partial=partial, preview=bool(preview), wait=wait, progress=progress,
        )  # fmt: skip
