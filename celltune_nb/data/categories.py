"""Categories: what an item can be called, with a colour and a key.

A :class:`CategorySet` never changes; every edit returns a new one.  That makes an edit of the
categories an ordinary step of the label journal: undo puts the former set back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import LabelError

__all__ = ["PALETTE", "UNKNOWN", "UNKNOWN_COLOR", "Category", "CategorySet"]

UNKNOWN = "Unknown"
UNKNOWN_COLOR = "#AAAAAA"
MAX_CATEGORIES = 2_000  # codes are int16; far more than anybody can tell apart

#: Twelve colours that stay apart for most colour-blind eyes and on black and on white images
#: (Okabe & Ito 2008, then Tol 2021 "bright" and "vibrant").
PALETTE = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#D55E00", "#CC79A7",
    "#0072B2", "#AA3377", "#44BB99", "#EE6677", "#BBCC33", "#9970AB",
)  # fmt: skip

_HEX = re.compile(r"#[0-9A-Fa-f]{6}")


@dataclass(frozen=True, slots=True)
class Category:
    """One category of a level.

    Attributes
    ----------
    code : int
        Number in label and population arrays (int16); 0 is *Unknown*; never reused in a level.
    name : str
        What people read.
    color : str
        ``"#RRGGBB"``.
    key : str or None
        The key that assigns it, ``"1"`` to ``"9"``.
    exclude_from_training : bool
        Items of the category are kept, shown and exported, but no model learns from them
        (CellTune's *Ambiguous*).
    """

    code: int
    name: str
    color: str
    key: str | None = None
    exclude_from_training: bool = False

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green, blue, each 0 to 255."""
        return (int(self.color[1:3], 16), int(self.color[3:5], 16), int(self.color[5:7], 16))


class CategorySet(Sequence[Category]):
    """The ordered, immutable categories of a level; the first is always *Unknown*.

    Raises
    ------
    LabelError
        From every edit that names a missing category, a taken name or a malformed colour or key.
    """

    __slots__ = ("_by_name", "_categories", "_merged", "_next_code")

    def __init__(
        self, categories: Iterable[Category] = (), next_code: int = 1, merged: Iterable[tuple[Category, int]] = ()
    ) -> None:  # fmt: skip
        members = tuple(categories)
        if not members or members[0].code != 0:
            members = (Category(0, UNKNOWN, UNKNOWN_COLOR), *members)
        self._categories = members
        self._by_name = {category.name: category for category in members}
        self._merged = tuple(merged)
        codes = [*(category.code for category in members), *(category.code for category, _ in self._merged)]
        self._next_code = max([next_code, *(code + 1 for code in codes)])

    def __len__(self) -> int:
        return len(self._categories)

    def __iter__(self) -> Iterator[Category]:
        return iter(self._categories)

    def __contains__(self, name: object) -> bool:
        if isinstance(name, str):
            return name in self._by_name
        return isinstance(name, Category) and name in self._categories

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CategorySet) and (self._categories, self._merged) == (
            other._categories,
            other._merged,
        )

    def __hash__(self) -> int:
        return hash(self._categories)

    def __getitem__(self, which: Any) -> Any:
        """A category by name, or by its place in the order."""
        if isinstance(which, str):
            if which not in self._by_name:
                raise LabelError(
                    f"There is no category {which!r} here. Categories: {', '.join(self.names)}. "
                    f"Add it first: session.categories.add({which!r})."
                )
            return self._by_name[which]
        return self._categories[which]

    def __repr__(self) -> str:
        return f"CategorySet({', '.join(self.names)})"

    def named(self, name: str) -> Category:
        """The category of a name.

        Raises
        ------
        LabelError
            When there is none.
        """
        if not isinstance(name, str):
            raise LabelError(f"{name!r} is not a category's name. Categories: {', '.join(self.names)}.")
        category: Category = self[name]
        return category

    @property
    def names(self) -> list[str]:
        """Names in order, *Unknown* first."""
        return [category.name for category in self._categories]

    @property
    def next_code(self) -> int:
        """The code that the next new category gets."""
        return self._next_code

    @property
    def by_code(self) -> dict[int, Category]:
        """Code to category."""
        return {category.code: category for category in self._categories}

    @property
    def merged(self) -> tuple[tuple[Category, int], ...]:
        """Categories that were merged, as they were, each with the code of the one it went into."""
        return self._merged

    def meaning(self, code: int) -> Category | None:
        """The category that a code stands for today: its own, or the one it was merged into; None when deleted."""
        by_code, into = self.by_code, {category.code: target for category, target in self._merged}
        for _ in range(len(into) + 1):
            if code in by_code:
                return by_code[code]
            if code not in into:
                break
            code = into[code]
        return None

    def parts(self, code: int) -> set[int]:
        """A category's code with those of all that were merged into it, at whatever remove."""
        found = {code}
        while more := {c.code for c, into in self._merged if into in found} - found:
            found |= more
        return found

    # ------------------------------------------------------------------ edits

    def add(self, name: str, color: str | None = None, key: str | None = None) -> CategorySet:
        """With one more category; colour and key are the next free ones unless given (key "" = none)."""
        name = self._new_name(name)
        if len(self) >= MAX_CATEGORIES:
            raise LabelError(f"A level holds {MAX_CATEGORIES:,} categories at most. Merge some first.")
        category = Category(
            self._next_code,
            name,
            self._free_color() if _is_blank(color) else self._valid_color(color),
            self._free_key() if key is None else self._valid_key(key),
        )
        return CategorySet((*self._categories, category), self._next_code + 1, self._merged)

    def rename(self, old: str, new: str) -> CategorySet:
        """With *old* called *new*; labels keep their category."""
        current = self._editable(old)
        return self._replacing(current, replace(current, name=self._new_name(new)))

    def recolor(self, name: str, color: str) -> CategorySet:
        """With another colour."""
        current = self.named(name)
        return self._replacing(current, replace(current, color=self._valid_color(color)))

    def set_key(self, name: str, key: str | None) -> CategorySet:
        """With another key, ``"1"`` to ``"9"``, or None; a key that is taken moves here."""
        current = self._editable(name)
        valid = self._valid_key(key, taken_is_error=False)
        freed = [replace(c, key=None) if valid and c.key == valid else c for c in self]
        return CategorySet(
            [replace(c, key=valid) if c.code == current.code else c for c in freed], self._next_code, self._merged
        )  # fmt: skip

    def set_excluded(self, name: str, excluded: bool) -> CategorySet:
        """With the category in or out of training."""
        current = self._editable(name)
        return self._replacing(current, replace(current, exclude_from_training=bool(excluded)))

    def remove(self, name: str) -> CategorySet:
        """Without the category."""
        current = self._editable(name)
        gone = self.parts(current.code)
        return CategorySet(
            [c for c in self if c.code != current.code], self._next_code,
            [(c, into) for c, into in self._merged if c.code not in gone],
        )  # fmt: skip

    def merge(self, names: Sequence[str], into: str) -> CategorySet:
        """With some categories as parts of another, from which :meth:`unmerge` takes them again."""
        target = self.named(into)
        if into == UNKNOWN:
            raise LabelError("Items cannot be merged into Unknown. Delete the category instead.")
        given = [self._editable(name) for name in dict.fromkeys(names)]
        if not given:
            raise LabelError("No category was named to be merged. Name at least one.")
        if target in given:
            raise LabelError(f"{into!r} cannot be merged into itself. Choose another category.")
        return CategorySet(
            [c for c in self if c not in given], self._next_code, [*self._merged, *((c, target.code) for c in given)]
        )  # fmt: skip

    def unmerge(self, name: str) -> CategorySet:
        """With a category again that was merged, as it was; its key only if that is still free."""
        found = next((c for c, _ in self._merged if c.name == name), None)
        if found is None:
            known = ", ".join(repr(c.name) for c, _ in self._merged) or "none"
            raise LabelError(f"No category {name!r} was merged here. Merged ones: {known}.")
        self._new_name(name)
        if found.key in {c.key for c in self}:
            found = replace(found, key=None)
        rest = [(c, into) for c, into in self._merged if c.code != found.code]
        return CategorySet((*self._categories, found), self._next_code, rest)

    def reorder(self, names: Sequence[str]) -> CategorySet:
        """In another order; *Unknown* stays first."""
        given = [names] if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
        wanted = [name for name in given if not (isinstance(name, str) and name == UNKNOWN)]
        if not all(isinstance(name, str) for name in wanted) or sorted(wanted) != sorted(self.names[1:]):
            raise LabelError(f"The new order has to name every category once: {', '.join(self.names[1:])}.")
        return CategorySet(
            [self._by_name[UNKNOWN], *(self[name] for name in wanted)], self._next_code, self._merged
        )

    # ------------------------------------------------------------------ on disk

    def to_json(self) -> dict[str, Any]:
        """Plain data for the journal."""
        found: dict[str, Any] = {"next_code": self._next_code, "categories": [_plain(c) for c in self]}
        if self._merged:
            found["merged"] = [[*_plain(c), into] for c, into in self._merged]
        return found

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> CategorySet:
        """From what :meth:`to_json` gave."""
        rows = [_category(c) for c in stored["categories"]]
        merged = [(_category(c), int(c[5])) for c in stored.get("merged", ())]
        return cls(rows, int(stored["next_code"]), merged)

    # ------------------------------------------------------------------ checks

    def _replacing(self, old: Category, new: Category) -> CategorySet:
        return CategorySet([new if c.code == old.code else c for c in self], self._next_code, self._merged)

    def _editable(self, name: str) -> Category:
        category = self.named(name)
        if name == UNKNOWN:
            raise LabelError(f"{UNKNOWN!r} is built in: it cannot be renamed, keyed, excluded or deleted.")
        return category

    def _new_name(self, name: str) -> str:
        if not isinstance(name, str):
            raise LabelError(f"{name!r} is not a name. Write it in quotes.")
        name = name.strip()
        if not name or len(name) > 80 or not name.isprintable():
            raise LabelError("A category needs a name of 1 to 80 printable characters. Choose another.")
        # Compared without case: "cd8t" beside "CD8T" is a slip, and files on some systems cannot keep them apart.
        if name.casefold() in {known.casefold() for known in self._by_name}:
            raise LabelError(f"There is already a category {name!r} here. Choose another name.")
        return name

    @staticmethod
    def _valid_color(color: object) -> str:
        color = str(color)
        if not _HEX.fullmatch(color):
            raise LabelError(f'{color!r} is not a colour. Write it as "#RRGGBB", for example "#E69F00".')
        return color.upper()

    def _valid_key(self, key: str | None, *, taken_is_error: bool = True) -> str | None:
        if _is_blank(key):
            return None
        key = str(key)
        if key not in "123456789" or len(key) != 1:
            raise LabelError(f'{key!r} cannot be a category\'s key. Choose "1" to "9".')
        owner = next((c.name for c in self if c.key == key), None)
        if owner and taken_is_error:
            raise LabelError(f"Key {key} belongs to {owner!r} already. Choose another key.")
        return key

    def _free_key(self) -> str | None:
        taken = {c.key for c in self}
        return next((k for k in "123456789" if k not in taken), None)

    def _free_color(self) -> str:
        taken = {c.color.upper() for c in self}
        free = [color for color in PALETTE if color not in taken]
        return free[0] if free else PALETTE[self._next_code % len(PALETTE)]


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value)


def _plain(c: Category) -> list[Any]:
    return [c.code, c.name, c.color, c.key, c.exclude_from_training]


def _category(stored: Sequence[Any]) -> Category:
    return Category(int(stored[0]), str(stored[1]), str(stored[2]), stored[3], bool(stored[4]))
