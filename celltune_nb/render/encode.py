"""Frames to bytes for the browser."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

__all__ = ["jpeg"]


def jpeg(rgb: npt.NDArray[np.uint8], quality: int = 85, *, halved_color: bool = False) -> bytes:
    """A frame (H, W, 3) uint8 as JPEG.

    Parameters
    ----------
    quality : int
        0 to 95.
    halved_color : bool
        Keep colour at half the resolution (4:2:0): two thirds of the bytes, but outlines of one pixel lose their
        colour, so only for pictures that are looked at in motion.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality, subsampling=2 if halved_color else 0)
    return buffer.getvalue()
