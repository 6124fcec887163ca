"""Frames to bytes for the browser."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

__all__ = ["jpeg"]


def jpeg(rgb: npt.NDArray[np.uint8], quality: int = 85) -> bytes:
    """A frame (H, W, 3) uint8 as JPEG.

    Colour is kept at full resolution (4:4:4): halved, outlines of one pixel lose their colour.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()
