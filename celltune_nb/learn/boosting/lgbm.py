"""LightGBM with leaf sizes that follow the rarest class: its own default collapses on few labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from ..metrics import scores
from . import Float32, OnRound, Rows

LibraryError: tuple[type[Exception], ...] = (lightgbm.basic.LightGBMError, ValueError, TypeError)


class LightGBM:
    """A fitted LightGBM model."""

    def __init__(self, booster: lightgbm.Booster, k: int, rounds: int) -> None:
        self.booster = booster
        self.k = k
        self.rounds = rounds
        self.device = "cpu"

    def predict(self, X: Float32) -> Float32:
        """Probabilities, shape (n, k)."""
        if not len(X):
            return np.empty((0, self.k), np.float32)
        p = np.asarray(self.booster.predict(X, num_iteration=self.rounds, num_threads=1), np.float32)
        return np.stack([1 - p, p], axis=1) if p.ndim == 1 else p

    def contributions(self, X: Float32) -> Float32:
        """SHAP values of every feature for every class, shape (n, k, f)."""
        flat = self.booster.predict(X, num_iteration=self.rounds, pred_contrib=True, num_threads=1)
        values = np.asarray(flat, np.float32).reshape(len(X), -1, X.shape[1] + 1)[:, :, :-1]
        return np.concatenate([-values, values], axis=1) if self.k == 2 else np.ascontiguousarray(values)

    def first(self, rounds: int) -> LightGBM:
        """The same model with its first rounds only."""
        return LightGBM(self.booster, self.k, min(rounds, self.rounds))

    def write(self, path: Path) -> None:
        """Save in the library's own format."""
        path.write_text(self.booster.model_to_string(num_iteration=self.rounds), encoding="utf-8")

    @property
    def nbytes(self) -> int:
        """Size of the model, in bytes."""
        return len(self.booster.model_to_string(num_iteration=self.rounds))


def leaf_size(codes: np.ndarray[Any, Any]) -> int:
    """Items a leaf holds at least: a fifth of the rarest class, between 1 and 20 (LightGBM's default).

    With 20 everywhere, classes of a dozen labels can never be split off and the macro-F1 on 2,000
    labels of an imbalanced table falls to .11.
    """
    return int(np.clip(np.bincount(codes).min() // 5, 1, 20))


def fit(
    train: Rows,
    valid: Rows | None,
    k: int,
    *,
    rounds: int,
    params: dict[str, Any],
    seed: int,
    n_jobs: int,
    device: str,  # noqa: ARG001 - the published wheels know the CPU only
    on_round: OnRound,
) -> LightGBM:
    """See :func:`celltune_nb.learn.boosting.fit`."""
    settings = {
        "objective": "binary" if k == 2 else "multiclass",
        **({"num_class": k} if k > 2 else {}),
        "metric": "none",
        "min_child_samples": leaf_size(train[1]),
        "min_data_in_bin": 1 if len(train[1]) < 1_000 else 3,
        "seed": seed % 2**31,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": n_jobs,
        "verbosity": -1,
        **params,
    }
    learn = lightgbm.Dataset(train[0], train[1], weight=train[2], params=settings, free_raw_data=True)
    booster = lightgbm.Booster(settings, learn)
    if valid is not None:
        held_out = lightgbm.Dataset(valid[0], valid[1], weight=valid[2], reference=learn, params=settings)
        booster.add_valid(held_out, "valid")

    def measured(rows: Rows) -> Any:
        def evaluate(predicted: Any, _: Any) -> list[tuple[str, float, bool]]:
            p = np.asarray(predicted)
            p = np.stack([1 - p, p], axis=1) if p.ndim == 1 else p
            return [(name, value, False) for name, value in scores(p, rows[1], loss_weights=rows[2]).items()]

        return evaluate

    done = 0
    for number in range(1, rounds + 1):
        exhausted = booster.update()
        done = number
        figures: dict[str, dict[str, float]] = {}
        if valid is not None:
            figures["train"] = {row[1]: row[2] for row in booster.eval_train(measured(train))}
            figures["valid"] = {row[1]: row[2] for row in booster.eval_valid(measured(valid))}
        if on_round(number, figures) or exhausted:  # exhausted: no split is left that gains anything
            break
    return LightGBM(booster, k, max(1, min(done, booster.current_iteration())))


def read(path: Path, k: int, rounds: int, n_features: int) -> LightGBM:
    """See :func:`celltune_nb.learn.boosting.read`."""
    booster = lightgbm.Booster(model_str=path.read_text(encoding="utf-8"))
    if booster.num_feature() != n_features or booster.current_iteration() != rounds:
        raise ValueError("its features or rounds differ from its description")
    columns = booster.num_model_per_iteration()
    if columns != (1 if k == 2 else k):
        raise ValueError(f"it predicts {columns} classes, its description says {k}")
    return LightGBM(booster, k, rounds)
