"""Small pictures of a cell for review, and which channels they show."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CellTuneError, InputError
from .checks import number, texts, whole_number
from .describing import marker_scale
from .reviewed import model_set

if TYPE_CHECKING:
    from .session import Session
    from .view import ChannelView

__all__ = ["MOST", "Tiles", "tile_channels", "tiles"]

#: Channels shown alone, as in CellTune.
MOST = 7
#: Of them, how many are there for what the models say; the others for what this cell is bright in.
PREDICTED = 4
#: Cells looked at to learn which channels a category stands out in.
SAMPLE = 20_000
#: What :func:`_enriched` found last for each session that is open.
_KEPT: weakref.WeakKeyDictionary[Session, tuple[Any, dict[str, tuple[str, ...]]]] = (
    weakref.WeakKeyDictionary()
)


@dataclass(frozen=True, eq=False)
class Tiles:
    """Small pictures of a cell.

    Attributes
    ----------
    names : tuple of str
        ``"Together"``, then the channels.
    pictures : tuple of ndarray
        uint8 (side, side, 3) each.
    because : tuple of str
        Why each channel is shown.
    trouble : str
        Why there are none.
    """

    names: tuple[str, ...] = ()
    pictures: tuple[NDArray[np.uint8], ...] = ()
    because: tuple[str, ...] = ()
    trouble: str = ""


def tiles(session: Session, item: int, channels: Sequence[str] | None, *, size: int, dpr: float) -> Tiles:
    """See :meth:`celltune_nb.Session.tiles`."""
    from ..render.compose import Channel
    from ..render.tiles import Crop, tile_pictures

    wide = whole_number(size, "The size of a tile", 8) * number(dpr, "Device pixels a pixel")
    if not wide <= 2048:
        raise InputError(f"A tile of {wide:,} pixels is no small picture. Give at most 2,048.")
    side, table = max(1, round(wide)), session.table
    row = int(session.positions([whole_number(item, "The cell")])[0])
    place = int(table.images[row])
    name = table.names[place] if place >= 0 else ""
    image = session.images.get(name)
    if image is None:
        return Tiles(
            trouble="This cell came with a table: there are no pixels to show. Add the image to see it."
        )
    by_name = {c.name: c for c in session.view.channels}
    known = [c for c in image.channels if c in by_name]
    if channels is None:
        chosen = tile_channels(session, item)
    else:
        channels = texts(channels, "The channels")
        missing = [c for c in channels if c not in known]
        if missing:
            raise InputError(f"There is no channel {missing[0]!r}. Channels: {', '.join(known)}.")
        chosen = [(c, "") for c in channels]

    def shown(view: ChannelView) -> Channel:
        return Channel(image.channels.index(view.name), view.color, view.low, view.high)

    chosen = [] if image.is_rgb else [(c, why) for c, why in chosen if c in known][:MOST]
    together = [shown(by_name[c]) for c in known if by_name[c].visible] or [
        shown(by_name[c]) for c, _ in chosen[:3]
    ]
    rows = table.of_image(session.image_number(name))
    try:
        pictures = tile_pictures(
            image.array, image.mask, Crop.around(table.bbox[row].tolist(), float(table.y[row]), float(table.x[row])),
            row - rows.start + 1, together, [shown(by_name[c]) for c, _ in chosen], side=side,
            pyramid=session.pyramids.of(image),
        )  # fmt: skip
    except CellTuneError as error:  # its file is gone
        return Tiles(trouble=str(error))
    return Tiles(("Together", *(c for c, _ in chosen)), tuple(pictures), ("", *(why for _, why in chosen)))


def tile_channels(session: Session, item: int) -> list[tuple[str, str]]:
    """The channels worth a look, at most seven: of the types the models name, then those this cell is bright in.

    While predictions are hidden only the latter, since the choice would tell what was predicted.

    Returns
    -------
    list of (str, str)
        Channel, and why.
    """
    row = int(session.positions([item])[0])
    chosen: dict[str, str] = {}
    if not session.view.blind:
        wanted = [(name, _channels_of(session, name)) for name in _predicted(session, row)]
        # In turn, so that both answers can be checked.
        for rank in range(MOST):
            for name, found in wanted:
                if rank < len(found) and len(chosen) < PREDICTED:
                    chosen.setdefault(found[rank], f"of {name}")
    for name in _brightest(session, row):
        if len(chosen) >= MOST:
            break
        chosen.setdefault(name, "stands out in this cell")
    return list(chosen.items())[:MOST]


def _predicted(session: Session, row: int) -> list[str]:
    names: dict[str, None] = {}
    for model in ("Pred_MDL1", "Pred_MDL2"):
        found = model_set(session, session.level, model)
        if found is not None and row < len(found) and found.codes[row]:
            names[next(c.name for c in found.categories if c.code == found.codes[row])] = None
    return list(names)


def _channels_of(session: Session, category: str) -> tuple[str, ...]:
    """Channels of a category: of its row in the table of cell types, else those its predicted cells are brightest in."""
    types = session.celltypes
    given = tuple(types[category].channels) if category in types else ()
    return given or _enriched(session).get(category, ())


def _enriched(session: Session) -> dict[str, tuple[str, ...]]:
    """Category → channels whose mean in the cells predicted so lies most above that of all, the clearest first."""
    average = model_set(session, session.level, "Pred_AVG")
    if average is None or not session.features_by_name:
        return {}
    source = session.active_features()
    key = (id(source), average.run, session.level, tuple(c.name for c in average.categories))
    kept = _KEPT.get(session)
    if kept is not None and kept[0] == key:
        return kept[1]
    columns, names, mean, deviation = marker_scale(source)
    rows = np.linspace(0, min(len(source), len(average)) - 1, min(len(source), len(average), SAMPLE)).astype(
        np.int64
    )
    found: dict[str, tuple[str, ...]] = {}
    if len(columns) and len(rows):
        z = (np.asarray(source.matrix[rows][:, columns], np.float64) - mean) / deviation
        codes = average.codes[rows]
        for category in average.categories:
            of = z[codes == category.code]
            if category.code and len(of):
                above = np.nanmean(np.nan_to_num(of), axis=0)
                best = np.argsort(-above, kind="stable")[:MOST]
                found[category.name] = tuple(names[i] for i in best if above[i] > 0)
    _KEPT[session] = (key, found)
    return found


def _brightest(session: Session, row: int) -> list[str]:
    """Channels by how far their mean in this cell lies above the average; in the order of the image without features."""
    image = session.images[session.table.names[int(session.table.images[row])]]
    if session.features_by_name:
        source = session.active_features()
        columns, names, mean, deviation = marker_scale(source)
        if len(columns) and row < len(source):
            z = np.nan_to_num(
                (np.asarray(source.matrix[row, columns], np.float64) - mean) / deviation, nan=-np.inf
            )
            return [names[i] for i in np.argsort(-z, kind="stable")]
    return list(image.channels)
