"""A slice of the synthetic brain under the microscope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from ..layout import GRID, enlarge, smooth_noise
from ..optics import BLUR, WHERE, expose, halo, stain
from .anatomy import KINDS, column
from .expression import MARKERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CHANNELS", "GAIN", "Staining", "photograph", "staining"]

CHANNELS: tuple[str, ...] = ("DAPI", *(m.name for m in MARKERS), "Autofluorescence")
"""Channel names, in the order of the image's first axis; the last is a channel without a stain."""

GAIN = (0.6, 1.7)
"""Weakest and strongest staining of a slice."""

_DAPI = 5200.0
_DAPI_KINDS = {"neuron": 0.75, "granule cell": 1.0, "glia": 1.25, "debris": 0.25}
# Light of one channel (row) that is seen in another (column), as a share; order of CHANNELS.
_BLEED = np.array(
    [[0.0, 0.015, 0.0, 0.01], [0.0, 0.0, 0.05, 0.0], [0.0, 0.06, 0.0, 0.02], [0.0, 0.0, 0.0, 0.0]], np.float32
)
_GLOW_SEEN = (0.45, 1.0, 0.95, 1.1)
_HAZE_AF = dict.fromkeys(("L1", "L2/3", "L4", "L5", "L6", "hippocampus", "CA", "DG", "striatum"), 110.0) | {
    "white matter": 170.0
}
_OUTSIDE = 25.0
_OUT_OF_FOCUS = 0.14
_DIMMED = 0.70
# As in optics.WHERE: outside, outermost pixel, next, cytoplasm, nucleus.
_SEEN = {"nucleus": WHERE["nucleus"], "soma": (0.0, 0.55, 0.85, 1.0, 0.75)}
_GRAIN = {"DAPI": 0.34}


@dataclass(frozen=True)
class Staining:
    """How a slice was stained and lit: gain of each of `CHANNELS`; strength of background; its slope down, right."""

    gain: NDArray[np.float32]
    background: float
    slope: tuple[float, float]


def staining(seed: int, number: int) -> Staining:
    """Return the staining of slice `number`: the same for the same seed, whatever is asked first."""
    rng = np.random.default_rng([seed, 1, number])
    gain = np.exp(rng.uniform(np.log(GAIN[0]), np.log(GAIN[1]), len(CHANNELS))).astype(np.float32)
    gain[-1] = 1.0
    return Staining(gain, float(rng.uniform(0.7, 1.5)), tuple(rng.uniform(-0.45, 0.45, 2)))


