"""CatBoost: shallow symmetric trees, one Newton step a leaf, plain boosting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import catboost
import numpy as np

from . import Float32, OnRound, Rows, probabilities

LibraryError: tuple[type[Exception], ...] = (catboost.CatBoostError, ValueError, TypeError)


class CatBoost:
    """A fitted CatBoost model."""

    def __init__(self, model: catboost.CatBoost, k: int, device: str = "cpu") -> None:
        self.model = model
        self.k = k
        self.device = device
        self.rounds = int(model.tree_count_)
        self._size: int | None = None

    def predict(self, X: Float32) -> Float32:
        """Probabilities, shape (n, k)."""
        if not len(X):
            return np.empty((0, self.k), np.float32)
        # column order is what CatBoost quantises from: twice as fast, the copy included
        raw = self.model.predict(np.asfortranarray(X), prediction_type="RawFormulaVal", thread_count=1)
        return probabilities(np.asarray(raw, np.float32), self.k)

    def contributions(self, X: Float32) -> Float32:
        """SHAP values of every feature for every class, shape (n, k, f)."""
        values = self.model.get_feature_importance(catboost.Pool(X), type="ShapValues", thread_count=1)
        values = np.asarray(values, np.float32)
        if self.k == 2:
            values = np.stack([-values, values], axis=1)
        return np.ascontiguousarray(values[:, :, :-1])

    def first(self, rounds: int) -> CatBoost:
        """The same model with its first rounds only."""
        if rounds >= self.rounds:
            return self
        model = self.model.copy()
        model.shrink(ntree_end=rounds)
        return CatBoost(model, self.k, self.device)

    def write(self, path: Path) -> None:
        """Save in the library's own format."""
        self.model.save_model(str(path), format="cbm")

    @property
    def nbytes(self) -> int:
        """Size of the model, in bytes."""
        if self._size is None:
            self._size = len(self.model._serialize_model())
        return self._size


class _Rounds:
    """Translates CatBoost's callback into ours."""

    def __init__(self, on_round: OnRound, loss: str, has_valid: bool) -> None:
        self.on_round = on_round
        self.loss = loss
        self.has_valid = has_valid

    def after_iteration(self, info: Any) -> bool:
        figures: dict[str, dict[str, float]] = {}
        if self.has_valid:
            for ours, theirs in (("train", "learn"), ("valid", "validation")):
                values = info.metrics[theirs]
                f1 = next(name for name in values if name.startswith("TotalF1"))
                accuracy = next(name for name in values if name.startswith("Accuracy"))
                figures[ours] = {
                    "log_loss": values[self.loss][-1],
                    "accuracy": values[accuracy][-1],
                    "macro_f1": values[f1][-1],
                }
        return not self.on_round(int(info.iteration), figures)


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
) -> CatBoost:
    """See :func:`celltune_nb.learn.boosting.fit`."""
    loss = "Logloss" if k == 2 else "MultiClass"
    settings = {
        "loss_function": loss,
        "iterations": rounds,
        "random_seed": seed % 2**31,
        "thread_count": n_jobs,
        "allow_writing_files": False,
        "logging_level": "Silent",
        **params,
    }
    if settings.get("bootstrap_type") == "No":
        # who sets how much is drawn wants a drawing; CatBoost refuses the one without the other
        for given, kind in (("bagging_temperature", "Bayesian"), ("subsample", "Bernoulli")):
            if given in params:
                settings["bootstrap_type"] = kind
    if valid is not None:
        settings["custom_metric"] = _extra_metrics(train[2], valid[2])
        settings["use_best_model"] = False
    else:
        settings["metric_period"] = rounds + 1  # a refit needs no figures
    if device == "cuda":
        settings["task_type"] = "GPU"
        settings.pop("rsm", None)  # not offered on the GPU outside pairwise losses
        settings.pop("thread_count")
    model = catboost.CatBoost(settings)
    learn = catboost.Pool(train[0], train[1], weight=train[2])
    held_out = None if valid is None else catboost.Pool(valid[0], valid[1], weight=valid[2])
    # CatBoost offers no user callbacks on the GPU (catboost issue 1792): curves and Stop act between models there
    callbacks = None if device == "cuda" else [_Rounds(on_round, loss, valid is not None)]
    model.fit(learn, eval_set=held_out, callbacks=callbacks)
    fitted = CatBoost(model, k, device)
    if device == "cuda":
        _replay(model, loss, valid is not None, on_round)
    return fitted


def _extra_metrics(*weights: np.ndarray[Any, Any] | None) -> list[str]:
    """Accuracy and macro-F1 without class weights; CatBoost refuses the option where all weights are 1."""
    if all(w is None or bool((w == 1).all()) for w in weights):
        return ["Accuracy", "TotalF1:average=Macro"]
    return ["Accuracy:use_weights=false", "TotalF1:average=Macro;use_weights=false"]


def _replay(model: catboost.CatBoost, loss: str, has_valid: bool, on_round: OnRound) -> None:
    """Tell the caller the rounds of a fit that could not be watched."""
    results = model.get_evals_result() if has_valid else {}
    for number in range(1, int(model.tree_count_) + 1):
        figures: dict[str, dict[str, float]] = {}
        for ours, theirs in (("train", "learn"), ("valid", "validation")):
            if theirs in results:
                values = {name.split(":")[0]: series for name, series in results[theirs].items()}
                # metrics the GPU does not compute every round fall back to their last value
                figures[ours] = {
                    ours_name: float(series[min(number, len(series)) - 1]) if series else float("nan")
                    for ours_name, series in (
                        ("log_loss", values[loss]),
                        ("accuracy", values.get("Accuracy", [])),
                        ("macro_f1", values.get("TotalF1", [])),
                    )
                }
        if on_round(number, figures):
            break


def read(path: Path, k: int, rounds: int, n_features: int) -> CatBoost:
    """See :func:`celltune_nb.learn.boosting.read`."""
    model = catboost.CatBoost()
    model.load_model(str(path), format="cbm")
    if int(model.tree_count_) != rounds or len(model.feature_names_) != n_features:
        raise ValueError("its features or rounds differ from its description")
    row = np.zeros((1, n_features), np.float32)
    columns = np.asarray(model.predict(row, prediction_type="RawFormulaVal")).reshape(1, -1).shape[1]
    if columns != (1 if k == 2 else k):
        raise ValueError(f"it predicts {columns} classes, its description says {k}")
    return CatBoost(model, k)
