"""The names that levels had: files, once written, go on bearing the name that their level had first."""

from __future__ import annotations

from typing import Any

__all__ = ["LevelNames"]


class LevelNames:
    """The names of each level that was renamed when files bore its name, from the first to today's.

    Nothing that was written is written anew when a level is called otherwise: files are found by the first name,
    :meth:`key`, and whatever stands in them means the level of :meth:`today`.  So none of these names may become that of
    another level: see :meth:`owner`.
    """

    def __init__(self, plain: Any = None) -> None:
        self._all: dict[str, list[str]] = {
            str(level): [str(name) for name in names] for level, names in dict(plain or {}).items()
        }

    def __len__(self) -> int:
        return len(self._all)

    def key(self, level: str) -> str:
        """The name by which the files of a level are called."""
        return self._all[level][0] if level in self._all else level

    def every(self, level: str) -> tuple[str, ...]:
        """All names of a level, today's first."""
        return tuple(dict.fromkeys((level, *self._all.get(level, ()))))

    def today(self, name: str) -> str:
        """What the level is called today that was called so when something was written."""
        owner = self.owner(name)
        return name if owner is None else owner

    def owner(self, name: str) -> str | None:
        """The level that has, or had, a name; None where files bear no such one."""
        if name in self._all:
            return name
        return next((level for level, names in self._all.items() if name in names), None)

    def rename(self, old: str, new: str, lasting: bool) -> None:
        """A level is called otherwise; *lasting*: files bear its name."""
        if lasting or old in self._all:
            self._all[new] = [*self._all.pop(old, [old]), new]

    def to_plain(self) -> dict[str, list[str]]:
        """Plain data, for a checkpoint."""
        return {level: list(names) for level, names in self._all.items()}
