"""LightGBM with leaf sizes that follow the rarest class: its own default collapses on few labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from ..metrics import scores
from . import Float32, OnRound, Rows, probabilities
from .forest import Forest, Later, Tree, build

LibraryError: tuple[type[Exception], ...] = (lightgbm.basic.LightGBMError, ValueError, TypeError)


class LightGBM:
    """A fitted LightGBM model."""

    def __init__(self, booster: lightgbm.Booster, k: int, rounds: int) -> None:
        self.booster = booster
        self.k = k
        self.rounds = rounds
        self.device = "cpu"
        self._forest = Later(lambda: flattened(booster, k, rounds))

    def predict(self, X: Float32) -> Float32:
        """Probabilities, shape (n, k)."""
        if not len(X):
            return np.empty((0, self.k), np.float32)
        # always the same way: the library adds up in float64, which shows in the seventh digit
        forest = self._forest()
        if forest is not None:
            return probabilities(forest.margins(X), self.k)
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


def flattened(booster: lightgbm.Booster, k: int, rounds: int) -> Forest | None:
    """The trees as flat arrays, ten times as fast; None where LightGBM itself answers otherwise."""
    try:
        stored = booster.dump_model(num_iteration=rounds)["tree_info"]
        outputs = 1 if k == 2 else k
        trees = [_tree(tree["tree_structure"], i % outputs) for i, tree in enumerate(stored)]
    except (KeyError, TypeError, ValueError):
        return None
    forest = build(trees, np.zeros(outputs, np.float32))
    if forest is None:
        return None
    rows = forest.trying(64, booster.num_feature())
    theirs = np.asarray(booster.predict(rows, num_iteration=rounds, num_threads=1, raw_score=True))
    agrees = np.allclose(forest.margins(rows), theirs.reshape(len(rows), -1), rtol=1e-4, atol=1e-4)
    return forest if agrees else None


def _tree(root: dict[str, Any], output: int) -> Tree:
    nodes = [root]
    rows: list[tuple[int, int, int, float, bool]] = []
    for node in nodes:  # grows while it is walked through
        if "leaf_value" in node:
            rows.append((-1, -1, 0, float(node["leaf_value"]), False))
            continue
        if node["decision_type"] != "<=" or node["missing_type"] not in ("None", "NaN"):
            raise ValueError("a kind of split that is not known here")
        cut = float(node["threshold"])
        # where none was missing in training, NaN counts as 0
        missing_left = node["default_left"] if node["missing_type"] == "NaN" else cut >= 0
        children = (len(nodes), len(nodes) + 1)
        rows.append((*children, int(node["split_feature"]), _above(cut), bool(missing_left)))
        nodes += [node["left_child"], node["right_child"]]
    left, right, feature, value, to_left = zip(*rows, strict=True)
    return Tree(left, right, feature, value, to_left, output)


def _above(cut: float) -> float:
    """The least float32 above a cut: LightGBM sends what equals the cut to the left, in float64."""
    if abs(cut) > float(np.finfo(np.float32).max):  # a split of the missing from all others
        return float(np.copysign(np.inf, cut))
    nearest = np.float32(cut)
    return float(nearest if float(nearest) > cut else np.nextafter(nearest, np.float32(np.inf)))


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
