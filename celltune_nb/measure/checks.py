"""What is asked of a measurement, checked before the work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from celltune_nb.errors import InputError
from celltune_nb.measure.names import percentile_name

__all__ = [
    "ASSUMED_PIXEL_SIZE",
    "checked_percentiles",
    "checked_pixel_size",
    "checked_texture",
    "thread_count",
]

ASSUMED_PIXEL_SIZE = 0.5
"""µm a pixel where an image does not say: a usual value of multiplexed imaging at 20×."""


def checked_percentiles(percentiles: Sequence[float]) -> dict[str, float]:
    """Names of percentiles, and their values from 0 to 100."""
    for percent in percentiles:
        if not 0 <= percent <= 100:
            raise InputError(
                f"Percentile {percent:g} is not between 0 and 100. Choose for example (5, 25, 75, 95)."
            )
    return {percentile_name(percent): float(percent) for percent in percentiles}


def checked_pixel_size(pixel_size: float | None) -> tuple[float, tuple[str, ...]]:
    """The pixel size in µm, and what was assumed."""
    if pixel_size is None:
        return ASSUMED_PIXEL_SIZE, (
            f"No pixel size was given: rings and neighbours were measured at {ASSUMED_PIXEL_SIZE:g} µm a pixel.",
        )
    if not (np.isfinite(pixel_size) and pixel_size > 0):
        raise InputError(
            f"The pixel size is {pixel_size}; it must be a positive number of µm a pixel, for example 0.5."
        )
    return float(pixel_size), ()


def checked_texture(texture: bool | str | Sequence[str], channels: Sequence[str]) -> frozenset[str]:
    """The channels whose texture is measured."""
    if isinstance(texture, bool):
        return frozenset(channels if texture else ())
    wanted = [texture] if isinstance(texture, str) else list(texture)
    unknown = [name for name in wanted if name not in channels]
    if unknown:
        raise InputError(
            f"There is no channel {unknown[0]!r} to measure the texture of. "
            f"Channels: {', '.join(channels)}; texture=True measures all."
        )
    return frozenset(wanted)


def thread_count(n_jobs: int | None) -> int:
    """As many threads as asked for, at most as many as the processors this process may use."""
    from joblib import cpu_count

    usable = int(cpu_count())  # knows CPU affinity and container limits
    if n_jobs is None or n_jobs < 0:
        return usable
    if n_jobs == 0:
        raise InputError(
            "n_jobs is 0: there is no thread to measure with. Pass 1 or more, or None for all processors."
        )
    return min(int(n_jobs), usable)
