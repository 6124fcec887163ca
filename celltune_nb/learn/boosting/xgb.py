"""XGBoost through its native interface (no scikit-learn wrapper: it copies and checks at every call)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from ..metrics import scores
from . import Float32, OnRound, Rows

LibraryError: tuple[type[Exception], ...] = (xgboost.core.XGBoostError, ValueError, TypeError)


class XGBoost:
    """A fitted XGBoost model."""

    def __init__(self, booster: xgboost.Booster, k: int, device: str = "cpu") -> None:
        self.booster = booster
        self.k = k
        self.device = device
        self.rounds = int(booster.num_boosted_rounds())

    def predict(self, X: Float32, n_jobs: int) -> Float32:
        """Probabilities, shape (n, k)."""
        if not len(X):
            return np.empty((0, self.k), np.float32)
        self.booster.set_param({"nthread": n_jobs})
        return _two_columns(self.booster.inplace_predict(X))

    def contributions(self, X: Float32) -> Float32:
        """SHAP values of every feature for every class, shape (n, k, f)."""
        values = self.booster.predict(xgboost.DMatrix(X), pred_contribs=True, strict_shape=True)[:, :, :-1]
        return np.concatenate([-values, values], axis=1) if self.k == 2 else np.ascontiguousarray(values)

    def first(self, rounds: int) -> XGBoost:
        """The same model with its first rounds only."""
        return self if rounds >= self.rounds else XGBoost(self.booster[:rounds], self.k, self.device)

    def write(self, path: Path) -> None:
        """Save in the library's own format."""
        path.write_bytes(self.booster.save_raw("ubj"))

    @property
    def nbytes(self) -> int:
        """Size of the model, in bytes."""
        return len(self.booster.save_raw("ubj"))


def _two_columns(p: NDArray[np.float32]) -> Float32:
    return np.stack([1 - p, p], axis=1) if p.ndim == 1 else p


def fit(
    train: Rows,
    valid: Rows | None,
    k: int,
    *,
    rounds: int,
    params: dict[str, Any],
    seed: int,
    n_jobs: int,
    device: str,
    on_round: OnRound,
) -> XGBoost:
    """See :func:`celltune_nb.learn.boosting.fit`."""
    max_bin = int(params["max_bin"])
    settings = {
        "tree_method": "hist",
        "verbosity": 0,
        "seed": seed,
        "nthread": n_jobs,
        "device": device,
        "objective": "binary:logistic" if k == 2 else "multi:softprob",
        **({"num_class": k} if k > 2 else {}),
        **params,
    }
    # max_bin has to be repeated for the second matrix, or XGBoost 3 compares 256 with ours and refuses
    learn = xgboost.QuantileDMatrix(train[0], train[1], weight=train[2], max_bin=max_bin, nthread=n_jobs)
    matrices = [learn]
    if valid is not None:
        matrices.append(
            xgboost.QuantileDMatrix(
                valid[0], valid[1], weight=valid[2], ref=learn, max_bin=max_bin, nthread=n_jobs
            )
        )
    booster = xgboost.Booster(settings, matrices)
    for number in range(1, rounds + 1):
        booster.update(learn, number - 1)
        figures: dict[str, dict[str, float]] = {}
        if valid is not None:
            # both matrices are in the booster's cache: only the newest trees are evaluated
            for name, matrix, (_, codes, weights) in zip(
                ("train", "valid"), matrices, (train, valid), strict=True
            ):
                figures[name] = scores(_two_columns(booster.predict(matrix)), codes, loss_weights=weights)
        if on_round(number, figures):
            break
    return XGBoost(booster, k, device)


def read(path: Path, k: int, rounds: int, n_features: int) -> XGBoost:
    """See :func:`celltune_nb.learn.boosting.read`."""
    booster = xgboost.Booster()
    booster.load_model(bytearray(path.read_bytes()))
    fitted = XGBoost(booster, k)
    if booster.num_features() != n_features or fitted.rounds != rounds:
        raise ValueError("its features or rounds differ from its description")
    columns = fitted.predict(np.zeros((1, n_features), np.float32), 1).shape[1]
    if columns != k:
        raise ValueError(f"it predicts {columns} classes, its description says {k}")
    return fitted
