"""Figures for a paper or a talk: PNG, PDF or SVG drawn by matplotlib, and the numbers behind them as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.categories import UNKNOWN_COLOR
from ..errors import InputError, NotReadyError
from .agreeing import Comparison, agreement
from .files import write_atomically
from .rounds import RoundDiff, round_diff
from .scoring import Scores

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..learn.verdict import Evaluation
    from .session import Session

__all__ = ["FIGURES", "export_figure"]

#: What can be exported, and in words.
FIGURES = {
    "confusion": "Confusion", "categories": "Categories", "calibration": "Calibration", "agreement": "Agreement",
    "learning_curve": "Learning curve", "rounds": "What changed", "truth": "Against the truth",
}  # fmt: skip
ENDINGS = (".png", ".pdf", ".svg", ".csv")
#: Text stays text, so that a figure can be edited, and the same figure is the same file.
_SAVING = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "celltune"}
FONT, POINTS = "DejaVu Sans", 8
#: Held while a file is written: matplotlib takes these settings from nowhere but its global ones.
_DRAWING = Lock()
_MARGIN = 0.08


def export_figure(session: Session, what: Any, path: str | Path, level: str) -> Path:
    """See :meth:`celltune_nb.Session.export_figure`."""
    if not isinstance(path, str | Path) or not str(path):
        raise InputError(f"{path!r} is no path. Give one such as 'confusion.pdf'.")
    target = Path(path).expanduser()
    if target.suffix.lower() not in ENDINGS:
        raise InputError(f"{target.name} has no known ending. Choose {', '.join(ENDINGS)}.")
    kind, found = _found(session, what, level)
    try:
        _write(target, kind, found, {c.name: c.color for c in session.levels[level].categories})
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror or error}). Choose a folder you may write to, with enough room."
        ) from error
    return target


def _write(target: Path, kind: str, found: Any, colors: Mapping[str, str]) -> None:
    if target.suffix.lower() == ".csv":
        table = _numbers(kind, found)
        write_atomically(target, table.to_csv)
        return
    figure = _drawn(kind, found, colors)
    _lettered(figure)
    ending = target.suffix.lower()[1:]
    about: dict[str, Any] = {"Software": None} if ending == "png" else {"Creator": None}
    if ending != "png":
        about["CreationDate" if ending == "pdf" else "Date"] = None
    with _saving():
        write_atomically(
            target,
            lambda stream: figure.savefig(
                stream, format=ending, dpi=300, bbox_inches="tight", metadata=about
            ),
        )


@contextmanager
def _saving() -> Iterator[None]:
    """The settings that only writing a file asks for.

    Panels write from a thread of their own.  Just these settings change and come back, so that whatever the notebook
    draws or sets meanwhile stays as it is; ``rc_context`` would put all of them back.
    """
    import matplotlib as mpl

    settings: Any = mpl.rcParams
    with _DRAWING:
        before = {name: settings[name] for name in _SAVING}
        settings.update(_SAVING)
        try:
            yield
        finally:
            settings.update(before)


def _lettered(figure: Figure) -> None:
    """Set the font of everything: what was given no size of its own gets that of the whole."""
    from matplotlib.text import Text

    for axes in figure.axes:
        axes.tick_params(labelsize=POINTS, labelfontfamily=FONT)
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set_fontsize(POINTS)
    for text in figure.findobj(Text):
        text.set_fontfamily(FONT)
        text.set_parse_math(False)  # a dollar sign in a name is one


def _found(session: Session, what: Any, level: str) -> tuple[str, Any]:
    """What is to be drawn, of the newest training where it was only named."""
    from ..learn.verdict import Evaluation

    for cls, kind in (
        (Comparison, "agreement"),
        (RoundDiff, "rounds"),
        (Scores, "truth"),
        (Evaluation, "confusion"),
    ):
        if isinstance(what, cls):
            return kind, what
    if not isinstance(what, str) or what not in FIGURES:
        raise InputError(f"There is no figure {what!r}. Choose from: {', '.join(FIGURES)}.")
    if what == "agreement":
        return what, agreement(session, level)
    if what == "rounds":
        return what, round_diff(session, None, None, level)
    if what == "truth":
        if session.scores is None:
            raise NotReadyError("Nothing was compared with a truth yet. Call session.score(truth) first.")
        return what, session.scores
    run = session.finished_run(level)
    found: Any = run.curve if what == "learning_curve" else run.evaluation
    if found is None:
        verb = "session.learning_curve()" if what == "learning_curve" else "session.evaluate()"
        raise NotReadyError(f"There is nothing to draw yet for the newest training. Call {verb} first.")
    return what, found


# ---------------------------------------------------------------------- numbers


def _numbers(kind: str, found: Any) -> pd.DataFrame:
    if kind == "categories":
        return found.per_category
    if kind == "calibration":
        return found.calibration.set_index("bin")
    if kind == "learning_curve":
        return found.set_index("labels")
    if kind == "rounds":
        return found.table.set_index("from")
    if kind == "agreement":
        table = found.table.copy()
        table["row agreement"] = found.by_category["row"]
        table.loc["column agreement"] = [*found.by_category["column"], found.rate]
        return table
    return found.confusion


# ---------------------------------------------------------------------- drawing


def _drawn(kind: str, found: Any, colors: Mapping[str, str]) -> Figure:
    from matplotlib.figure import Figure

    if kind in ("confusion", "truth"):
        figures = f"accuracy {found.accuracy:.1%}, macro-F1 {found.macro_f1:.2f}, {found.n:,} cells"
        return _matrix(found.confusion, "truth", "predicted", ("recall", "precision"), figures)
    if kind == "agreement":
        one, two = found.names
        return _matrix(
            found.table, one, two, ("agree", "agree"), f"{found.rate:.1%} of {len(found.ids):,} cells alike"
        )
    if kind == "rounds":
        first, second = found.rounds
        return _matrix(found.matrix(), f"training {first}", f"training {second}", None, found.sentence)
    figure = Figure(figsize=(4.2, 3.4))
    axes = figure.subplots()
    if kind == "categories":
        figure.set_size_inches(4.2, max(1.6, 0.24 * len(found.per_category) + 0.9))
        _categories(axes, found, colors)
    elif kind == "calibration":
        _calibration(axes, found)
    else:
        _curve(axes, found)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _matrix(
    table: pd.DataFrame, rows: str, columns: str, notes: tuple[str, str] | None, title: str
) -> Figure:
    """A matrix shaded by the share of its row, with counts, and the shares of the diagonal at its edges."""
    from matplotlib.figure import Figure

    counts = np.nan_to_num(table.to_numpy(np.float64))
    k = len(counts)
    if not k:  # nothing changed between two trainings
        figure = Figure(figsize=(4.2, 0.8))
        figure.text(0.02, 0.5, title, va="center", fontsize=POINTS)
        return figure
    side = max(2.6, 0.36 * k + 1.2)
    figure = Figure(figsize=(side + 0.6, side))
    axes = figure.subplots()
    by_row, by_column = counts.sum(axis=1), counts.sum(axis=0)
    share = counts / np.where(by_row > 0, by_row, 1)[:, None]
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    size = 7 if k <= 12 else 5
    for r, c in zip(*np.nonzero(np.round(counts)), strict=True):
        axes.text(
            c, r, _short(counts[r, c]), ha="center", va="center", fontsize=size,
            color="white" if share[r, c] > 0.55 else "#222222",
        )  # fmt: skip
    names_r, names_c = [str(n) for n in table.index], [str(n) for n in table.columns]
    right, foot = ([""] * k, [""] * k)
    if notes is not None:
        hit = np.diagonal(counts)
        right = [f"{h / n:.0%}" if n else "–" for h, n in zip(hit, by_row, strict=True)]
        foot = [f"{h / n:.0%}" if n else "–" for h, n in zip(hit, by_column, strict=True)]
    axes.set_yticks(range(k), names_r)
    axes.set_xticks(range(k), names_c, rotation=90)
    axes.set_ylabel(rows)
    axes.set_xlabel(columns)
    axes.tick_params(length=0)
    for i in range(k):
        axes.text(k - 0.4, i, right[i], ha="left", va="center", fontsize=size, color="#555555")
        axes.text(i, -0.62, foot[i], ha="center", va="bottom", fontsize=size - 1, color="#555555")
    if notes is not None:
        axes.text(k - 0.4, -0.62, " / ".join(dict.fromkeys(notes)), ha="left", va="bottom", fontsize=size - 1, color="#555555")  # fmt: skip
    axes.set_title(title, fontsize=POINTS, pad=18, loc="left")
    for spine in axes.spines.values():
        spine.set_color("#BBBBBB")
    return figure


def _short(count: float) -> str:
    if count < 9_999.5:
        return f"{count:.0f}"
    return f"{count / 1e3:.0f}k" if count < 999_500 else f"{count / 1e6:.0f}M"


def _categories(axes: Axes, found: Evaluation, colors: Mapping[str, str]) -> None:
    table = found.per_category.iloc[::-1]
    f1 = np.nan_to_num(table["f1"].to_numpy(np.float64))
    places = np.arange(len(table))
    axes.barh(places, f1, color=[colors.get(str(n), UNKNOWN_COLOR) for n in table.index], height=0.7)
    low, high = (table[name].to_numpy(np.float64) for name in ("low", "high"))
    there = np.isfinite(low) & np.isfinite(high)
    reach = np.clip(np.stack([f1 - low, high - f1])[:, there], 0, None)
    axes.errorbar(
        f1[there], places[there], xerr=reach, fmt="none", ecolor="#333333", elinewidth=0.8, capsize=2
    )
    axes.set_yticks(
        places, [f"{name} ({n:,.0f})" for name, n in zip(table.index, table["support"], strict=True)]
    )
    axes.set_xlim(0, 1)
    axes.set_xlabel("F1, 95 % interval")


def _calibration(axes: Axes, found: Evaluation) -> None:
    table = found.calibration.dropna(subset=["confidence", "accuracy"])
    axes.plot([0, 1], [0, 1], color="#8A8F98", linestyle="--", linewidth=1)
    axes.plot(
        table["confidence"], table["accuracy"], color="#2F7FD6", marker="o", markersize=4, linewidth=1.2
    )
    axes.set(
        xlim=(0, 1.02),
        ylim=(0, 1.02),
        xlabel="stated probability",
        ylabel="right",
    )
    axes.set_title(f"ECE {found.ece:.3f}", fontsize=POINTS)


def _curve(axes: Axes, found: pd.DataFrame) -> None:
    for name, words, color in (("macro_f1", "macro-F1", "#2F7DD1"), ("accuracy", "accuracy", "#D9730D")):
        axes.plot(
            found["labels"], found[name], marker="o", markersize=4, linewidth=1.2, color=color, label=words
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(found["labels"]), [f"{int(n):,}" for n in found["labels"]], minor=False)
    low = float(min(found["macro_f1"].min(), found["accuracy"].min()))
    axes.set_ylim(max(0.0, low - _MARGIN), 1.0)
    axes.set(xlabel="labels learned from", ylabel=f"on {found['judged_on'].iloc[0]}")
    axes.set_title(
        "\n".join(wrap(str(found["split"].iloc[0]), 70)), fontsize=POINTS - 2, loc="left", color="#555555"
    )
    axes.legend(frameon=False, loc="lower right", fontsize=POINTS)
