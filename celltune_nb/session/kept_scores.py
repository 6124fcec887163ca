"""The last comparison with a ground truth, kept in the project as ``scores.npz``."""

from __future__ import annotations

import json
import math
import time
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FormatError
from .files import write_atomically

if TYPE_CHECKING:
    from .scoring import Scores
    from .session import Session

__all__ = ["brought_up", "keep", "load", "outdated"]

FILE = "scores.npz"
VERSION = 1
#: Bytes a compared cell, and of everything else, that the file may unpack to.
_EACH, _REST = 24, 4 << 20
_ARRAYS = {"ids": np.int64, "truth": np.int16, "predicted": np.int16}
_NUMBERS = ("matched", "unmatched", "unanswered")
_WORDS = ("population", "by", "run", "file")


def keep(session: Session, found: Scores) -> None:
    """Write a comparison in place of the former one; a disk that is full leaves it for this sitting."""
    about = {
        "version": VERSION, "categories": list(found.categories), "unknown": found.unknown, "examples": list(found.examples),
        "when": found.when, **{name: getattr(found, name) for name in (*_NUMBERS, *_WORDS)},
    }  # fmt: skip
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    arrays: dict[str, Any] = {name: getattr(found, name).astype(dtype) for name, dtype in _ARRAYS.items()}
    try:
        with session.writing():
            write_atomically(
                session.project.path(FILE), lambda stream: np.savez_compressed(stream, about=text, **arrays)
            )
    except OSError as error:
        session.problems.append(
            f"The comparison with the truth could not be kept ({error.strerror}). Make room on the disk."
        )


def load(session: Session) -> Scores | None:
    """What was kept; None when nothing was.

    Raises
    ------
    FormatError
        It is damaged.
    """
    path = session.project.path(FILE)
    if not path.exists():
        return None
    try:
        return _read(path, session)
    except (
        OSError, KeyError, TypeError, AttributeError, ValueError, LookupError, ArithmeticError, EOFError,
        zipfile.BadZipFile, zlib.error, NotImplementedError,
    ) as error:  # fmt: skip
        raise FormatError(
            f"{FILE}, the comparison with a ground truth, is damaged ({type(error).__name__}) and was left out. Compare "
            "again: session.score(truth)."
        ) from error


def _read(path: Path, session: Session) -> Scores:
    from .scoring import compared

    ids = session.table.ids
    most = int(ids[-1]) if len(ids) else 0  # cells that there ever were
    with zipfile.ZipFile(path) as archive:
        # What it would unpack to stands in its directory: nothing is read before that is known to be bearable.
        if sum(member.file_size for member in archive.infolist()) > _EACH * most + _REST:
            raise ValueError("it is too large")
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        about = json.loads(np.asarray(file["about"]).astype(np.uint8).tobytes())
        arrays = {name: np.asarray(file[name]).astype(np.int64) for name in _ARRAYS}
    categories = tuple(str(name) for name in about["categories"])
    n, k = len(arrays["ids"]), len(categories)
    if about["version"] != VERSION or not n or any(values.shape != (n,) for values in arrays.values()):
        raise ValueError("its cells do not fit")
    if any(not 0 <= arrays[name].min() <= arrays[name].max() < k for name in ("truth", "predicted")):
        raise ValueError("codes without a category")
    arrays["ids"] = session.book.lineage.now(arrays["ids"])
    left = arrays["ids"][arrays["ids"] != 0]
    if not np.isin(left, ids).all() or not math.isfinite(float(about["when"])):
        raise ValueError("cells that are not here")
    rest: dict[str, Any] = {name: int(about[name]) for name in _NUMBERS}
    rest |= {name: str(about[name]) for name in _WORDS}
    return compared(
        **arrays, categories=categories, unknown={str(k): int(v) for k, v in about["unknown"].items()},
        examples=tuple(str(text) for text in about["examples"]), when=float(about["when"]),
        **rest,
    )  # fmt: skip


def brought_up(session: Session, found: Scores) -> Scores:
    """A comparison with the cells that took the places of others, 0 for nobody; its figures stay."""
    return replace(found, ids=session.book.lineage.now(found.ids))


def outdated(session: Session, found: Scores) -> str:
    """When a comparison was made, and that the predictions or cells are others now where they are."""
    when = time.strftime("%d %b %Y, %H:%M", time.localtime(found.when))
    what = f" with {found.file}" if found.file else ""
    if found.population not in session.populations:
        return f"Compared{what} on {when}. {found.population} is gone since."
    if (session.populations[found.population].run or "") != found.run:
        return f"Compared{what} on {when}. There was a training since: compare again for its figures."
    gone = int((found.ids == 0).sum())
    if gone:
        return (
            f"Compared{what} on {when}. {gone:,} of its cells {'is' if gone == 1 else 'are'} gone with a mask that was "
            "replaced: compare again."
        )
    return f"Compared{what} on {when}."
