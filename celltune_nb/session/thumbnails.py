"""A small picture of a whole image, in the channels and contrast that are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .checks import whole_number
from .pyramids import SIDE

if TYPE_CHECKING:
    from ..data.images import Image
    from .session import Session
    from .view import ChannelView

__all__ = ["look", "ready", "thumbnail"]

#: Pixels that are averaged into one of the picture, each way: skipping pixels would show noise.
FINER = 4
LARGEST = 1024
#: Lightens fluorescence.
GAMMA = 0.6


def thumbnail(session: Session, name: str, size: Any = 96) -> NDArray[np.uint8]:
    """See :meth:`celltune_nb.Session.thumbnail`."""
    from ..render.camera import Camera
    from ..render.compose import Channel, compose
    from ..render.sample import image_shape

    size = whole_number(size, "The size of a thumbnail", 8)
    if size > LARGEST:
        raise InputError(f"A picture of {size:,} pixels is no thumbnail. Give at most {LARGEST:,}.")
    session.image_number(name)
    image = session.images.get(name)
    if image is None:
        raise InputError(f"The cells of image {name!r} came with a table; there are no pixels to show.")
    rows, columns = image_shape(image.array)
    scale = size / max(rows, columns)
    height, width = max(1, round(rows * scale)), max(1, round(columns * scale))
    finer = max(1, min(FINER, max(rows, columns) // size))
    shown = [] if image.is_rgb else _shown(session, image)
    numbers = _numbers(session, image)
    session.pyramids.finish(image, numbers)
    array, pyramid = session.pyramids.small(image, numbers) if size * finer <= SIDE else None, None
    if array is None:
        array, pyramid = image.array, session.pyramids.of(image)
    else:
        numbers = list(range(len(numbers)))
    channels = [Channel(n, c.color, c.low, c.high) for n, c in zip(numbers, shown, strict=False)]
    camera = Camera.fit(image_shape(array), height * finer, width * finer)
    seen = compose(array, camera, channels, pyramid=pyramid)
    blocks = seen.reshape(height, finer, width, finer, 3).mean(axis=(1, 3), dtype=np.float32)
    if not image.is_rgb:
        # Cells that are smaller than a pixel of the picture fade into the dark around them.
        blocks = 255 * (blocks / 255) ** GAMMA
    return blocks.round().astype(np.uint8)


def ready(session: Session, name: str) -> bool:
    """Whether the picture of an image takes milliseconds.

    For an image that has to be decoded whole for it, that is asked for: ``session.pyramids.arrived`` tells when a channel
    is there.

    Raises
    ------
    CellTuneError
        When its file is gone.
    """
    image = session.images[name]
    numbers = _numbers(session, image)
    if not session.pyramids.ready(image, numbers):
        session.pyramids.want(image, numbers)
    return session.pyramids.ready(image, numbers)


def _shown(session: Session, image: Image) -> list[ChannelView]:
    return [c for c in session.view.channels if c.visible and c.name in image.channels]


def _numbers(session: Session, image: Image) -> list[int]:
    """The channels that the picture of an image is made from."""
    return [0] if image.is_rgb else [image.channels.index(c.name) for c in _shown(session, image)]


def look(session: Session) -> tuple[Any, ...]:
    """What thumbnails depend on besides the pixels: they are made again when it differs."""
    return tuple((c.name, c.color, c.low, c.high) for c in session.view.channels if c.visible)
