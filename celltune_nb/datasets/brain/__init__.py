"""A synthetic brain with known truth: slices of several animals, two markers that are ON or OFF in each cell.

What makes such slices hard is in them: staining and background that differ between slices and within one,
ON and OFF cells that overlap, lipofuscin and debris that glow in every channel, light that leaks from one
marker into the other, cells out of focus.  The mean of a cell does not tell; the mean and its surroundings do, mostly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...errors import InputError
from .anatomy import REGIONS
from .expression import MARKERS
from .light import CHANNELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["CATEGORIES", "CHANNELS", "LEVELS", "PIXEL_SIZE", "REGIONS", "Slice", "generate", "regions"]

PIXEL_SIZE = 0.65
"""µm per pixel."""

LEVELS: tuple[str, ...] = tuple(m.name for m in MARKERS)
"""The markers, each with its own ON and OFF cells; PV is ON in about one of a hundred."""

CATEGORIES: tuple[tuple[str, str, str], ...] = (("ON", "#FFD60A", "1"), ("OFF", "#3FA7B5", "2"))
"""Name, colour and key of the two categories of each level; colours that no channel is shown in."""

_FEWEST = 50
_SPECKS = 0.012  # debris that is outlined by nobody, as a share of the cells


@dataclass(frozen=True)
class Slice:
    """One slice with its truth.

    Attributes
    ----------
    name, animal : str
        Image name, such as ``animal1 slice2``, and the animal it comes from.
    image : uint16 array, shape (C, Y, X)
        Channels in the order of `CHANNELS`.
    mask : uint32 array, shape (Y, X)
        The nuclei: 0 = background, 1..n = cells, every number in use.  Some of them are debris.
    truth : DataFrame
        One row a cell: ``image, cellID, truth_cFos, truth_PV`` (ON or OFF; debris is OFF), ``truth_kind`` (neuron,
        granule cell, glia, debris), ``region, y, x`` (centroid, pixels), ``animal``.
    region_grid : uint8 array
        Region (index into `REGIONS`) in steps of 8 pixels; see `regions`.
    gain : float32 array, shape (C,)
        How strongly the channels are stained.
    """

    name: str
    animal: str
    image: NDArray[np.uint16]
    mask: NDArray[np.uint32]
    truth: pd.DataFrame
    region_grid: NDArray[np.uint8]
    gain: NDArray[np.float32]


def generate(cells: int = 1500, slices: int = 12, animals: int = 6, seed: int = 0) -> Iterator[Slice]:
    """Render a brain slice by slice.

    Parameters
    ----------
    cells : int
        Cells a slice, and its size with them: 1,500 fill about 1000 × 1400 pixels.
    slices : int
        Slices in all, dealt to the animals in order.
    animals : int
        Animals.  Slices of one animal have a like share of ON cells; staining differs from slice to slice.
    seed : int
        Same arguments, same brain.

    Yields
    ------
    Slice
        0.65 µm per pixel; one is in memory at a time.

    Raises
    ------
    InputError
        If a slice or an animal would stay empty.
    """
    if slices < 1 or animals < 1 or animals > slices or cells < _FEWEST:
        raise InputError(
            f"A brain of {slices} slices with {cells} cells each from {animals} animals cannot be made. Give at least "
            f"{_FEWEST} cells a slice and as many slices as animals."
        )
    return (_slice(number, cells, slices, animals, seed) for number in range(slices))


def regions(of: Slice) -> NDArray[np.uint8]:
    """Label image of the regions of a slice: uint8 (Y, X), an index into `REGIONS`; 0 = outside of the tissue."""
    from ..layout import GRID

    rows, columns = of.mask.shape
    return np.repeat(np.repeat(of.region_grid, GRID, axis=0), GRID, axis=1)[:rows, :columns]


def _slice(number: int, cells: int, slices: int, animals: int, seed: int) -> Slice:
    import pandas as pd

    from ..layout import GRID
    from ..outlines import nuclei
    from . import expression, light
    from .anatomy import KINDS, place, region_grid, shape_for

    rng = np.random.default_rng([seed, 0, number])
    owner = np.arange(slices) * animals // slices
    animal, nth = int(owner[number]), number - int(np.searchsorted(owner, owner[number]))
    shape = shape_for(cells)
    grid = region_grid(shape, (nth + rng.random()) / np.count_nonzero(owner == animal), rng)
    specks = round(_SPECKS * cells)
    codes, y, x = place(cells, specks, grid, shape, rng)
    soma, zone = _grow(codes, y, x, shape, rng)
    mask = nuclei(soma, zone, y, x)
    mask[mask > cells] = 0

    area = np.bincount(mask.ravel(), minlength=cells + 1)[1:]
    rows, columns = np.nonzero(mask)
    at = mask[rows, columns]
    centre_y = np.bincount(at, rows, cells + 1)[1:] / area
    centre_x = np.bincount(at, columns, cells + 1)[1:] / area
    region = grid[(centre_y // GRID).astype(int), (centre_x // GRID).astype(int)]

    contents = np.zeros((codes.size, len(MARKERS)), np.float32)
    truth: dict[str, object] = {}
    for column, marker in enumerate(MARKERS):
        share = expression.share_on(marker, slices, animals, seed)[number]
        on = np.zeros(codes.size, bool)
        on[:cells] = expression.turned_on(
            marker, share, codes[:cells], region, y[:cells], x[:cells], shape, rng
        )
        contents[:, column] = expression.content(marker, on, rng)
        truth[f"truth_{marker.name}"] = np.where(on[:cells], "ON", "OFF").astype(object)
    how = light.staining(seed, number)
    image = light.photograph(soma, zone, codes, contents, grid, how, rng)

    name, animal_name = f"animal{animal + 1} slice{nth + 1}", f"animal{animal + 1}"
    frame = pd.DataFrame(
        {
            "image": name,
            "cellID": np.arange(1, cells + 1),
            **truth,
            "region": np.array(REGIONS, dtype=object)[region],
            "truth_kind": np.array([k.name for k in KINDS], dtype=object)[codes[:cells]],
            "y": centre_y,
            "x": centre_x,
            "animal": animal_name,
        }
    )
    return Slice(name, animal_name, image, mask, frame, grid, how.gain)


def _grow(
    codes: NDArray[np.int16],
    y: NDArray[np.float32],
    x: NDArray[np.float32],
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    from ..outlines import outline
    from .anatomy import KINDS

    n = codes.size
    radius = np.array([k.radius for k in KINDS])[codes] * np.exp(0.10 * rng.standard_normal(n))
    stretch = np.array([k.elongation for k in KINDS])[codes] * np.exp(0.10 * rng.standard_normal(n))
    core = np.array([k.nucleus for k in KINDS])[codes] * np.exp(0.05 * rng.standard_normal(n))
    angle = rng.uniform(0, np.pi, n)
    off = rng.uniform(-0.10, 0.10, (n, 2))
    return outline(y, x, radius, stretch, angle, np.minimum(core, 0.92), off, shape, rng)
