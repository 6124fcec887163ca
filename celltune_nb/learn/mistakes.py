"""Where a classifier of two categories is probably wrong, and in which way.

The models' own doubt finds cells between the two; it does not find those about which they are sure and wrong.  So each
prediction is held against a second opinion that knows nothing but the marker: how bright the cell is for its image,
and against its surroundings.  A cell is suspicious where the models doubt, where the second opinion contradicts, or both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

__all__ = ["KINDS", "Signal", "Suspects", "suspects"]

#: The kinds of a likely mistake.
KINDS = ("weak signal", "strong signal", "background", "borderline")

BORDERLINE = 0.15
"""Distance of the probability from the threshold below which the models have hardly decided."""
FAINT = 0.25
"""Quantile of the positives' contrast below which a cell is no brighter than what lies around it."""
LEAST = 10
"""Cells of each answer that a second opinion has to be learned from."""


@dataclass(frozen=True, eq=False)
class Signal:
    """The marker in each cell.

    Attributes
    ----------
    bright : float64 array, shape (n,)
        Intensity of the cell in deviations from the negatives of its image; NaN where unknown.
    contrast : float64 array, shape (n,)
        Logarithm of the cell's intensity over that of its surroundings; NaN where unknown.
    """

    bright: NDArray[np.float64]
    contrast: NDArray[np.float64]

    @classmethod
    def of(
        cls, cell: NDArray[np.floating], around: NDArray[np.floating] | None, images: NDArray[np.integer],
        negative: NDArray[np.bool_],
    ) -> Signal:  # fmt: skip
        """Compare cells with the negatives of their own image, since staining differs from image to image.

        Parameters
        ----------
        cell, around : float array, shape (n,)
            Intensity in the cell and in its surroundings (None: not measured).
        images : int array, shape (n,)
        negative : bool array, shape (n,)
            Which cells are taken for negative.
        """
        value = np.asarray(cell, np.float64)
        finite = value[np.isfinite(value)]
        floor = float(np.percentile(finite, 5)) if len(finite) else 0.0
        offset = max(0.0, -float(finite.min(initial=0.0))) + max(abs(floor), 1e-6) * 0.5
        logs = np.log(np.maximum(value + offset, 1e-9))
        bright = np.full(len(value), np.nan)
        for image in np.unique(images):
            here = images == image
            reference = logs[here & negative & np.isfinite(logs)]
            if len(reference) < LEAST:
                reference = logs[here & np.isfinite(logs)]
            if not len(reference):
                continue
            middle = np.median(reference)
            width = 1.4826 * np.median(np.abs(reference - middle)) or float(reference.std()) or 1.0
            bright[here] = (logs[here] - middle) / width
        if around is None:
            contrast = np.full(len(value), np.nan)
        else:
            ring = np.log(np.maximum(np.asarray(around, np.float64) + offset, 1e-9))
            contrast = logs - ring
        return cls(bright, contrast)

    def toward(self, positive: NDArray[np.bool_], negative: NDArray[np.bool_]) -> Signal:
        """With the positives as the brighter ones: a dye that absorbs light makes them the darker."""
        one, other = (
            self.bright[positive & np.isfinite(self.bright)],
            self.bright[negative & np.isfinite(self.bright)],
        )
        if len(one) and len(other) and np.median(one) < np.median(other):
            return Signal(-self.bright, -self.contrast)
        return self


@dataclass(frozen=True, eq=False)
class Suspects:
    """How suspicious each prediction is.

    Attributes
    ----------
    suspicion : float32 array, shape (n,)
        0 (sure, and nothing speaks against it) to 1; NaN where nothing was predicted.
    kind : int8 array, shape (n,)
        Index into :data:`KINDS`.
    opinion : float32 array, shape (n,)
        Probability of a positive by the marker alone; NaN without a second opinion.
    """

    suspicion: NDArray[np.float32]
    kind: NDArray[np.int8]
    opinion: NDArray[np.float32]


