"""The project folder: where things lie, and how they get there whole.

::

    project.json            schema version, images, channels, groups, settings
    view.json               what was looked at, and how
    items-<id>.parquet      the items and the user's own columns; project.json names the file
    images/, masks/         the arrays, memory-mapped .npy, as far as they are not read from files elsewhere
    pyramids/               reduced copies of large images, made again when they are missing
    labels.sqlite           the journal, the proposals log and the lease
    features/<source>/      matrix.npy and schema.json
    runs/<utc>-<id>/        one folder a training
    populations/*.parquet   backups/labels-<utc>.csv   exports/
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ..data.chunks import ChunkCache
from ..data.features import FeatureSource
from ..data.images import Image
from ..data.items import ItemTable
from ..data.level import FIRST
from ..data.level_names import LevelNames
from ..errors import FormatError, ProjectError, ProjectVersionError
from . import features_file
from .features_file import PreparedFeatures
from .files import read_json, write_atomically
from .items_file import read_items, write_items
from .settling import REPLACING, renaming_settled, settled
from .sources import Reference

__all__ = ["SCHEMA_VERSION", "PreparedItems", "Project"]

SCHEMA_VERSION = 3


def _items_in_files(settings: dict[str, Any]) -> dict[str, Any]:
    """1 → 2: the items may lie in several files; an image may lie outside of the project."""
    items = settings.get("items")
    if isinstance(items, dict) and "file" in items:
        rest = {key: value for key, value in items.items() if key != "file"}
        settings = {**settings, "items": {**rest, "files": [[items["file"], UNCOUNTED]]}}
    return settings


#: From one schema version to the next: number of the older version → what has to be done to the settings.
#: 2 → 3: masks may have been replaced; nothing to do.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _items_in_files, 2: dict}

#: In place of a number of rows that nobody has counted yet.
UNCOUNTED = -1


@dataclass(frozen=True)
class PreparedItems:
    """Items that are written and not in use yet."""

    path: Path
    name: str
    about: dict[str, Any]


class Project:
    """A project folder.

    Parameters
    ----------
    folder : Path

    Attributes
    ----------
    settings : dict
        The content of ``project.json``.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder = folder
        self.settings = settings
        #: What levels were called when files were written: the session's, by its journal.
        self.level_names: Callable[[], LevelNames] = LevelNames
        #: The files of items that this object has used: those of others are not its to delete.
        self._used: set[str] = set()

    # ------------------------------------------------------------------ the folder

    @classmethod
    def create(cls, folder: str | Path, level: str = FIRST) -> Project:
        """Begin a project in a new or empty folder; `level` is the name of its first level.

        Raises
        ------
        ProjectError
            When something lies there already.
        """
        folder = Path(folder).expanduser().absolute()
        if (folder / "project.json").exists():
            raise ProjectError(
                f"There is a project in {folder} already. Open it: Session.open({str(folder)!r})."
            )
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ProjectError(f"{folder} is not an empty folder. Choose another name for the project.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            project = cls(
                folder, {"schema": SCHEMA_VERSION, "created": time.time(), "images": [], "level": level}
            )
            project.save()
        except (OSError, ProjectError) as error:
            raise ProjectError(
                f"No project can be made in {folder} ({error}). Choose a writable folder."
            ) from error
        return project

    @classmethod
    def open(cls, folder: str | Path) -> Project:
        """An existing project; an older one is brought up to date in memory.

        Raises
        ------
        ProjectError
            When the folder holds none; :class:`ProjectVersionError` when a newer program wrote it.
        """
        folder = Path(folder).expanduser().absolute()
        if not (folder / "project.json").is_file():
            raise ProjectError(
                f"There is no project in {folder}. Begin one: Session.create({str(folder)!r})."
            )
        settings = read_json(folder / "project.json")
        version = settings.get("schema") if isinstance(settings, dict) else None
        if not isinstance(version, int) or version < 1 or not isinstance(settings.get("images"), list):
            raise FormatError(
                f"{folder / 'project.json'} is not a project file. Restore it from a copy of the project."
            )
        if version > SCHEMA_VERSION:
            raise ProjectVersionError(
                f"{folder} was written by a newer celltune_nb (schema {version}; this program reads up to "
                f"{SCHEMA_VERSION}). Update celltune_nb, then open it again."
            )
        while version < SCHEMA_VERSION:
            settings = MIGRATIONS[version](settings)
            version += 1
            settings["schema"] = version
        return cls(folder, settings)

    def check_journal(self) -> None:
        """Refuse a project whose label journal is gone: a new, empty one would hide the loss.

        Raises
        ------
        FormatError
        """
        journal = self.path("labels.sqlite")
        if self.settings["images"] and (not journal.is_file() or journal.stat().st_size == 0):
            raise FormatError(
                f"The label journal {journal.name} of {self.folder} is missing or empty. Restore it from a copy of the "
                "project, or start a new project and import the newest file of backups/."
            )

    def save(self) -> None:
        """Write ``project.json``: the one step in which everything it names takes effect."""
        # A line an image: a project of a thousand is written quickly, and is still read by eye.
        rows = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in self.settings["images"])
        here = uuid4().hex
        text = json.dumps({**self.settings, "images": here}, indent=1, ensure_ascii=False)
        text = text.replace(f'"{here}"', f"[\n  {rows}\n ]" if rows else "[]")
        try:
            write_atomically(self.folder / "project.json", lambda stream: stream.write(text.encode()))
        except OSError as error:
            raise ProjectError(
                f"project.json could not be written ({error.strerror}). Make room or make the folder writable, then repeat."
            ) from error
        current = {name for name, _ in self.item_files}
        pending = self.settings.get(REPLACING)
        if isinstance(pending, dict):  # which items count is decided when the journal has its row
            current |= {name for name, _ in self._files_of(pending.get("items"))}
        for name in self._used - current:
            with suppress(OSError):
                self.path(name).unlink(missing_ok=True)
        self._used = current

    def settle(self, marks: Collection[str], levels: Collection[str]) -> None:
        """Let a mask that was being replaced be replaced, if the journal knows its mark; else not; levels renamed, or not."""
        self.settings = renaming_settled(settled(self.settings, marks), levels)

    def path(self, *parts: str) -> Path:
        """A path inside the folder; anything that would leave it is refused.

        Raises
        ------
        FormatError
        """
        path = self.folder.joinpath(*parts)
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise FormatError(
                f"{'/'.join(parts)!r} points out of the project folder. Restore project.json from a copy."
            )
        return path

    # ------------------------------------------------------------------ arrays

    def read_array(self, name: str) -> Any:
        """A memory-mapped array of the project, read-only."""
        path = self.path(name)
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError as error:
            raise FormatError(f"{path} is missing. Restore it from a copy of the project.") from error
        except (ValueError, OSError, EOFError) as error:
            raise FormatError(
                f"{path} is damaged ({error}). Restore it from a copy of the project."
            ) from error

    def write_array(
        self, name: str, shape: tuple[int, ...], dtype: Any, fill: Callable[[NDArray[Any]], object]
    ) -> Any:
        """Write an array without holding it in memory, then map it.

        Parameters
        ----------
        fill : callable
            Gets the writable mapped array.
        """
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
        try:
            mapped = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
            fill(mapped)
            mapped.flush()
            del mapped
            temporary.replace(path)
        except OSError as error:
            raise ProjectError(
                f"{path.name} could not be written ({error.strerror}). Make room on the disk, then repeat."
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        return self.read_array(name)

    # ------------------------------------------------------------------ images

    def image(self, row: dict[str, Any], cache: ChunkCache | None = None) -> Image:
        """An image as ``project.json`` names it; a file outside of the project is opened when it is looked at.

        Parameters
        ----------
        cache : ChunkCache, optional
            Where decoded chunks are kept.
        """
        try:
            name, key = str(row["name"]), str(row.get("key") or Path(str(row["array"])).stem)
            if not key.replace("-", "").isalnum():
                raise ValueError(key)
            mask_key = str(row.get("mask_key") or key)
            if not mask_key.replace("-", "").isalnum():
                raise ValueError(mask_key)
            own, mask = row.get("file"), row.get("mask_file")
            source = Reference(own, self, f"image {name!r}", cache) if own else None
            outline = Reference(mask, self, f"the mask of image {name!r}", cache) if mask else None
            nuclei = row.get("nucleus_file")
            inner = Reference(nuclei, self, f"the nuclei of image {name!r}", cache) if nuclei else None
            return Image(
                name,
                self.read_array(row["array"]) if source is None else source.array(),
                outline.array(cells=True) if outline else self.read_array(row["mask"]) if row.get("mask") else None,
                [str(c) for c in row["channels"]], row.get("pixel_size"), row.get("group"),
                {k: (float(v[0]), float(v[1])) for k, v in row.get("contrast", {}).items()},
                key=key, mask_key=mask_key, nucleus_key=str(row.get("nucleus_key") or ""),
                source=(source.files or source.path) if source else None,
                mask_source=outline.path if outline else None,
                levels=source.levels if source else tuple,
                nucleus=inner.array() if inner else self.read_array(row["nucleus"]) if row.get("nucleus") else None,
            )  # fmt: skip
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(
                f"project.json describes an image badly ({error!r}). Restore it from a copy."
            ) from error

    # ------------------------------------------------------------------ items

    @contextmanager
    def prepared_items(self, items: ItemTable, *, unchanged: int = 0) -> Iterator[PreparedItems]:
        """Write the items where nobody looks for them yet; takes long, and needs no lock.

        :meth:`use_items` puts them in place; else they are gone at the end.

        Parameters
        ----------
        unchanged : int
            Rows at the beginning that are on disk already.  Files that hold only such rows stay, as long as the new
            one is smaller: so each image that is added writes little more than its own cells, and the
            files remain few.
        """
        files = list(self.item_files)
        while files and (
            sum(rows for _, rows in files) > unchanged
            or files[-1][1] <= len(items) - sum(r for _, r in files)
        ):
            files.pop()
        start = sum(rows for _, rows in files)
        name = f"items-{uuid4().hex[:8]}.parquet"
        path = self.path(f".{name}.tmp")
        try:
            write_items(path, items, start)
        except OSError as error:
            raise ProjectError(
                f"The items could not be written ({error.strerror}). Make room, then repeat."
            ) from error
        files.append((name, len(items) - start))
        try:
            yield PreparedItems(path, name, {"kind": items.kind, "names": items.names, "files": files})
        finally:
            path.unlink(missing_ok=True)

    def use_items(self, ready: PreparedItems) -> None:
        """Give prepared items their name; ``project.json`` names them when :meth:`save` runs."""
        try:
            ready.path.replace(self.path(ready.name))
        except OSError as error:
            raise ProjectError(f"The items could not be put in place ({error.strerror}). Repeat.") from error
        self._used.add(ready.name)
        self.settings["items"] = ready.about

    @property
    def item_files(self) -> list[tuple[str, int]]:
        """The files of the items and their numbers of rows, in order."""
        return self._files_of(self.settings.get("items"))

    @staticmethod
    def _files_of(about: Any) -> list[tuple[str, int]]:
        return [(Path(str(name)).name, int(rows)) for name, rows in (about or {}).get("files", [])]

    def load_items(self) -> ItemTable:
        """Read the items."""
        about = self.settings.get("items")
        if not about:
            return ItemTable()
        paths = [self.path(name) for name, _ in self.item_files]
        try:
            items = read_items(paths, [str(n) for n in about["names"]], str(about["kind"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FormatError(
                f"The items ({', '.join(path.name for path in paths)}) are damaged ({error}). Restore the project from a copy."
            ) from error
        if [rows for _, rows in self.item_files] == [UNCOUNTED]:
            self.settings["items"] = {**about, "files": [(paths[0].name, len(items))]}
        if len(items) != sum(rows for _, rows in self.item_files):
            raise FormatError(f"Some items of {self.folder} are missing. Restore the project from a copy.")
        self._used |= {path.name for path in paths}
        return items

    # ------------------------------------------------------------------ features

    def prepare_features(self, source: FeatureSource) -> PreparedFeatures:
        """Write a feature source where nobody looks for it yet; takes long, and needs no lock."""
        return features_file.prepare(self, source)

    def use_features(self, ready: PreparedFeatures) -> FeatureSource:
        """Let prepared features take the place of those of their name, and map them."""
        return features_file.use(self, ready)

    def save_feature_schema(self, source: FeatureSource) -> None:
        """Write which features of a source are used, without touching its matrix."""
        features_file.save_schema(self, source)

    def load_features(self, name: str) -> FeatureSource:
        """Map a feature source."""
        return features_file.load(self, name)

    def feature_sources(self) -> list[str]:
        """Names of the feature folders."""
        arriving = self.settings.get(features_file.ARRIVING)
        named = arriving if isinstance(arriving, dict) else {}
        return sorted({*(p.parent.name for p in self.folder.glob("features/*/schema.json")), *named})
