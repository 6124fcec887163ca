"""What a model is before it is fitted (:class:`ModelSpec`) and afterwards (:class:`ModelHandle`)."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Cancelled, FormatError, InputError, NotReadyError
from .boosting import EXTENSIONS, KINDS, Fitted, read
from .boosting.tuning import checked
from .machine import threads_for

__all__ = ["Cancelled", "ModelHandle", "ModelSpec"]

BLOCK = 65_536  # rows predicted at a time: 40 MB of 150 float32 features
PIECE = 8_192  # rows of a block that one thread predicts: 5 MB, so that turning them round stays in the cache
FORMAT = "celltune_nb model"
VERSION = 1
MAX_SIDECAR = 64 * 2**20


@dataclass(frozen=True)
class ModelSpec:
    """Which model to fit.

    Parameters
    ----------
    kind : {"xgboost", "catboost", "lightgbm"}
    params : dict
        The library's own parameters, over the fast defaults of :data:`celltune_nb.learn.boosting.DEFAULTS`.
    name : str
        Shown in histories and metrics; empty: the kind.
    """

    kind: str
    params: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"There is no model kind {self.kind!r}. Choose from: {', '.join(KINDS)}.")
        object.__setattr__(self, "params", checked(self.kind, self.params))


class ModelHandle:
    """A fitted model that predicts blocks of feature rows.

    Attributes
    ----------
    name, kind : str
    categories : list of str
        Order of the probability columns.
    present : int64 array
        Columns the model has learned; the others are always 0.
    feature_names : list of str
        Order of the feature columns.
    schema_hash : str
        Of the feature source it learned from.
    label_revision : int
        Of the labels it learned from.
    device : str
        "cpu" or "cuda": where it was fitted.
    rounds : int
    params : dict
        Parameters over the defaults.
    """

    def __init__(
        self,
        fitted: Fitted,
        *,
        name: str,
        kind: str,
        categories: Sequence[str],
        present: NDArray[np.integer],
        feature_names: Sequence[str],
        schema_hash: str = "",
        label_revision: int = 0,
        params: dict[str, Any] | None = None,
    ) -> None:
        self._fitted: Fitted | None = fitted
        self.name = name
        self.kind = kind
        self.categories = list(categories)
        self.present = np.asarray(present, np.int64)
        self.feature_names = list(feature_names)
        self.schema_hash = schema_hash
        self.label_revision = int(label_revision)
        self.device = fitted.device
        self.rounds = int(fitted.rounds)
        self.params = dict(params or {})
        self._memory: int | None = None

    def __repr__(self) -> str:
        state = f"{self.rounds} rounds, {self.device}" if self._fitted is not None else "released"
        return f"ModelHandle({self.name}: {self.kind}, {len(self.categories)} categories, {state})"

    @property
    def fitted(self) -> Fitted:
        """The library's model.

        Raises
        ------
        NotReadyError
            The handle was released.
        """
        if self._fitted is None:
            raise NotReadyError(f"Model {self.name!r} was released. Train again, or load it from its run.")
        return self._fitted

    @property
    def memory(self) -> int:
        """Size of the model, in bytes; 0 after :meth:`release`."""
        if self._fitted is None:
            return 0
        if self._memory is None:
            self._memory = int(self._fitted.nbytes)
        return self._memory

    def release(self) -> None:
        """Drop the model and the (GPU) memory it holds.  Calling it again does nothing."""
        self._fitted = None

    def predict_proba(
        self,
        X: Any,
        *,
        n_jobs: int | None = None,
        block: int = BLOCK,
        progress: Callable[[float], None] | None = None,
        stop: Callable[[], bool] | None = None,
        out: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Probability of each category.

        Parameters
        ----------
        X : float array, shape (n, f)
            Anything that slices by rows: an array, a memory map.  Missing values are NaN; infinite
            ones count as missing.
        n_jobs : int, optional
            Threads; None: every usable core, less one where there are more than two.
        block : int
            Rows predicted at a time; progress and stop act between blocks.
        progress : callable, optional
            Called with the fraction done, in (0, 1].
        stop : callable, optional
            True ends the prediction with :class:`Cancelled`.
        out : float32 array, shape (n, k), optional
            Filled and returned (a memory map, a part of a larger array).

        Returns
        -------
        float32 array, shape (n, k)
            Rows sum to 1; columns in the order of `categories`.

        Raises
        ------
        InputError
            `X` has another number of features.
        NotReadyError
            The handle was released.
        Cancelled
        """
        fitted = self.fitted
        if X.ndim != 2 or X.shape[1] != len(self.feature_names):
            raise InputError(
                f"Model {self.name!r} was trained on {len(self.feature_names)} features; the table has shape "
                f"{tuple(X.shape)}. Predict with the feature source it was trained on, or train again."
            )
        n, k = int(X.shape[0]), len(self.categories)
        everything = len(self.present) == k
        if out is None:
            out = np.empty((n, k), np.float32)
        if not everything:
            out[:] = 0
        threads = min(threads_for(None, n_jobs), -(-min(n, block) // PIECE))

        def piece(start: int, end: int) -> None:
            p = fitted.predict(without_infinities(X[start:end]))
            if everything:
                out[start:end] = p
            else:
                out[start:end, self.present] = p

        with ThreadPoolExecutor(max(1, threads), thread_name_prefix="celltune-predict") as pool:
            for start in range(0, n, block):
                if stop is not None and stop():
                    raise Cancelled
                end = min(start + block, n)
                starts = range(start, end, PIECE)
                ends = [min(at + PIECE, end) for at in starts]
                # no thread is started where there is one piece only
                for _ in (map if threads == 1 else pool.map)(piece, starts, ends):
                    pass
                if progress is not None:
                    progress(end / n)
        return out

    def contributions(self, X: Any) -> NDArray[np.float32]:
        """How much each feature moved each category's raw score (SHAP values, computed by the library).

        Parameters
        ----------
        X : float array, shape (n, f)

        Returns
        -------
        float32 array, shape (n, k, f)
            Log-odds units; 0 for categories the model has not learned.  Source: Lundberg et al.,
            Nature Machine Intelligence 2 (2020).
        """
        rows = without_infinities(X)
        values = np.zeros((len(rows), len(self.categories), rows.shape[1]), np.float32)
        if len(rows):
            values[:, self.present] = self.fitted.contributions(rows)
        return values

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model in its library's own format, and what it means as JSON beside it.

        Parameters
        ----------
        path : path
            Without extension: ``runs/…/Pred_MDL1`` gives ``Pred_MDL1.ubj`` and ``Pred_MDL1.json``.

        Returns
        -------
        Path
            The JSON file; :meth:`load` takes it.
        """
        stem = _stem(path)
        native = stem.with_name(stem.name + EXTENSIONS[self.kind])
        stem.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=stem.parent, prefix=".model-") as folder:
            temporary = Path(folder) / native.name
            self.fitted.write(temporary)
            about = {
                "format": FORMAT,
                "version": VERSION,
                "name": self.name,
                "kind": self.kind,
                "categories": self.categories,
                "present": self.present.tolist(),
                "feature_names": self.feature_names,
                "schema_hash": self.schema_hash,
                "label_revision": self.label_revision,
                "device": self.device,
                "rounds": self.rounds,
                "params": self.params,
                "file": native.name,
                "sha256": hashlib.sha256(temporary.read_bytes()).hexdigest(),
            }
            sidecar = Path(folder) / "about.json"
            sidecar.write_text(json.dumps(about, indent=1), encoding="utf-8")
            for file in (temporary, sidecar):
                with file.open("rb+") as handle:
                    os.fsync(handle.fileno())
            temporary.replace(native)
            target = stem.with_name(stem.name + ".json")
            sidecar.replace(target)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ModelHandle:
        """Read what :meth:`save` wrote.  Nothing is unpickled or executed.

        Parameters
        ----------
        path : path
            The JSON file, the native file, or either without its extension.

        Raises
        ------
        FormatError
            A file is missing, damaged, or is not what its description says.
        """
        stem = _stem(path)
        sidecar = stem.with_name(stem.name + ".json")
        about = _read_sidecar(sidecar)
        native = stem.with_name(stem.name + EXTENSIONS[about["kind"]])
        try:
            content = native.read_bytes()
        except OSError as error:
            raise FormatError(
                f"The model file {native} cannot be read ({error.strerror}). Train again."
            ) from error
        if hashlib.sha256(content).hexdigest() != about["sha256"]:
            raise FormatError(
                f"The model file {native} is damaged or was changed. Restore it, or train again."
            )
        try:
            fitted = read(
                about["kind"], native, len(about["present"]), about["rounds"], len(about["feature_names"])
            )
        except ValueError as error:
            raise FormatError(f"The model file {native} cannot be used: {error}. Train again.") from error
        handle = cls(
            fitted,
            name=about["name"],
            kind=about["kind"],
            categories=about["categories"],
            present=np.array(about["present"], np.int64),
            feature_names=about["feature_names"],
            schema_hash=about["schema_hash"],
            label_revision=about["label_revision"],
            params=about["params"],
        )
        handle.device = about["device"]
        return handle


def without_infinities(X: Any) -> NDArray[np.float32]:
    """The rows as float32 in memory, infinite values as missing (XGBoost refuses them)."""
    rows = np.asarray(X, np.float32)
    infinite = np.isinf(rows)
    return np.where(infinite, np.float32(np.nan), rows) if infinite.any() else rows


def _stem(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    return (
        path.with_name(path.name[: -len(path.suffix)])
        if path.suffix in {".json", *EXTENSIONS.values()}
        else path
    )


def _read_sidecar(path: Path) -> dict[str, Any]:
    """The description of a model, checked field by field: it may come from anywhere."""
    try:
        if path.stat().st_size > MAX_SIDECAR:
            raise FormatError(f"{path} is too large to describe a model. Train again.")
        about = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(
            f"The model description {path} cannot be read ({error.strerror}). Train again."
        ) from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not a model description (not valid JSON). Train again.") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise FormatError(
            f"{path} does not describe a celltune_nb model. Choose the JSON file beside a saved model."
        )
    if about.get("version") != VERSION:
        raise FormatError(
            f"{path} has version {about.get('version')!r}; this program reads {VERSION}. Update it."
        )

    def texts(value: object) -> bool:
        return isinstance(value, list) and all(isinstance(v, str) for v in value)

    def whole(value: object, low: int) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= low

    k = len(about["categories"]) if texts(about.get("categories")) else 0
    present = about.get("present")
    wrong = [
        key
        for key, good in (
            ("name", isinstance(about.get("name"), str)),
            ("kind", about.get("kind") in KINDS),
            ("categories", k >= 2),
            (
                "present",
                isinstance(present, list)
                and len(present) >= 2
                and all(whole(code, 0) and code < k for code in present)
                and present == sorted(set(present)),
            ),
            ("feature_names", texts(about.get("feature_names")) and about["feature_names"]),
            ("schema_hash", isinstance(about.get("schema_hash"), str)),
            ("label_revision", whole(about.get("label_revision"), 0)),
            ("device", about.get("device") in ("cpu", "cuda")),
            ("rounds", whole(about.get("rounds"), 1)),
            ("params", isinstance(about.get("params"), dict)),
            ("sha256", isinstance(about.get("sha256"), str)),
        )
        if not good
    ]
    if wrong:
        raise FormatError(
            f"{path} is damaged: {', '.join(wrong)} cannot be right. Restore it, or train again."
        )
    return about
