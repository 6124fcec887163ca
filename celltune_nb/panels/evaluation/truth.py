"""Predictions against a ground truth that somebody brings as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celltune_nb.errors import InputError
from celltune_nb.panels import theme
from celltune_nb.panels.theme import Markup, tag
from celltune_nb.session import Session
from celltune_nb.session.kept_scores import outdated

from .matrix import Matrix, content
from .part import OpenItems, Part

if TYPE_CHECKING:
    from celltune_nb.session.scoring import Scores

__all__ = ["TruthPart"]

_HELP = (
    "A table (CSV, also .csv.gz, or Parquet) with cellID and class, and image where there are several; or y and x instead of the "
    "id. It is compared, never learned from."
)
_WAYS = (("", "by id, else position"), ("id", "by id"), ("position", "by position"))


class TruthPart(Part):
    """A population set compared with a table of true classes.

    Attributes
    ----------
    path, population, by : str
        What is compared: the file, the set, and how cells are matched ("" decides by the table's columns).
    """

    def __init__(self, session: Session, on_open: OpenItems) -> None:
        self._live = theme.Live()
        self._matrix = Matrix(self.guard(self.pick))
        super().__init__(session, "Against a ground truth", self._live, self._matrix)
        self.path, self.population, self.by = "", "Pred_AVG", ""
        self._on_open = on_open
        self._live.on("set", self.guard(self.set))
        self._working = self.latest(self.score)  # a table of a million cells takes seconds to read
        self._live.on("score", self.guard(self._working.request))
        self.listen(session.populations_changed, self.show)
        self.show()

    def set(self, what: str, value: Any) -> None:
        """Set ``path``, ``population`` or ``by``."""
        setattr(
            self, {"path": "path", "population": "population", "by": "by"}[what], str(value or "").strip()
        )
        self.show()

    def score(self) -> None:
        """Compare."""
        if not self.path:
            raise InputError("No file is named. Type the path of a table with cellID and class.")
        self.session.score(self.path, population=self.population, by=self.by or None)
        self.show()

    def pick(self, truth: str, predicted: str) -> None:
        """Select the cells of a cell of the matrix and go to the first."""
        if (found := self.session.scores) is not None:
            what = f"{truth}, found" if truth == predicted else f"{truth} taken for {predicted}"
            self._on_open(found.items(truth, predicted), f"Truth: {what}")

    def show(self) -> None:
        """See :class:`Part`."""
        found = self.session.scores
        colors = {c.name: c.color for c in self.session.categories}
        with self.showing:
            self._live.html = self._markup(found)
            with self._matrix.hold_sync():
                self._matrix.picked = []
                self._matrix.data = {} if found is None else _shown(found, colors)

    def _markup(self, found: Scores | None) -> Markup:
        sets = [name for name in self.session.populations if name not in ("Pred_ALL", "Round_diff")]
        return tag(
            "div",
            tag("p", _HELP, cls="ct-small ct-muted"),
            tag(
                "div",
                tag("span", "File"),
                tag("input", type="text", do="set", what="path", value=self.path, placeholder="/data/truth.csv",
                    aria_label="Path of the ground truth", spellcheck="false"),
                tag("span", "Compare"),
                tag("select", [tag("option", name, value=name, selected=name == self.population) for name in sets],
                    do="set", what="population", aria_label="Population set"),
                tag("span", "Cells match"),
                tag("select", [tag("option", words, value=value, selected=value == self.by) for value, words in _WAYS],
                    do="set", what="by", aria_label="How cells are matched", title="By position: at most 20 pixels apart"),
                cls="ct-fields",
            ),
            tag("div", tag("button", "Compare", cls="ct-button", do="score", disabled=not self.path), cls="ct-line"),
            None if found is None else _result(found),
            None if found is None else tag("p", outdated(self.session, found), cls="ct-small ct-muted"),
        )  # fmt: skip


def _result(found: Scores) -> Markup:
    rows = [
        tag("tr", tag("th", str(name), scope="row", cls="ct-cut"),
            [tag("td", "–" if row[key] != row[key] else f"{row[key]:.2f}", cls="ct-num") for key in ("f1", "precision", "recall")],
            tag("td", f"{row['support']:,.0f}", cls="ct-num"))
        for name, row in found.per_category.iterrows()
    ]  # fmt: skip
    head = tag(
        "tr",
        tag("th", "Category"),
        [tag("th", t, cls="ct-num") for t in ("F1", "Precision", "Recall", "Cells")],
    )
    figures = [
        ("Accuracy", f"{found.accuracy:.1%}", "Share of the compared cells that are right"),
        ("Macro F1", f"{found.macro_f1:.2f}", "Mean of the categories' F1"),
        ("Kappa", f"{found.kappa:.2f}", "Agreement beyond chance"),
    ]
    return tag(
        "div", theme.stats(figures), tag("p", found.sentence, cls="ct-ev-words", role="status"),
        tag("table", tag("thead", head), tag("tbody", rows), cls="ct-table"),
    )  # fmt: skip


def _shown(found: Scores, colors: dict[str, str]) -> dict[str, Any]:
    return content(
        found.confusion, colors, row_title="truth", column_title="predicted", notes=("recall %", "precision %"),
        total=f"{found.accuracy:.0%}", label="Ground truth: rows are the truth, columns the prediction",
        sentence=lambda truth, predicted, figures:
            f"{truth} found: {figures}" if truth == predicted else f"{truth} taken for {predicted}: {figures}",
    )  # fmt: skip
