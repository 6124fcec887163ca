"""Which mask belongs to which image."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import naming
from .listing import printable
from .plan import FolderPlan, LeftOut, PlannedImage

__all__ = ["Mask", "match_masks"]


@dataclass(frozen=True)
class Mask:
    """A file that is a mask by its name or folder.

    Attributes
    ----------
    path : Path
    kind : {"cells", "nuclei", "other"}
    of : str
        Key of the image that its name says; empty when none.
    home : Path
        The folder it lies in.
    plane : tuple of int
        Height and width.
    dtype : dtype
    """

    path: Path
    kind: naming.Kind
    of: str
    home: Path
    plane: tuple[int, int]
    dtype: np.dtype


#: Keys of an image, its folder, whether the folder is its own, and the image.
Wanting = tuple[set[str], Path, bool, PlannedImage]


def match_masks(images: list[Wanting], masks: list[Mask], plan: FolderPlan) -> None:
    """Give images their masks; a mask that no image gets is left out, with the reason."""
    by_name, by_folder = defaultdict(list), defaultdict(list)
    reasons: dict[Path, str] = {}
    for mask in masks:
        if mask.kind == "other":
            reasons[mask.path] = "a mask of other things than cells or nuclei, by its name"
        elif mask.dtype.kind not in "bui":
            reasons[mask.path] = f"not a mask: {mask.dtype} (a mask holds whole numbers)"
        else:
            reasons[mask.path] = "a mask, but there is no image of that name"
            if mask.of:
                by_name[mask.of].append(mask)
            else:
                by_folder[mask.home].append(mask)
    unnamed = _Unnamed(by_folder)
    nearest = _nearest(images, by_name)
    for keys, home, alone, image in images:
        fitting: list[tuple[int, int, Mask]] = []
        for mask in (mask for name in sorted(keys) for mask in by_name.get(name, ())):
            if nearest[mask.path] == home:
                fitting.append((-_shared(mask.home, home), 0, mask))
            elif mask.path in reasons:
                reasons[mask.path] = "a mask of a name that several images have; choose it for one of them"
        fitting += [(-_shared(mask.home, home), 1, mask) for mask in unnamed.of(home, keys, alone)]
        fitting.sort(key=lambda found: (found[0], found[1], len(found[2].path.name), found[2].path.name))
        for mask in [mask for *_, mask in fitting if mask.plane != image.shape]:
            reasons[mask.path] = (
                f"its size is {mask.plane[0]} × {mask.plane[1]}, that of image {image.name} {image.shape[0]} × {image.shape[1]}"
            )
            text = f"The mask {mask.path.name} has another size ({mask.plane[0]} × {mask.plane[1]})."
            if text not in image.notes:
                image.notes.append(printable(text))
        fitting = [found for found in fitting if found[2].plane == image.shape]
        cells = [mask for *_, mask in fitting if mask.kind == "cells"]
        nuclei = [mask for *_, mask in fitting if mask.kind == "nuclei"]
        image.mask = cells[0].path if cells else nuclei[0].path if nuclei else None
        image.nucleus = nuclei[0].path if cells and nuclei else None
        for mask in (*cells, *nuclei):
            if mask.path in (image.mask, image.nucleus):
                reasons.pop(mask.path, None)
            elif mask.path in reasons:
                reasons[mask.path] = (
                    f"a second mask of image {image.name}; choose it instead if it is the better one"
                )
    plan.left_out += [LeftOut(path, why) for path, why in reasons.items()]


def _nearest(images: list[Wanting], by_name: Mapping[str, list[Mask]]) -> dict[Path, Path | None]:
    """The folder of the image that each mask is for: a name may stand in several; None where two are as near."""
    found: dict[Path, list[tuple[int, Path]]] = defaultdict(list)
    for keys, home, _, _ in images:
        for mask in (mask for name in keys for mask in by_name.get(name, ())):
            found[mask.path].append((_shared(mask.home, home), home))
    best = {path: max(shared for shared, _ in near) for path, near in found.items()}
    homes = {path: [home for shared, home in near if shared == best[path]] for path, near in found.items()}
    return {path: near[0] if len(near) == 1 else None for path, near in homes.items()}


def _shared(a: Path, b: Path) -> int:
    """How many folders two paths share."""
    return len(Path(os.path.commonpath([a, b])).parts)


class _Unnamed:
    """Masks whose name says no image: in a folder of the image's name, in its own folder, or in one for masks in it."""

    def __init__(self, by_folder: dict[Path, list[Mask]]) -> None:
        self._by_folder = by_folder
        self._in: dict[Path, list[Path]] = defaultdict(list)
        self._called: dict[str, list[Path]] = defaultdict(list)
        for folder in by_folder:
            if naming.holds_masks(folder) is not None:
                self._in[folder.parent].append(folder)
            if naming.holds_masks(folder.parent) is not None:
                self._called[naming.key(folder.name)].append(folder)

    def of(self, home: Path, keys: set[str], alone: bool) -> list[Mask]:
        """Those that an image may have."""
        folders = [folder for name in keys for folder in self._called.get(name, ())]
        if alone:
            folders += [home, *self._in.get(home, ())]
        return [mask for folder in dict.fromkeys(folders) for mask in self._by_folder.get(folder, ())]
