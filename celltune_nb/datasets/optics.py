"""From cells to camera counts: stain, blur, haze, background and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from ..measure.compiled import kernel
from .biology import MARKERS
from .layout import smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .biology import DonorShift

__all__ = ["BLUR", "WHERE", "expose", "halo", "photograph", "stain"]

WHERE = {
    "membrane": (0.0, 1.0, 0.75, 0.30, 0.22),
    "cytoplasm": (0.0, 0.70, 0.95, 1.0, 0.35),
    "nucleus": (0.0, 0.05, 0.08, 0.10, 1.0),
}
"""Share of a marker seen outside, on the outermost pixel, on the next, in the cytoplasm, over the nucleus."""
BLUR = 1.15
"""Gaussian width of what is in focus, pixels."""
_HALO_SHARE, _HALO_WIDTH = 0.22, 13
_COUNTS_PER_PHOTON = 6.0
_READ_NOISE = 12.0
_CAMERA_OFFSET = 100.0


def photograph(
    mask: NDArray[np.uint32],
    zone: NDArray[np.uint8],
    content: NDArray[np.float32],
    shift: DonorShift,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Render the channels of `biology.MARKERS`, uint16 (C, Y, X).

    Sharp light (Gaussian blur) and out-of-focus light (wide halo) carry a bright cell's stain into its
    neighbours.  Autofluorescence and uneven background are added before the noise; shot noise is Poisson
    in its normal approximation (there are tens of photons everywhere), read noise is normal.
    """
    shape = mask.shape
    grain = np.exp(0.22 * smooth_noise(shape, 1.3, rng))
    cloud = np.exp(0.25 * smooth_noise(shape, 40.0, rng))
    # Lipofuscin and erythrocytes glow in every channel: a few per cent of the cells, strongly.
    glow = np.zeros(content.shape[0] + 1, dtype=np.float32)
    glow[1:] = 60 * np.exp(0.5 * rng.standard_normal(content.shape[0]))
    bright = np.flatnonzero(rng.random(content.shape[0]) < 0.03)
    glow[1:][bright] += rng.gamma(2.0, 220.0, bright.size)
    auto = glow[mask]

    image = np.empty((len(MARKERS), *shape), dtype=np.uint16)
    for channel, marker in enumerate(MARKERS):
        level = np.zeros(content.shape[0] + 1, dtype=np.float32)
        level[1:] = content[:, channel] * (marker.brightness * shift.gain[channel])
        share = np.array(WHERE[marker.place], dtype=np.float32)
        light = stain(mask, zone, level, share, grain, auto)
        sharp = ndimage.gaussian_filter(light, BLUR, truncate=3)
        noise = rng.standard_normal(shape, dtype=np.float32)
        expose(sharp, halo(sharp), cloud, shift.offset[channel], noise, image[channel])
    return image


def halo(sharp: NDArray[np.float32], width: int = _HALO_WIDTH) -> NDArray[np.float32]:
    """Light spread as an objective spreads what is out of focus."""
    return np.asarray(ndimage.uniform_filter(ndimage.uniform_filter(sharp, width), width))


@kernel
def stain(mask: Any, zone: Any, level: Any, share: Any, grain: Any, auto: Any) -> Any:
    """Light of a marker before the optics: level by cell, share by zone, grain and autofluorescence by pixel."""
    out = np.empty(mask.shape, np.float32)
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            out[y, x] = level[mask[y, x]] * share[zone[y, x]] * grain[y, x] + auto[y, x]
    return out


@kernel
def expose(sharp: Any, wide: Any, cloud: Any, offset: float, noise: Any, out: Any) -> None:
    """Camera counts of sharp and wide light over a background, with shot and read noise."""
    for y in range(sharp.shape[0]):
        for x in range(sharp.shape[1]):
            light = (
                np.float32(1 - _HALO_SHARE) * sharp[y, x]
                + np.float32(_HALO_SHARE) * wide[y, x]
                + offset * cloud[y, x]
            )
            spread = np.sqrt(light * np.float32(_COUNTS_PER_PHOTON) + np.float32(_READ_NOISE**2))
            value = np.float32(_CAMERA_OFFSET) + light + spread * noise[y, x]
            out[y, x] = np.uint16(min(max(value, np.float32(0)), np.float32(65535)))
