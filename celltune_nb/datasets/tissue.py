"""Synthetic multiplexed tissue with known truth: the ruler for tests and benchmarks.

`generate` renders fields of view one at a time; `table` draws the same biology straight into a feature
table, for sizes at which pixels are beside the point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .biology import CELLS_PER_FIELD, MARKERS, NICHES, TYPES, plan_fields
from .feature_table import FeatureTable, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "CATEGORIES",
    "CELLS_PER_FIELD",
    "CHANNELS",
    "PIXEL_SIZE",
    "FeatureTable",
    "Field",
    "generate",
    "table",
]

CHANNELS: tuple[str, ...] = tuple(m.name for m in MARKERS)
"""Channel names, in the order of the image's first axis."""

PIXEL_SIZE = 0.5
"""µm per pixel."""

CATEGORIES: tuple[tuple[str, str], ...] = (
    ("Tumour", "#E6C229"),
    ("Stroma", "#8D99AE"),
    ("CD4T", "#2A9D8F"),
    ("Bcell", "#3A86FF"),
    ("CD8T", "#D62828"),
    ("Macrophage", "#F77F00"),
    ("Endothelial", "#9B5DE5"),
    ("Treg", "#06D6A0"),
    ("Dendritic", "#FF70A6"),
)
"""Name and colour of every cell type."""


@dataclass(frozen=True)
class Field:
    """One field of view with its truth.

    Attributes
    ----------
    name, donor : str
        Image name and the donor (batch) it comes from.
    image : uint16 array, shape (C, Y, X)
        Channels in the order of `CHANNELS`.
    mask : uint32 array, shape (Y, X)
        0 = background, 1..n = cells, every number in use.
    truth : DataFrame
        One row a cell: ``image, cellID, cell_type, niche, y, x, donor``; y and x are centroids in pixels.
    """

    name: str
    donor: str
    image: NDArray[np.uint16]
    mask: NDArray[np.uint32]
    truth: pd.DataFrame


def generate(cells: int = 4000, fields: int | None = None, donors: int = 3, seed: int = 0) -> Iterator[Field]:
    """Render a tissue field by field.

    Parameters
    ----------
    cells : int
        Cells in all; every one has pixels.
    fields : int, optional
        Fields of view.  Default 6, more when a field would hold above `CELLS_PER_FIELD` cells, so that
        memory stays bounded.
    donors : int
        Donors, dealt to the fields in turn.  Each shifts gain and background of every marker.
    seed : int
        Same arguments, same tissue.

    Yields
    ------
    Field
        Square fields, 0.5 µm per pixel; one is in memory at a time.

    Raises
    ------
    InputError
        If a field or a donor would stay empty.
    """
    plan = plan_fields(cells, fields, donors)
    return (_field(number, n, donor, seed) for number, (n, donor) in enumerate(plan))


def _field(number: int, n: int, donor: int, seed: int) -> Field:
    import pandas as pd

    from .biology import donor_shift, draw_types, expression
    from .layout import GRID, niche_map, place_cells, side_for
    from .optics import photograph
    from .outlines import grow_cells

    rng = np.random.default_rng([seed, 0, number])
    shift = donor_shift(seed, donor)
    codes = draw_types(n, rng, shift.tilt)
    side = side_for(codes)
    niche, grain = niche_map(side, rng)
    y, x = place_cells(codes, side, niche, rng)
    # cells are numbered from top to bottom, as a segmentation would
    order = np.lexsort((x, y))
    codes, y, x = codes[order], y[order], x[order]
    mask, zone = grow_cells(codes, y, x, side, grain, rng)
    image = photograph(mask, zone, expression(codes, rng), shift, rng)

    name, donor_name = f"field_{number + 1:03d}", f"donor_{donor + 1}"
    area = np.bincount(mask.ravel(), minlength=n + 1)[1:]
    rows, columns = np.arange(side, dtype=np.float64), np.arange(side, dtype=np.float64)
    flat = mask.ravel()
    centre_y = np.bincount(flat, np.repeat(rows, side), n + 1)[1:] / area
    centre_x = np.bincount(flat, np.tile(columns, side), n + 1)[1:] / area
    truth = pd.DataFrame(
        {
            "image": name,
            "cellID": np.arange(1, n + 1),
            "cell_type": np.array([t.name for t in TYPES], dtype=object)[codes],
            "niche": np.array(NICHES, dtype=object)[niche[(y // GRID).astype(int), (x // GRID).astype(int)]],
            "y": centre_y,
            "x": centre_x,
            "donor": donor_name,
        }
    )
    return Field(name, donor_name, image, mask, truth)
