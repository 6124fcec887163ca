"""Writing ``.h5ad``: what scanpy, squidpy and anndata read, by h5py alone and matrix rows block by block.

The layout is AnnData's own, encoding version 0.1.0 (anndata's documentation, "On-disk format").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write_h5ad"]


def write_h5ad(
    path: Path, obs: pd.DataFrame, var: pd.DataFrame, blocks: Iterable[NDArray[np.float32]] | None, *,
    obsm: Mapping[str, NDArray[Any]], uns: Mapping[str, Any], progress: Callable[[float], object] = lambda done: None,
) -> None:  # fmt: skip
    """Write a file; nothing is held beside *obs* and one block.

    Parameters
    ----------
    obs, var : DataFrame
        Indexed by the names of cells and features.
    blocks : iterable of ndarray of float32, shape (b, f), or None
        The rows of X in order, in parts; None where there is no X.
    obsm : mapping of str to ndarray, shape (n, k)
    uns : mapping
        Words, numbers, lists of words and mappings of these.
    progress : callable
        Is told the fraction that is written.

    Raises
    ------
    OSError
    """
    import h5py

    with h5py.File(path, "w") as file:
        _about(file, "anndata", "0.1.0")
        _table(file.create_group("obs"), obs)
        progress(0.2)
        _table(file.create_group("var"), var)
        if blocks is not None:
            # In one piece, as anndata writes it: read by mapping, and block by block.
            matrix = file.create_dataset("X", (len(obs), len(var)), "float32")
            _about(matrix, "array")
            row = 0
            for block in blocks:
                matrix[row : row + len(block)] = block
                row += len(block)
                progress(0.2 + 0.8 * row / max(len(obs), 1))
        for name in ("layers", "obsm", "varm", "obsp", "varp", "uns"):
            _about(file.create_group(name), "dict", "0.1.0")
        for name, values in obsm.items():
            _put(file["obsm"], name, np.asarray(values))
        for name, value in uns.items():
            _put(file["uns"], name, value)


def _about(where: Any, kind: str, version: str = "0.2.0") -> None:
    where.attrs["encoding-type"], where.attrs["encoding-version"] = kind, version


def _put(group: Any, name: str, value: Any) -> None:
    """A value of ``uns`` or an array, under a name."""
    import h5py

    if isinstance(value, Mapping):
        inner = group.create_group(name)
        _about(inner, "dict", "0.1.0")
        for key, part in value.items():
            _put(inner, str(key).replace("/", "_"), part)
    elif isinstance(value, str):
        _about(group.create_dataset(name, data=value, dtype=h5py.string_dtype()), "string")
    elif np.ndim(value) == 0:
        _about(group.create_dataset(name, data=value), "numeric-scalar")
    elif np.asarray(value).dtype.kind in "biuf":
        _about(group.create_dataset(name, data=np.asarray(value)), "array")
    else:
        words = np.array([str(v) for v in value], object)
        _about(group.create_dataset(name, data=words, dtype=h5py.string_dtype()), "string-array")


def _table(group: Any, frame: pd.DataFrame) -> None:
    import h5py

    _about(group, "dataframe")
    group.attrs["_index"] = "_index"
    _put(group, "_index", [str(name) for name in frame.index])
    names = []
    for column in frame.columns:
        # A stroke would make a folder of it, which newer versions of anndata refuse.
        name = str(column).replace("/", "_") or "_"
        while name in group:
            name += "_"
        names.append(name)
        _column(group, name, frame[column])
    group.attrs["column-order"] = np.array(names, h5py.string_dtype())


def _column(group: Any, name: str, column: pd.Series) -> None:
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, words = column.cat.codes.to_numpy(), [str(c) for c in column.cat.categories]
    elif isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        _put(group, name, column.to_numpy())
        return
    elif pd.api.types.is_numeric_dtype(column.dtype):  # with gaps
        _put(group, name, column.to_numpy(np.float64, na_value=np.nan))
        return
    else:
        texts = column if isinstance(column.dtype, pd.StringDtype) else column.map(str, na_action="ignore")
        codes, found = pd.factorize(texts)
        words = [str(word) for word in found]
        if len(words) > max(1_000, len(column) // 2) and (codes >= 0).all():
            _put(group, name, texts.tolist())
            return
    inner = group.create_group(name)
    _about(inner, "categorical")
    inner.attrs["ordered"] = False
    kind = np.int8 if len(words) < 127 else np.int16 if len(words) < 32_767 else np.int32
    _put(inner, "codes", np.asarray(codes).astype(kind))
    _put(inner, "categories", np.array(words, object))
