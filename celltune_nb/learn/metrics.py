"""Scores of predicted probabilities or categories against the truth, optionally weighted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["confusion_counts", "kappa", "log_loss", "per_category", "scores"]

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.integer]

TINY = 1e-7  # float32 probabilities below this carry no information


def confusion_counts(
    truth: IntArray, predicted: IntArray, k: int, weights: FloatArray | None = None
) -> NDArray[np.float64]:
    """Count (or weigh) every pair of codes.

    Parameters
    ----------
    truth, predicted : int array, shape (n,)
        Codes 0..k-1.
    k : int
        Number of categories.
    weights : float array, shape (n,), optional

    Returns
    -------
    float64 array, shape (k, k)
        Rows are the truth, columns the prediction.
    """
    pairs = np.asarray(truth, np.int64) * k + np.asarray(predicted, np.int64)
    return np.bincount(pairs, weights=weights, minlength=k * k).astype(np.float64).reshape(k, k)


def per_category(confusion: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Precision, recall, F1, support and prevalence of each category of a confusion matrix.

    A figure without a denominator (precision of a category that is never predicted) is NaN, except
    F1, which is 0 for a category that occurs and is never found.
    """
    hit = np.diagonal(confusion)
    support, called = confusion.sum(1), confusion.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(called > 0, hit / called, np.nan)
        recall = np.where(support > 0, hit / support, np.nan)
        f1 = np.where(support + called > 0, 2 * hit / (support + called), np.nan)
        prevalence = support / support.sum()
    return {"precision": precision, "recall": recall, "f1": f1, "support": support, "prevalence": prevalence}


def macro_f1(confusion: NDArray[np.float64]) -> float:
    """Mean F1 over the categories that occur in the truth."""
    f1 = per_category(confusion)["f1"][confusion.sum(1) > 0]
    return float(f1.mean()) if f1.size else float("nan")


def log_loss(probabilities: FloatArray, truth: IntArray, weights: FloatArray | None = None) -> float:
    """Mean negative log probability of the true category, in nats (multi-class cross-entropy)."""
    p = probabilities[np.arange(len(truth)), truth]
    return float(-np.average(np.log(np.maximum(p, TINY).astype(np.float64)), weights=weights))


def scores(
    probabilities: FloatArray,
    truth: IntArray,
    weights: FloatArray | None = None,
    loss_weights: FloatArray | None = None,
) -> dict[str, float]:
    """Accuracy, macro-F1 and log loss.

    Parameters
    ----------
    probabilities : float array, shape (n, k)
        Rows sum to 1.
    truth : int array, shape (n,)
        Codes 0..k-1.
    weights : float array, shape (n,), optional
        Weights of all three figures.
    loss_weights : float array, shape (n,), optional
        Weights of the log loss alone (class weights of a balanced training).

    Returns
    -------
    dict
        "accuracy", "macro_f1", "log_loss"; NaN when n is 0.
    """
    if not len(truth):
        return {"accuracy": float("nan"), "macro_f1": float("nan"), "log_loss": float("nan")}
    confusion = confusion_counts(truth, probabilities.argmax(1), probabilities.shape[1], weights)
    return {
        "accuracy": float(np.diagonal(confusion).sum() / confusion.sum()),
        "macro_f1": macro_f1(confusion),
        "log_loss": log_loss(probabilities, truth, weights if loss_weights is None else loss_weights),
    }


def kappa(a: IntArray, b: IntArray) -> float:
    """Cohen's kappa of two code arrays: agreement beyond chance; 1 when both are constant and equal.

    Source: Cohen, Educational and Psychological Measurement 20 (1960).
    """
    if not len(a):
        return float("nan")
    k = int(max(a.max(), b.max())) + 1
    confusion = confusion_counts(a, b, k)
    n = confusion.sum()
    observed = np.diagonal(confusion).sum() / n
    expected = float(confusion.sum(0) @ confusion.sum(1)) / n**2
    return 1.0 if expected >= 1 else float((observed - expected) / (1 - expected))
