"""What a folder holds and what shall become of it: looked through, changed, then imported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import CellTuneError, InputError
from ..images import open_image
from .listing import printable
from .tables import TableHead

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FolderPlan", "LeftOut", "PlannedImage", "PlannedTable", "difference"]

#: Images and files that a printed plan lists.
SHOWN = 20
#: Rows of a mask that are counted together, pixels.
PART = 1 << 24


@dataclass
class PlannedImage:
    """An image as it would be imported; every attribute may be set.

    Attributes
    ----------
    name : str
    files : tuple of Path
        One, or one a channel.
    shape : tuple of int
        Height and width, pixels.
    dtype : str
    channels : list of str
        In the order of the file.
    pixel_size : float or None
        µm a pixel.
    mask, nucleus : Path or None
        Masks of the cells and of their nuclei.
    group : str or None
    use : bool
        Whether it is imported.
    cells : int or None
        None until they are counted.
    notes : list of str
        What was found wrong with its files.
    """

    name: str
    files: tuple[Path, ...]
    shape: tuple[int, int]
    dtype: str
    channels: list[str]
    pixel_size: float | None = None
    mask: Path | None = None
    nucleus: Path | None = None
    group: str | None = None
    use: bool = True
    cells: int | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels once decoded."""
        return len(self.channels) * self.shape[0] * self.shape[1] * np.dtype(self.dtype).itemsize


