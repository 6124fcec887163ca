"""Regions as a person gives them: a label image or its path, rectangles, polygons; every one checked, nothing kept yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.gates import CORNERS
from ..data.images import check_mask
from ..data.shapes import Shape, reduced_by
from ..errors import InputError
from ..formats.images import is_image_path, open_image
from .checks import texts

if TYPE_CHECKING:
    from .session import Session

__all__ = ["label_image", "label_names", "shapes"]


def label_image(session: Session, image: str, regions: Any, shape: tuple[int, int] | None) -> Any:
    """The label image that was given, None where shapes were."""
    if isinstance(regions, str) or is_image_path(regions):
        labels = open_image(regions, session.chunks).array
    elif (
        hasattr(regions, "shape")
        and hasattr(regions, "dtype")
        and len(regions.shape) == 2
        and regions.shape[1] > 4
    ):
        labels = regions
    else:
        return None
    if shape is None:
        raise InputError(
            f"Image {image!r} has no pixels, so that a label image cannot lie on it. Draw its regions as polygons."
        )
    while len(labels.shape) > 2 and labels.shape[0] == 1:
        labels = labels[0]
    if len(labels.shape) != 2 or reduced_by(labels.shape, shape) is None:
        raise InputError(
            f"The label image has shape {tuple(labels.shape)}, image {image!r} {shape}. Give one as large, or reduced by a "
            "whole number."
        )
    return check_mask(image, labels, tuple(labels.shape))


def label_names(names: Any, labels: list[int]) -> dict[int, str]:
    """The name of each label of a label image."""
    if names is None:
        return {value: str(value) for value in labels}
    if isinstance(names, Mapping):
        given = {int(k): v for k, v in names.items() if isinstance(k, int | np.integer)}
    else:
        listed = texts(names, "The names")
        # One for each label, or with one for the background at 0 in front.
        given = (
            dict(enumerate(listed)) if len(listed) > max(labels) else dict(zip(labels, listed, strict=False))
        )
        if len(listed) < len(labels):
            raise InputError(
                f"{len(listed)} names were given for {len(labels)} labels. Give {{label: name}}."
            )
    found = {value: str(given.get(value, value)).strip() for value in labels}
    if not all(found.values()):
        raise InputError("A region has no name. Give each a short one.")
    return found


def shapes(regions: Any, names: Any) -> list[Shape]:
    """The rectangles and polygons that were given."""
    if isinstance(regions, Mapping):
        if names is not None:
            raise InputError("The regions have names already. Leave names= out, or give a list of shapes.")
        if not regions:
            raise InputError(f"No region was given. {_HOW}")
        return [_shape(one, name) for name, one in regions.items()]
    try:
        listed = list(regions)
        one = bool(listed) and not _several(listed)
    except TypeError as error:
        raise InputError(f"{regions!r} is no region. {_HOW}") from error
    every = [regions] if one else listed
    called = (
        [f"region {i + 1}" for i in range(len(every))] if names is None else list(texts(names, "The names"))
    )
    if not every or len(called) != len(every):
        raise InputError(f"{len(every)} regions were given with {len(called)} names. Give one name each.")
    return [_shape(shape, name) for shape, name in zip(every, called, strict=True)]


_HOW = "Give a label image or its path, a rectangle (y0, x0, y1, x1), a polygon [(y, x), (y, x), (y, x)], or {name: shape}."


def _several(listed: Sequence[Any]) -> bool:
    """Whether these are shapes and not the numbers or corners of one."""
    if any(np.ndim(part) == 0 for part in listed):
        return False
    return not all(np.ndim(part) == 1 and len(part) == 2 for part in listed)


def _shape(given: Any, name: Any) -> Shape:
    if not isinstance(name, str) or not 0 < len(name.strip()) <= 80 or not name.isprintable():
        raise InputError(f"A region cannot be called {name!r}. Give it a short name.")
    try:
        points = np.asarray(given, np.float64)
        if not np.isfinite(points).all():
            raise ValueError("not finite")
    except (TypeError, ValueError) as error:
        raise InputError(f"Region {name!r} is no shape. {_HOW}") from error
    if points.shape == (4,):
        corners, kind = points.reshape(2, 2), "rectangle"
    elif points.ndim == 2 and points.shape[1] == 2 and 3 <= len(points) <= CORNERS:
        corners, kind = points, "polygon"
    else:
        raise InputError(f"Region {name!r} has shape {points.shape}. {_HOW}")
    return Shape(name.strip(), kind, tuple((float(y), float(x)) for y, x in corners))
