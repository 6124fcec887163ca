"""The scale of each channel: arcsinh(intensity / cofactor), stored with the project and applied where it is looked at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .checks import number
from .committing import committing
from .recording import note
from .scales import of_channel, scaled, valid

if TYPE_CHECKING:
    from .session import Session

__all__ = ["channels", "set_transform", "suggested", "transforms"]

_SETTING = "transforms"
#: Part of the cells whose intensity is to lie below the bend of the suggested scale.
_BEND = 0.5


def transforms(session: Session) -> dict[str, float]:
    """Channel → cofactor."""
    return valid(session.project.settings.get(_SETTING))


def set_transform(session: Session, channel: str, cofactor: Any, factor: Any) -> float | None:
    """See :meth:`celltune_nb.Session.set_transform`."""
    if cofactor is not None and factor is not None:
        raise InputError(
            "Give the cofactor, which divides, or CellTune's factor, which multiplies; not both."
        )
    value = None
    if cofactor is not None or factor is not None:
        given = number(
            cofactor if factor is None else factor, "The cofactor" if factor is None else "The factor"
        )
        if not (math.isfinite(given) and 1e-9 <= given <= 1e9):
            raise InputError(f"{given} cannot scale intensities. Give a number above 0, such as 5.")
        value = given if factor is None else 1 / given
    if not isinstance(channel, str) or not _known(session, channel):
        raise InputError(
            f"There is no channel {channel!r} with features. Channels: {', '.join(channels(session)[:20])}."
        )
    with committing(session) as project:
        stored = {name: known for name, known in transforms(session).items() if name != channel}
        if value is not None:
            stored[channel] = value
        project.settings[_SETTING] = stored
        project.save()
        session.features_by_name = {
            name: scaled(source, stored) for name, source in session.features_by_name.items()
        }
        note(session, "set_transform", {"channel": channel, "cofactor": value})
    session.changed_items("features")
    return value


def channels(session: Session) -> list[str]:
    """Channels of the images, and those that features speak of."""
    from ..measure.names import parse_name

    found = dict.fromkeys(name for image in session.images.values() for name in image.channels)
    for source in session.features_by_name.values():
        found |= dict.fromkeys(
            channel for name in source.names if (channel := parse_name(name).channel) is not None
        )
    return list(found)


def _known(session: Session, channel: str) -> bool:
    return channel in channels(session) or any(
        of_channel(s, channel) for s in session.features_by_name.values()
    )


def suggested(values: NDArray[np.float32]) -> float:
    """A cofactor for intensities: their median, so that half lie where the scale is nearly straight; at least 1e-9."""
    known = values[np.isfinite(values)]
    high = float(np.quantile(np.abs(known), _BEND)) if len(known) else 1.0
    return float(f"{high:.2g}") if high > 1e-9 else 1.0
