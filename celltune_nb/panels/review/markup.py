"""What the review panel shows, as markup made from plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...data.categories import UNKNOWN, Category
from .. import theme
from ..instead import question as question_before
from ..theme import Markup, tag

if TYPE_CHECKING:
    import pandas as pd

    from ...session.queue import ReviewQueue
    from ...session.reviewed import Answer, ReviewItem
    from .filling import Filling
    from .form import Form

__all__ = ["KEYS", "MODEL_NAMES", "begin", "finish", "question", "strip", "summary"]

#: Keys that the card answers to, and what each means.
KEYS = {
    **dict.fromkeys("123456789", "assign"), "0": "unknown", "m": "first", "Enter": "first", "n": "second", "s": "skip",
    "ArrowRight": "next", "ArrowLeft": "previous", "ctrl+ArrowRight": "next", "ctrl+ArrowLeft": "previous",
    "u": "undo", "ctrl+z": "undo", "r": "redo", "ctrl+y": "redo", "Escape": "pause",
}  # fmt: skip
MODEL_NAMES = {"xgboost": "XGBoost", "catboost": "CatBoost", "lightgbm": "LightGBM"}
#: Squares of the progress strip; of a longer review the part round the cell that is asked for.
SQUARES = 256
_LEFT_OUT = {
    "border": "at the image border", "reviewed": "reviewed before", "audit": "kept for the audit", "more": "beyond the number",
}  # fmt: skip
_WORDS = {"unlabelled": "open", "match": "as predicted", "mismatch": "otherwise", "labelled": "answered"}
_BLIND_WORDS = {**_WORDS, "match": "as before", "mismatch": "another than before"}


def begin(
    form: Form, images: Sequence[str], fillers: Mapping[str, str], gates: Sequence[str], queue: ReviewQueue | None,
    filling: Filling, *, locked: bool,
) -> Markup:  # fmt: skip
    """The form that fills a review.

    Parameters
    ----------
    form : Form
    images : sequence of str
    fillers : mapping of str to str
        Way of filling → its name; those that are possible now.
    filling : Filling
        What is being filled, and what is asked before.
    """
    by, fields = form.by, form.changes
    options = [tag("option", name, value=key, selected=key == by) for key, name in fillers.items()]
    if gates:
        inside = [tag("option", name, value=name, selected=name == by) for name in gates]
        options.append(tag("optgroup", inside, label="Inside a gate"))
    going = None
    if queue is not None and not queue.finished:
        done = int(queue.answered.sum())
        going = tag(
            "div",
            tag("span", queue.title, cls="ct-cut ct-grow", title=queue.title),
            tag("span", f"{done:,} of {len(queue):,}", cls="ct-muted ct-num"),
            tag("button", "Continue", cls="ct-button ct-primary", do="resume", disabled=locked),
            cls="ct-line",
        )
    start = (
        tag("button", "Stop", cls="ct-button", do="stop")
        if filling.can_stop
        else tag(
            "button",
            "Start review",
            cls=f"ct-button{'' if going else ' ct-primary'}",
            do="start",
            disabled=locked or filling.busy,
        )
    )
    return tag(
        "section",
        going,
        tag("h3", "New review"),
        tag("div",
            tag("span", "Cells"), tag("select", options, do="by", aria_label="Which cells"),
            tag("span", "At most"), tag("div", tag("input", type="number", min=1, max=100000, value=form.n, do="n",
                reset=fields, aria_label="At most so many cells"), start, cls="ct-line ct-rv-start"),
            cls="ct-fields"),
        tag("p", _HINTS.get(by, f"Cells inside {by}, labelled or not, at random." if by in gates else ""),
            cls="ct-muted ct-small"),
        question_before(filling.asking, keep="Continue it"),
        tag("p", filling.text, cls="ct-small", role="status") if filling.text else None,
        _choices(form, images),
    )  # fmt: skip


_HINTS = {
    "celltune": "Where the two models disagree, by image and by category, and what may be rare.",
    "quota_margin": "Close calls, shared out so that categories with few labels are asked for more.",
    "disagreement": "Cells on which the two models differ most.",
    "mistakes": "Cells whose prediction is most likely wrong.",
    "label_errors": "Labels that models which have not learned from them contradict. Takes as long as an evaluation.",
    "blind": "Cells that have a label, to be named again without seeing it: how repeatable are the labels?",
    "rare": "Likely members of the rarest categories.", "random": "Unlabelled cells at random.",
    "clusters": "Typical and ordinary cells of each kind: before a model exists.",
}  # fmt: skip


def _choices(form: Form, images: Sequence[str]) -> Markup:
    by, fields = form.by, form.changes
    options = [tag("option", "all images", value="", selected=not form.image)]
    options += [tag("option", name, value=name, selected=name == form.image) for name in images]
    rows = [
        tag("span", "Border", title="Cells whose centre is nearer to the border of the image are left out"),
        tag("div", tag("input", type="number", min=0, max=1000, value=f"{form.border:g}", do="border", reset=fields,
            aria_label="Border in pixels"), tag("span", "px left out", cls="ct-muted"), cls="ct-line"),
        tag("span", "Only on"), tag("select", options, do="image", aria_label="Only on this image"),
    ]  # fmt: skip
    if by == "celltune":
        for name, title, hint in (
            ("image", "By image", "Images where the models disagree much"),
            ("category", "By category", "Categories the models disagree about"),
            ("rare", "Rare", "Called one of the rarest categories"),
            ("priorities", "Priorities", "Categories and images that you name"),
        ):
            value = form.budgets[name]
            field = tag("input", type="number", min=0, max=1, step=0.01, value=f"{value:g}", do="budget", what=name,
                        reset=fields, aria_label=f"Budget {title.lower()}")  # fmt: skip
            rows += [tag("span", title, title=hint), tag("div", field, cls="ct-line")]
        named = tag("input", type="text", do="priorities", value=", ".join(f"{name} {weight:g}" for name, weight in form.priorities.items()), reset=fields, cls="ct-grow",
                    placeholder="CD8T 2, field 1 1", aria_label="Priorities: name and weight")  # fmt: skip
        rows += [
            tag("span", "More of", title="Categories or images, each with a weight"),
            tag("div", named, cls="ct-line"),
        ]
    if by == "blind":
        whose = [("mine", "my own labels"), ("others", "others’ labels")]
        rows += [tag("span", "Repeat"),
                 tag("select", [tag("option", text, value=key, selected=key == form.whose) for key, text in whose],
                     do="whose", aria_label="Whose labels")]  # fmt: skip
    return tag("details", tag("summary", "Choices"), tag("div", rows, cls="ct-fields"), open=bool(form.open))


def question(
    queue: ReviewQueue, item: ReviewItem, categories: Sequence[Category], models: Sequence[str], *,
    top: str, strayed: bool, fields: int, locked: bool, undo: str | None, again: bool,
) -> Markup:  # fmt: skip
    """The cell that is asked for.

    Parameters
    ----------
    models : sequence of str
        What the first two models are called.
    top : str
        Markers that stand out.
    strayed : bool
        Whether another cell is selected on the image.
    again : bool
        Take the focus, so that keys are heard.
    """
    by_name = {c.name: c for c in categories}
    kinds = [c for c in categories if c.name != UNKNOWN]
    where = f"cell {item.cell}{f' in {item.image}' if item.image else ''}"
    given = None if item.label in (None, UNKNOWN) else item.label
    predictions = [
        _prediction(item.answer(model), number, models, by_name, given, locked)
        for number, model in enumerate(("Pred_MDL1", "Pred_MDL2"))
    ]
    stray = tag("div", "Another cell is selected.", tag("button", "Return", cls="ct-button ct-quiet", do="here"),
                cls="ct-rv-strayed")  # fmt: skip
    hidden = tag("p", "Labels and predictions are hidden until all are answered.", cls="ct-muted ct-small")
    none = tag("p", "No prediction yet: train, and the models’ answers stand here.", cls="ct-muted ct-small")
    return tag("div", [
        tag("div", tag("b", "What is this cell?"), tag("span", where, cls="ct-muted ct-cut ct-grow"),
            tag("span", _label(item, blind=queue.blind), cls=f"ct-rv-state ct-rv-{item.status}", title=_label(item, blind=queue.blind)) if item.answered else None, cls="ct-rv-ask"),
        tag("div", predictions, cls="ct-rv-models") if any(predictions) else hidden if queue.blind and not queue.finished else None if queue.blind else none,
        tag("div", [theme.choice(c, chosen=c.name == given, locked=locked) for c in kinds], cls="ct-ev-choices ct-rv-choices"),
        tag("div",
            tag("button", "Back", cls="ct-button ct-small-button", do="previous", disabled=item.place == 0, title="Ctrl+← or ←"),
            tag("button", "Next", cls="ct-button ct-small-button", do="next", disabled=item.place == len(queue) - 1,
                title="Ctrl+→ or →"),
            tag("button", "Undo", cls="ct-button ct-small-button", do="undo", disabled=locked or not undo,
                title=f"Take back: {undo} (key u)" if undo else "Nothing to take back"),
            tag("span", cls="ct-grow"),
            tag("button", "Unknown", cls="ct-button ct-small-button", do="unknown", disabled=locked,
                title="Cannot be told (key 0): does not come back", aria_pressed="true" if item.answered and not given and not queue.blind else None),
            tag("button", "Skip", cls="ct-button ct-small-button", do="skip", disabled=locked, title="For later (key s)"),
            cls="ct-line ct-tight"),
        stray if strayed else tag("p", item.reason[:1].upper() + item.reason[1:], cls="ct-small ct-rv-why", title=item.reason),
        tag("p", f"Stands out: {top}" if top else "No marker stands out.", cls="ct-muted ct-small ct-cut", title=top),
        tag("input", type="text", do="note", value=item.note, reset=f"{item.id}-{fields}", placeholder="Note on this cell",
            aria_label="Note on this cell", maxlength=500, disabled=locked, cls="ct-rv-note"),
        tag("p", "Keys: 1–9 name it, M and N take a model’s answer, 0 unknown, S skips, Ctrl+← → move.", cls="ct-muted ct-small")
        if not queue.blind else tag("p", "Keys: 1–9 name it, 0 unknown, S skips, Ctrl+← → move.", cls="ct-muted ct-small"),
    ], cls="ct-rv-card", asked=item.id, tabindex="-1", focus="" if again else None)  # fmt: skip


def _label(item: ReviewItem, *, blind: bool) -> str:
    if item.label is None:
        return "answered"
    if blind:
        return _BLIND_WORDS[item.status]
    return "cannot be told" if item.label == UNKNOWN else f"{item.label}: {_WORDS[item.status]}"


def _prediction(
    found: Answer | None,
    number: int,
    models: Sequence[str],
    by_name: Mapping[str, Category],
    given: str | None,
    locked: bool,
) -> Markup | None:
    if found is None:
        return None
    name = models[number] if number < len(models) else f"Model {number + 1}"
    category = by_name.get(found.category)
    sure = f"{found.probability:.0%}" if found.probability == found.probability else ""
    return tag(
        "button",
        tag("small", f"M{number + 1} {name}", tag("span", "mn"[number].upper(), cls="ct-key"), cls="ct-muted"),
        tag("b", theme.swatch(category.color) if category else None, tag("span", found.category, cls="ct-cut ct-grow"), sure),
        cls="ct-button ct-rv-model", do=("first", "second")[number], disabled=locked or category is None,
        aria_pressed="true" if given == found.category else None,
        title=f"{found.category} (key {'mn'[number]})" if category else "This category is gone",
    )  # fmt: skip


def strip(queue: ReviewQueue) -> Markup:
    """How far the review is: a square a cell, coloured by what became of it, and the figures."""
    status, answered, counts = queue.status, queue.answered, queue.counts
    words = _BLIND_WORDS if queue.blind else _WORDS
    start = max(0, min(queue.at - SQUARES // 2, len(queue) - SQUARES))
    squares = [
        tag("button", cls=f"ct-rv-{status[i] if status[i] != 'unlabelled' or not answered[i] else 'told'}"
            f"{' ct-here' if i == queue.at else ''}", do="go", what=i, tabindex="-1",
            title=f"{i + 1:,}: {words[status[i]] if not answered[i] or status[i] != 'unlabelled' else 'cannot be told'}",
            aria_label=f"Cell {i + 1}")
        for i in range(start, min(len(queue), start + SQUARES))
    ]  # fmt: skip
    told = int(answered.sum())
    parts = [f"{told:,} of {len(queue):,}"]
    if not queue.blind or queue.finished:
        parts += [f"{counts[name]:,} {words[name]}" for name in ("match", "mismatch") if counts[name]]
    if counts["skipped"]:
        parts.append(f"{counts['skipped']:,} skipped")
    left = ", ".join(f"{n:,} {_LEFT_OUT[name]}" for name, n in queue.left_out.items() if name in _LEFT_OUT)
    return tag("section",
        tag("h3", "Progress", tag("span", f"at {queue.at + 1:,}", cls="ct-aside ct-num")),
        tag("div", squares, cls="ct-squares"),
        tag("p", " · ".join(parts), cls="ct-small", role="status"),
        tag("p", f"Left out: {left}.", cls="ct-muted ct-small") if left else None,
    )  # fmt: skip


def summary(queue: ReviewQueue, agreement: pd.DataFrame | None, training: str, *, locked: bool) -> Markup:
    """How the answers compare with the models."""
    rows = []
    if agreement is not None and len(agreement):
        for model, row in agreement.iterrows():
            name = {"Pred_MDL1": "M1", "Pred_MDL2": "M2", "Pred_AVG": "Mean of both"}[str(model)]
            rows.append(tag("tr", tag("td", name), tag("td", f"{row['alike']:.0f} of {row['n']:.0f}", cls="ct-num"),
                tag("td", f"{row['share']:.0%}", cls="ct-num"),
                tag("td", f"{row['low']:.0%}–{row['high']:.0%}", cls="ct-num ct-muted")))  # fmt: skip
    table = tag("table", tag("tbody", rows), cls="ct-table ct-rv-agree") if rows else None
    caution = "Your answers beside what each model said before. These cells were chosen, so this is no accuracy: the audit tells that."
    return tag("section",
        [tag("h3", "Agreement so far"), table, tag("p", caution, cls="ct-muted ct-small")] if table else None,
        tag("div", None if queue.finished else _train(training, locked=locked),
            tag("span", cls="ct-grow"),
            tag("button", "Pause", cls="ct-button ct-quiet", do="pause"), cls="ct-line"),
    )  # fmt: skip


def finish(queue: ReviewQueue, training: str, *, locked: bool, differing: int) -> Markup:
    """Said on top, where it is seen without scrolling: all are reviewed, and what is to do next."""
    return tag("section",
        tag("p", queue.summary(), cls="ct-rv-summary", role="status"),
        tag("div",
            tag("button", f"Decide the {differing:,} that differ", cls="ct-button ct-primary", do="decide", disabled=locked)
            if differing else None,
            _train(training, locked=locked, primary=not queue.blind), cls="ct-line"),
    )  # fmt: skip


def _train(training: str, *, locked: bool, primary: bool = False) -> Markup:
    return tag("button", training or "Train now", cls=f"ct-button{' ct-primary' if primary else ''}", do="train",
               disabled=locked or bool(training))  # fmt: skip
