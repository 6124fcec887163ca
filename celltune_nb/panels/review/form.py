"""What the next review is to be filled with, as it is typed and chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...errors import InputError
from ...session.review import BORDER, BUDGETS

__all__ = ["FIELDS", "Form"]

#: Fields that the form has, as the browser names them.
FIELDS = ("by", "n", "border", "image", "budget", "priorities", "whose")


@dataclass
class Form:
    """The arguments of :meth:`celltune_nb.Session.review`.

    Attributes
    ----------
    by, n, border, image, budgets, priorities, whose
        As there; an empty *image* is all of them.
    open : bool
        Whether what is seldom changed is in sight.
    changes : int
        Grows when fields are to take their values from here again.
    """

    by: str = "celltune"
    n: int = 256
    border: float = BORDER
    image: str = ""
    budgets: dict[str, float] = field(default_factory=lambda: dict(BUDGETS))
    priorities: dict[str, float] = field(default_factory=dict)
    whose: str = "mine"
    open: bool = False
    changes: int = 0

    def wish(self) -> dict[str, Any]:
        """The arguments."""
        wish: dict[str, Any] = {
            "by": self.by, "n": self.n, "border": self.border, "image": self.image or None,
        }  # fmt: skip
        if self.by == "celltune":
            wish["budgets"], wish["priorities"] = dict(self.budgets), dict(self.priorities) or None
        if self.by == "blind":
            wish["whose"] = self.whose
        return wish

    def set(self, name: str, what: str, value: Any) -> None:
        """Take in what was typed or chosen.

        Parameters
        ----------
        name : str
            One of :data:`FIELDS`.
        what : str
            Which budget.

        Raises
        ------
        InputError
            When it is no number, or out of range; the former value stays.
        """
        if name == "n":
            self.n = int(self._number(value, 1, 100_000, "At most"))
        elif name == "border":
            self.border = self._number(value, 0, 100_000, "The border")
        elif name == "budget":
            self.budgets[what] = self._number(value, 0, 1, "A budget")
        elif name == "priorities":
            self._prioritise(str(value or ""))
        else:
            setattr(self, name, str(value or ""))
        self.open = self.open or name not in ("by", "n")

    def _prioritise(self, text: str) -> None:
        """``CD8T 2, field 1 1``: names of categories or images, each followed by its weight; without one it is 1."""
        wanted: dict[str, float] = {}
        for part in filter(None, map(str.strip, text.split(","))):
            name, _, weight = part.rpartition(" ")
            try:
                wanted[name.strip() or part] = float(weight) if name else 1.0
            except ValueError:  # a name of several words, without a weight
                wanted[part] = 1.0
        self.priorities = wanted
        if wanted and not self.budgets["priorities"]:
            # As in Python: what is asked for gets a quarter, the others keep their proportions.
            self.budgets = {name: round(0.75 * part, 4) for name, part in self.budgets.items()}
            self.budgets["priorities"] = 0.25
            self.changes += 1

    def _number(self, value: Any, low: float, high: float, what: str) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not low <= number <= high:
            self.changes += 1
            raise InputError(f"{what}: {value!r} is no number from {low:g} to {high:g}. Type another.")
        return number
