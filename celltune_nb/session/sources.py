"""Where the pixels of an image lie: copied into the project, or left in a file that the project names.

A file that the project names is opened when its pixels are wanted first.  Its fingerprint tells whether it
is still the one that was added.
"""

from __future__ import annotations

import math
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.chunks import ChunkCache, Chunked, Deferred
from ..errors import FormatError, InputError, ProjectError
from ..formats.images import ImageFile, fingerprint, open_image
from ..formats.stack import open_stack

if TYPE_CHECKING:
    from .project import Project

__all__ = [
    "COPY_UP_TO",
    "Reference",
    "copy_mask",
    "copy_pixels",
    "describe",
    "numbered",
    "place",
    "reopen",
    "unchanged",
]

#: A file is copied into the project unless its pixels take more bytes than this.
COPY_UP_TO = 512 << 20
#: Strips are copied so that no more than about this many bytes are held at once.
COPY_BYTES = 32 << 20
#: Masks whose numbers go up to this are looked up in a table, others searched.
TABLE = 1 << 24
#: Parts in which a mapped mask is renumbered as it is read, pixels.
PART = 512

Progress = Callable[[int], object]


def unchanged(known: dict[str, Any], now: dict[str, int]) -> bool:
    """Whether two fingerprints are of the same content; a copy has another time."""
    return known.get("size") == now["size"] and known.get("sum") == now["sum"]


# ---------------------------------------------------------------------- files that the project names


def place(path: Path, folder: Path) -> str:
    """How ``project.json`` names the place of a file: from the project's folder on inside of it, else as a whole."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def describe(file: ImageFile, folder: Path, shape: tuple[int, ...]) -> dict[str, Any]:
    """A file as ``project.json`` names it; of a stack, the folder that holds its files."""
    return {
        "path": place(file.path, folder),
        **({"files": [one.relative_to(file.path).as_posix() for one in file.files]} if file.files else {}),
        "shape": list(shape), "dtype": np.dtype(file.array.dtype).newbyteorder("=").str, **fingerprint(file),
    }  # fmt: skip


def reopen(path: Path, files: Sequence[Path], cache: ChunkCache | None = None) -> ImageFile:
    """Open a file, or the files of a stack in a folder."""
    return open_stack(files, cache) if files else open_image(path, cache)


class Reference:
    """A file that holds the pixels, or the mask, of an image.

    Parameters
    ----------
    about : dict
        What :func:`describe` gave; for a mask also ``cells``, the array with the numbers of its cells, where they
        are not 1, 2, 3 …  A stack also has ``files``, from the folder on.  A path from the project's folder on may not
        leave it, nor the files of a stack their folder.  A whole path may lie anywhere, since images are read where
        people keep them; it is only read when its content has the fingerprint noted, so that a project from somebody
        else can name no file whose content its sender does not know.
    project : Project
    what : str
        What errors call it: ``"image 'a'"``.
    cache : ChunkCache, optional
    """

    def __init__(self, about: dict[str, Any], project: Project, what: str, cache: ChunkCache | None) -> None:
        path = Path(str(about["path"]))
        self.path = path if path.is_absolute() else project.path(*path.parts)
        files = about.get("files") or []
        if not isinstance(files, list) or not all(
            isinstance(name, str) and _stays_below(name) for name in files
        ):
            raise ValueError("files of a stack that lie outside of its folder")
        #: The files of a stack.
        self.files = tuple(
            self.path / name if path.is_absolute() else project.path(*path.parts, name) for name in files
        )
        self.shape = tuple(int(n) for n in about["shape"])
        self.dtype = np.dtype(str(about["dtype"]))
        if self.dtype.kind not in "buif" or len(self.shape) not in (2, 3) or min(self.shape) < 1:
            raise ValueError("no image")
        self._about, self._project, self._what, self._cache = about, project, what, cache
        self._file: ImageFile | None = None
        self._lock = threading.Lock()

    def file(self) -> ImageFile:
        """The file, open; checked when it is opened.

        Raises
        ------
        FormatError
            When it is gone, was changed, or cannot be read.
        """
        with self._lock:
            if self._file is None:
                self._file = self._open()
            return self._file

    def _open(self) -> ImageFile:
        # A pipe would be waited for.
        gone = [path for path in self.files or (self.path,) if not (path.is_file() or path.is_dir())]
        if gone:
            raise FormatError(
                f"{gone[0]}, {'a' if self.files else 'the'} file of {self._what}, is not there any more. Put it back, or say where it is now: "
                "session.locate_image(name, path). Labels and figures do not need it."
            )
        if not unchanged(self._about, fingerprint(self.files or self.path)):
            raise FormatError(
                f"{self.path}, the file of {self._what}, was changed since it was added. Put the former file back, or add the "
                "new one under another name."
            )
        file = reopen(self.path, self.files, self._cache)
        if math.prod(file.array.shape) != math.prod(self.shape) or file.array.dtype != self.dtype:
            raise FormatError(f"{self.path} does not fit {self._what}. Put the former file back.")
        return file

    def array(self, *, cells: bool = False) -> Deferred:
        """Its pixels; of a mask, with cells numbered from 1."""
        if not cells:
            return Deferred(self.shape, self.dtype, lambda: _shaped(self.file().array, len(self.shape)))
        return Deferred(self.shape, np.uint32, lambda: numbered(self.file().array, self._numbers()))

    def levels(self) -> Sequence[Any]:
        """Reduced copies that the file brings."""
        return [_shaped(level, len(self.shape)) for level in self.file().levels]

    def _numbers(self) -> NDArray[np.int64] | None:
        name = self._about.get("cells")
        return None if name is None else np.asarray(self._project.read_array(str(name)))


def _stays_below(name: str) -> bool:
    """Whether a name leads to something below the folder that it is joined to."""
    given = Path(name)
    return bool(given.parts) and not given.anchor and ".." not in given.parts and "\0" not in name


def _shaped(array: Any, axes: int) -> Any:
    if array.ndim == axes:
        return array
    return array.stacked() if isinstance(array, Chunked) else array[np.newaxis]


def numbered(mask: Any, numbers: NDArray[np.int64] | None) -> Any:
    """A mask in which cell *k* of *numbers* has the number k + 1, renumbered as it is read.

    Parameters
    ----------
    mask : array of int, shape (Y, X)
        Mapped or :class:`~celltune_nb.data.chunks.Chunked`.
    numbers : ndarray of int64, ascending, or None
        None: they are 1, 2, 3 … already.
    """
    if numbers is None:
        return mask
    convert = renumbering(numbers)
    if isinstance(mask, Chunked):
        return mask.converted(convert, np.uint32)

    def load(index: tuple[int, ...]) -> NDArray[Any]:
        return convert(np.asarray(mask[tuple(slice(i * PART, (i + 1) * PART) for i in index)]))

    return Chunked(mask.shape, (PART, PART), np.uint32, load, name="The mask")


def renumbering(numbers: NDArray[np.int64]) -> Callable[[NDArray[Any]], NDArray[np.uint32]]:
    """What turns the numbers of cells into 1, 2, 3 …, so that a cell is found by look-up; 0 stays."""
    top = int(numbers[-1]) if len(numbers) else 0
    if 0 <= top <= TABLE:
        table = np.zeros(top + 1, np.uint32)
        table[numbers] = np.arange(1, len(numbers) + 1)
        # Numbers that were not there when the mask was added are nobody's.
        return lambda part: np.where(part <= top, table[np.minimum(part, top)], np.uint32(0))

    def search(part: NDArray[Any]) -> NDArray[np.uint32]:
        wanted = part.astype(np.int64)
        places = np.minimum(np.searchsorted(numbers, wanted.ravel()), len(numbers) - 1).reshape(part.shape)
        return np.where((wanted != 0) & (numbers[places] == wanted), places + 1, 0).astype(np.uint32)

    return search


# ---------------------------------------------------------------------- copies in the project


def check_room(folder: Path, needed: int, what: str) -> None:
    """Refuse a copy that does not fit on the disk.

    Raises
    ------
    ProjectError
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ProjectError(
            f"A copy of {what} takes {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB are free in {folder}. Make room, or give the "
            "path of its file and copy=False, so that it is read from there."
        )


