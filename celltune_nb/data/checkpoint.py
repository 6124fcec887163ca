"""A file of plain data and arrays that is either whole or not there: what the labels add up to, kept to open sooner.

Nothing rests on it.  The journal is the truth; a checkpoint that is damaged, cut off or of another journal is left
aside, and deleting it costs a slower opening once.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Content", "read", "write"]

Content = tuple[dict[str, Any], dict[str, NDArray[Any]]]

_MARK = b"celltune_nb checkpoint 1\n"
_TYPES = {"<i2": "i2", "<i4": "i4", "<i8": "i8", "<f8": "f8"}
_END = hashlib.sha256().digest_size


def write(stream: IO[bytes], content: Content) -> None:
    """Write plain data and one-dimensional arrays, and after them the digest of every byte before."""
    about, arrays = content
    # Little-endian on every machine, so that a copied project needs no question.
    little = {
        name: values.astype(values.dtype.newbyteorder("<"), copy=False) for name, values in arrays.items()
    }
    listed = [[name, _TYPES[values.dtype.str], len(values)] for name, values in little.items()]
    head = json.dumps([about, listed], separators=(",", ":")).encode()
    digest = hashlib.sha256()
    for part in (
        _MARK,
        len(head).to_bytes(8, "little"),
        head,
        *(v.tobytes() for v in little.values()),
    ):
        digest.update(part)
        stream.write(part)
    stream.write(digest.digest())


def read(path: Path) -> Content:
    """Read what :func:`write` wrote; the arrays may be changed.

    Raises
    ------
    OSError
        When it cannot be read.
    ValueError
        When one byte of it is not as it was written.
    """
    whole = path.read_bytes()
    body = memoryview(whole)[: -_END or None]
    if not whole.startswith(_MARK) or hashlib.sha256(body).digest() != whole[-_END:]:
        raise ValueError(f"{path.name} is damaged")
    start = len(_MARK) + 8
    end = start + int.from_bytes(body[len(_MARK) : start], "little")
    about, listed = json.loads(bytes(body[start:end]))
    arrays = {}
    for name, kind, length in listed:
        dtype = np.dtype(f"<{kind}")
        arrays[name] = np.frombuffer(body, dtype, length, end).astype(dtype.newbyteorder("="))
        end += length * dtype.itemsize
    return about, arrays
