"""Filling a review: which cells, why, and which are left out."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.journal import ProposalRecord
from ..errors import InputError, NotReadyError
from .checks import number, whole_number
from .events import QueueChanged
from .reviewed import Content, left_unknown
from .sampling import has_model, make_pool

if TYPE_CHECKING:
    from .queue import ReviewQueue
    from .session import Session

__all__ = ["BORDER", "BUDGETS", "FILLERS", "Wish", "near_border", "review"]

#: How a review can be filled, in words for the person.
FILLERS = {
    "celltune": "CellTune's four budgets", "quota_margin": "Most useful cells", "disagreement": "The models disagree",
    "margin": "Close calls", "entropy": "Undecided between several", "rare": "Perhaps rare", "diverse": "Unsure and unlike",
    "mistakes": "Likely mistakes", "label_errors": "Suspected label errors", "blind": "Blind repeats",
    "clusters": "Spread over the kinds", "random": "Random cells",
}  # fmt: skip
#: Need no model.
_WITHOUT = ("clusters", "random", "blind")
#: Cells whose centre lies so close to the border of their image, pixels, are left out of samples.
BORDER = 20.0
#: CellTune's budgets by what they are spent on.
BUDGETS = {"image": 0.33, "category": 0.44, "rare": 0.23, "priorities": 0.0}
#: What goes to the priorities when some are given and no budgets are.
PRIORITIES = 0.25
#: Labels that nobody gave looking at the cell.
_UNSEEN = ("gate", "import", "accept")

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Wish:
    """What :meth:`celltune_nb.Session.review` was asked for."""

    by: str = "celltune"
    n: int = 256
    ids: Any = None
    reason: str | None = None
    image: str | None = None
    within: str | None = None
    budgets: Mapping[str, float] | Sequence[float] | None = None
    priorities: Mapping[str, float] | None = None
    border: float | None = None
    whose: str = "mine"
    again: bool = False
    replace: bool = False
    seed: int | None = None
    progress: Callable[[float, str], None] | None = None
    stop: Callable[[], bool] | None = None


@dataclass(frozen=True, eq=False)
class _Found:
    """Cells for a review."""

    ids: Ids
    score: NDArray[np.float32]
    reasons: tuple[str, ...]
    probability: NDArray[np.float64]
    title: str
    left_out: dict[str, int] = field(default_factory=dict)


def review(session: Session, level: str, wish: Wish) -> ReviewQueue:
    """See :meth:`celltune_nb.Session.review`."""
    with session.writing():
        pass  # refuses where one can only look, before the work
    _check_former(session, level, wish)
    n = whole_number(wish.n, "The number of cells", 1)
    seed = secrets.randbits(31) if wish.seed is None else whole_number(wish.seed, "The seed")
    by = _checked(session, level, wish)
    rng = np.random.default_rng(seed)
    border = number(wish.border, "The border, in pixels,") if wish.border is not None else BORDER
    if wish.ids is not None and wish.border is None:
        border = 0.0  # who names cells means them
    free, why = _free(session, level, border, again=wish.again)
    here = np.ones(len(free), bool)
    if wish.image is not None:
        here &= session.table.images == session.image_number(wish.image)
    if wish.within is not None:
        here &= np.isin(session.table.ids, session.gated(wish.within))
    here &= session.regions.inside(level)
    free &= here
    if wish.ids is not None:
        given = session.table.ids[np.sort(np.unique(session.positions(wish.ids)))]
        found = _given(
            session, given, wish.reason or "asked for", wish.reason or "Chosen cells", n, free, why, rng
        )
    elif by == "label_errors":
        found = _label_errors(session, level, n, free, why, wish)
    elif by == "blind":
        found = _blind(session, level, n, here, why, rng, wish)
    elif by in FILLERS:
        found = _sampled(session, level, by, n, free, why, rng, wish)
    else:
        found = _given(session, session.gated(by), wish.reason or f"inside {by}", by, n, free, why, rng)
    if not len(found.ids):
        raise NotReadyError(_nothing(by, found.left_out))
    with session.writing(), session.journal.writing():
        _check_former(session, level, wish)  # cells may have been answered meanwhile
        session.journal.propose(
            ProposalRecord(
                by, level, found.ids, found.score, found.probability, found.reasons, seed, wish.image,
                round=session.rounds(level), user=session.user,
            )
        )  # fmt: skip
        queue = session.reviews.begin(
            Content(
                level, by, found.title, found.ids, found.reasons, found.score, session.book.revision, seed, session.user,
                by == "blind", found.left_out,
            )
        )  # fmt: skip
    session.emit(session.queue_changed, QueueChanged(level, int(found.ids[0])))
    return queue


def _check_former(session: Session, level: str, wish: Wish) -> None:
    former = session.reviews.of(level)
    if former is not None and former.begun and not wish.replace:
        raise NotReadyError(
            f"A review is unfinished: {former.title}, {int(former.answered.sum()):,} of {len(former):,} cells answered. "
            "Go on with it, session.queue, or begin this one in its place: review(..., replace=True)."
        )


def near_border(session: Session, border: float) -> NDArray[np.bool_]:
    """Which cells are cut by the border of their image, or have their centre closer to it than so many pixels.

    Cells of an image without pixels are never near: where it ends is not known.

    Parameters
    ----------
    border : float
        0: none.

    Returns
    -------
    ndarray of bool, shape (items,)
    """
    table = session.table
    near = np.zeros(len(table), bool)
    if border <= 0:
        return near
    for number_, name in enumerate(table.names):
        image = session.images.get(name)
        if image is None:
            continue
        rows = table.of_image(number_)
        height, width = image.shape
        # An image spans −0.5 … n − 0.5.
        y, x = table.y[rows] + 0.5, table.x[rows] + 0.5
        near[rows] = (np.minimum(y, height - y) < border) | (np.minimum(x, width - x) < border)
    return near | (table.border <= 0)


# ---------------------------------------------------------------------- which may be taken


def _checked(session: Session, level: str, wish: Wish) -> str:
    by = wish.by
    if wish.ids is not None:
        return "chosen"
    if not isinstance(by, str):
        raise InputError(
            f"by={by!r} is not known. Name a way to fill the review: {', '.join(FILLERS)}, or a gate."
        )
    if by in FILLERS:
        if by not in _WITHOUT and not has_model(session, level):
            raise NotReadyError(
                f"A review by {by!r} needs a model. Train first: in Train, or with session.train(). Without one, review by 'clusters'."
            )
        return by
    try:
        session.gated(by)
    except InputError as error:
        raise InputError(
            f"by={by!r} is neither a way to fill a review ({', '.join(FILLERS)}) nor a gate. {error}"
        ) from error
    return by


def _free(
    session: Session, level: str, border: float, *, again: bool
) -> tuple[NDArray[np.bool_], dict[str, Any]]:
    """Which cells may be taken, and why each of the others may not."""
    table = session.table
    audited = np.isin(table.ids, session.audits.of(level).ids)
    with session.lock:
        codes = session.book.level(level).codes_in_order(table.ids)
        reviewed = session.book.sources(level, table.ids) == "review"
    if reviewed.any():
        unknown = np.flatnonzero(reviewed & (codes == 0))
        reviewed[unknown] = left_unknown(session, level, table.ids[unknown])
    near = near_border(session, border)
    known = reviewed & ~audited
    if again:
        known = np.zeros(len(table), bool)
    return ~(audited | known | near), {
        "audit": audited,
        "reviewed": known,
        "border": near & ~audited & ~known,
        "near": near,
    }


def _left_out(candidates: NDArray[np.bool_], why: Mapping[str, NDArray[np.bool_]]) -> dict[str, int]:
    """How many of some candidates are left out, by why."""
    counts = {name: int((candidates & which).sum()) for name, which in why.items() if name != "near"}
    return {name: count for name, count in counts.items() if count}


def _nothing(by: str, left_out: Mapping[str, int]) -> str:
    words = {
        "audit": "are kept for the audit", "reviewed": "were reviewed already (again=True brings them back)",
        "border": "lie at the border of their image (border=0 admits them)",
    }  # fmt: skip
    because = ", ".join(f"{left_out[name]:,} {text}" for name, text in words.items() if left_out.get(name))
    lead = {
        "label_errors": "No label looks wrong among those that may be reviewed",
        "blind": "There is no label that could be repeated blind: label some cells first, or name another person",
    }.get(by, "There is no cell left to review")
    return f"{lead}{': ' + because if because else ''}. Fill the review in another way."


# ---------------------------------------------------------------------- fillers


def _sampled(
    session: Session, level: str, by: str, n: int, free: NDArray[np.bool_], why: dict[str, Any],
    rng: np.random.Generator, wish: Wish,
) -> _Found:  # fmt: skip
    from ..learn.quotas import celltune
    from ..learn.sampling import SAMPLERS

    pool = make_pool(session, level, None, None, only=free)
    with session.lock:
        unlabelled = session.book.level(level).codes_in_order(session.table.ids) == 0
    left_out = _left_out(unlabelled, why)
    if not len(pool.ids):
        return _Found(np.empty(0, np.int64), np.empty(0, np.float32), (), np.empty(0), FILLERS[by], left_out)
    n = min(n, len(pool.ids))
    if by != "celltune":
        found = SAMPLERS[by](pool, n, rng)
        return _Found(found.ids, found.score, found.reason, found.probability, FILLERS[by], left_out)
    budgets, priorities = _budgets(session, level, wish)
    found = celltune(pool, n, rng, budgets=budgets, priorities=priorities)
    # Budget by budget, who stops halfway would have seen the first ones only.
    order = rng.permutation(len(found))
    return _Found(
        found.ids[order], found.score[order], tuple(found.reason[i] for i in order.tolist()),
        found.probability[order], FILLERS[by], left_out,
    )  # fmt: skip


def _budgets(
    session: Session, level: str, wish: Wish
) -> tuple[tuple[float, float, float, float], dict[str | int, float]]:
    """The four budgets, and the priorities as the sampler takes them."""
    priorities: dict[str | int, float] = {}
    if wish.priorities is not None and not isinstance(wish.priorities, Mapping):
        raise InputError('Priorities are weights by name, as {"CD8T": 2, "field 1": 1}.')
    categories = [c.name for c in session.book.level(level).categories]
    for name, given in (wish.priorities or {}).items():
        weight = number(given, f"The priority of {name!r}")
        if not 0 <= weight < np.inf:
            raise InputError(f"The priority of {name!r} is {weight:g}. Give 0 or more.")
        if name in categories:
            priorities[name] = weight
        elif isinstance(name, str) and name in session.table.names:
            priorities[session.table.names.index(name)] = weight
        else:
            raise InputError(f"There is neither a category nor an image {name!r}. Give priorities to those.")
    given_budgets = wish.budgets
    if given_budgets is None:
        rest = 1 - PRIORITIES if any(priorities.values()) else 1.0
        values = [rest * BUDGETS[name] for name in ("image", "category", "rare")] + [1 - rest]
    else:
        if not isinstance(given_budgets, Mapping):
            given_budgets = dict(zip(BUDGETS, given_budgets, strict=False))
        if not given_budgets.keys() <= BUDGETS.keys():
            raise InputError(f"Budgets are {', '.join(BUDGETS)}. Name some of these.")
        values = [number(given_budgets.get(name, 0.0), f"The budget {name!r}") for name in BUDGETS]
    if min(values) < 0 or not sum(values) <= 1 + 1e-9:
        raise InputError("Budgets are parts of the review: none below 0, together at most 1.")
    if values[3] > 0 and not any(priorities.values()):
        raise InputError('A budget for priorities needs some: priorities={"CD8T": 2}, by category or image.')
    return (values[0], values[1], values[2], values[3]), priorities


def _given(
    session: Session, ids: Ids, reason: str, title: str, n: int, free: NDArray[np.bool_], why: dict[str, Any],
    rng: np.random.Generator,
) -> _Found:  # fmt: skip
    """Cells that somebody names: all of them, or so many at random."""
    rows = session.positions(ids)
    named = np.zeros(len(free), bool)
    named[rows] = True
    left_out = _left_out(named, why)
    rows = rows[free[rows]]
    total = len(rows)
    if total > n:
        rows = rng.choice(rows, n, replace=False)
        left_out["more"] = total - n
    m = len(rows)
    return _Found(
        session.table.ids[rows],
        np.ones(m, np.float32),
        (reason,) * m,
        np.full(m, m / max(1, total)),
        title,
        left_out,
    )


def _label_errors(
    session: Session, level: str, n: int, free: NDArray[np.bool_], why: dict[str, Any], wish: Wish
) -> _Found:
    table = session.label_errors(level=level, progress=wish.progress, stop=wish.stop)
    rows = session.positions(table.index.to_numpy(np.int64))
    named = np.zeros(len(free), bool)
    named[rows] = True
    keep = free[rows]
    left_out = _left_out(named, why)
    table = table[keep]
    if len(table) > n:
        left_out["more"] = len(table) - n
    table = table.head(n)
    reasons = tuple(
        f"labelled {row.label}; models that have not seen it say {row.suggested} {row.confidence:.2f} "
        f"({row.label} {row.quality:.2f})"
        for row in table.itertuples()
    )
    score = (1 - table["quality"]).to_numpy(np.float32)
    return _Found(
        table.index.to_numpy(np.int64), score, reasons, np.ones(len(table)), FILLERS["label_errors"], left_out
    )


def _blind(
    session: Session, level: str, n: int, here: NDArray[np.bool_], why: dict[str, Any], rng: np.random.Generator,
    wish: Wish,
) -> _Found:  # fmt: skip
    """Labels given by somebody who looked, drawn at random."""
    ids = session.table.ids
    with session.lock:
        book = session.book
        labelled = (book.level(level).codes_in_order(ids) > 0) & ~np.isin(book.sources(level, ids), _UNSEEN)
        users = book.users(level, ids)
        repeated = [o.item for o in book.remarks.opinions(level) if o.user == session.user]
    if wish.whose == "mine":
        wanted = users == session.user
    elif wish.whose == "others":
        wanted = users != session.user
    else:
        wanted = users == wish.whose
    candidates = labelled & wanted
    # A label that a review gave is as good to repeat as any other; a repeat is not repeated again.
    done = np.isin(ids, repeated) if not wish.again else np.zeros(len(ids), bool)
    reasons = {
        "audit": why["audit"],
        "reviewed": done & ~why["audit"],
        "border": why["near"] & ~done & ~why["audit"],
    }
    allowed = candidates & ~why["audit"] & ~done & ~why["near"]
    rows = np.flatnonzero(allowed & here)
    total = len(rows)
    rows = rng.permutation(rows)[:n]
    said = "labelled by you" if wish.whose == "mine" else "labelled by another"
    return _Found(
        ids[rows], np.ones(len(rows), np.float32), (f"a blind repeat of a cell {said}",) * len(rows),
        np.full(len(rows), len(rows) / max(1, total)), FILLERS["blind"], _left_out(candidates, reasons),
    )  # fmt: skip
