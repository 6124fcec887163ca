"""Where models are in trouble: which image, which kind of cell, and the cells of that kind that are worth a label."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.journal import ProposalRecord
from ..errors import InputError, NotReadyError
from .checks import whole_number
from .image_looks import scales
from .judging import FEW
from .sampling import make_pool

if TYPE_CHECKING:
    import pandas as pd

    from .session import Session

__all__ = ["FAR", "NextAction", "Troubled", "sample_kind", "troubled"]

#: How far below the mean F1 an image is far below it; and wrong labels that are more than chance.
FAR, ERRORS = 0.1, 3
#: Cells that are scored for a sample of one kind.
_SCORED = 10_000


class NextAction(NamedTuple):
    """What to do next: :meth:`celltune_nb.Session.follow` does it.

    Attributes
    ----------
    verb : {"sample", "working_set", "train", "judge", "audit", "none"}
    arguments : dict
        sample: image, kind, n; working_set: image; audit: n (0: label those drawn).
    text : str
        In words, as on a button.
    """

    verb: str
    arguments: dict[str, Any]
    text: str


@dataclass(frozen=True)
class Troubled:
    """Which images stand out.

    Attributes
    ----------
    mean : float
        Of the F1 to be expected of each image; NaN where nothing is.
    below : tuple of str
        Images far below the mean, the worst first.
    unlike : tuple of str
        Images without labels whose cells are unlike those labelled, the farthest first.
    why : dict
        Image below → in words.
    kinds : dict
        Image → kind of cell that most mistakes are of.
    weakest : str or None
        The image of which the least is expected, far below or not, among those with cells left to label.
    full : frozenset of str
        Images without any.
    """

    mean: float = math.nan
    below: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    why: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    weakest: str | None = None
    full: frozenset[str] = frozenset()

    def sample(self, n: int, image: str | None = None) -> NextAction:
        """The action that labels more of what an image, by default the weakest, is bad at."""
        image = self.weakest if image is None or image in self.full else image
        kind = self.kinds.get(image or "", "")
        where = f" on {image}" if image else ""
        what = f"{kind} cells" if kind else "unsure cells"
        return NextAction(
            "sample", {"image": image, "kind": kind or None, "n": n}, f"Label {what}{where}: {n} more"
        )


def troubled(table: pd.DataFrame | None) -> Troubled:
    """What stands out in a table of :meth:`celltune_nb.Session.judge` by image.

    An image is far below the mean where the F1 to be expected of its cells is, or its audit's with all of its interval:
    of the few audit cells of one image, the figure alone lies below now and then whatever the models.  The F1 of its held-out labels
    does not count: they were given where models are unsure, and along a run of such labels on the synthetic brain their
    rank correlation with the truth is .16, of the expected F1 .46, of the shift -.62.
    """
    from ..learn.shift import UNLIKE

    if table is None or not len(table):
        return Troubled()
    by_audit = table["audit_f1"].where(table["audited"] >= FEW)
    surely = by_audit.where(table["audit_high"] < by_audit.mean())
    # With more than two categories nothing is expected of one of them: their held-out figures have to do.
    some = table["f1"].where((table["judged"] >= FEW) & (table["mistakes"] >= ERRORS))
    promised = bool(table["expected_f1"].notna().any())
    expected = table["expected_f1"] if promised else some
    mean, audited = expected.mean(), by_audit.mean()
    why: dict[str, tuple[float, str]] = {}
    for name in map(str, table.index):
        for value, other, whose in (
            (surely[name], audited, "by the audit"),
            (expected[name], mean, "to be expected" if promised else "of its labels, held out"),
        ):
            if value < other - FAR:
                why[name] = max(
                    why.get(name, (0.0, "")),
                    (other - value, f"F1 {value:.2f} {whose}, the mean is {other:.2f}"),
                )
    known = table.loc[table["labels"] >= FEW, "shift"].max()
    # Labelled images differ from one another too; what is no farther than they are is nothing new.
    bound = max(UNLIKE, known) if math.isfinite(known) else UNLIKE
    far = table[(table["labels"] < FEW) & (table["audited"] < FEW) & (table["shift"] > bound)]
    score = expected - 0.2 * table["shift"].fillna(0)
    full = table.index[table["cells"] <= table["labels"] + table["audited"]]
    score = score.drop(full).dropna()
    weakest = str(score.idxmin()) if len(score) else None
    return Troubled(
        float(mean), tuple(sorted(why, key=lambda name: -why[name][0])),
        tuple(str(name) for name in far["shift"].sort_values(ascending=False).index),
        {name: text for name, (_, text) in why.items()}, {str(k): str(v) for k, v in table["trouble"].items()}, weakest,
        frozenset(map(str, full)),
    )  # fmt: skip


def sample_kind(
    session: Session, n: Any, image: str | None, kind: str | None, level: str, seed: int | None
) -> NDArray[np.int64]:
    """See :meth:`celltune_nb.Session.sample_kind`."""
    n = whole_number(n, "The number of items", 1)
    seed = secrets.randbits(31) if seed is None else whole_number(seed, "The seed")
    pool = make_pool(session, level, image, None)
    scale = scales(session, level)
    known = {c.name for c in session.book.level(level).categories}
    if kind is not None and not isinstance(kind, str):
        raise InputError(f"The kind is {kind!r}. Give it as text, such as 'weak {scale.positive.name}'.")
    if not len(pool.ids):
        return np.empty(0, np.int64)
    if not pool.probabilities or scale.positive.name not in pool.categories:
        if kind is None or kind in known:
            return session.sample(n, image=image, level=level, seed=seed)
        raise NotReadyError(
            "Cells of one kind are found by a model's doubts. Train first, or sample without a kind."
        )
    rng = np.random.default_rng(seed)
    rows = np.arange(len(pool))
    if len(rows) > _SCORED:
        rows = np.sort(rng.choice(rows, _SCORED, replace=False))
    mean = np.nan_to_num(pool.mean(rows))
    on = mean[:, pool.categories.index(scale.positive.name)]
    doubt = np.minimum(on, 1 - on) if scale.negative is not None else 1 - mean.max(axis=1)
    if kind is not None:
        if kind in (scale.positive.name, "" if scale.negative is None else scale.negative.name):
            # A category itself is wanted: its likeliest cells.
            doubt = on if kind == scale.positive.name else 1 - on
        else:
            if kind not in scale.names:
                raise InputError(f"There is no kind {kind!r}. Choose from: {', '.join(scale.names)}.")
            places = session.table.positions(pool.ids[rows])
            # A cell called OFF would be a mistake if it is ON, and the other way round.
            names, certain = scale.kinds(on < 0.5, places), scale.kinds(on >= 0.5, places)
            # Those that the models miss first, then those that they find but are not sure of.
            # Where there are not enough of either, the number is filled up with other cells in doubt.
            doubt = doubt + np.where(names == kind, 2.0, np.where(certain == kind, 1.0, 0.0))
    order = np.argsort(-doubt - 1e-9 * rng.random(len(doubt)))[:n]
    ids, score = pool.ids[rows[order]], doubt[order]
    text = f"{kind or 'unsure'} cells{f' on {image}' if image else ''}"
    strategy = "kind" if kind else "margin"
    if not session.read_only:
        with session.writing():
            session.journal.propose(
                ProposalRecord(
                    strategy, level, ids, score.astype(np.float32), np.zeros(len(ids)), (text,) * len(ids), seed, image, None,
                    session.rounds(level), session.user,
                )
            )  # fmt: skip
    session.offered(ids, strategy)
    return ids
