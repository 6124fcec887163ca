"""Arrays to pixels: camera, compositing, overlays.  No widget."""

from __future__ import annotations

from celltune_nb.render.camera import Camera, Window
from celltune_nb.render.compose import Channel, compose
from celltune_nb.render.encode import jpeg
from celltune_nb.render.histogram import auto_contrast, histogram
from celltune_nb.render.overlay import color_table, overlay, overlay_mask, polygons
from celltune_nb.render.pyramid import Pyramid

__all__ = [
    "Camera",
    "Channel",
    "Pyramid",
    "Window",
    "auto_contrast",
    "color_table",
    "compose",
    "histogram",
    "jpeg",
    "overlay",
    "overlay_mask",
    "polygons",
    "warm_up",
]


def warm_up() -> None:
    """Compile, or load from the cache on disk, everything that drawing a frame needs.

    A few seconds on a machine's first use and a fraction of a second afterwards; call it from a
    worker while the person is still reading.
    """
    import numpy as np

    camera = Camera(3.5, 3.5, 0.5, 4, 4)
    mask = np.zeros((8, 8), np.int32)
    mask[2:5, 2:5] = 1
    table = color_table(np.array([0, 1]), ["#aaaaaa", "#ff0000"])
    for kind in (np.uint16, np.float32):
        image = np.zeros((1, 8, 8), kind)
        # A whole plane and a part of one have different memory layouts, hence different code.
        for view in (camera, Camera(3.5, 3.5, 2.0, 8, 8)):
            for pyramid in (None, Pyramid(image)):
                compose(image, view, [Channel(0, "#ffffff", 0, 1)], pyramid=pyramid)
            frame = compose(
                np.zeros((8, 8, 3), np.uint8), view, pyramid=Pyramid(np.zeros((8, 8, 3), np.uint8))
            )
            for labels in (mask, mask.astype(np.uint16)):
                overlay_mask(frame, labels, view, table, style="both")
    polygons(mask, (2, 2, 5, 5), 1)
    jpeg(frame)
