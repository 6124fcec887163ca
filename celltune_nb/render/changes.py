"""Which parts of a frame differ from the one before: a label recolours one cell, not the picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["TILE", "changed_tiles", "collage"]

#: Side of a tile in pixels; a multiple of 8, the block of a JPEG, so that a tile is encoded as it would be in its frame.
TILE = 32


def changed_tiles(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Tiles in which two frames differ.

    Parameters
    ----------
    before, after : ndarray
        uint8, (H, W, 3), of one shape.

    Returns
    -------
    ndarray of intp, shape (n, 2)
        Row and column of each tile, in reading order; the last row and column may be cut by the frame's edge.
    """
    if before is after:
        return np.empty((0, 2), np.intp)
    height, width = after.shape[:2]
    a, b = before.reshape(height, -1), after.reshape(height, -1)
    starts = np.arange(0, 3 * width, 3 * TILE)
    found = []
    # Row by row of tiles: most are alike, and are done with after one comparison.
    for row, top in enumerate(range(0, height, TILE)):
        differs = a[top : top + TILE] != b[top : top + TILE]
        if differs.any():
            columns = np.flatnonzero(np.logical_or.reduceat(differs.any(axis=0), starts))
            found.append(np.stack([np.full_like(columns, row), columns], axis=1))
    return np.concatenate(found) if found else np.empty((0, 2), np.intp)


def collage(frame: npt.NDArray[np.uint8], tiles: npt.NDArray[np.intp]) -> npt.NDArray[np.uint8]:
    """Tiles of a frame side by side in one picture, in rows of as many as make it about square.

    Parameters
    ----------
    frame : ndarray
        uint8, (H, W, 3).
    tiles : ndarray of intp, shape (n, 2)
        Row and column of each; n > 0.

    Returns
    -------
    ndarray
        uint8, (ceil(n / across) × 32, across × 32, 3) with across = ceil(√n).  A tile cut by the frame's edge is filled up
        with its last row and column.
    """
    n = len(tiles)
    across = int(np.ceil(np.sqrt(n)))
    down = -(-n // across)
    within = np.arange(TILE)
    rows = np.minimum(tiles[:, :1] * TILE + within, frame.shape[0] - 1)
    columns = np.minimum(tiles[:, 1:] * TILE + within, frame.shape[1] - 1)
    parts = np.zeros((down * across, TILE, TILE, 3), np.uint8)
    parts[:n] = frame[rows[:, :, None], columns[:, None, :]]
    return np.ascontiguousarray(
        parts.reshape(down, across, TILE, TILE, 3).swapaxes(1, 2).reshape(down * TILE, across * TILE, 3)
    )
