"""The project's copies of label images of regions: compressed, written at once or not at all, never written again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, ProjectError
from .files import placing

if TYPE_CHECKING:
    from .session import Session

__all__ = ["FOLDER", "keep_labels"]

FOLDER = "regions"
TILE = 512


def keep_labels(session: Session, image: str, labels: Any, largest: int) -> str:
    """Write a label image as a TIFF in tiles, packed; where it lies, from the project's folder on.

    Parameters
    ----------
    labels : array (Y, X) of whole numbers
        Read in strips.
    largest : int
        The largest label.

    Raises
    ------
    InputError
        A label is larger than 32 bits hold.
    ProjectError
        The disk has no room.
    """
    import tifffile

    if largest >= 1 << 32:
        raise InputError(f"The label image has the label {largest}. Give numbers below {1 << 32:,}.")
    dtype = np.min_scalar_type(largest)
    height, width = (int(n) for n in labels.shape)
    across = math.ceil(width / TILE)

    def tiles() -> Iterator[NDArray[Any]]:
        for top in range(0, height, TILE):
            strip = np.zeros((TILE, across * TILE), dtype)
            part = np.asarray(labels[top : min(top + TILE, height)])
            strip[: part.shape[0], :width] = part
            for k in range(across):
                yield np.ascontiguousarray(strip[:, k * TILE : (k + 1) * TILE])

    key = session.images[image].key.split("-", maxsplit=1)[0]
    name = f"{FOLDER}/{key}-{uuid4().hex[:8]}.tif"
    try:
        with placing(session.project.path(name)) as path, tifffile.TiffWriter(path, bigtiff=True) as file:
            file.write(
                tiles(), shape=(height, width), dtype=dtype, tile=(TILE, TILE), compression="zlib", photometric="minisblack",
                metadata=None, software="celltune_nb", maxworkers=1,
            )  # fmt: skip
    except OSError as error:
        raise ProjectError(
            f"The label image of {image!r} could not be written ({error.strerror}). Make room on the disk, then repeat."
        ) from error
    return name