def suspects(
    probability: NDArray[np.floating],
    threshold: float = 0.5,
    signal: Signal | None = None,
    known: NDArray[np.integer] | None = None,
) -> Suspects:
    """Judge every prediction of a positive or negative.

    Parameters
    ----------
    probability : float array, shape (n,)
        Of a positive, by the models; NaN where nothing was predicted.
    threshold : float
        From which on a cell is called positive.
    signal : Signal, optional
        Without it, only the models' doubt counts and every kind is *borderline*.
    known : int array, shape (n,), optional
        Labels to learn the second opinion from: 1 positive, 0 negative, -1 none.  With fewer than ten of each it is
        learned from the predictions, and can then contradict only single cells.
    """
    p = np.asarray(probability, np.float64)
    if p.ndim != 1 or not 0 < threshold < 1:
        raise InputError(
            f"Probabilities of shape {p.shape} and threshold {threshold}: give one a cell, and a threshold in 0–1."
        )
    called = p >= threshold
    if signal is not None:
        signal = signal.toward(called, np.isfinite(p) & ~called)
    # The threshold counts as even odds, wherever it lies.
    doubt = np.where(called, (1 - p) / (1 - threshold), p / threshold) / 2
    n = len(p)
    kind = np.full(n, KINDS.index("borderline"), np.int8)
    opinion = np.full(n, np.nan)
    if signal is None or not np.isfinite(signal.bright).any():
        return Suspects(doubt.astype(np.float32), kind, opinion.astype(np.float32))
    opinion = _opinion(
        signal, np.where(np.isfinite(p), called, -1) if known is None or not _enough(known) else known
    )
    against = np.where(called, 1 - opinion, opinion)
    suspicion = np.where(np.isfinite(against), (2 * doubt + against) / 2, doubt)
    return Suspects(
        np.clip(suspicion, 0, 1).astype(np.float32),
        _kinds(p, called, threshold, signal),
        opinion.astype(np.float32),
    )


def _enough(known: NDArray[np.integer]) -> bool:
    return bool(min(np.count_nonzero(known == 0), np.count_nonzero(known == 1)) >= LEAST)


def _opinion(signal: Signal, known: NDArray[np.integer]) -> NDArray[np.float64]:
    """Probability of a positive by brightness and contrast alone, both answers weighing the same."""
    from sklearn.linear_model import LogisticRegression

    X = np.column_stack([signal.bright, signal.contrast])
    usable = np.isfinite(X[:, 1]).any()
    X = np.clip(np.nan_to_num(X if usable else X[:, :1], nan=0.0), -10, 30)
    rows = np.flatnonzero(known >= 0)
    y = np.asarray(known)[rows]
    if len(np.unique(y)) < 2:
        return np.full(len(X), np.nan)
    rows = rows[:: max(1, len(rows) // 20_000)]
    y = np.asarray(known)[rows]
    if len(np.unique(y)) < 2:
        return np.full(len(X), np.nan)
    scale = np.maximum(X[rows].std(axis=0), 1e-6)
    model = LogisticRegression(class_weight="balanced", max_iter=200).fit(X[rows] / scale, y)
    found = model.predict_proba(X / scale)[:, 1]
    return np.where(np.isfinite(signal.bright), found, np.nan)


def _kinds(
    p: NDArray[np.float64], called: NDArray[np.bool_], threshold: float, signal: Signal
) -> NDArray[np.int8]:
    kind = np.full(len(p), KINDS.index("weak signal"), np.int8)
    sure_on = called & (p >= (1 + threshold) / 2)
    on = sure_on if np.count_nonzero(sure_on) >= LEAST else called
    near = np.abs(p - threshold) < BORDERLINE
    kind[near] = KINDS.index("borderline")
    if on.any():
        middle = np.nanmedian(signal.bright[on]) if np.isfinite(signal.bright[on]).any() else np.inf
        # As bright as most positives and called negative; whatever the models' doubt, that is what is seen.
        kind[~called & (signal.bright >= middle)] = KINDS.index("strong signal")
        contrasts = signal.contrast[on]
        if np.isfinite(contrasts).any():
            faint = np.nanquantile(contrasts, FAINT)
            off = signal.contrast[~called]
            usual = np.nanmedian(off) if np.isfinite(off).any() else -np.inf
            # No brighter against what lies around it than a negative is.
            kind[called & (signal.contrast < max(min(faint, usual), 0.0))] = KINDS.index("background")
    return kind
