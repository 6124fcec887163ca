"""Writing files so that a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from ..errors import FormatError

__all__ = ["file_stem", "placing", "read_json", "write_atomically", "write_beside", "write_json"]


def file_stem(name: str) -> str:
    """A file name for any text: readable, and different for different texts on every file system."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in name)[:80]
    return plain if plain == name and name == name.lower() else f"{plain}-{zlib.crc32(name.encode()):08x}"


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let *write* fill a temporary file beside *path*, then put it in place of *path*.

    Parameters
    ----------
    path : Path
        The folder is made when missing.
    write : callable
        Gets the open binary file.
    """
    temporary = write_beside(path, write)
    try:
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_beside(path: Path, write: Callable[[IO[bytes]], object]) -> Path:
    """Let *write* fill a temporary file beside *path*, to be put in its place later; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own for each writer: two threads that save the same file must not share one.
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


@contextmanager
def placing(path: Path) -> Iterator[Path]:
    """A path beside *path* for a writer that opens its file itself; put in place of *path* at the end.

    Nothing is left when the writing fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write plain data as JSON, atomically."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    write_atomically(path, lambda stream: stream.write(text.encode()))


def read_json(path: Path) -> Any:
    """Read a JSON file of the project.

    Raises
    ------
    FormatError
        When it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FormatError(f"{path} is missing. Open a complete project folder.") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is damaged ({error}). Restore it from a copy of the project.") from error