def copy_pixels(project: Project, name: str, array: Any, progress: Progress) -> None:
    """Copy an image into the project, strip by strip.

    Parameters
    ----------
    progress : callable
        Is told the bytes of each strip.
    """
    dtype = np.dtype(array.dtype).newbyteorder("=")
    dtype = np.dtype(np.uint8) if dtype.kind == "b" else dtype
    check_room(project.folder, math.prod(array.shape) * dtype.itemsize, "the image")

    def fill(out: NDArray[Any]) -> None:
        is_rgb = out.ndim == 3 and out.shape[2] == 3
        whole = isinstance(array, Chunked) and array.chunks[-2:] == array.shape[-2:]
        for number in range(1 if is_rgb else len(out)):
            # A plane that is one chunk is decoded once.
            plane = np.asarray(array[number]) if whole and not is_rgb else None
            target = out if is_rgb else out[number]
            for rows in strips(target.shape, target.itemsize):
                part = plane[rows] if plane is not None else array[rows] if is_rgb else array[number, rows]
                target[rows] = part
                progress(target[rows].nbytes)

    project.write_array(name, tuple(array.shape), dtype, fill)


def copy_mask(
    project: Project, name: str, mask: Any, numbers: NDArray[np.int64] | None, progress: Progress
) -> None:
    """Copy a mask into the project with its cells numbered from 1: see :func:`numbered`."""
    check_room(project.folder, math.prod(mask.shape) * 4, "the mask")
    convert = (lambda part: part) if numbers is None else renumbering(numbers)

    def fill(out: NDArray[Any]) -> None:
        for rows in strips(out.shape, 8):
            out[rows] = convert(np.asarray(mask[rows]))
            progress(out[rows].nbytes)

    project.write_array(name, tuple(mask.shape), np.uint32, fill)


def strips(shape: tuple[int, ...], itemsize: int) -> list[slice]:
    """Rows in parts of about :data:`COPY_BYTES`."""
    rows = max(1, COPY_BYTES // max(1, math.prod(shape[1:]) * itemsize))
    return [slice(start, min(start + rows, shape[0])) for start in range(0, shape[0], rows)]


def must_be_a_file(name: str) -> InputError:
    """What is said to who wants an array in memory not to be copied."""
    return InputError(
        f"Image {name!r} was given as an array, which only a copy keeps. Give the path of its file with copy=False, or leave "
        "copy= out."
    )
