"""Files packed with gzip: read as if they were not, never unpacked to disk."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ..errors import FormatError
from .annotated import check_memory

__all__ = ["check_unpacked", "opened"]

_MAGIC = b"\x1f\x8b"
#: Bytes unpacked at once while a file is only measured.
BLOCK = 1 << 20


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked while they are read where it is packed, whatever its name says.

    Raises
    ------
    FormatError
        When what is packed is cut off or damaged; while reading.
    OSError
        When the file cannot be opened.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(_MAGIC)) == _MAGIC
            raw.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=raw) as stream:
                    yield stream  # type: ignore[misc]
            else:
                yield raw
    except EOFError as error:
        raise FormatError(
            f"{path.name} is cut off: what is packed in it ends too early. Copy or download it again."
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(
            f"{path.name} is damaged: it cannot be unpacked ({error}). Copy or download it again."
        ) from error


def check_unpacked(path: Path, factor: float = 1.0) -> None:
    """Refuse a file whose contents do not fit into the memory, without holding more than a block of them.

    What a packed file says of its size is not believed: it is unpacked once, and no further than it may be.

    Parameters
    ----------
    factor : float
        Bytes of memory that each byte of the contents takes.

    Raises
    ------
    FormatError
        Also when what is packed is cut off or damaged.
    """
    check_memory(factor * path.stat().st_size, path.name)
    with opened(path) as stream:
        if not isinstance(stream, gzip.GzipFile):
            return
        unpacked = 0
        while block := stream.read(BLOCK):
            unpacked += len(block)
            check_memory(factor * unpacked, f"{path.name}, unpacked,")
