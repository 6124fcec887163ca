"""The files below a folder: found without opening them, whatever links and names there are."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import FormatError, InputError
from ..delimited import ending
from ..images import TIFF_ENDINGS
from ..zarrs import is_zarr

__all__ = ["IMAGES", "TABLES", "Listing", "list_folder", "printable"]

#: Endings of files that may hold an image or a mask, and of those that may hold a table (:func:`~..delimited.ending`).
IMAGES = (*TIFF_ENDINGS, ".npy")
TABLES = (".csv", ".parquet", ".pq", ".h5ad", ".txt")
#: Images of other kinds: worth a sentence each.
OTHER_IMAGES = {
    ".png", ".jpg", ".jpeg", ".czi", ".nd2", ".lif", ".svs", ".mcd", ".ims", ".oir", ".vsi", ".scn", ".ndpi", ".h5",
    ".hdf5", ".mrxs", ".lsm", ".zip", ".dcm",
}  # fmt: skip
#: Beyond these a folder is taken for something else than a set of images.
MOST_FILES, MOST_DEPTH = 200_000, 10


@dataclass
class Listing:
    """What lies below a folder.

    Attributes
    ----------
    folder : Path
    images, tables : dict of Path to list of Path
        By the folder that holds them, in natural order ("2" before "10").
    left_out : list of (Path, str)
        What is not looked at, and why.
    other : dict of str to int
        How many files of other endings there are.
    """

    folder: Path
    images: dict[Path, list[Path]] = field(default_factory=dict)
    tables: dict[Path, list[Path]] = field(default_factory=dict)
    left_out: list[tuple[Path, str]] = field(default_factory=list)
    other: dict[str, int] = field(default_factory=dict)
    #: Images of kinds that are not read, by folder and ending.
    strange: dict[tuple[Path, str], list[Path]] = field(default_factory=dict)


def printable(text: str) -> str:
    """A name as it can be shown: line breaks and bytes that are no text become ``_``."""
    return "".join(c if c.isprintable() else "_" for c in text)


def natural(path: Path) -> list[tuple[int, int, str]]:
    """What orders names with numbers in them as people do."""
    parts = re.split(r"(\d{1,18})", path.name.lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]


def list_folder(folder: Path, told: Callable[[int], object] = lambda n: None) -> Listing:
    """List a folder and those in it; a link is followed once.

    Parameters
    ----------
    told : callable
        Is told the number of files found so far.

    Raises
    ------
    FormatError, InputError
        When there is no such folder, or it holds too much.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "is not there"
        raise FormatError(f"{printable(str(folder))} {what}. Give the path of a folder that holds images.")
    found = Listing(folder)
    if is_zarr(folder):
        found.images[folder.parent] = [folder]
        return found
    seen: set[tuple[int, int]] = set()
    count, todo = 0, [(folder, 0)]
    while todo:
        here, depth = todo.pop()
        try:
            about = here.stat()
            if (about.st_dev, about.st_ino) in seen:
                found.left_out.append((here, "a link to a folder that is looked at already"))
                continue
            seen.add((about.st_dev, about.st_ino))
            entries = sorted((Path(entry.path) for entry in os.scandir(here)), key=natural)
        except OSError as error:
            if here == folder:
                raise FormatError(
                    f"{printable(str(folder))} cannot be read ({error.strerror}). Check its permissions."
                ) from error
            found.left_out.append((here, f"cannot be read ({error.strerror})"))
            continue
        if here != folder and {"project.json", "labels.sqlite"} <= {path.name for path in entries}:
            found.left_out.append((here, "a project of this program"))
            continue
        deeper = []
        for path in entries:
            count += 1
            if count > MOST_FILES:
                raise InputError(
                    f"{printable(str(folder))} holds more than {MOST_FILES:,} files. Give the folder of the images themselves."
                )
            if _sort(found, here, path) and not path.name.startswith((".", "__")):
                if depth < MOST_DEPTH:
                    deeper.append((path, depth + 1))
                else:
                    found.left_out.append((path, "lies too deep"))
        todo += deeper[::-1]
        told(count)
    for (here, kind), paths in found.strange.items():
        many = f"{len(paths):,} files of kind {kind} are" if len(paths) > 1 else f"{kind} is"
        why = f"{many} not read here: export as OME-TIFF or OME-Zarr"
        found.left_out.append((paths[0] if len(paths) == 1 else here, why))
    return found


def _sort(found: Listing, here: Path, path: Path) -> bool:
    """Put a file where it belongs; whether it is a folder to look into."""
    kind = path.suffix.lower()
    if path.name.startswith((".", "__")):  # hidden, or what macOS puts beside each file
        return False
    try:
        if path.is_dir():
            if not is_zarr(path):
                return True
            found.images.setdefault(here, []).append(path)
        elif not path.is_file():
            found.left_out.append((path, "no file: a pipe, a device, or a link to something that is gone"))
        elif kind in IMAGES:
            found.images.setdefault(here, []).append(path)
        elif ending(path) in TABLES:
            found.tables.setdefault(here, []).append(path)
        elif kind in OTHER_IMAGES:
            found.strange.setdefault((here, kind), []).append(path)
        else:
            found.other[kind or "no ending"] = found.other.get(kind or "no ending", 0) + 1
    except OSError as error:  # a link to itself
        found.left_out.append((path, f"cannot be read ({error.strerror})"))
    return False
