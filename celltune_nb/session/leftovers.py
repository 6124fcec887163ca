"""Files that a killed program left in a project folder: found by the names this program makes, and removed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from .project import Project

__all__ = ["remove_leftovers"]

#: Of files that were never finished: a name, eight digits that tell writers apart, ``.tmp``.
_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.tmp|\.items-[0-9a-f]{8}\.parquet\.tmp")
_PIXELS = re.compile(r"\d{4,}-[0-9a-f]{6}(-cells|-nucleus)?\.npy")
_REGIONS = re.compile(r"\d{4,}-[0-9a-f]{8}\.tif")
_ITEMS = re.compile(r"items-[0-9a-f]{8}\.parquet")
_FEATURES = re.compile(r"(matrix|ids)-[0-9a-f]{8}\.npy")
_PYRAMIDS = re.compile(r".+-[0-9a-f]{8}\.npy")
#: Of a training that was killed while it was written: ``run.json`` comes last.
_RUN = re.compile(r"trained_(?:on|as)\.npy|history\.csv|model\d+\.\w+")
#: Folders of the project, and how many levels of folders below them hold files.
_FOLDERS = {
    "images": 0, "masks": 0, "pyramids": 0, "populations": 0, "audits": 0, "backups": 0, "regions": 0, "features": 1, "runs": 1,
}  # fmt: skip


def remove_leftovers(project: Project, before: float) -> list[str]:
    """Remove unfinished files, and finished ones that nothing names; links are never followed.

    For who has just taken a lease that was free or left behind: nobody else is writing then.

    Parameters
    ----------
    before : float
        Seconds since 1970.  Files that were changed later are left alone.

    Returns
    -------
    list of str
        Names of the files that were removed.
    """
    # Whatever project.json says anywhere counts as named.
    named = set(re.findall(r'[^/\\"]+', json.dumps(project.settings, ensure_ascii=False)))
    removed = []
    for folder, entry in _files(project):
        path, name = Path(entry.path), entry.name
        unnamed = name not in named and (
            (folder in ("images", "masks") and _PIXELS.fullmatch(name))
            or (folder == "regions" and _REGIONS.fullmatch(name))
            or (folder == "" and _ITEMS.fullmatch(name))
            or (folder == "features" and _FEATURES.fullmatch(name) and not _says(path.parent / "schema.json", name))
            or (
                folder == "pyramids" and _PYRAMIDS.fullmatch(name)
                and not _says(path.parent / f"{name[:-13]}.json", name)
            )
            or (
                folder == "runs" and path.parent.parent.name == "runs" and _RUN.fullmatch(name)
                and not (path.parent / "run.json").exists()
            )
        )  # fmt: skip
        with suppress(OSError):
            if (unnamed or _UNFINISHED.fullmatch(name)) and entry.stat(
                follow_symlinks=False
            ).st_mtime < before:
                path.unlink()
                removed.append(name)
                if path.parent.parent.name == "runs":
                    path.parent.rmdir()  # refused, as it should be, unless it is empty
    return removed


def _says(path: Path, name: str) -> bool:
    """Whether a file that says which others count names this one; an unreadable one may."""
    try:
        return name in path.read_text("utf-8")
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True


def _files(project: Project) -> Iterator[tuple[str, os.DirEntry[Any]]]:
    """The plain files in the folders that this program makes, each with the folder's name."""
    todo = [
        ("", str(project.folder), 0),
        *((f, str(project.folder / f), deep) for f, deep in _FOLDERS.items()),
    ]
    while todo:
        name, path, deep = todo.pop()
        if name and Path(path).is_symlink():
            continue
        with suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    yield name, entry
                elif deep and entry.is_dir(follow_symlinks=False):
                    todo.append((name, entry.path, deep - 1))
