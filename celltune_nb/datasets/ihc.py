"""Real cells: an immunohistochemistry field that ships with scikit-image, with its nuclei outlined.

FHL2 shows brown (DAB) in the cytoplasm of the glands, haematoxylin blue in every nucleus.  A cell is
therefore positive or negative by the ring *around* its nucleus, not by the nucleus itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CATEGORIES", "LICENCE", "ON_OFF", "ORIGIN", "NucleusSettings", "image", "segment_nuclei"]

CATEGORIES: tuple[tuple[str, str, str], ...] = (
    ("DAB-positive", "#F5248C", "1"),
    ("DAB-negative", "#1F6FEB", "2"),
)
"""Name, colour and key of the two categories a person starts with; colours that are neither stain nor background."""

ON_OFF: tuple[tuple[str, str, str], ...] = (("ON", "#F5248C", "1"), ("OFF", "#1F6FEB", "2"))
"""The same two where DAB is a marker that is ON or OFF."""

ORIGIN = (
    "skimage.data.immunohistochemistry(): colonic glands, FHL2 revealed with DAB, haematoxylin counterstain; "
    "acquired at the Center for Microscopy And Molecular Imaging (CMMI)"
)
LICENCE = "no known copyright restrictions (scikit-image's statement)"


@dataclass(frozen=True)
class NucleusSettings:
    """How nuclei are found; lengths in pixels, areas in pixels².

    The values were chosen by looking at the outlines on the field this module ships.

    Attributes
    ----------
    views : tuple of (smoothing, DAB weight, background)
        Readings of the stain, tried in turn; a later one only adds nuclei where the earlier found none.
        Smoothing and background are Gaussian widths, the weight says how much brown is taken off the blue.
    thresholds : tuple of (lowest, highest, count)
        Heights above the local mean, in local standard deviations.
    floor : float
        Share of the global Otsu threshold of the haematoxylin below which nothing is a nucleus.
    min_ellipticity : float
        Smallest area of a nucleus over the area of the ellipse with its second moments (1 = an ellipse).
    min_edge : float
        Smallest mean slope of the height along the outline, per pixel.
    split_ellipticity : float
        Nuclei less elliptic than this are cut at their waist when the halves are more elliptic.
    """

    views: tuple[tuple[float, float, float], ...] = (
        (1.2, 0.5, 12.0),
        (1.2, 1.2, 30.0),
        (0.8, 0.8, 10.0),
        (0.8, 0.3, 7.0),
        (1.8, 1.0, 8.0),
    )
    thresholds: tuple[float, float, int] = (-0.1, 2.6, 28)
    floor: float = 0.8
    gland_smoothing: float = 4.0
    min_gland: int = 2000
    min_area: int = 45
    max_area: int = 900
    min_ellipticity: float = 0.83
    split_ellipticity: float = 0.93
    min_edge: float = 0.12
    max_overlap: float = 0.1
    outline_smoothing: float = 1.3


def image() -> NDArray[np.uint8]:
    """Return the field: RGB ``uint8``, shape (512, 512, 3).  The size of a pixel is not known."""
    from skimage.data import immunohistochemistry

    return np.asarray(immunohistochemistry(), dtype=np.uint8)


def segment_nuclei(rgb: NDArray[np.uint8], settings: NucleusSettings | None = None) -> NDArray[np.uint32]:
    """Outline the nuclei of a haematoxylin + DAB image.

    Parameters
    ----------
    rgb : uint8 array, shape (Y, X, 3)
        Brightfield image.
    settings : NucleusSettings, optional
        Sizes and thresholds.

    Returns
    -------
    uint32 array, shape (Y, X)
        0 = background, 1..n = nuclei; every nucleus is one connected piece.

    Notes
    -----
    Stains are separated after Ruifrok & Johnston (2001).  Glands and stroma are each compared with their
    own local mean, because the brown of a gland changes what "blue" looks like there.  One threshold fits
    no crowd of nuclei, so the whole threshold tree is searched for the disjoint components that are the
    most elliptic with the sharpest outline (the idea of Arteta et al., MICCAI 2012, with a fixed score
    instead of a learned one).  What is still a pair is cut by a watershed on its distance transform.
    """
    how = settings or NucleusSettings()
    chosen = np.zeros(rgb.shape[:2], dtype=np.int64)
    for smoothing, dab_weight, background in how.views:
        height, allowed = _nuclear_height(rgb, smoothing, dab_weight, background, how)
        found = _best_components(height, allowed, how)
        area = np.bincount(found.ravel())
        taken = np.bincount(found[chosen > 0], minlength=area.size)
        new = taken <= how.max_overlap * area
        new[0] = False
        chosen = np.where(new[found] & (chosen == 0), found + chosen.max(), chosen)
    return _rounded(_cut_pairs(chosen, how), how)


def _nuclear_height(
    rgb: NDArray[np.uint8], smoothing: float, dab_weight: float, background: float, how: NucleusSettings
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Blueness above the local mean in local standard deviations, and where a nucleus may be at all."""
    from skimage import color, filters

    stains = color.rgb2hed(rgb)
    blue = filters.gaussian(stains[..., 0], smoothing)
    brown = filters.gaussian(stains[..., 2], smoothing)
    broad = filters.gaussian(brown, how.gland_smoothing)
    gland = _without_small(broad > filters.threshold_otsu(broad), how.min_gland)
    height = np.zeros(gland.shape)
    for compartment, signal in ((gland, blue - dab_weight * brown), (~gland, blue)):
        if compartment.any():
            mean, spread = _local_statistics(signal, compartment, background)
            height[compartment] = ((signal - mean) / spread)[compartment]
    return height, blue > filters.threshold_otsu(blue) * how.floor


