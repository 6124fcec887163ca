"""The reviews of a project on disk: one file a level, replaced as a whole at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CellTuneError, FormatError
from .files import file_stem, read_json, write_json
from .queue import ReviewQueue
from .reviewed import MODELS, Content

if TYPE_CHECKING:
    from pathlib import Path

    from ..data.lineage import Lineage
    from .session import Session

__all__ = ["Reviews"]

VERSION = 1
#: A file of more bytes is no review: a hundred thousand cells take a third of it.
MOST_BYTES = 64 << 20


class Reviews:
    """The review that each level is at, read when it is first asked for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        #: level → when the file was written, and what it held
        self._known: dict[str, tuple[int, ReviewQueue | None]] = {}

    def of(self, level: str) -> ReviewQueue | None:
        """The review of a level; None before the first."""
        session, path = self._session, self._path(level)
        with session.lock:
            known = self._known.get(level)
            # Who may only look follows along; who writes knows what the file holds.
            if known is not None and not session.read_only:
                return known[1]
            try:
                stamp = path.stat().st_mtime_ns
            except OSError:
                stamp = 0
            if known is not None and known[0] == stamp:
                return known[1]
            queue = None
            try:
                if stamp and len((content := self._read(path, level)).ids):
                    queue = ReviewQueue(session, content)
            except CellTuneError as error:
                session.problems.append(str(error))
            self._known[level] = (stamp, queue)
            return queue

    def hides(self, level: str, item: int) -> bool:
        """Whether the label of an item is to be given a second time, so that it must not be seen."""
        queue = self.of(level)
        return queue is not None and queue.blind and not queue.finished and bool(np.isin(item, queue.ids))

    def begin(self, content: Content) -> ReviewQueue:
        """Put a new review in place of the former one."""
        session = self._session
        queue = ReviewQueue(session, content)
        with session.writing():
            former = self._known.get(content.level)
            self._known[content.level] = (0, queue)
            try:
                self._write(content)
            except BaseException:
                if former is None:
                    del self._known[content.level]
                else:
                    self._known[content.level] = former
                raise
        return queue

    def keep(self, level: str) -> None:
        """Write the review of a level as it is now."""
        with self._session.writing():
            queue = self._known[level][1]
            assert queue is not None
            self._write(queue._content)

    def follow(self) -> None:
        """Let the reviews go on with the cells that took the places of others; a review of none is over."""
        with self._session.lock:
            for level, (stamp, queue) in list(self._known.items()):
                if queue is None:
                    continue
                if not brought_up(queue._content, self._session.book.lineage):
                    self._known[level] = (stamp, None)
                queue._known = None

    def _path(self, level: str) -> Path:
        return self._session.project.path("reviews", f"{file_stem(self._session.book.names.key(level))}.json")

    def _write(self, content: Content) -> None:
        try:
            write_json(self._path(content.level), _plain(content))
        except OSError as error:
            raise CellTuneError(
                f"The review cannot be kept ({error.strerror}). Make room on the disk, then repeat the last step."
            ) from error

    def _read(self, path: Path, level: str) -> Content:
        try:
            if path.stat().st_size > MOST_BYTES:
                raise ValueError("it is too large")
            content = _content(read_json(path), level, self._session.book.names.every(level))
            if not brought_up(content, self._session.book.lineage):
                content.ids = content.ids[:0]
            content.ids = self._session.table.ids[self._session.positions(content.ids)]
        except (
            CellTuneError,
            OSError,
            KeyError,
            TypeError,
            AttributeError,
            ValueError,
            OverflowError,
        ) as error:
            raise FormatError(
                f"reviews/{path.name} is damaged ({type(error).__name__}) and was left out. The labels are unharmed: "
                "begin another review, session.review()."
            ) from error
        return content


def brought_up(content: Content, lineage: Lineage) -> int:
    """Put cells that took the places of others into a review, and take out those that are gone; how many are left.

    Where none is left the review stays as it was, for who still holds it.
    """
    now = lineage.now(content.ids)
    kept = np.flatnonzero(now)
    if len(kept) and not np.array_equal(now, content.ids):
        to = {a: b for a, b in zip(content.ids.tolist(), now.tolist(), strict=True) if b}
        content.at = min(int(np.searchsorted(kept, content.at)), len(kept) - 1)
        content.ids, content.score = now[kept], content.score[kept]
        content.reasons = tuple(content.reasons[i] for i in kept.tolist())
        content.skipped = {to[i] for i in content.skipped if i in to}
        content.said = {to[i]: codes for i, codes in content.said.items() if i in to}
    return len(kept)


def _plain(content: Content) -> dict[str, Any]:
    return {
        "version": VERSION, "level": content.level, "by": content.by, "title": content.title,
        "revision": content.revision, "seed": content.seed, "user": content.user, "blind": content.blind,
        "left_out": content.left_out, "at": content.at, "skipped": sorted(content.skipped),
        "said": {str(item): codes for item, codes in content.said.items()},
        "ids": content.ids.tolist(), "score": [round(float(s), 6) for s in content.score],
        "reasons": list(content.reasons),
    }  # fmt: skip


def _content(stored: dict[str, Any], level: str, names: tuple[str, ...]) -> Content:
    if stored["version"] != VERSION or stored["level"] not in names:
        raise ValueError("of another level or program")
    ids = np.array([int(i) for i in stored["ids"]], np.int64)
    score = np.array([float(s) for s in stored["score"]], np.float32)
    reasons = tuple(str(text) for text in stored["reasons"])
    said = {int(item): [int(c) for c in codes] for item, codes in stored["said"].items()}
    at = int(stored["at"])
    if (
        not len(ids) == len(score) == len(reasons)
        or not 0 <= at < len(ids)
        or len(np.unique(ids)) != len(ids)
    ):
        raise ValueError("its cells do not fit")
    if any(len(codes) != len(MODELS) for codes in said.values()):
        raise ValueError("its answers do not fit")
    return Content(
        level, str(stored["by"]), str(stored["title"]), ids, reasons, score, int(stored["revision"]), int(stored["seed"]),
        str(stored["user"]), bool(stored["blind"]), {str(k): int(v) for k, v in stored["left_out"].items()}, at,
        {int(i) for i in stored["skipped"]}, said,
    )  # fmt: skip
