"""Where the pixels of SpatialData's images and labels lie: what their transformations say, and what is refused of them.

A project has one grid of pixels an image.  So labels have to lie on the pixels of their image, and the image straight in
its coordinate system, with square pixels; points may be turned in any way, since they come back into pixels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

__all__ = ["affine", "chosen_system", "in_micrometres", "pixel_size", "same_pixels", "to_pixels"]

#: What a coordinate system is called that is in µm, without capitals and punctuation.
_MICROMETRES = {"um", "µm", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"}
#: Parts of a pixel, and of a scale, that make no difference.
PLACE, SCALE = 0.5, 1e-3

Matrix = NDArray[np.float64]


def chosen_system(elements: Iterable[Any], wanted: str | None) -> str:
    """The coordinate system in which elements are compared: *wanted*, or one in µm, ``"global"``, or the only one.

    Raises
    ------
    InputError
        When an element is not in *wanted*, or they have none in common.
    """
    from spatialdata.transformations import get_transformation

    common: list[str] | None = None
    for element in elements:
        here = [str(name) for name in get_transformation(element, get_all=True)]
        common = here if common is None else [name for name in common if name in here]
    common = common or []
    if wanted is not None:
        if wanted not in common:
            raise InputError(
                f"Not all of the images, labels and shapes are in the coordinate system {wanted!r}; all are in "
                f"{', '.join(map(repr, common)) or 'none'}. Name one of these with coordinate_system=."
            )
        return wanted
    best = [*filter(in_micrometres, common), *(name for name in common if name == "global")]
    if not best and len(common) != 1:
        raise InputError(
            f"The images, labels and shapes have {len(common) or 'no'} coordinate systems in common"
            f"{': ' + ', '.join(map(repr, common)) if common else ''}. "
            + (
                "Name one with coordinate_system=."
                if common
                else "Give them one with spatialdata.transformations.set_transformation."
            )
        )
    return (best or common)[0]


def in_micrometres(system: str) -> bool:
    """Whether the name of a coordinate system says so."""
    return re.sub(r"[^a-zµ]", "", system.lower().replace("\u03bc", "µ")) in _MICROMETRES


def affine(element: Any, system: str, name: str) -> Matrix:
    """From the pixels of an element (x, y; corner at 0) to a coordinate system.

    Returns
    -------
    ndarray of float64, shape (3, 3)

    Raises
    ------
    InputError
        When it is no transformation of the plane.
    """
    from spatialdata.transformations import get_transformation

    try:
        found = get_transformation(element, to_coordinate_system=system)
        matrix = np.asarray(found.to_affine_matrix(("x", "y"), ("x", "y")), np.float64)
    except (ValueError, NotImplementedError, TypeError) as error:
        raise InputError(
            f"The transformation of {name!r} to {system!r} cannot be used ({error}). Transform it first, with "
            "spatialdata.transform, or name another coordinate_system=."
        ) from error
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
        raise InputError(
            f"The transformation of {name!r} to {system!r} has no inverse. Correct it, or name another coordinate_system=."
        )
    return matrix


def pixel_size(matrix: Matrix, name: str, system: str) -> float:
    """The length of an image's pixel in a coordinate system.

    Raises
    ------
    InputError
        When the image is turned, mirrored or stretched there.
    """
    (sx, turned), (also, sy) = matrix[:2, :2].tolist()
    scale = max(abs(sx), abs(sy))
    if max(abs(turned), abs(also)) > SCALE * scale or sx <= 0 or sy <= 0 or abs(sx - sy) > SCALE * scale:
        raise InputError(
            f"{name!r} is turned, mirrored or stretched in the coordinate system {system!r}; cells are measured in square, "
            "upright pixels. Bring image and labels to such pixels first, with spatialdata.rasterize, or name another "
            "coordinate_system=."
        )
    return float(np.sqrt(sx * sy))


def same_pixels(image: Matrix, labels: Matrix, shape: tuple[int, int]) -> bool:
    """Whether labels lie on the pixels of an image: half a pixel's difference at most, at every corner.

    Parameters
    ----------
    image, labels : ndarray, shape (3, 3)
    shape : (int, int)
        Height and width of the labels, pixels.
    """
    height, width = shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    return bool(np.abs(_mapped(np.linalg.inv(image) @ labels, corners) - corners).max() <= PLACE)


def to_pixels(points: Matrix, image: Matrix, of_points: Matrix) -> Matrix:
    """Points (x, y) in the pixels of an image, origin at the centre of pixel 0; shape (n, 2)."""
    return _mapped(np.linalg.inv(image) @ of_points, points) - 0.5


def _mapped(matrix: Matrix, points: Matrix) -> Matrix:
    return points @ matrix[:2, :2].T + matrix[:2, 2]
