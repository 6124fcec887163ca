"""The cell types of a project: what its table says of each category, kept in ``project.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..data.categories import UNKNOWN, CategorySet
from ..data.expressions import parse
from ..errors import InputError, NotReadyError
from ..formats.celltypes import CellType, read_celltypes
from .checks import a_path
from .committing import committing
from .markers import feature_of_marker

if TYPE_CHECKING:
    from .session import Session

__all__ = ["CellTypeReport", "CellTypes", "as_columns", "import_celltypes"]

_SETTING = "celltypes"


@dataclass(frozen=True)
class CellTypeReport:
    """What an import of cell types did.

    Attributes
    ----------
    names : tuple of str
        The categories that the table speaks of.
    added : int
        How many of them are new.
    unknown_markers, unknown_channels : tuple of str
        Named in the table, but neither a measured marker nor a channel of this project.
    """

    names: tuple[str, ...]
    added: int = 0
    unknown_markers: tuple[str, ...] = ()
    unknown_channels: tuple[str, ...] = ()

    def __str__(self) -> str:
        text = f"{len(self.names):,} cell types, {self.added:,} of them new categories."
        if self.unknown_markers:
            text += f" Not measured here: {', '.join(self.unknown_markers)}."
        if self.unknown_channels:
            text += f" No channel here: {', '.join(self.unknown_channels)}."
        return text


class CellTypes(Mapping[str, CellType]):
    """What the table of cell types says of each category of a level, by the name the category has now.

    A category that is renamed or recoloured takes its row along; one that is deleted has none until undo brings it back.
    """

    def __init__(self, session: Session, level: str | None = None) -> None:
        self._session = session
        self._of = level

    def __getitem__(self, name: str) -> CellType:
        found = self._known().get(name)
        if found is None:
            there = ", ".join(self._known())
            raise NotReadyError(
                f"The table of cell types says nothing of {name!r}. It has: {there}."
                if there
                else "There is no table of cell types yet. Bring one: session.import_celltypes(path)."
            )
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._known()

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def __repr__(self) -> str:
        return f"CellTypes({', '.join(self) or 'none yet'})"

    def _known(self) -> dict[str, CellType]:
        session = self._session
        level = self._of or session.level
        stored = session.project.settings.get(_SETTING)
        rows = stored.get(level) if isinstance(stored, dict) else None
        by_code = session.book.level(level).categories.by_code
        found: dict[str, CellType] = {}
        for row in rows if isinstance(rows, list) else []:
            try:
                category = by_code.get(int(row["code"]))
                first, second, third = (str(m) for m in row["markers"])
                channels = tuple(str(c) for c in row["channels"])
            except (KeyError, TypeError, ValueError):
                continue  # a row that somebody edited by hand; the others are still good
            if category is not None:
                found[category.name] = CellType(
                    category.name, (first, second, third), channels, category.color
                )
        return found


def as_columns(session: Session, level: str) -> dict[str, list[str]]:
    """The table of cell types as the project keeps it, by column: what :func:`import_celltypes` reads again."""
    types = list(CellTypes(session, level).values())
    columns = {"CellType": [one.name for one in types]}
    for i, title in enumerate(("PrimaryMarker", "SecondaryMarker", "TertiaryMarker")):
        columns[title] = [one.markers[i] for one in types]
    for i in range(max((len(one.channels) for one in types), default=0)):
        columns[f"Channel_{i + 1}"] = [one.channels[i] if i < len(one.channels) else "" for one in types]
    return {**columns, "hex": [one.color or "" for one in types]}


def import_celltypes(session: Session, table: Any, level: str) -> CellTypeReport:
    """See :meth:`celltune_nb.Session.import_celltypes`."""
    read = read_celltypes(a_path(table) if isinstance(table, str) else table)
    rows = [row for row in read if row.name.casefold() != UNKNOWN.casefold()]
    if not rows:
        raise InputError(
            f"The table names no cell type but {UNKNOWN}, which is built in. Add a row for each type."
        )
    with session.writing():
        before = session.book.level(level).categories
        rows, after = _merged(before, rows)
    if after != before:
        session.change_levels(
            lambda book, user: book.edit_categories(
                level, _merged(book.level(level).categories, rows)[1], "cell types imported",
                round=session.rounds(level), user=user,
            ),
            level,
        )  # fmt: skip
    with committing(session) as project:
        codes = {c.name: c.code for c in session.book.level(level).categories}
        stored = project.settings.get(_SETTING)
        kept = dict(stored) if isinstance(stored, dict) else {}
        kept[level] = [
            {"code": codes[row.name], "markers": list(row.markers), "channels": list(row.channels)}
            for row in rows
        ]
        project.settings[_SETTING] = kept
        project.save()
    session.changed_items("celltypes")
    channels = {name for image in session.images.values() for name in image.channels}
    return CellTypeReport(
        tuple(row.name for row in rows),
        len(after) - len(before),
        unknown_markers(session, rows),
        tuple(dict.fromkeys(c for row in rows for c in row.channels if channels and c not in channels)),
    )


def unknown_markers(session: Session, rows: list[CellType]) -> tuple[str, ...]:
    """Markers that some expressions name and the active features do not have; none before anything is measured."""
    if not session.features_by_name:
        return ()
    source = session.active_features()
    named = dict.fromkeys(name.text for row in rows if row.expression for name in parse(row.expression).names)
    return tuple(name for name in named if feature_of_marker(source, name) is None)


def _merged(categories: CategorySet, rows: list[CellType]) -> tuple[list[CellType], CategorySet]:
    """The categories with those of the table; and the rows, called as the categories are that they speak of."""
    known = {c.name.casefold(): c.name for c in categories}
    named = []
    for row in rows:
        name = known.get(row.name.casefold())
        if name is None:
            categories = categories.add(row.name, row.color)
            name = categories[-1].name
        elif row.color is not None:
            categories = categories.recolor(name, row.color)
        named.append(replace(row, name=name))
    return named, categories
