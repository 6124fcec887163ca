"""An evaluation kept with its run: ``evaluation.json``, and the judged items beside it.

The arrays lie in a file of their own name, which the JSON names: a program that is killed between the
two leaves the former evaluation as it was.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, NotReadyError
from .files import read_json, write_atomically, write_json

if TYPE_CHECKING:
    import pandas as pd

    from ..learn.verdict import Evaluation
    from .runs import Run

__all__ = ["calibrate", "load_evaluation", "save_evaluation"]

FILE = "evaluation.json"
_NUMBERS = (
    "accuracy", "macro_f1", "log_loss", "ece", "ece_after", "ece_chance", "temperature", "agreement_rate", "when",
)  # fmt: skip
_WORDS = ("split", "kind", "run", "level")
_BY_CATEGORY = ("per_category", "prevalence", "agreement_by_category")
_BINS = ("calibration", "calibration_after")
_ARRAYS = {
    "ids": np.int64, "truth": np.int64, "predicted": np.int64, "probabilities": np.float32, "weights": np.float64,
}  # fmt: skip
_KINDS = ("audit", "out-of-fold")


def calibrate(run: Run, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """A run's mean probabilities at the temperature that its audit asks for; the answers stay the same.

    Parameters
    ----------
    probabilities : ndarray of float32, shape (n, k)
        A row of NaN stays one.

    Raises
    ------
    NotReadyError
        No audit has judged the run yet.
    """
    from ..learn.calibration import apply_temperature

    t = run.temperature
    if t is None:
        raise NotReadyError(
            "Calibrated probabilities need an audit of these models. Label the audit sample, then session.evaluate()."
        )
    return apply_temperature(probabilities, t).astype(np.float32)


def save_evaluation(found: Evaluation, folder: Path) -> None:
    """Write an evaluation into its run's folder; the former one is replaced.

    Raises
    ------
    OSError
    """
    arrays = f"evaluation-{uuid4().hex[:8]}.npz"
    columns = {name: getattr(found, name) for name in _ARRAYS}
    write_atomically(folder / arrays, lambda stream: np.savez(stream, **columns))
    write_json(
        folder / FILE,
        {
            **{name: getattr(found, name) for name in _WORDS},
            "revision": found.revision, "n": found.n, "categories": list(found.categories),
            **{name: _plain(getattr(found, name)) for name in _NUMBERS},
            "interval": {name: [_plain(v) for v in pair] for name, pair in found.interval.items()},
            "models": {name: {k: _plain(v) for k, v in of.items()} for name, of in found.models.items()},
            **{name: _columns(getattr(found, name)) for name in (*_BY_CATEGORY, *_BINS)},
            "confusion": _rows(found.confusion), "agreement": _rows(found.agreement),
            "warnings": list(found.warnings), "arrays": arrays,
        },
    )  # fmt: skip
    for old in folder.glob("evaluation-*.npz"):
        if old.name != arrays:
            old.unlink(missing_ok=True)


def load_evaluation(folder: Path) -> Evaluation | None:
    """The evaluation of a run; None when it was never evaluated.

    Raises
    ------
    FormatError
        A file of it is damaged or missing.
    """
    if not (folder / FILE).exists():
        return None
    try:
        return _read(folder)
    except (
        FormatError, OSError, KeyError, TypeError, AttributeError, ValueError, LookupError, ArithmeticError, EOFError,
        zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise FormatError(
            f"The evaluation of run {folder.name} is damaged ({type(error).__name__}). The run itself is unharmed: "
            "evaluate it again, session.evaluate()."
        ) from error


def _read(folder: Path) -> Evaluation:
    import pandas as pd

    from ..learn.verdict import Evaluation

    stored = read_json(folder / FILE)
    categories = tuple(str(name) for name in stored["categories"])
    n, k = int(stored["n"]), len(categories)
    # Only the file's own name is used: it cannot point out of its folder.
    path = folder / Path(str(stored["arrays"])).name
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        arrays = {name: np.asarray(file[name]).astype(dtype) for name, dtype in _ARRAYS.items()}
    shapes = {name: (n, k) if name == "probabilities" else (n,) for name in _ARRAYS}
    if any(arrays[name].shape != shape for name, shape in shapes.items()):
        raise ValueError("the judged items do not fit")
    if any(n and not 0 <= arrays[name].min() <= arrays[name].max() < k for name in ("truth", "predicted")):
        raise ValueError("codes without a category")
    if stored["kind"] not in _KINDS or not 0 < float(stored["temperature"]) < math.inf:
        raise ValueError("its kind or temperature")
    index = pd.Index(list(categories), name="category")
    return Evaluation(
        **{name: str(stored[name]) for name in _WORDS},  # type: ignore[arg-type]
        **{name: _number(stored[name]) for name in _NUMBERS},  # type: ignore[arg-type]
        **{name: _table(stored[name], index) for name in _BY_CATEGORY},  # type: ignore[arg-type]
        **{name: _table(stored[name]) for name in _BINS},  # type: ignore[arg-type]
        **arrays,  # type: ignore[arg-type]
        n=n,
        categories=categories,
        revision=int(stored["revision"]),
        interval={
            str(name): (_number(low), _number(high)) for name, (low, high) in stored["interval"].items()
        },
        models={
            str(name): {str(k): _number(v) for k, v in of.items()} for name, of in stored["models"].items()
        },
        confusion=_square(stored["confusion"], index, ("truth", "predicted")),
        agreement=_square(stored["agreement"], index, ("first", "second")),
        warnings=[str(text) for text in stored["warnings"]],
    )


def _plain(value: Any) -> float | None:
    """A number that JSON knows: it has no NaN."""
    number = float(value)
    return number if math.isfinite(number) else None


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _columns(frame: pd.DataFrame) -> dict[str, list[float | None]]:
    return {str(name): [_plain(v) for v in frame[name]] for name in frame.columns}


def _rows(frame: pd.DataFrame) -> list[list[float | None]]:
    return [[_plain(v) for v in row] for row in frame.to_numpy(np.float64)]


def _table(stored: dict[str, list[Any]], index: pd.Index[Any] | None = None) -> pd.DataFrame:
    import pandas as pd

    data = {str(name): np.array([_number(v) for v in values]) for name, values in stored.items()}
    length = max((len(values) for values in data.values()), default=0)
    if index is not None and length == 0:
        index = index[:0]
    frame = pd.DataFrame(data, index=index)
    for name in ("n", "support"):
        if name in frame:
            frame[name] = frame[name].astype(np.int64)
    return frame


def _square(stored: list[list[Any]], index: pd.Index[Any], names: tuple[str, str]) -> pd.DataFrame:
    import pandas as pd

    values = np.array([[_number(v) for v in row] for row in stored], np.float64)
    some = index[: len(values)]  # nothing where there is one model only
    rows, columns = (pd.Index(list(some), name=name) for name in names)
    return pd.DataFrame(values.reshape(len(some), len(some)), index=rows, columns=columns)
