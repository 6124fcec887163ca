"""Texture of cells: how often two gray levels lie side by side (Haralick, Shanmugam and Dinstein 1973).

For each cell and channel:

* The values of the cell are cut into 16 levels of equal width between the lowest and the highest of
  them, ``level = 1 + min(15, ⌊16 (v − lowest) / (highest − lowest)⌋)``; all are 1 where the values are
  equal.  With as many levels for every cell, texture does not depend on gain, offset or exposure (the "fixed
  bin number" that Zwanenburg et al., Radiology 2020, recommend for images in arbitrary units).
* Neighbours at a distance of one pixel are counted in four directions (0°, 45°, 90° and 135°), each pair
  both ways, and only where both pixels are finite and of the cell.
* The 13 measures of the paper are computed for each direction, in its notation f1 to f13 with logarithms
  to base 2, and averaged over the directions that have a pair.  f7 is the variance of the sum around
  its mean (the paper's f8 there is a misprint), f10 that of the difference.
* A cell without two neighbouring pixels counts as flat: no contrast, correlation 1.

``skimage.feature.graycomatrix`` (``symmetric=True, normed=True``) and ``mahotas.features.haralick``
(``ignore_zeros=True, use_x_minus_y_variance=True``) agree with it on these levels.
"""

from __future__ import annotations

__all__ = ["DIRECTIONS", "LEVELS", "TEXTURES"]

LEVELS = 16
"""Gray levels: fewer blur texture, more leave the counts of a cell of 200 pixels nearly empty."""

DIRECTIONS = ((0, 1), (-1, 1), (-1, 0), (-1, -1))
"""Rows and columns from a pixel to its neighbour: 0°, 45°, 90°, 135°."""

TEXTURES = {
    "Texture_AngularSecondMoment": ("texture, angular second moment", "ratio"),
    "Texture_Contrast": ("texture, contrast", "levels²"),
    "Texture_Correlation": ("texture, correlation", "ratio"),
    "Texture_Variance": ("texture, variance", "levels²"),
    "Texture_InverseDifferenceMoment": ("texture, inverse difference moment", "ratio"),
    "Texture_SumAverage": ("texture, mean of the sum", "levels"),
    "Texture_SumVariance": ("texture, variance of the sum", "levels²"),
    "Texture_SumEntropy": ("texture, entropy of the sum", "bits"),
    "Texture_Entropy": ("texture, entropy", "bits"),
    "Texture_DifferenceVariance": ("texture, variance of the difference", "levels²"),
    "Texture_DifferenceEntropy": ("texture, entropy of the difference", "bits"),
    "Texture_Information1": ("texture, first information measure of correlation", "ratio"),
    "Texture_Information2": ("texture, second information measure of correlation", "ratio"),
}
"""f1 to f13: what it is called in words, and its unit."""
