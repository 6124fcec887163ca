"""What the name of a file says: the image it belongs to, and whether it is a mask.

The rules are those of CellTune (``{image}_segmentation_labels.tif``), ark and DeepCell (``fov_whole_cell.tiff``,
``fov_nuclear.tiff``), Cellpose (``image_cp_masks.tif``), MCMICRO (``cell.ome.tif`` in ``segmentation/``), steinbock (the name of the image,
in ``masks/``) and of people.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Literal

__all__ = [
    "MaskName",
    "holds_channels",
    "holds_masks",
    "image_stem",
    "key",
    "mask_name",
    "split_fields",
    "stem",
]

Kind = Literal["cells", "nuclei", "other"]

_MASK = {
    "mask",
    "masks",
    "label",
    "labels",
    "segmentation",
    "segmentations",
    "seg",
    "segmented",
    "mask2d",
    "instances",
}
_CELL = {"cell", "cells", "whole", "wholecell", "expanded", "cp", "celllabels"}
_NUCLEI = {"nucleus", "nuclei", "nuclear", "nuc", "nucleilabels"}
_OTHER = {
    "tissue", "region", "regions", "cytoplasm", "cyto", "membrane", "membranes", "border", "borders", "boundary", "boundaries",
    "outline", "outlines", "probability", "probabilities", "compartment", "compartments", "rings",
}  # fmt: skip
_WORDS = {"cellmask": ("cell", "mask"), "cellmasks": ("cell", "mask"), "nucleimask": ("nuclei", "mask"),
          "nucleusmask": ("nuclei", "mask"), "nuclearmask": ("nuclei", "mask")}  # fmt: skip
_IMAGE = {"image", "img", "img2d", "ome", "stack", "multichannel", "fused", "registered", "full"}
_MASK_FOLDERS = {*_MASK, "deepcell"}
#: What stands before the number of a channel, and before that of a field.
_NUMBERED_CHANNELS = {"c", "ch", "chan", "channel", "marker"}
_NUMBERED_FIELDS = {
    "",
    "img",
    "image",
    "field",
    "fov",
    "roi",
    "f",
    "p",
    "pos",
    "position",
    "tile",
    "scan",
    "region",
    "core",
    "slide",
    "well",
    "s",
}
_CHANNEL_FOLDERS = {"tif", "tifs", "tiff", "tiffs", "channels", "channel", "images", "image", "raw", "img"}


@dataclass(frozen=True)
class MaskName:
    """What a mask's name says.

    Attributes
    ----------
    kind : {"cells", "nuclei", "other"}
    of : str
        :func:`key` of the image it belongs to; empty where the name does not say.
    sure : bool
        Whether a word in it says that it is a mask; *nuclear* alone may also be a marker.
    """

    kind: Kind
    of: str
    sure: bool


def stem(path: Path) -> str:
    """The name without its ending, of which ``.ome.tif`` is one."""
    return re.sub(r"\.ome$", "", path.stem, flags=re.IGNORECASE)


def key(text: str) -> str:
    """A name as names are compared: without regard to case and to what stands between its parts."""
    return " ".join(_tokens(text))


def _tokens(text: str) -> list[str]:
    return [t for t in re.split(r"[\s_\-.]+", text.lower()) if t]


def image_stem(text: str) -> str:
    """The name of an image without words that only say that it is one; may be empty."""
    parts = re.split(r"([\s_\-.]+)", text)
    while parts and (parts[-1].lower() in _IMAGE or not re.sub(r"[\s_\-.]+", "", parts[-1])):
        parts.pop()
    return "".join(parts)


def mask_name(text: str) -> MaskName | None:
    """What a name says when it is that of a mask, None when it is not."""
    tokens = [word for t in _tokens(text) for word in _WORDS.get(t, (t,))]
    known = _MASK | _CELL | _NUCLEI | _OTHER
    for reverse in (True, False):  # most programs put it last, some first
        rest = tokens[::-1] if reverse else list(tokens)
        said = []
        while rest and rest[0] in known:
            said.append(rest.pop(0))
        if said and (reverse or set(said) & _MASK):
            break
    else:
        return None
    words = set(said)
    kind: Kind = "other" if words & _OTHER else "nuclei" if words & _NUCLEI else "cells"
    rest = rest[::-1] if reverse else rest
    while rest and rest[-1] in _IMAGE:
        rest.pop()
    return MaskName(kind, " ".join(rest), bool(words & _MASK))


def holds_masks(folder: Path) -> Kind | None:
    """Which masks a folder of that name holds, None for another one."""
    tokens = {word for t in _tokens(folder.name) for word in _WORDS.get(t, (t,))}
    if not tokens & _MASK_FOLDERS or tokens - (_MASK | _CELL | _NUCLEI | _OTHER | {"deepcell", "output"}):
        return None
    return "other" if tokens & _OTHER else "nuclei" if tokens & _NUCLEI else "cells"


def holds_channels(folder: Path) -> bool:
    """Whether a folder's name says no more than that images lie in it."""
    return folder.name.lower() in _CHANNEL_FOLDERS


def split_fields(names: Sequence[str]) -> dict[str, list[tuple[int, str]]] | None:
    """Fields whose channels lie in one folder: ``FOV1_DAPI``, ``FOV1_CD3``, ``FOV2_DAPI`` …

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    dict of str to list of (int, str), or None
        For each field the places of its names, and the channel each of them says; None where the names are not made so.
    """
    parts = [re.split(r"([\s_\-.]+)", name) for name in names]
    deepest = min(len(p) // 2 for p in parts)
    best = None
    for depth in range(1, deepest + 1):
        fields: dict[str, list[tuple[int, str]]] = {}
        for i, p in enumerate(parts):
            fields.setdefault("".join(p[: 2 * depth - 1]), []).append((i, "".join(p[2 * depth :])))
        sets = [frozenset(channel for _, channel in found) for found in fields.values()]
        usual = max(Counter(sets).items(), key=lambda item: (item[1], len(item[0])))[0]
        if (
            len(fields) > 1
            and len(usual) > 1
            and all(2 * len(one & usual) >= len(one | usual) for one in sets)
        ):
            best = fields
    return best


def numbers_fields(names: Sequence[str], beside: bool) -> bool:
    """Whether names differ in a number only, as those of fields do and those of markers do not.

    Parameters
    ----------
    beside : bool
        Whether other folders hold files of the same names, as those of channels do.
    """
    same = "".join(start([list(name) for name in names])).rstrip("0123456789")
    if not all(name[len(same) :].isdecimal() for name in names):
        return False
    words = _tokens(same)[-1:] or [""]
    return words[0] not in _NUMBERED_CHANNELS and (not beside or words[0] in _NUMBERED_FIELDS)


def start(lists: Sequence[Sequence[str]]) -> list[str]:
    """What all lists begin with."""
    shared = takewhile(lambda parts: len(set(parts)) == 1, zip(*lists, strict=False))
    return [parts[0] for parts in shared]
