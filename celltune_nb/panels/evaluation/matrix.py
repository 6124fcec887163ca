"""A matrix of categories by categories whose cells open the items behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
from numpy.typing import NDArray
from traitlets import Dict, Int, List

if TYPE_CHECKING:
    import pandas as pd

    from celltune_nb.learn.evaluation import Evaluation

__all__ = ["Matrix", "confusion", "content"]

_STATIC = Path(__file__).parents[1] / "static"


class Matrix(anywidget.AnyWidget):
    """A keyboard grid of counts; its browser side is ``static/matrix.js``.

    Attributes
    ----------
    data : dict
        What is shown; see :func:`content`.
    picked : list of int
        Row and column of the cell that was opened; empty when none.
    """

    # Read once: a path would make anywidget watch the file.
    _esm = (_STATIC / "matrix.js").read_text("utf-8")
    _css = (_STATIC / "evaluation.css").read_text("utf-8")

    data = Dict().tag(sync=True)
    picked = List(Int()).tag(sync=True)

    def __init__(self, on_pick: Callable[[str, str], object], **traits: Any) -> None:
        super().__init__(**traits)
        self._on_pick = on_pick
        self.on_msg(self._receive)

    def _receive(self, _widget: Any, message: dict[str, Any], _buffers: Any) -> None:
        if message.get("type") != "pick" or not self.data.get("rows"):
            return
        row, column = int(message["row"]), int(message["column"])
        if 0 <= row < len(self.data["rows"]) and 0 <= column < len(self.data["columns"]):
            if not self.data["text"][row][column]:
                return  # nothing lies behind it
            self.picked = [row, column]
            self._on_pick(self.data["rows"][row]["name"], self.data["columns"][column]["name"])


def content(
    frame: pd.DataFrame, colors: Mapping[str, str], *, row_title: str, column_title: str, notes: tuple[str, str],
    label: str, sentence: Callable[[str, str, str], str], total: str,
    weights: NDArray[np.float64] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """What a :class:`Matrix` shows of a table of counts.

    Parameters
    ----------
    frame : DataFrame
        Counts; rows and columns name the same categories.
    colors : mapping of str to str
        Category name → ``"#RRGGBB"``.
    row_title, column_title : str
        What rows and columns are: "truth", "predicted".
    notes : (str, str)
        What the share, in percent, on the diagonal of a row (at its right) and of a column (at its foot) is called.
    label : str
        What a screen reader calls the table.
    sentence : callable
        ``sentence(row, column, figures)`` says a cell; *figures* is such as ``"12 of 143 (8 %)"``.
    total : str
        In the corner: the share of the whole diagonal.
    weights : ndarray of float64, shape as *frame*, optional
        What shares are made of, where the counted items stand for different numbers of others.

    Returns
    -------
    dict
        Plain lists and strings; see the head of ``static/matrix.js``.
    """
    counts: NDArray[np.float64] = np.nan_to_num(frame.to_numpy(np.float64))
    weighed = counts if weights is None else np.nan_to_num(weights)
    by_row, by_column = weighed.sum(axis=1), weighed.sum(axis=0)
    share = weighed / np.where(by_row > 0, by_row, 1)[:, None]
    about = "" if weights is None else "an estimated "
    rows, columns = [str(name) for name in frame.index], [str(name) for name in frame.columns]
    hits = [[row == column for column in columns] for row in rows]
    says = [
        [
            sentence(row, column, f"{counts[r, c]:,.0f} of {counts[r].sum():,.0f} ({about}{share[r, c]:.0%})")
            for c, column in enumerate(columns)
        ]
        for r, row in enumerate(rows)
    ]
    return {
        "rows": [{"name": name, "color": colors.get(name, "")} for name in rows],
        "columns": [{"name": name, "color": colors.get(name, "")} for name in columns],
        "text": [[short(value) if value else "" for value in row] for row in counts],
        "share": np.round(share, 4).tolist(),
        "hits": hits,
        "says": says,
        "rowNotes": _diagonal(weighed, np.array(hits), by_row, 1),
        "columnNotes": _diagonal(weighed, np.array(hits), by_column, 0),
        "rowTitle": row_title,
        "columnTitle": column_title,
        "rowNote": notes[0],
        "columnNote": notes[1],
        "total": total,
        "label": label,
        "hint": "Point at a cell to read it; click it to see these cells on the image.",
    }


def _diagonal(
    counts: NDArray[np.float64], hits: NDArray[np.bool_], sums: NDArray[np.float64], axis: int
) -> list[str]:
    right = np.where(hits, counts, 0).sum(axis=axis) if counts.size else sums
    return [f"{100 * part / whole:.0f}" if whole else "–" for part, whole in zip(right, sums, strict=True)]


def short(count: float) -> str:
    """A count in four characters at most: 12,345 → 12k."""
    if count < 9_999.5:
        return f"{count:.0f}"
    return f"{count / 1e3:.0f}k" if count < 999_500 else f"{count / 1e6:.0f}M"


def confusion(evaluation: Evaluation, colors: Mapping[str, str]) -> dict[str, Any]:
    """What a :class:`Matrix` shows of an evaluation: items counted, shares as the evaluation weighs them."""
    import pandas as pd

    names, k = evaluation.categories, len(evaluation.categories)
    pairs = np.bincount(evaluation.truth * k + evaluation.predicted, minlength=k * k).reshape(k, k)
    return content(
        pd.DataFrame(pairs, index=list(names), columns=list(names)), colors,
        row_title="truth", column_title="predicted", notes=("recall %", "precision %"), total=f"{evaluation.accuracy:.0%}",
        weights=evaluation.confusion.to_numpy(np.float64) if evaluation.kind == "audit" else None,
        label="Confusion matrix: rows are the truth, columns the prediction",
        sentence=lambda truth, predicted, figures:
            f"{truth} found: {figures}" if truth == predicted else f"{truth} taken for {predicted}: {figures}",
    )  # fmt: skip
