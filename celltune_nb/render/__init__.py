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

    # glibc gives a large block back to the system as soon as it is free, and brings it in page by page for the next
    # frame, until it has seen a larger one freed; that costs several times as much as the frame itself.
    np.empty(31 << 20, np.uint8)
    mask = np.zeros((256, 256), np.int32)
    mask[2:5, 2:5] = 1
    table = color_table(np.array([0, 1]), ["#aaaaaa", "#ff0000"])
    # A whole plane and a part of one have different memory layouts, hence different code.
    for view in (Camera(127.5, 127.5, 0.4, 102, 102), Camera(60.5, 60.5, 2.0, 8, 8)):
        for kind in (np.uint16, np.float32):
            image = np.zeros((1, 256, 256), kind)
            for pyramid in (None, Pyramid(image)):
                compose(image, view, [Channel(0, "#ffffff", 0, 1)], pyramid=pyramid)
        rgb = np.zeros((256, 256, 3), np.uint8)
        frame = compose(rgb, view, pyramid=Pyramid(rgb))
        for labels in (mask, mask.astype(np.uint16)):
            overlay_mask(frame, labels, view, table, style="both")
    polygons(mask, (2, 2, 5, 5), 1)
    jpeg(frame)
