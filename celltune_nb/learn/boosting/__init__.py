"""Gradient boosting with settings that are fast on few labels: XGBoost, CatBoost, LightGBM.

One module per library, each with ``fit`` and ``read``, and a fitted object with ``predict``,
``contributions``, ``first`` (its first rounds only), ``write``, ``rounds`` and ``nbytes``.  The
three are driven round by round by the same callback, so that early stopping, live curves, Stop and
Cancel are written once, in :mod:`celltune_nb.learn.training`.

The default settings are both faster and better on a few hundred labels than the libraries' own
(``python -m benchmarks training``): shallow trees, a high learning rate, few histogram bins and a part of
the features at every split.  How they were chosen: ``docs/decisions/0013-boosting-defaults.md``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError, TrainingError

__all__ = [
    "DEFAULTS",
    "EXTENSIONS",
    "KINDS",
    "Fitted",
    "OnRound",
    "Rows",
    "fit",
    "load",
    "probabilities",
    "read",
]

Float32 = NDArray[np.float32]
Rows = tuple[Float32, NDArray[np.integer], NDArray[np.float32] | None]  # X, codes, weights

KINDS = ("xgboost", "catboost", "lightgbm")
TITLES = {"xgboost": "XGBoost", "catboost": "CatBoost", "lightgbm": "LightGBM"}
EXTENSIONS = {"xgboost": ".ubj", "catboost": ".cbm", "lightgbm": ".txt"}
_MODULES = {"xgboost": "xgb", "catboost": "cat", "lightgbm": "lgbm"}

DEFAULTS: dict[str, dict[str, Any]] = {
    "xgboost": {
        "max_depth": 4,
        "learning_rate": 0.3,
        "max_bin": 64,
        "colsample_bynode": 0.6,
        "subsample": 0.8,
    },
    "catboost": {
        "depth": 3,
        "learning_rate": 0.35,
        "border_count": 32,
        "leaf_estimation_iterations": 1,
        "rsm": 0.2,
        "l2_leaf_reg": 2.0,
        # what is random is the choice of features; more of it costs rounds and brings nothing
        "random_strength": 0,
        "bootstrap_type": "No",
        "boosting_type": "Plain",
    },
    "lightgbm": {"num_leaves": 15, "learning_rate": 0.1, "max_bin": 63, "feature_fraction": 0.3},
}

OnRound = Callable[[int, dict[str, dict[str, float]]], bool]
"""Called after each round with its number (from 1) and {"train": {...}, "valid": {...}} with keys
log_loss, accuracy and macro_f1 (an empty dict where there is no held-out split); True ends the fit."""


class Fitted(Protocol):
    """A fitted booster of any library.  Classes are 0..k-1, every one seen in training."""

    rounds: int
    device: str

    def predict(self, X: Float32) -> Float32:
        """Probabilities, shape (n, k), on one thread; several threads may call it at once."""

    def contributions(self, X: Float32) -> Float32:
        """Contributions of every feature to every class' raw score, shape (n, k, f)."""

    def first(self, rounds: int) -> Fitted:
        """The same model with its first rounds only."""

    def write(self, path: Path) -> None:
        """Save in the library's own format."""

    @property
    def nbytes(self) -> int:
        """Size of the model, in bytes."""


def probabilities(margin: Float32, k: int) -> Float32:
    """Probabilities of raw scores, which are overwritten.

    Parameters
    ----------
    margin : float32 array, shape (n, k), or (n,) or (n, 1) for two classes
        Log-odds up to a constant an item.
    k : int

    Returns
    -------
    float32 array, shape (n, k)
    """
    if k == 2:
        p = 1 / (1 + np.exp(-np.clip(margin.reshape(-1), -60, 60)))
        return np.stack([1 - p, p], axis=1)
    margin -= margin.max(axis=1, keepdims=True)
    np.exp(margin, out=margin)
    margin /= margin.sum(axis=1, keepdims=True)
    return margin


def load(kind: str) -> Any:
    """Import a kind's module, and its library with it.

    Raises
    ------
    TrainingError
        The library is not installed.
    """
    if kind not in KINDS:
        raise InputError(f"There is no model kind {kind!r}. Choose from: {', '.join(KINDS)}.")
    try:
        return import_module(f"celltune_nb.learn.boosting.{_MODULES[kind]}")
    except ImportError as error:
        raise TrainingError(
            f"{TITLES[kind]} cannot be loaded ({error}). Install it (pip install {kind}) or choose another model."
        ) from error