def photograph(
    mask: NDArray[np.uint32],
    zone: NDArray[np.uint8],
    codes: NDArray[np.int16],
    contents: NDArray[np.float32],
    grid: NDArray[np.uint8],
    how: Staining,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Render `CHANNELS`, uint16 (C, Y, X).

    Parameters
    ----------
    mask, zone : arrays, shape (Y, X)
        Cells 1..n with all their soma, and the part of the cell a pixel is (`outlines.outline`).
    codes : int16 array, shape (n,)
        Index into `KINDS`.
    contents : float32 array, shape (n, markers)
        As of `expression.content`.
    grid : uint8 array
        Region in steps of `GRID` pixels.
    how : Staining
    rng : Generator

    Notes
    -----
    A sixth of the cells lies out of focus: blurred and dimmer.  Lipofuscin glows as spots in some cells, and
    debris as a whole, in all channels alike.  The stain thins out over the slice (antibodies reach the middle of a
    section less), the background rises and falls with region and place, light of one marker leaks into the channel of
    the other.
    """
    shape = mask.shape
    n = codes.size
    uneven = _uneven(shape, how, rng)
    reach = np.exp(0.16 * _cloud(shape, 0.25, rng))
    blurred = rng.random(n) < _OUT_OF_FOCUS
    glow = _glow(mask, zone, codes, rng)
    mottle = np.exp(0.10 * smooth_noise(shape, 2.5, rng))
    nothing = np.zeros(shape, np.float32)

    light = np.empty((len(CHANNELS), *shape), np.float32)
    debris = codes == [k.name for k in KINDS].index("debris")
    for channel, name in enumerate(CHANNELS[:-1]):
        if name == "DAPI":
            by_kind = np.array([_DAPI_KINDS[k.name] for k in KINDS])
            level = _DAPI * by_kind[codes] * np.exp(0.25 * rng.standard_normal(n))
            place = "nucleus"
        else:
            marker = MARKERS[channel - 1]
            level = marker.brightness * contents[:, channel - 1].astype(float)
            # antibodies stick to dirt, now to this and now to that
            level[debris] += marker.brightness * rng.gamma(0.5, 0.4, int(debris.sum()))
            place = marker.place
        level *= float(how.gain[channel])
        share = np.array(_SEEN[place], np.float32)
        grain = np.exp(_GRAIN.get(name, 0.20) * smooth_noise(shape, 1.4, rng))
        clear, hazy = np.zeros(n + 1, np.float32), np.zeros(n + 1, np.float32)
        clear[1:], hazy[1:] = np.where(blurred, 0, level), np.where(blurred, _DIMMED * level, 0)
        sharp = ndimage.gaussian_filter(stain(mask, zone, clear, share, grain, nothing), BLUR, truncate=3)
        sharp += halo(stain(mask, zone, hazy, share, grain, nothing), 6)
        light[channel] = sharp if name == "DAPI" else sharp * reach
    light[-1] = 0

    image = np.empty((len(CHANNELS), *shape), np.uint16)
    for channel, name in enumerate(CHANNELS):
        seen = light[channel] + np.float32(_GLOW_SEEN[channel]) * glow
        for other in np.flatnonzero(_BLEED[:, channel]):
            seen += _BLEED[other, channel] * light[other]
        background = _background(name, grid, shape, how) * uneven * mottle
        noise = rng.standard_normal(shape, dtype=np.float32)
        expose(seen, halo(seen), background, 1.0, noise, image[channel])
    return image


def _background(
    name: str, grid: NDArray[np.uint8], shape: tuple[int, int], how: Staining
) -> NDArray[np.float32]:
    """Counts of what lies between the cells: autofluorescence, and stain of what is not a soma."""
    counts = column(_HAZE_AF) + _OUTSIDE
    for channel, marker in enumerate(MARKERS, 1):
        if marker.name == name:
            counts = counts + column(dict(marker.neuropil)) * (how.background * float(how.gain[channel]))
    # one step more on every side, for what lies between two steps; thickness blurs the borders of regions
    steps = np.pad(counts[grid], 1, mode="edge")
    soft = ndimage.gaussian_filter(steps, 1.5).astype(np.float32)
    return np.asarray(enlarge(soft, GRID)[GRID // 2 :, GRID // 2 :][: shape[0], : shape[1]])


def _uneven(shape: tuple[int, int], how: Staining, rng: np.random.Generator) -> NDArray[np.float32]:
    """Illumination of the background: a slope over the slice, and clouds; about 1."""
    down = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None] * np.float32(how.slope[0])
    right = np.linspace(-1, 1, shape[1], dtype=np.float32)[None, :] * np.float32(how.slope[1])
    return np.asarray(np.exp(down + right + 0.28 * _cloud(shape, 0.09, rng)), np.float32)


def _cloud(shape: tuple[int, int], width: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth noise as wide as a share of the height."""
    return smooth_noise(shape, max(12.0, width * shape[0]), rng)


def _glow(
    mask: NDArray[np.uint32], zone: NDArray[np.uint8], codes: NDArray[np.int16], rng: np.random.Generator
) -> NDArray[np.float32]:
    """What glows without a stain: lipofuscin as spots around the nucleus, debris as a whole."""
    kinds = [k.name for k in KINDS]
    neurons = codes == kinds.index("neuron")
    level = np.zeros(codes.size + 1, np.float32)
    old = neurons & (rng.random(codes.size) < 0.18)
    level[1:][old] = rng.gamma(1.5, 700.0, int(old.sum()))
    share = np.array((0.0, 0.3, 0.9, 1.0, 0.7), np.float32)
    spots = np.clip(smooth_noise(mask.shape, 1.3, rng) - np.float32(0.9), 0, None)
    nothing = np.zeros(mask.shape, np.float32)
    out = stain(mask, zone, level, share, spots, nothing)
    dirt = np.zeros(codes.size + 1, np.float32)
    debris = codes == kinds.index("debris")
    dirt[1:][debris] = rng.gamma(2.0, 400.0, int(debris.sum()))
    rough = np.exp(0.5 * smooth_noise(mask.shape, 1.6, rng))
    out += stain(mask, zone, dirt, np.array((0.0, 0.6, 0.9, 1.0, 1.0), np.float32), rough, nothing)
    return np.asarray(ndimage.gaussian_filter(out, BLUR, truncate=3))
