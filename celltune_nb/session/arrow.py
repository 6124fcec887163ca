"""Columns of an Arrow table as arrays.

Not by ``to_numpy()``: pyarrow loads pandas for that (as of 26.0), which takes a quarter of a second that nobody should wait
for who wants to see an image.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["numbers", "present"]

_TYPES = {"float": "f4", "double": "f8"}


def numbers(column: Any) -> NDArray[Any]:
    """A column of numbers, whatever stands where one is missing.

    Parameters
    ----------
    column : pyarrow Array or ChunkedArray

    Returns
    -------
    ndarray, shape (n,)
        Of one part it shares the memory, and cannot be written.
    """
    kind = str(column.type)
    dtype = np.dtype(_TYPES.get(kind, kind))
    if dtype.kind not in "iuf":
        raise TypeError(f"a column of {kind} holds no numbers")
    parts = [
        np.frombuffer(part.buffers()[1], dtype, len(part), part.offset * dtype.itemsize)
        for part in getattr(column, "chunks", [column])
        if len(part)
    ]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def present(column: Any) -> NDArray[np.bool_]:
    """Where an Arrow array has a value; shape (n,)."""
    bits = column.buffers()[0]
    if bits is None:
        return np.ones(len(column), bool)
    every = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
    return every[column.offset : column.offset + len(column)].astype(bool)
