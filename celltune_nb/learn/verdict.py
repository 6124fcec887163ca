"""What an evaluation finds: figures, where they come from, and the items behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Evaluation"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures of the mean of the models (``Pred_AVG``) and where they come from.

    Attributes
    ----------
    accuracy, macro_f1, log_loss : float
        Of the mean probabilities; log loss in nats.
    interval : dict
        "accuracy", "macro_f1", "log_loss" → (low, high), 95 %.
    split : str
        What the figures speak from, and how the intervals were made.
    kind : {"audit", "out-of-fold"}
    n : int
        Items judged.
    categories : tuple of str
    per_category : DataFrame
        Index category; precision, recall, f1, support (items), prevalence (share of all cells from an
        audit, of the labels out of fold), low and high (of the F1), and ``precision_low``,
        ``precision_high`` … of the other three.
    prevalence : DataFrame
        Index category; raw (share of the predictions), corrected, low, high (share of the truth by the
        audit, 95 %), raw_count and count (of all cells); NaN for what only an audit can tell.
    confusion : DataFrame
        Rows are the truth, columns the prediction; counts, or for an audit weights that sum to `n`.
    calibration : DataFrame
        bin (upper edge), confidence, accuracy, n, weight.
    ece : float
        Expected calibration error.
    calibration_after, ece_after
        The same with the temperature, cross-fitted.
    ece_chance : float
        What perfectly calibrated models would show on as few items.
    temperature : float
        Fitted on all judged items: for use on other items.
    models : dict
        Model → accuracy, macro_f1, log_loss of each model alone.
    agreement : DataFrame
        Answers of the first model (rows) against the second (columns); empty with one model.
    agreement_rate : float
    agreement_by_category : DataFrame
        Index category; `row`, `column`.
    ids, truth, predicted : arrays, shape (n,)
        The judged items and the codes of both answers.
    probabilities : float32 array, shape (n, k)
        Mean of the models.
    weights : float64 array, shape (n,)
        Items each one stands for; 1 out of fold.
    warnings : list of str
    run, level : str
        The training that was judged.
    revision : int
        Of the label journal at that moment.
    when : float
        Seconds since 1970.
    """

    accuracy: float
    macro_f1: float
    log_loss: float
    interval: dict[str, tuple[float, float]]
    split: str
    kind: str
    n: int
    categories: tuple[str, ...]
    per_category: pd.DataFrame
    prevalence: pd.DataFrame
    confusion: pd.DataFrame
    calibration: pd.DataFrame
    ece: float
    calibration_after: pd.DataFrame
    ece_after: float
    ece_chance: float
    temperature: float
    models: dict[str, dict[str, float]]
    agreement: pd.DataFrame
    agreement_rate: float
    agreement_by_category: pd.DataFrame
    ids: NDArray[np.int64]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    weights: NDArray[np.float64]
    warnings: list[str] = field(default_factory=list)
    run: str = ""
    level: str = ""
    revision: int = 0
    when: float = 0.0

    def __repr__(self) -> str:
        low, high = self.interval["accuracy"]
        return (
            f"Evaluation(accuracy {self.accuracy:.3f} [{low:.3f}, {high:.3f}], macro-F1 {self.macro_f1:.3f}; "
            f"{self.split})"
        )

    def items(self, truth: str | None = None, predicted: str | None = None) -> NDArray[np.int64]:
        """Ids of the items behind a cell of the confusion matrix (None: a whole row or column).

        Raises
        ------
        InputError
            There is no such category.
        """
        chosen = np.ones(self.n, bool)
        for name, codes in ((truth, self.truth), (predicted, self.predicted)):
            if name is not None:
                if name not in self.categories:
                    raise InputError(
                        f"There is no category {name!r} here. Choose from: {', '.join(self.categories)}."
                    )
                chosen &= codes == self.categories.index(name)
        return self.ids[chosen]
