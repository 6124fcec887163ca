"""AnnData as this program takes it: what was measured of each cell, and what is known of it.

:func:`from_anndata` takes an object of the anndata package as it is, without importing that package;
:mod:`celltune_nb.formats.h5ad` reads and writes the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Annotated", "check_memory", "dense", "from_anndata", "is_anndata", "is_spatialdata"]

#: Numbers of a matrix that are held at once beside the result.
BLOCK = 8_000_000
#: Names under which ``obsm`` holds x and y.
SPATIAL = ("spatial", "X_spatial")


@dataclass(frozen=True, eq=False)
class Annotated:
    """What an AnnData holds that a project uses.

    Attributes
    ----------
    obs : DataFrame, n rows
        Columns that describe the cells.
    obs_names : sequence of str, or a function that reads them
        Not always distinct, and not always names of cells.
    variables : list of str
    matrices : mapping of str to matrix, shape (n, f)
        ``"X"`` and the layers; arrays, sparse matrices or what reads them row by row.
    spatial : ndarray of float64, shape (n, 2), or None
        x, y: in this order.
    uns : mapping
        Whatever else was kept, as plain values.
    """

    obs: pd.DataFrame
    obs_names: Any
    variables: list[str]
    matrices: Mapping[str, Any]
    spatial: NDArray[np.float64] | None = None
    uns: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.obs)


def is_anndata(thing: Any) -> bool:
    """Whether a thing has the parts of an AnnData."""
    return all(hasattr(thing, part) for part in ("obs", "var", "obsm", "X", "uns"))


def is_spatialdata(thing: Any) -> bool:
    """Whether a thing has the parts of a SpatialData."""
    return all(hasattr(thing, part) for part in ("tables", "labels", "images", "shapes"))


def from_anndata(adata: Any) -> Annotated:
    """An AnnData object, also a view or one that is backed by a file; matrices are not read yet.

    Raises
    ------
    InputError
        When parts of it do not fit one another.
    """
    obs, variables = adata.obs, [str(name) for name in adata.var.index]
    matrices = {} if adata.X is None else {"X": adata.X}
    matrices.update({str(name): layer for name, layer in dict(getattr(adata, "layers", None) or {}).items()})
    shape = (len(obs), len(variables))
    for name, matrix in matrices.items():
        if tuple(matrix.shape) != shape:
            raise InputError(
                f"{name} has shape {tuple(matrix.shape)}, obs and var ask for {shape}. Check the AnnData."
            )
    spatial = None
    for name in SPATIAL:
        if name in adata.obsm:
            spatial = positions(adata.obsm[name], len(obs))
            break
    return Annotated(
        obs.reset_index(drop=True), lambda: [str(n) for n in obs.index], variables, matrices, spatial, dict(adata.uns)
    )  # fmt: skip


def positions(given: Any, n: int) -> NDArray[np.float64]:
    """The first two columns of ``obsm["spatial"]``: x, y.

    Raises
    ------
    InputError
    """
    found = np.asarray(given.toarray() if hasattr(given, "toarray") else given)
    if found.ndim != 2 or found.shape[0] != n or found.shape[1] < 2 or found.dtype.kind not in "iuf":
        raise InputError(
            f"obsm['spatial'] has shape {found.shape} and type {found.dtype}. It is to hold x and y of each of the {n:,} cells."
        )
    return found[:, :2].astype(np.float64)


def check_memory(nbytes: float, what: str) -> None:
    """Refuse what does not fit into the memory that is free, before it is taken.

    Raises
    ------
    FormatError
    """
    import psutil

    free = psutil.virtual_memory().available
    if nbytes > free * 0.8:
        raise FormatError(
            f"{what} would take {nbytes / 1e9:,.1f} GB of memory; {free / 1e9:,.1f} GB are free. Check the file, or bring "
            "fewer features."
        )


def dense(matrix: Any, columns: Sequence[int], what: str) -> NDArray[np.float32]:
    """Some columns of a matrix as numbers, read part by part.

    Parameters
    ----------
    matrix : array, sparse matrix, dask array, or a matrix in a file; shape (n, f)
    columns : sequence of int
    what : str
        What errors call it.

    Returns
    -------
    ndarray of float32, shape (n, k)

    Raises
    ------
    InputError
        When it holds no numbers, or more than the memory does.
    """
    dtype = np.dtype(matrix.dtype)
    if dtype.kind not in "buif":
        raise InputError(f"{what} holds {dtype}, not numbers. Choose another layer.")
    n, f = (int(size) for size in matrix.shape)
    check_memory(n * len(columns) * 4 + min(n * f, BLOCK) * 8, what)
    if getattr(matrix, "format", None) == "csc":  # rows of it cannot be had one by one
        matrix = (matrix.to_memory() if hasattr(matrix, "to_memory") else matrix).tocsr()
    wanted = np.asarray(columns, np.int64)
    whole = np.array_equal(wanted, np.arange(f))
    out = np.empty((n, len(wanted)), np.float32)
    rows = max(1, BLOCK // max(f, 1))
    with np.errstate(over="ignore"):  # a number beyond float32 is infinite
        for start in range(0, n, rows):
            part = matrix[start : start + rows]
            part = part.compute() if hasattr(part, "compute") else part
            part = np.asarray(part.toarray() if hasattr(part, "toarray") else part)
            out[start : start + rows] = part if whole else part[:, wanted]
    return out