def fit(
    kind: str,
    train: Rows,
    valid: Rows | None,
    k: int,
    *,
    rounds: int,
    params: dict[str, Any] | None = None,
    seed: int = 0,
    n_jobs: int = 1,
    device: str = "cpu",
    on_round: OnRound | None = None,
) -> Fitted:
    """Fit one booster.

    Parameters
    ----------
    kind : {"xgboost", "catboost", "lightgbm"}
    train, valid : (X float32 (n, f), codes int (n,), weights float32 (n,) or None)
        Codes 0..k-1, each of them present in `train`.  Missing values are NaN.
    k : int
        Number of classes, at least 2.
    rounds : int
        Rounds at most; `on_round` may end the fit earlier.
    params : dict, optional
        The library's own parameters, over :data:`DEFAULTS`.
    device : {"cpu", "cuda"}

    Raises
    ------
    TrainingError
        The library refused the data or a parameter, or there was not enough memory.
    """
    module = load(kind)
    settings = {**DEFAULTS[kind], **(params or {})}
    raised: list[BaseException] = []

    def guarded(number: int, figures: dict[str, dict[str, float]]) -> bool:
        # an exception must not cross a library's C++ frames: end the fit, raise it afterwards
        if on_round is None:
            return False
        try:
            return on_round(number, figures)
        except BaseException as error:  # noqa: BLE001 - raised again below
            raised.append(error)
            return True

    try:
        fitted: Fitted = module.fit(
            train,
            valid,
            k,
            rounds=rounds,
            params=settings,
            seed=seed,
            n_jobs=n_jobs,
            device=device,
            on_round=guarded,
        )
    except MemoryError as error:
        if not raised:
            rows, columns = train[0].shape
            raise TrainingError(
                f"There was not enough memory to train {TITLES[kind]} on {rows:,} labels with {columns:,} features. Close other "
                "programs, or train on fewer features."
            ) from error
    except module.LibraryError as error:
        if not raised:
            raise TrainingError(
                f"{TITLES[kind]} could not train: {_first_line(error)}. Check the model's parameters and that at least one feature varies between the labelled items."
            ) from error
    if raised:
        raise raised[0]
    return fitted


def read(kind: str, path: Path, k: int, rounds: int, n_features: int) -> Fitted:
    """Load a fitted booster from its native file.

    Raises
    ------
    ValueError
        The file is damaged, or its classes, rounds or features differ from what was asked.
    """
    module = load(kind)
    try:
        fitted: Fitted = module.read(path, k, rounds, n_features)
    except module.LibraryError as error:
        raise ValueError(
            str(error).strip().splitlines()[0] if str(error).strip() else "unreadable"
        ) from error
    return fitted


#: What the libraries write when a GPU fails them, and what that means; the first that fits is said.
_GPU_TROUBLE = (
    (r"out of memory|OutOfMemory|bad_alloc|MemoryAllocation|not enough memory",
     "Too little of its memory is free: other programs use it, or it is small for so many labels and features"),
    (r"busy or unavailable|DevicesUnavailable|device.*(is|already) in use|prohibited",
     "It is busy, or kept for another program"),
    (r"driver version is insufficient|InsufficientDriver|unsupported toolchain",
     "Its driver is older than the library needs"),
    (r"no kernel image|NoKernelImage|compute capability", "The library was not built for this GPU"),
    (r"no CUDA-capable device|NoDevice|invalid device ordinal|device not found", "No GPU is there"),
)  # fmt: skip


def gpu_trouble(error: TrainingError) -> str:
    """Why a GPU could not train, in words, without a full stop.

    Parameters
    ----------
    error : TrainingError
        From :func:`fit`; what the library itself wrote is its cause.
    """
    if isinstance(error.__cause__, MemoryError):
        return _GPU_TROUBLE[0][1]
    said = str(error.__cause__ or error)
    for pattern, words in _GPU_TROUBLE:
        if re.search(pattern, said, re.IGNORECASE):
            return words
    return str(error).split(". Check the model")[0].removesuffix(".")


def _first_line(error: Exception) -> str:
    """What a library says, without its source file, line and stack."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return re.sub(r"^(\[[\d:]+\] )?\S+\.(cpp|cc|cuh?|h):\d+: ", "", lines[0]).rstrip(". ")
