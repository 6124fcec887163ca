"""Looking things up: the item under a point, an item in words, counts by image or group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.categories import UNKNOWN
from .checks import number as as_number
from .checks import one_of, whole_number

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = [
    "ItemSummary", "LabelTable", "describe", "item_at", "label_counts", "label_table", "marker_scale",
]  # fmt: skip

#: Without a mask a click takes the nearest centre up to this far, pixels.
REACH = 20.0


@dataclass(frozen=True)
class ItemSummary:
    """An item in a few words.

    Attributes
    ----------
    id : int
    image : str
    cell : int
        Its number in the user's own mask or table.
    label : str
    prediction, confidence
        Of ``Pred_AVG``; None before a training, and while an audit is labelled blind.
    top : list of (str, float)
        Markers that stand out most, with their z-score over all items.
    note : str
        What somebody wrote on it.
    hidden : bool
        The label is not told, since it is being given a second time, blind.
    outside : str
        To which cells the level is held, where this is none of them; empty for all others.
    """

    id: int
    image: str
    cell: int
    label: str
    prediction: str | None
    confidence: float | None
    top: list[tuple[str, float]]
    note: str = ""
    hidden: bool = False
    outside: str = ""

    @property
    def sentence(self) -> str:
        """For a tooltip."""
        named = self.label if self.label != UNKNOWN else "not labelled"
        parts = [f"Cell {self.cell}", "label hidden" if self.hidden else named]
        if self.prediction is not None:
            sure = "" if self.confidence is None else f" {self.confidence:.0%}"
            parts.append(f"predicted {self.prediction}{sure}")
        if self.outside:
            parts.append(f"outside: {self.outside}")
        if self.top:
            parts.append(", ".join(f"{name} {z:+.1f}" for name, z in self.top))
        if self.note:
            parts.append(f"“{self.note}”" if len(self.note) <= 80 else f"“{self.note[:79]}…”")
        return " · ".join(parts)


def item_at(session: Session, image: str, y: float, x: float) -> int | None:
    """See :meth:`celltune_nb.Session.item_at`."""
    number = session.image_number(image)
    y, x = as_number(y, "y"), as_number(x, "x")
    if number < 0 or not (np.isfinite(y) and np.isfinite(x)):
        return None
    rows = session.table.of_image(number)
    mask = session.images[image].mask
    if mask is not None:
        row, column = int(np.floor(y + 0.5)), int(np.floor(x + 0.5))
        if not (0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]):
            return None
        cell = int(mask[row, column])
        # A mask read where it lies may have been changed: a number beyond the image's cells is no cell.
        return int(session.table.ids[rows.start + cell - 1]) if 0 < cell <= rows.stop - rows.start else None
    place = session.table.nearest(number, y, x, REACH)
    return None if place is None else int(session.table.ids[place])


def describe(session: Session, item: int) -> ItemSummary:
    """See :meth:`celltune_nb.Session.describe`."""
    position = int(session.positions([whole_number(item, "The item")])[0])
    table = session.table
    with session.lock:
        state = session.book.level(session.level)
        label = state.categories.by_code[int(state.codes_of(table.ids[position : position + 1])[0])].name
        note = session.book.remarks.note_of(int(item))
    hidden = session.view.blind and session.reviews.hides(session.level, int(item))
    prediction = confidence = None
    region = session.regions.of(session.level)
    outside = "" if region is None or session.regions.inside(session.level)[position] else region.sentence
    if "Pred_AVG" in session.populations and not session.view.blind and not outside:
        average = session.populations["Pred_AVG"]
        if position < len(average):
            by_code = {c.code: c.name for c in average.categories}
            prediction = by_code[int(average.codes[position])]
            probability = average.probability
            if probability is not None and np.isfinite(probability[position, 0]):
                confidence = float(probability[position].max())
    number = int(table.images[position])
    return ItemSummary(
        int(item), table.names[number] if number >= 0 else "", int(table.cells[position]),
        UNKNOWN if hidden else label, prediction,
        confidence, _top_markers(session, position), note, hidden, outside,
    )  # fmt: skip


def _top_markers(session: Session, position: int, count: int = 3) -> list[tuple[str, float]]:
    """Channels whose mean in the cell lies furthest above the average, in standard deviations."""
    if not session.features_by_name:
        return []
    source = session.active_features()
    if position >= len(source):
        return []
    columns, names, mean, deviation = marker_scale(source)
    if not len(columns):
        return []
    z = (np.asarray(source.matrix[position, columns], np.float64) - mean) / deviation
    best = [i for i in np.argsort(-np.nan_to_num(z, nan=-np.inf))[:count] if np.isfinite(z[i]) and z[i] > 0.5]
    return [(names[i], float(z[i])) for i in best]


_SCALES: dict[
    int, tuple[Any, tuple[NDArray[np.int64], list[str], NDArray[np.float64], NDArray[np.float64]]]
] = {}


def marker_scale(
    source: Any,
) -> tuple[NDArray[np.int64], list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Columns of the channels' means, their names, and mean and deviation over a sample of the items."""
    known = _SCALES.get(id(source))
    if known is not None and known[0] is source:
        return known[1]
    from ..measure.names import parse_name

    parsed = [parse_name(name) for name in source.names]
    columns = [
        i for i, p in enumerate(parsed) if p.channel and p.statistic == "Mean" and p.compartment == "Cell"
    ]
    names = [str(parsed[i].channel) for i in columns]
    rows = np.linspace(0, len(source) - 1, min(len(source), 20_000)).astype(np.int64)
    sample = np.asarray(source.matrix[rows][:, columns], np.float64) if columns else np.zeros((1, 0))
    with np.errstate(invalid="ignore"):
        finite = sample[np.isfinite(sample).all(axis=1)]
    if not len(finite):
        finite = np.zeros((1, len(columns)))
    scale = (np.array(columns, np.int64), names, finite.mean(axis=0), np.maximum(finite.std(axis=0), 1e-6))
    _SCALES.clear()  # one project is looked at at a time
    _SCALES[id(source)] = (source, scale)
    return scale


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Labels counted by image or group.

    Attributes
    ----------
    rows : list of str
        Images or groups, "–" for items without a group.
    columns : list of str
        Categories.
    counts : ndarray of int64, shape (rows, columns)
    """

    rows: list[str]
    columns: list[str]
    counts: NDArray[np.int64]


def label_table(session: Session, by: str, level: str) -> LabelTable:
    """The labels counted by ``"image"`` or ``"group"``; quick, for panels ask for it after every label."""
    table = session.table
    one_of(by, ("image", "group"), "What labels are counted by")
    names, units = (table.names, table.images) if by == "image" else (table.group_names, table.groups)
    with session.lock:
        state = session.book.level(level)
        tally = state.counts_by(by, table.ids, units, len(names))
        categories = [c for c in state.categories if c.name != UNKNOWN]
    if by == "group" and tally[0].any():
        names = ["–", *names]  # items without a group
    else:
        tally = tally[1:]
    span = max((c.code for c in categories), default=0) + 1
    tally = np.pad(tally, ((0, 0), (0, max(0, span - tally.shape[1]))))
    return LabelTable(list(names), [c.name for c in categories], tally[:, [c.code for c in categories]])


def label_counts(session: Session, by: str, level: str) -> pd.DataFrame:
    """See :meth:`celltune_nb.Session.label_counts`."""
    import pandas as pd

    found = label_table(session, by, level)
    return pd.DataFrame(found.counts, index=pd.Index(found.rows, name=by), columns=found.columns)