@dataclass
class PlannedTable:
    """A table of cells, of labels or of cell types; imported when :attr:`use` is set.

    Attributes
    ----------
    head : TableHead
        Its columns and what they say.
    image : str or None
        The image its rows belong to, where no column says so.
    use : bool
    features : list of str
        Of a table of cells: the columns that become features; the others become columns of the items.
    """

    head: TableHead
    image: str | None = None
    use: bool = False
    features: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The file."""
        return self.head.path

    @property
    def kind(self) -> str:
        """``"cells"``, ``"labels"`` or ``"celltypes"``."""
        return self.head.kind


@dataclass(frozen=True)
class LeftOut:
    """A file that was found and is not used."""

    path: Path
    why: str


@dataclass
class FolderPlan:
    """What a folder holds, and what of it is to be imported.

    Change it before it is imported: ``plan["FOV1"].use = False``, ``plan["FOV1"].mask = path``,
    ``plan.rename_channel("d0_DNA", "DNA")``.

    Attributes
    ----------
    folder : Path
    images : list of PlannedImage
    tables : list of PlannedTable
    left_out : list of LeftOut
        What was found and is not used, and why.
    channels : list of str
        The channels that the project has already; empty when it has none.
    present : frozenset of str
        The names of the images that the project has already.
    """

    folder: Path
    images: list[PlannedImage] = field(default_factory=list)
    tables: list[PlannedTable] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    present: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> PlannedImage:
        for image in self.images:
            if image.name == name:
                return image
        known = ", ".join(image.name for image in self.images[:10]) or "none"
        raise InputError(f"There is no image {name!r} in {printable(self.folder.name)}. Images: {known}.")

    def __iter__(self) -> Iterator[PlannedImage]:
        return iter(self.images)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def chosen(self) -> list[PlannedImage]:
        """The images that are to be imported."""
        return [image for image in self.images if image.use]

    @property
    def expected(self) -> list[str]:
        """The channels that every image has to have: those of the project, else those of most images."""
        if self.channels:
            return self.channels
        images = self.chosen or self.images
        sets = Counter(frozenset(image.channels) for image in images)
        if not sets:
            return []
        usual = sets.most_common(1)[0][0]
        return next(image.channels for image in images if frozenset(image.channels) == usual)

    def rename_channel(self, old: str, new: str) -> int:
        """Call a channel differently in all images that have it; how many these are.

        Raises
        ------
        InputError
            When no image has it, or one of them has the new name already.
        """
        new = str(new).strip()
        having = [image for image in self.images if old in image.channels]
        if not having:
            raise InputError(f"No image has a channel {old!r}. Channels: {', '.join(self.expected[:20])}.")
        if not new or not new.isprintable():
            raise InputError(f"{new!r} is no name for a channel. Give one of printable characters.")
        taken = next((image for image in having if new != old and new in image.channels), None)
        if taken is not None:
            raise InputError(f"Image {taken.name!r} has a channel {new!r} already. Choose another name.")
        for image in having:
            image.channels = [new if name == old else name for name in image.channels]
        return len(having)

    def problems(self, image: PlannedImage) -> list[str]:
        """What stands in the way of an image, or is worth knowing, in sentences."""
        found = list(image.notes)
        if image.name in self.present:
            found.insert(0, "It is in the project already.")
        elif words := difference(self.expected, image.channels):
            found.insert(0, f"Another channel set: it {words}.")
        if len(set(image.channels)) < len(image.channels) or not all(image.channels):
            found.append("Its channel names are not distinct.")
        if sum(other.name == image.name for other in self.chosen) > 1:
            found.append("Another image has the same name.")
        return found

    def count_cells(self, told: Callable[[float], object] = lambda fraction: None) -> int:
        """Count the cells of every chosen image that has a mask; reads the masks.

        Parameters
        ----------
        told : callable
            Is told how much is done (0 to 1); what it raises ends the counting.

        Returns
        -------
        int
            How many there are in all.
        """
        waiting = [image for image in self.chosen if image.mask is not None and image.cells is None]
        total = sum(image.shape[0] * image.shape[1] for image in waiting)
        done = 0
        for image in waiting:
            assert image.mask is not None
            try:
                mask, found = open_image(image.mask).array, np.empty(0, np.uint64)
                step = max(1, PART // max(1, image.shape[1]))
                for start in range(0, mask.shape[0], step):
                    part = np.unique(np.asarray(mask[start : start + step])).astype(np.uint64)
                    found = np.union1d(found, part)
                    told((done + min(start + step, image.shape[0]) * image.shape[1]) / max(1, total))
            except CellTuneError as error:
                if str(error) not in image.notes:  # counted before
                    image.notes.append(str(error))
            else:
                image.cells = int(np.count_nonzero(found))
            done += image.shape[0] * image.shape[1]
        return sum(image.cells or 0 for image in self.chosen)

    # ------------------------------------------------------------------ in words

    def shown(self, path: Path) -> str:
        """A path from the folder on, as it can be printed."""
        return printable(str(path.relative_to(self.folder) if path.is_relative_to(self.folder) else path))

    def to_pandas(self) -> pd.DataFrame:
        """One row an image: use, files, height, width, dtype, channels, pixel_size, mask, nucleus, group, cells, problems."""
        import pandas as pd

        rows = [
            {
                "image": i.name, "use": i.use, "files": len(i.files), "height": i.shape[0], "width": i.shape[1], "dtype": i.dtype,
                "channels": ", ".join(i.channels), "pixel_size": i.pixel_size, "mask": self.shown(i.mask) if i.mask else None,
                "nucleus": self.shown(i.nucleus) if i.nucleus else None, "group": i.group, "cells": i.cells,
                "problems": " ".join(self.problems(i)),
            }
            for i in self.images
        ]  # fmt: skip
        columns = (
            "image", "use", "files", "height", "width", "dtype", "channels", "pixel_size", "mask", "nucleus", "group", "cells",
            "problems",
        )  # fmt: skip
        return pd.DataFrame(rows, columns=list(columns)).astype({"cells": "Int64", "pixel_size": "float64"})

    def summary(self) -> str:
        """What the folder holds, in a sentence."""
        if not self.images:
            return f"No image was found in {printable(str(self.folder))}."
        chosen = self.chosen
        present = sum(image.name in self.present for image in self.images)
        counted = chosen or self.images
        masks = sum(image.mask is not None for image in counted)
        nuclei = sum(image.nucleus is not None for image in counted)
        groups = {image.group for image in counted} - {None}
        here = f", {present:,} in the project already" if present else ""
        parts = [
            f"{_many(len(self.images), 'image')}{here}{'' if len(chosen) == len(self.images) else f', {len(chosen):,} chosen'}",
            _many(len(self.expected), "channel"),
            f"{masks:,} with a mask of cells" + (f", {nuclei:,} of nuclei" if nuclei else ""),
        ]
        if groups:
            parts.append(_many(len(groups), "group"))
        return f"{'; '.join(parts)}."

    def __str__(self) -> str:
        lines = [f"{printable(str(self.folder))}: {self.summary()}"]
        if self.images:
            names = self.expected
            lines.append(f"Channels: {', '.join(names[:40])}{' …' if len(names) > 40 else ''}")
        for image in self.images[:SHOWN]:
            size = "" if image.pixel_size is None else f", {image.pixel_size:g} µm a pixel"
            mask = "no mask" if image.mask is None else f"mask {self.shown(image.mask)}"
            group = "" if image.group is None else f", group {image.group}"
            files = "" if len(image.files) == 1 else f" in {len(image.files)} files"
            lines.append(
                f"{'+' if image.use else '-'} {image.name}: {image.shape[0]} × {image.shape[1]} {image.dtype}{files}{size}, "
                f"{mask}{group}"
            )
            lines += [f"    {text}" for text in self.problems(image)]
        if len(self.images) > SHOWN:
            lines.append(f"… and {len(self.images) - SHOWN:,} more: plan.to_pandas()")
        lines += [
            f"Table of {'cell types' if t.kind == 'celltypes' else t.kind}: {self.shown(t.path)}{'' if t.use else ' (not chosen)'}"
            for t in self.tables[:SHOWN]
        ]
        lines += [f"Not used: {self.shown(one.path)}: {one.why}" for one in self.left_out[:SHOWN]]
        if len(self.left_out) > SHOWN:
            lines.append(f"… and {len(self.left_out) - SHOWN:,} more: plan.left_out")
        return "\n".join(lines)


def difference(expected: list[str], channels: list[str]) -> str:
    """How a set of channels differs from another, in words; empty when it does not."""
    missing = [name for name in expected if name not in channels]
    extra = [name for name in channels if name not in expected]
    parts = [("lacks", missing), ("also has", extra)]
    return "; ".join(
        f"{verb} {', '.join(names[:8])}{f' and {len(names) - 8} more' if len(names) > 8 else ''}"
        for verb, names in parts
        if names
    )


def _many(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
