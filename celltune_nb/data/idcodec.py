"""Item ids as few bytes: sorted, differenced, narrowed, deflated.

A rectangle of 30 cells takes about 30 bytes, a million consecutive ids about a kilobyte.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError

__all__ = ["decode_array", "decode_ids", "encode_array", "encode_ids"]

_Kinds = dict[bytes, np.dtype[Any]]

_WIDTHS: _Kinds = {b"1": np.dtype("<u1"), b"2": np.dtype("<u2"), b"4": np.dtype("<u4"), b"8": np.dtype("<u8")}
_KINDS: _Kinds = {b"h": np.dtype("<i2"), b"f": np.dtype("<f4"), b"d": np.dtype("<f8")}


def encode_ids(ids: NDArray[np.int64]) -> bytes:
    """Bytes of strictly ascending, non-negative ids.

    Parameters
    ----------
    ids : ndarray of int64, shape (n,)
    """
    deltas = np.diff(ids, prepend=np.int64(0))
    widest = int(deltas.max()) if len(deltas) else 0
    for tag, dtype in _WIDTHS.items():
        if widest <= np.iinfo(dtype).max:
            return tag + zlib.compress(deltas.astype(dtype).tobytes(), 1)
    raise AssertionError  # pragma: no cover - int64 always fits 8 bytes


def decode_ids(stored: bytes) -> NDArray[np.int64]:
    """The ids that :func:`encode_ids` stored, ascending int64."""
    return np.cumsum(_inflate(stored, _WIDTHS).astype(np.int64), dtype=np.int64)


def encode_array(values: NDArray[np.generic]) -> bytes:
    """Bytes of an int16, float32 or float64 array."""
    for tag, dtype in _KINDS.items():
        if values.dtype == dtype:
            return tag + zlib.compress(values.astype(dtype).tobytes(), 1)
    raise TypeError(f"no code for arrays of {values.dtype}")


def decode_array(stored: bytes) -> NDArray[np.generic]:
    """The array that :func:`encode_array` stored."""
    return _inflate(stored, _KINDS)


def _inflate(stored: bytes, kinds: _Kinds) -> NDArray[np.generic]:
    dtype = kinds.get(stored[:1])
    if dtype is None:
        raise FormatError("A journal row holds ids in an unknown code. Restore labels.sqlite from a backup.")
    try:
        return np.frombuffer(zlib.decompress(stored[1:]), dtype)
    except (zlib.error, ValueError) as error:
        raise FormatError(
            f"A journal row is damaged ({error}). Restore labels.sqlite from a backup."
        ) from error