def _without_small(mask: NDArray[np.bool_], area: int) -> NDArray[np.bool_]:
    from scipy import ndimage

    for kind in (True, False):
        parts, _ = ndimage.label(mask == kind)
        small = np.bincount(parts.ravel()) < area
        small[0] = False
        mask = np.where(small[parts], not kind, mask)
    return mask


def _local_statistics(
    values: NDArray[np.float64], where: NDArray[np.bool_], sigma: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy import ndimage

    weight = where.astype(float)
    total = np.maximum(ndimage.gaussian_filter(weight, sigma), 1e-6)
    mean = ndimage.gaussian_filter(values * weight, sigma) / total
    square = ndimage.gaussian_filter(values**2 * weight, sigma) / total
    # Flat regions would otherwise turn camera noise into nuclei.
    least = max(0.5 * float(values[where].std()), 1e-6)
    return mean, np.maximum(np.sqrt(np.maximum(square - mean**2, 0)), least)


def _shape(labels: NDArray[np.integer], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Area and ellipticity of labels 0..count (index 0 means nothing)."""
    rows, cols = np.nonzero(labels)
    label = labels[rows, cols]
    area = np.bincount(label, minlength=count + 1).astype(float)
    safe = np.maximum(area, 1)
    dy = rows - (np.bincount(label, rows, count + 1) / safe)[label]
    dx = cols - (np.bincount(label, cols, count + 1) / safe)[label]
    # 1/12: the spread of one pixel around its centre
    yy = np.bincount(label, dy * dy, count + 1) / safe + 1 / 12
    xx = np.bincount(label, dx * dx, count + 1) / safe + 1 / 12
    xy = np.bincount(label, dy * dx, count + 1) / safe
    return area, area / (4 * np.pi * np.sqrt(np.maximum(yy * xx - xy**2, 1e-9)))


def _best_components(
    height: NDArray[np.float64], allowed: NDArray[np.bool_], how: NucleusSettings
) -> NDArray[np.int64]:
    """Disjoint connected components of all thresholds with the largest sum of scores."""
    from scipy import ndimage

    slope = np.hypot(*np.gradient(height))
    best = np.zeros(height.shape, dtype=np.int64)
    worth = np.zeros(1)
    lowest, highest, count = how.thresholds
    for threshold in np.linspace(highest, lowest, count):
        parts, n = ndimage.label((height > threshold) & allowed)
        rim = _rim(parts)
        length = np.maximum(np.bincount(parts[rim], minlength=n + 1), 1)
        edge = np.bincount(parts[rim], slope[rim], n + 1) / length
        area, ellipticity = _shape(parts, n)
        valid = (area >= how.min_area) & (area <= how.max_area) & (edge > how.min_edge)
        score = np.where(valid, area**0.75 * (ellipticity - how.min_ellipticity) * edge, 0.0)

        # Every component kept so far lies inside exactly one component of this lower threshold.
        held = np.zeros(n + 1)
        labels, first = np.unique(best, return_index=True)
        np.add.at(held, parts.ravel()[first[labels > 0]], worth[labels[labels > 0]])
        better = score > held
        better[0] = False

        best = np.where(better[parts], 0, best)
        kept = np.unique(best)
        kept = kept[kept > 0]
        fresh = np.flatnonzero(better)
        old_name = np.zeros(worth.size, dtype=np.int64)
        old_name[kept] = np.arange(1, kept.size + 1)
        new_name = np.zeros(n + 1, dtype=np.int64)
        new_name[fresh] = np.arange(kept.size + 1, kept.size + fresh.size + 1)
        best = old_name[best] + new_name[parts]
        worth = np.concatenate([[0.0], worth[kept], score[fresh]])
    return best


def _rim(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels of an object with a background pixel, or the edge of the image, beside them."""
    padded = np.pad(labels > 0, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return (labels > 0) & ~inner


def _cut_pairs(labels: NDArray[np.int64], how: NucleusSettings) -> NDArray[np.int64]:
    from scipy import ndimage
    from skimage import filters, morphology, segmentation

    out = labels.copy()
    _, ellipticity = _shape(labels, int(labels.max()))
    top = int(labels.max())
    for label, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None or ellipticity[label] >= how.split_ellipticity:
            continue
        piece = np.pad(labels[box] == label, 1)
        depth = filters.gaussian(ndimage.distance_transform_edt(piece), 0.7)
        seeds, n = ndimage.label(morphology.h_maxima(depth, 0.4) & piece)
        if n < 2:
            continue
        halves = segmentation.watershed(-depth, seeds, mask=piece)
        area, shape = _shape(halves, n)
        if (
            area[1:].min() < how.min_area
            or np.average(shape[1:], weights=area[1:]) < ellipticity[label] + 0.04
        ):
            continue
        inside = halves[1:-1, 1:-1]
        out[box][inside > 1] = top + inside[inside > 1]
        top += n
    return out


def _rounded(labels: NDArray[np.int64], how: NucleusSettings) -> NDArray[np.uint32]:
    """One smooth piece per label, grown by the pixel that an outline at the steepest slope leaves out."""
    from scipy import ndimage
    from skimage import segmentation

    grown = segmentation.expand_labels(labels, 1)
    out = np.zeros(labels.shape, dtype=np.uint32)
    strength = np.full(labels.shape, 0.5)
    for label, box in enumerate(ndimage.find_objects(grown), 1):
        if box is None:
            continue
        around = tuple(slice(max(s.start - 4, 0), s.stop + 4) for s in box)
        whole = ndimage.binary_fill_holes(grown[around] == label)
        # "nearest" carries nuclei over the edge of the image instead of rounding them off there
        soft = ndimage.gaussian_filter(whole.astype(float), how.outline_smoothing, mode="nearest")
        wins = soft > strength[around]
        out[around][wins] = label
        strength[around][wins] = soft[wins]

    next_label = 0
    for label, box in enumerate(ndimage.find_objects(out), 1):
        if box is None:
            continue
        window = out[box]
        parts, _ = ndimage.label(window == label)
        area = np.bincount(parts.ravel())
        area[0] = 0
        window[parts > 0] = 0
        if area.max() >= how.min_area:
            next_label += 1
            # names below `label` are used up already, so renaming in place cannot collide
            window[parts == area.argmax()] = next_label
    return out
