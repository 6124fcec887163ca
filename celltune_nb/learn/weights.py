"""How much a label counts in training, by how many its category has.

Counted alike, the labels of a frequent category drown those of a rare one; with every category counted alike, a rare
one is called too often.  Between the two lies the square root: a label weighs 1/√(labels of its category).

With two categories, ON and OFF, the square root is right as long as ON has few labels, and too much once it has
many: ON is then known well, and weighing it up only makes it called too often.  There the exponent fades from ½
towards 0 with the labels of the category, ``½ · 40 / (40 + labels)``.  Among many categories it does not fade: what is
rare there stays ahead by it, however many labels it has.  Figures: docs/decisions/0020-weights-of-two-categories.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEFAULT_WEIGHTS", "FADING", "WEIGHTS", "label_weights"]

WEIGHTS = {"auto": 0.5, "sqrt": 0.5, "none": 0.0, "balanced": 1.0}
"""Name to the exponent: a label weighs 1/(labels of its category) to the power of it.  "auto" is "sqrt" that fades."""

DEFAULT_WEIGHTS = "auto"

FADING = 40
"""Labels of a category at which half of its advantage is left, in the exponent."""


def label_weights(codes: NDArray[np.integer], weights: str) -> NDArray[np.float32] | None:
    """The weight of each label, 1 on average.

    Parameters
    ----------
    codes : int array, shape (n,)
        Categories of the labels, 0, 1, 2 …
    weights : str
        One of `WEIGHTS`.

    Returns
    -------
    float32 array, shape (n,), or None
        None where all count alike.
    """
    power = WEIGHTS[weights]
    if not power:
        return None
    counts = np.bincount(codes).astype(np.float64)
    there = counts > 0
    exponent = np.full(len(counts), power)
    if weights == "auto" and np.count_nonzero(there) == 2:
        exponent *= FADING / (FADING + counts)
    each = np.ones(len(counts))
    each[there] = (counts.max() / counts[there]) ** exponent[there]
    weight = each[codes]
    return np.asarray(weight / weight.mean(), np.float32)
