"""Images of a project: arrays in files, with their mask, channels and group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from .chunks import Chunked

__all__ = ["Image", "Images", "check_image", "check_mask"]


@dataclass(frozen=True, eq=False)
class Image:
    """One field of view.

    Attributes
    ----------
    name : str
    array : array
        (C, Y, X) of any number type, or (Y, X, 3) uint8 when :attr:`is_rgb`; memory-mapped, or read from its
        file when it is sliced (:mod:`celltune_nb.data.chunks`).
    mask : array of uint32, shape (Y, X), or None
        0 is background; value k is the image's k-th cell, that is ``cells[k - 1]`` in the user's own numbering.
    channels : list of str
    pixel_size : float or None
        µm a pixel.
    group : str or None
        The independent unit it belongs to: donor, animal, well.
    """

    name: str
    array: Any
    mask: Any
    channels: list[str]
    pixel_size: float | None = None
    group: str | None = None
    #: Measured display limits by channel: (low, high) of auto-contrast.
    contrast: dict[str, tuple[float, float]] = field(default_factory=dict)
    #: What its files are called in the project; no two images ever have the same.
    key: str = ""
    #: As :attr:`key`, of the mask; another one after the mask was replaced.
    mask_key: str = ""
    #: As :attr:`key`, of nuclei that were given later; empty for those that came with the image.
    nucleus_key: str = ""
    #: Files outside the project that pixels (several for a stack) and mask are read from; None for a copy in the project.
    source: Path | tuple[Path, ...] | None = None
    mask_source: Path | None = None
    #: Gives the reduced copies that the file of the image brings itself.
    levels: Callable[[], Sequence[Any]] = tuple
    #: Mask of the nuclei, (Y, X) integers of any numbering: the nucleus of a cell is where it is not 0 within the cell.
    nucleus: Any = None

    @property
    def is_rgb(self) -> bool:
        """Whether the array is (Y, X, 3), shown as it is."""
        return self.array.ndim == 3 and self.array.shape[2] == 3 and self.channels == ["Red", "Green", "Blue"]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        shape = self.array.shape
        return (int(shape[0]), int(shape[1])) if self.is_rgb else (int(shape[1]), int(shape[2]))

    def __repr__(self) -> str:
        height, width = self.shape
        parts = [
            f"{height} × {width} pixels",
            f"{len(self.channels)} channel{'s' if len(self.channels) != 1 else ''}",
        ]
        parts += [] if self.mask is not None else ["no mask"]
        parts += [] if self.group is None else [self.group]
        return f"Image({self.name!r}: {', '.join(parts)})"

    def plane(self, channel: str) -> Any:
        """One channel as an array (Y, X); of a file that is read chunk by chunk, nothing is read yet."""
        number = self.channels.index(channel)
        array = getattr(self.array, "opened", self.array)
        if isinstance(array, Chunked):
            return array.plane(number, 2 if self.is_rgb else 0)
        return array[..., number] if self.is_rgb else array[number]


class Images(dict[str, Image]):
    """The images of a project by name, in their order."""

    def __repr__(self) -> str:
        if not self:
            return "Images(none yet)"
        names = list(self)
        shown = ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:4])}, … {names[-1]}"
        return f"Images({len(names):,}: {shown})"


def check_image(name: str, image: Any, channels: Sequence[str] | None) -> tuple[Any, list[str]]:
    """The image as (C, Y, X) or RGB (Y, X, 3), and its channel names.

    Raises
    ------
    InputError
        When the array is not an image, or the names do not fit it.
    """
    if not hasattr(image, "shape") or not hasattr(image, "dtype"):
        image = np.asarray(image)
    kind = np.dtype(image.dtype).kind
    if kind not in "buif":
        raise InputError(
            f"Image {name!r} holds {image.dtype}, not numbers. Give an array of integers or floats."
        )
    shape = tuple(int(n) for n in image.shape)
    if any(n == 0 for n in shape):
        raise InputError(f"Image {name!r} is empty (shape {shape}). Check the file it came from.")
    is_rgb = (
        len(shape) == 3 and shape[2] == 3 and shape[0] > 3 and (channels is None or len(channels) != shape[0])
    )
    if is_rgb and (channels is None or list(channels) == ["Red", "Green", "Blue"]):
        if np.dtype(image.dtype) != np.uint8:
            raise InputError(
                f"Image {name!r} looks like RGB (shape {shape}) but holds {image.dtype}. Convert it to uint8, or "
                "give it as (C, Y, X) with channel names."
            )
        return image, ["Red", "Green", "Blue"]
    if len(shape) == 2:
        image = image.stacked() if isinstance(image, Chunked) else image[np.newaxis]
    elif len(shape) != 3:
        raise InputError(f"Image {name!r} has shape {shape}. Give (Y, X), (C, Y, X), or RGB as (Y, X, 3).")
    count = int(image.shape[0])
    if channels is None and count > 200:
        raise InputError(
            f"Image {name!r} with shape {shape} would have {count} channels. Give (C, Y, X) with the channels first; "
            "if it really has that many, name them with channels=."
        )
    names = (
        [f"Channel {i + 1}" for i in range(count)] if channels is None else [str(c).strip() for c in channels]
    )
    if len(names) != count:
        raise InputError(
            f"Image {name!r} has {count} channels but {len(names)} channel names. Name each channel."
        )
    if len(set(names)) != count or not all(names):
        twice = next((n for n in names if names.count(n) > 1), "")
        raise InputError(f"The channel names of image {name!r} are not distinct ({twice!r}). Rename one.")
    return image, names


def check_mask(name: str, mask: Any, shape: tuple[int, int]) -> Any:
    """The mask as a two-dimensional array of non-negative integers.

    Raises
    ------
    InputError
        When it is something else or does not lie on the image.
    """
    mask = mask if hasattr(mask, "shape") and hasattr(mask, "dtype") else np.asarray(mask)
    if tuple(mask.shape) != shape:
        raise InputError(
            f"The mask of image {name!r} has shape {tuple(mask.shape)}, the image {shape}. Give the mask of this "
            "image at full size."
        )
    if np.dtype(mask.dtype).kind not in "bui":
        raise InputError(
            f"The mask of image {name!r} holds {mask.dtype}. A mask holds whole numbers: 0 for background, one number "
            "a cell. Convert it with mask.astype('uint32')."
        )
    return mask
