"""Reading ``.h5ad``: the file of an AnnData, by h5py alone and in the subset that a table of cells needs.

Nothing is followed out of the file (links, external storage, virtual data), nothing is unpickled, and what a file
declares is compared with the free memory before it is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CellTuneError, FormatError
from .annotated import SPATIAL, Annotated, check_memory, positions

__all__ = ["open_h5ad"]

#: Words read at once: a file can name one long word a million times.
WORDS = 65_536
#: Bounds of ``uns``: how deep, how many entries, how many values each.
DEEP, ENTRIES, VALUES = 4, 500, 10_000
COLUMNS = 20_000
#: The largest part of an array that is decoded as a whole, bytes.
PART = 1 << 30


@contextmanager
def open_h5ad(path: Path) -> Iterator[Annotated]:
    """The content of a file; its matrices are read while it is open.

    Raises
    ------
    FormatError
        When it is no such file, is damaged, too large, or reaches out of itself.
    """
    import h5py

    name = path.name
    try:
        with h5py.File(path, "r") as file:
            yield _Reader(file, name, path.stat().st_size).read()
    except CellTuneError:
        raise  # of who reads: a name that is not there is no damage
    except (
        OSError,
        MemoryError,
        RuntimeError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
    ) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise FormatError(
            f"{name} cannot be read as .h5ad ({reason}). Open it with anndata and save it again."
        ) from error


class _Reader:
    """Reads from an open file.

    Parameters
    ----------
    file : h5py.File
    name : str
        What errors call it.
    size : int
        Bytes of the file: no word in it can be longer.
    """

    def __init__(self, file: Any, name: str, size: int) -> None:
        import h5py

        self._h5, self._file, self._name, self._size = h5py, file, name, max(size, 1)
        #: Characters of the words of each dataset that was read: together not much more than the file can hold.
        self._words_of: dict[str, int] = {}

    def read(self) -> Annotated:
        import pandas as pd

        obs = self._member(self._file, "obs")
        index = self._column_of_names(obs)
        n = len(index)
        check_memory(n * 100.0, f"A list of the {n:,} rows of {self._name}")
        columns = [
            str(c) for c in obs.attrs.get("column-order", ()) if str(c) != str(obs.attrs.get("_index"))
        ]
        if len(columns) > COLUMNS:
            raise FormatError(f"{self._name} has {len(columns):,} columns in obs. Keep those that matter.")
        check_memory(n * len(columns) * 8.0, f"obs of {self._name}")
        frame = pd.DataFrame({c: self._column(obs, c, n) for c in columns}, index=range(n))
        var = self._member(self._file, "var")
        variables = self._words(self._column_of_names(var)).tolist()
        matrices = {}
        for place in ("X", *(f"layers/{name}" for name in self._names("layers"))):
            matrix = self._matrix(place, (n, len(variables)))
            if matrix is not None:
                matrices[place.removeprefix("layers/")] = matrix
        spatial = next((name for name in SPATIAL if name in self._names("obsm")), None)
        found = None if spatial is None else self._spatial(self._member(self._file, f"obsm/{spatial}"), n)
        uns = {}
        with suppress(FormatError):  # a link to another place
            uns = self._plain(self._member(self._file, "uns"), [0])
        return Annotated(frame, lambda: self._words(index).tolist(), variables, matrices, found, uns)

    # ------------------------------------------------------------------ members of the file

    def _has(self, group: Any, path: str) -> bool:
        """Whether a path is there; nothing is opened that a link leads to."""
        *above, last = filter(None, path.split("/"))
        for part in above:
            if not isinstance(group.get(part, getlink=True), self._h5.HardLink):
                return group.get(part, getlink=True) is not None  # refused when it is read
            group = group[part]
        return isinstance(group, self._h5.Group) and group.get(last, getlink=True) is not None

    def _member(self, group: Any, path: str) -> Any:
        """A part of the file itself, by its path from a group on."""
        for part in filter(None, path.split("/")):
            link = group.get(part, getlink=True) if isinstance(group, self._h5.Group) else None
            if link is None:
                raise FormatError(f"{self._name} has no {path!r}. Open it with anndata and save it again.")
            if not isinstance(link, self._h5.HardLink):
                raise FormatError(
                    f"{path!r} of {self._name} is a link to another place. A table has to lie in one file; save it again with "
                    "anndata."
                )
            group = group[part]
        if isinstance(group, self._h5.Dataset):
            self._check(group, path)
        return group

    def _check(self, data: Any, path: str) -> None:
        if data.is_virtual or data.external:
            raise FormatError(
                f"{path!r} of {self._name} lies in another file. Save it again with anndata, in one file."
            )
        if data.dtype.names:
            raise FormatError(
                f"{self._name} was written by a very old anndata. Open it with anndata 0.8 or newer and save it again."
            )
        text = self._h5.check_string_dtype(data.dtype) is not None
        if data.dtype.kind not in "buifS" and not text:
            raise FormatError(
                f"{path!r} of {self._name} holds {data.dtype}, neither numbers nor words. Remove it, or save the file again "
                "with anndata 0.8 or newer."
            )
        if data.shape is None:
            raise FormatError(f"{path!r} of {self._name} is empty. Save it again with anndata.")
        part = 0 if data.chunks is None else math.prod(data.chunks) * data.dtype.itemsize
        if part > PART:  # it is decoded as a whole
            raise FormatError(
                f"{path!r} of {self._name} is stored in parts of {part / 1e9:,.1f} GB. Save it again with anndata."
            )

    def _names(self, group: str) -> list[str]:
        if not self._has(self._file, group) or not isinstance(
            found := self._member(self._file, group), self._h5.Group
        ):
            return []
        return list(found.keys())

    def _column_of_names(self, group: Any) -> Any:
        """The dataset of the names of obs or var."""
        key = str(group.attrs.get("_index", "_index"))
        found = self._member(group, key if self._has(group, key) else "index")
        if isinstance(found, self._h5.Group):  # strings that may be missing
            found = self._member(found, "values")
        if found.ndim != 1:
            raise FormatError(
                f"The names in {self._name} are no list. Open it with anndata and save it again."
            )
        return found

    # ------------------------------------------------------------------ values

    def _array(self, data: Any, what: str) -> NDArray[Any]:
        """A whole dataset, once it is known to fit."""
        check_memory(float(data.size) * max(data.dtype.itemsize, 8), f"{what} of {self._name}")
        if self._h5.check_string_dtype(data.dtype) is not None or data.dtype.kind == "S":
            return self._words(data)
        return np.asarray(data[()])

    def _words(self, data: Any) -> NDArray[np.object_]:
        """A list of words, or a single one, as str."""
        if data.ndim > 1:
            raise FormatError(f"{data.name} of {self._name} is no list of words. Save it again with anndata.")
        if data.dtype.kind not in "OS":
            return np.array([str(value) for value in data[()]], object)
        check_memory(float(data.size) * max(data.dtype.itemsize, 60), f"A list of words of {self._name}")
        words, taken, read = np.empty(data.shape, object), 0, 0
        others = sum(count for name, count in self._words_of.items() if name != data.name)
        rows = max(1, min(WORDS, (1 << 30) // max(self._size, data.dtype.itemsize)))
        flat = words.reshape(-1)
        while read < len(flat):
            part = np.asarray(data[read : read + rows]) if data.ndim else np.asarray(data[()]).reshape(1)
            texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in part]
            flat[read : read + rows] = texts
            # Words of one length each are stored with it, maybe compressed, and were counted above.
            taken += sum(map(len, texts)) if data.dtype.kind == "O" else 0
            if others + taken > 4 * self._size + (1 << 24):
                raise FormatError(
                    f"The words in {self._name} are longer than the file. Check where it came from."
                )
            read += rows
        self._words_of[data.name] = taken
        return words

    def _column(self, obs: Any, name: str, n: int) -> Any:
        """A column of obs."""
        found = self._member(obs, name)
        if isinstance(found, self._h5.Group):
            if self._has(found, "codes"):
                codes = self._list(self._member(found, "codes"), name, n)
                return self._coded(codes, self._member(found, "categories"), name)
            values = self._list(self._member(found, "values"), name, n)
            mask = self._list(self._member(found, "mask"), name, n).astype(bool)
            if values.dtype.kind in "iu" and mask.any():
                values = values.astype(np.float64)
            if mask.any():
                values = values.astype(object) if values.dtype.kind == "b" else values
                values[mask] = np.nan if values.dtype.kind == "f" else None
            return values
        values = self._list(found, name, n)
        legacy = f"__categories/{name}"  # of anndata before 0.8
        return self._coded(values, self._member(obs, legacy), name) if self._has(obs, legacy) else values

    def _list(self, data: Any, name: str, n: int) -> NDArray[Any]:
        if not isinstance(data, self._h5.Dataset) or data.shape != (n,):
            raise FormatError(
                f"Column {name!r} of {self._name} is no list of {n:,} values. Open the file with anndata and save it again."
            )
        return self._array(data, f"column {name!r}")

    def _coded(self, codes: NDArray[Any], categories: Any, name: str) -> NDArray[Any]:
        if isinstance(categories, self._h5.Group):
            categories = self._member(categories, "values")
        known = self._array(categories, f"the categories of {name!r}").reshape(-1)
        if codes.dtype.kind not in "iu" or (len(codes) and (codes.min() < -1 or codes.max() >= len(known))):
            raise FormatError(
                f"Column {name!r} of {self._name} names categories that it does not have. Save the file again with anndata."
            )
        if not (codes < 0).any():
            return known[codes]
        missing = np.nan if known.dtype.kind in "iuf" else None
        known = known.astype(np.float64 if known.dtype.kind in "iuf" else object)
        return np.append(known, np.array([missing], known.dtype))[codes]

    def _matrix(self, place: str, shape: tuple[int, int]) -> Any:
        """A matrix, read when it is sliced; a sparse one at once."""
        if not self._has(self._file, place):
            return None
        found = self._member(self._file, place)
        kind = str(found.attrs.get("encoding-type", found.attrs.get("h5sparse_format", "")))
        if kind == "null":
            return None
        told = tuple(
            int(s)
            for s in (
                found.attrs.get("shape", found.attrs.get("h5sparse_shape", ()))
                if isinstance(found, self._h5.Group)
                else found.shape
            )
        )
        if told != shape:
            raise FormatError(
                f"{place} of {self._name} has shape {told}, obs and var ask for {shape}. Save it again."
            )
        if isinstance(found, self._h5.Dataset):
            return found
        return _Sparse(self, found, place, shape, "csc" if "csc" in kind else "csr")

    def _spatial(self, found: Any, n: int) -> NDArray[np.float64]:
        if isinstance(found, self._h5.Group):  # a table
            names = [str(c) for c in found.attrs.get("column-order", ())][:2]
            return positions(np.column_stack([self._column(found, c, n) for c in names]), n)
        return positions(self._array(found, "obsm['spatial']"), n)

    def _plain(self, group: Any, count: list[int], depth: int = 0) -> dict[str, Any]:
        """What ``uns`` holds of words and numbers; the rest is left alone."""
        result: dict[str, Any] = {}
        for name in group if isinstance(group, self._h5.Group) else ():
            count[0] += 1
            if count[0] > ENTRIES:
                break
            if not isinstance(group.get(name, getlink=True), self._h5.HardLink):
                continue
            # No cell needs it: what cannot be used is left out, whatever is wrong with it.
            with suppress(FormatError, OSError, RuntimeError, KeyError, ValueError, TypeError):
                found = group[name]
                if isinstance(found, self._h5.Group):
                    if depth < DEEP:
                        result[name] = self._plain(found, count, depth + 1)
                    continue
                self._check(found, f"uns/{name}")
                if found.size <= VALUES:
                    value = self._array(found, name)
                    result[name] = value.reshape(-1)[0] if value.ndim == 0 else value
        return result


class _Sparse:
    """A sparse matrix in the file: read when it is wanted, and checked before anything relies on it."""

    def __init__(self, reader: _Reader, group: Any, place: str, shape: tuple[int, int], kind: str) -> None:
        self.shape, self.format = shape, kind
        self._parts = {part: reader._member(group, part) for part in ("data", "indices", "indptr")}
        self.dtype = self._parts["data"].dtype
        self._reader, self._place = reader, place
        self._read: Any = None

    def to_memory(self) -> Any:
        """As a matrix of scipy."""
        from scipy import sparse

        if self._read is None:
            read = {part: self._reader._array(data, self._place) for part, data in self._parts.items()}
            if any(values.dtype.kind not in "iuf" or values.ndim != 1 for values in read.values()):
                raise FormatError(
                    f"{self._place} of {self._reader._name} is damaged. Save the file again with anndata."
                )
            make = sparse.csc_matrix if self.format == "csc" else sparse.csr_matrix
            # A wrong index would be read from somewhere else in memory.
            self._read = make((read["data"], read["indices"], read["indptr"]), shape=self.shape)
            self._read.check_format(full_check=True)
        return self._read

    def __getitem__(self, rows: slice) -> Any:
        return self.to_memory()[rows]
