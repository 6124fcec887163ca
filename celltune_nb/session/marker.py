"""Which channel shows the marker of a level, and how bright each cell is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .onoff import positive_of
from .study import change_study, stored

if TYPE_CHECKING:
    from ..learn.mistakes import Signal
    from .session import Session

__all__ = ["labels_in_sight", "marker_channel", "set_marker_channel", "signal_channel", "signal_of"]

_RINGS = ("Environment", "Dilated")


def _measured(session: Session) -> dict[str, dict[str, int]]:
    """Channel → compartment → column of its mean."""
    from ..measure.names import parse_name

    if not session.features_by_name:
        return {}
    found: dict[str, dict[str, int]] = {}
    for i, name in enumerate(session.active_features().names):
        parsed = parse_name(name)
        if parsed.channel and parsed.statistic == "Mean" and parsed.compartment:
            found.setdefault(str(parsed.channel), {})[str(parsed.compartment)] = i
    return {channel: columns for channel, columns in found.items() if "Cell" in columns}


def marker_channel(session: Session, level: str) -> str | None:
    """See :meth:`celltune_nb.Session.marker_channel`."""
    known = _measured(session)
    chosen = stored(session, "channels").get(level)
    if isinstance(chosen, dict) and chosen.get("channel") in known:
        return str(chosen["channel"])
    plain = {channel.casefold(): channel for channel in known}
    for words in (level, *level.replace("_", " ").replace("-", " ").split()):
        if words.casefold() in plain:
            return plain[words.casefold()]
    return next(iter(known)) if len(known) == 1 else None


def set_marker_channel(session: Session, channel: Any, level: str) -> None:
    """See :meth:`celltune_nb.Session.set_marker_channel`."""
    known = _measured(session)
    if channel is not None and (not isinstance(channel, str) or channel not in known):
        raise InputError(
            f"No channel {channel!r} is measured. Choose one of: {', '.join(known) or 'none yet'}."
        )
    change_study(session, "channels", {level: None if channel is None else {"channel": channel}})


def signal_of(session: Session, level: str, negative: NDArray[np.bool_]) -> Signal | None:
    """How bright the measured cells are in the level's marker; None where no channel is known to show it.

    Parameters
    ----------
    negative : bool array, shape (n,)
        Of the first n cells, which are taken for negative.
    """
    from ..learn.mistakes import Signal

    channel = signal_channel(session, level)
    if channel is None:
        return None
    columns, source = _measured(session)[channel], session.active_features()
    n = min(len(negative), len(source))
    ring = next((columns[name] for name in _RINGS if name in columns), None)
    cell = np.asarray(source.matrix[:n, columns["Cell"]])
    around = None if ring is None else np.asarray(source.matrix[:n, ring])
    return Signal.of(cell, around, session.table.images[:n], negative[:n])


def signal_channel(session: Session, level: str) -> str | None:
    """The channel of a level's marker; where none is known, the one in which its labels differ most."""
    return marker_channel(session, level) or _telling(session, level)


def labels_in_sight(session: Session, level: str, n: int) -> NDArray[np.int64]:
    """Category code of each of the first n items; 0 without a label, and of the audit: its labels shape nothing."""
    with session.lock:
        codes = session.book.level(level).codes_in_order(session.table.ids[:n]).astype(np.int64)
        audit = session.table.positions(session.audits.of(level).ids)
    codes[audit[audit < len(codes)]] = 0
    return codes


def _telling(session: Session, level: str) -> str | None:
    """The channel in which the labelled positives and negatives differ most; None with fewer than ten of each."""
    from ..learn.mistakes import LEAST

    known, source = _measured(session), session.active_features() if session.features_by_name else None
    if source is None or not known:
        return None
    codes = labels_in_sight(session, level, len(source))
    rows = np.flatnonzero(codes)
    positive = codes[rows] == positive_of(session, level).code
    if min(np.count_nonzero(positive), np.count_nonzero(~positive)) < LEAST:
        return None

    def apart(channel: str) -> float:
        values = np.asarray(source.matrix[rows, known[channel]["Cell"]], np.float64)
        if not np.isfinite(values).all():
            return 0.0
        # Share of the pairs in which the positive is the brighter; half means that the channel tells nothing.
        places = np.argsort(np.argsort(values, kind="stable"), kind="stable")
        n, m = np.count_nonzero(positive), np.count_nonzero(~positive)
        return abs((places[positive].sum() - n * (n - 1) / 2) / (n * m) - 0.5)

    return max(known, key=apart)
