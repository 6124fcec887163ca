"""Features that give the answer away, or the place where it was found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["leak_alarm"]

ALWAYS = {
    "id", "ids", "cellid", "uuid", "barcode", "centroid", "centroidx", "centroidy",
    "coord", "coords", "coordinate", "coordinates", "bbox", "image", "img", "imageid", "fov", "filename",
    "file", "slide", "slideid", "roi", "donor", "patient", "sample", "sampleid", "unnamed", "class",
    "celltype",
}  # fmt: skip
ALONE = {"index", "label", "labels", "row", "column", "col", "position", "number", "type", "cluster"}
BESIDE = {"cell", "object", "nucleus", "mask", "item", "segmentation", "original", "true", "gt"}
AXES = {"x", "y", "z"}
BESIDE_AXES = {
    "cell", "centre", "center", "global", "local", "max", "mean", "micron", "microns", "min", "mm", "nucleus",
    "object", "origin", "pixel", "pixels", "pos", "px", "um", "µm",
}  # fmt: skip
ENOUGH = 50  # rows below which order and images show nothing
WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+\d*|[A-Z]+\d*|\d+")


def leak_alarm(
    names: Sequence[str],
    X: NDArray[np.floating] | None = None,
    *,
    images: NDArray[Any] | None = None,
) -> list[str]:
    """Sentences about features that models should not learn from; empty when all is well.

    Parameters
    ----------
    names : sequence of str
        Feature names.
    X : float array, shape (n, f), optional
        Rows in item order (a regular part of them will do).
    images : array, shape (n,), optional
        Image of each row.

    Returns
    -------
    list of str
        At most one sentence for each kind of leak: a name that looks like an identifier, coordinate
        or category; values that only rise or fall along the items; one value for each image.
    """
    found = []
    named = [name for name in names if _suspicious(name)]
    if named:
        found.append(
            f"{_listed(named)} look{'s' if len(named) == 1 else ''} like an identifier, a coordinate or an answer. "
            "A model that learns from it knows these items, not new ones: leave it out of the features."
        )
    if X is None or len(X) < ENOUGH:
        return found
    values: NDArray[np.float64] = np.asarray(X, np.float64)
    ordered = [
        name for name, rises in zip(names, _monotone(values), strict=True) if rises and name not in named
    ]
    if ordered:
        found.append(
            f"{_listed(ordered)} only rise{'s' if len(ordered) == 1 else ''} or fall{'s' if len(ordered) == 1 else ''} "
            "along the items, as a running number does: leave it out of the features."
        )
    if images is not None:
        constant = _one_value_an_image(values, np.asarray(images))
        per_image = [
            name for name, leaks in zip(names, constant, strict=True) if leaks and name not in named + ordered
        ]
        if per_image:
            found.append(
                f"{_listed(per_image)} ha{'s' if len(per_image) == 1 else 've'} one value for each image. "
                "A model can learn the image from it instead of the category: leave it out of the features."
            )
    return found


def _suspicious(name: str) -> bool:
    words = [word.lower() for word in WORD.findall(name)]
    whole = re.sub(r"[^a-z0-9]", "", name.lower())
    if whole in ALWAYS or whole in ALONE or any(word in ALWAYS for word in words):
        return True
    if any(word in AXES for word in words):  # but CD3_z is a z-score
        return all(word in AXES | BESIDE_AXES | ALONE for word in words)
    return any(word in ALONE for word in words) and all(word in ALONE | BESIDE for word in words)


def _monotone(X: NDArray[np.float64]) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        step = np.diff(X, axis=0)
        rising: NDArray[np.bool_] = np.all(step > 0, axis=0)
        return rising | np.all(step < 0, axis=0)


def _one_value_an_image(X: NDArray[np.float64], images: NDArray[Any]) -> NDArray[np.bool_]:
    names, image = np.unique(images, return_inverse=True)
    image = image.reshape(-1)
    if len(names) < 2 or len(X) < 5 * len(names):
        return np.zeros(X.shape[1], bool)
    order = np.argsort(image, kind="stable")
    start = np.flatnonzero(np.diff(image[order], prepend=-1))
    low = np.minimum.reduceat(X[order], start, axis=0)
    high = np.maximum.reduceat(X[order], start, axis=0)
    scale = np.ptp(X, axis=0)
    with np.errstate(invalid="ignore"):
        constant: NDArray[np.bool_] = np.all((high - low) <= 1e-6 * scale, axis=0)
    return constant & (scale > 0)


def _listed(names: Sequence[str], limit: int = 5) -> str:
    text = ", ".join(repr(name) for name in names[:limit])
    return text + (f" and {len(names) - limit} more" if len(names) > limit else "")
