"""What a session tells its listeners.

Each signal carries one frozen payload and is emitted after the change is complete, on disk, and
the session's lock released.  It may come from any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .view import View

__all__ = [
    "AccessChanged", "CategoriesChanged", "ItemsChanged", "LabelsChanged", "PopulationsChanged", "QueueChanged",
    "SelectionChanged", "StudyChanged", "ViewChanged",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class LabelsChanged:
    """Labels of a level changed; *ids* are the items concerned, None when it may be any."""

    level: str
    ids: NDArray[np.int64] | None
    revision: int


@dataclass(frozen=True)
class CategoriesChanged:
    """A level was added, another became active, or a level's categories were edited."""

    level: str


@dataclass(frozen=True)
class ItemsChanged:
    """Images, items, features or columns were added."""

    what: str


@dataclass(frozen=True)
class PopulationsChanged:
    """Population sets were added or replaced.

    With ``preview_changed``: the set of which the cells on the screen are known already; none once all are.
    """

    names: tuple[str, ...]


@dataclass(frozen=True)
class QueueChanged:
    """A review was begun, or is at another cell; *item* is the one it is at."""

    level: str
    item: int


@dataclass(frozen=True, eq=False)
class SelectionChanged:
    """Other items are selected."""

    ids: NDArray[np.int64]


@dataclass(frozen=True)
class StudyChanged:
    """The rule, the working set, a verdict or another part of the study changed; *what* is the part's name."""

    what: str


@dataclass(frozen=True)
class ViewChanged:
    """What is looked at, or how, changed; *fields* names what."""

    fields: frozenset[str]
    view: View


@dataclass(frozen=True)
class AccessChanged:
    """The session may write no longer, or again."""

    read_only: bool
    reason: str
