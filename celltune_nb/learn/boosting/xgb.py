"""XGBoost through its native interface (no scikit-learn wrapper: it copies and checks at every call)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from ..metrics import scores
from . import Float32, OnRound, Rows, probabilities
from .forest import Forest, Later, Tree, build, is_compiled

# Items; both ways give the same margins but for rounding (1e-6), so which one is taken shows in the time alone.
FLAT_FROM = 256  # for fewer the library's own prediction is as fast
COMPILE_FROM = 50_000  # for fewer it is done before the kernel is compiled, where nothing warmed it up

LibraryError: tuple[type[Exception], ...] = (xgboost.core.XGBoostError, ValueError, TypeError)


class XGBoost:
    """A fitted XGBoost model."""

    def __init__(self, booster: xgboost.Booster, k: int, device: str = "cpu") -> None:
        # a prediction is cut into pieces for several threads, and changing this is not safe among them
        # trained on a GPU or not, it predicts on the CPU: the trees are as fast there, and a GPU whose memory others
        # have taken since cannot fail it
        booster.set_param({"nthread": 1, "device": "cpu"})
        self.booster = booster
        self.k = k
        self.device = device
        self.rounds = int(booster.num_boosted_rounds())
        self._forest = Later(lambda: flattened(booster, k))

    def predict(self, X: Float32) -> Float32:
        """Probabilities, shape (n, k)."""
        if not len(X):
            return np.empty((0, self.k), np.float32)
        if len(X) >= FLAT_FROM and (len(X) >= COMPILE_FROM or is_compiled()):
            forest = self._forest()
            if forest is not None:
                return probabilities(forest.margins(X), self.k)
        margin = np.asarray(self.booster.inplace_predict(X, predict_type="margin"), np.float32)
        return probabilities(margin, self.k)

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


def flattened(booster: xgboost.Booster, k: int) -> Forest | None:
    """The model's trees as flat arrays; None where they cannot be had or XGBoost itself answers otherwise."""
    try:
        stored = json.loads(bytes(booster.save_raw("json")))["learner"]
        model = stored["gradient_booster"]["model"]
        trees = [
            Tree(
                tree["left_children"], tree["right_children"], tree["split_indices"], tree["split_conditions"],
                tree["default_left"], output,
            )
            for tree, output in zip(model["trees"], model["tree_info"], strict=True)
        ]  # fmt: skip
        # one number for all outputs before XGBoost 3.1, afterwards one each
        base = np.array(json.loads(stored["learner_model_param"]["base_score"]), np.float32).reshape(-1)
    except (KeyError, TypeError, ValueError):
        return None
    if k == 2:
        with np.errstate(divide="ignore"):
            base = -np.log(1 / base - 1)  # in XGBoost's own order of rounding; ±inf for 1 and 0
    forest = build(trees, np.broadcast_to(base, 1 if k == 2 else k))
    if forest is None:
        return None
    rows = forest.trying(64, booster.num_features())
    theirs = np.asarray(booster.inplace_predict(rows, predict_type="margin")).reshape(len(rows), -1)
    return forest if np.allclose(forest.margins(rows), theirs, rtol=1e-4, atol=1e-4) else None


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
    device = used_device(booster)
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
    return XGBoost(_bare(booster), k, device)


def _bare(booster: xgboost.Booster) -> xgboost.Booster:
    """The trees alone: a booster keeps the gradients and histograms of its training, on the GPU if it was there."""
    if hasattr(booster, "reset"):  # XGBoost 3
        return booster.reset()
    bare = xgboost.Booster()
    bare.load_model(booster.save_raw("ubj"))
    return bare


def used_device(booster: xgboost.Booster) -> str:
    """Where a booster works: asked for a GPU that it cannot have, XGBoost goes on, on the CPU, without a word."""
    where = json.loads(booster.save_config())["learner"]["generic_param"].get("device", "cpu")
    return "cuda" if str(where).startswith("cuda") else "cpu"


def read(path: Path, k: int, rounds: int, n_features: int) -> XGBoost:
    """See :func:`celltune_nb.learn.boosting.read`."""
    booster = xgboost.Booster()
    booster.load_model(bytearray(path.read_bytes()))
    fitted = XGBoost(booster, k)
    if booster.num_features() != n_features or fitted.rounds != rounds:
        raise ValueError("its features or rounds differ from its description")
    columns = fitted.predict(np.zeros((1, n_features), np.float32)).shape[1]
    if columns != k:
        raise ValueError(f"it predicts {columns} classes, its description says {k}")
    return fitted
