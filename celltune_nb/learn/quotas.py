"""Samplers that share their places out: over categories, over images, over budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .exploring import explore
from .pool import Pool, Proposal
from .uncertainty import answers, asked_for, best_rows, close_calls, scored

__all__ = ["allocate", "celltune", "quota_margin", "rare"]

EXPLORED = 0.1
BUDGETS = (
    0.33,
    0.44,
    0.23,
    0.0,
)  # CellTune's: low agreement by image, by category, rare, the user's priorities


def quota_margin(pool: Pool, n: int, rng: np.random.Generator, *, explored: float = EXPLORED) -> Proposal:
    """Close calls, with a quota for each category ∝ 1/√(labels it has); a tenth where nothing is labelled.

    Plain margin spends its labels where two large categories touch; the quota keeps asking for the
    categories that have few labels.  A close call counts for the one of its two categories that has
    fewer labels, so that one which is rarely anybody's first answer is asked for too.  A category that
    nobody has labelled yet is no close call at all, since the models do not know it: hence the tenth.

    Parameters
    ----------
    explored : float
        Share of the places for :func:`~celltune_nb.learn.exploring.explore`.
    """
    rows, p, two, values = scored(pool, n, rng)
    n = min(n, len(rows))
    new, why = explore(pool, rows, int(explored * n + rng.random()), rng)
    score = 1 - (values[:, 0] - values[:, 1])
    k = p.shape[1]
    category = asked_for(pool, k, two, values)
    category[new] = k  # taken already
    available = np.bincount(category, minlength=k + 1)[:k]
    quota = allocate(n - len(new), pool.class_weights(k), available)
    picks = [np.flatnonzero(category == code) for code in range(k)]
    best = np.concatenate([pick[best_rows(score[pick], q)] for pick, q in zip(picks, quota, strict=True)])
    best = best[np.argsort(-score[best], kind="stable")]
    reason = close_calls(pool, two[best], values[best])
    chance = np.full(len(rows), len(rows) / max(1, len(pool)))
    chance[new] = np.nan
    if len(new):
        # among the others, evenly: a person may stop before the end
        place = np.concatenate([np.arange(len(best)), np.linspace(0, len(best), len(new) + 2)[1:-1] - 0.5])
        order = np.argsort(place, kind="stable")
        reason = [[*reason, *why][i] for i in order.tolist()]
        best = np.concatenate([best, new])[order]
    return pool.propose(rows[best], score[best], reason, "quota_margin", chance[best])


def allocate(n: int, weight: NDArray[np.floating], available: NDArray[np.integer]) -> NDArray[np.int64]:
    """Share `n` places out in proportion to `weight`, no more than `available` each.

    Returns
    -------
    int64 array
        Sums to min(n, available.sum()); ties go to the first.
    """
    places = np.zeros(len(weight), np.int64)
    room = np.asarray(available, np.int64).copy()
    left = int(min(n, room.sum()))
    while left:
        part = np.where(room > 0, weight, 0.0)
        exact = left * part / part.sum()
        whole = np.minimum(exact.astype(np.int64), room)
        if not whole.any():
            order = np.argsort(-exact, kind="stable")[:left]
            whole[order[room[order] > 0]] = 1
        places += whole
        room -= whole
        left -= int(whole.sum())
    return places


def rare(pool: Pool, n: int, rng: np.random.Generator) -> Proposal:
    """Likely members of the rarest third of the categories, as many of each.

    Rarity is the share of the candidates predicted as the category.  Score: probability of it.
    """
    rows, p, two, _ = scored(pool, n, rng)
    k = p.shape[1]
    expected = p.mean(axis=0) if len(p) else np.ones(k)
    scarce = np.argsort(expected, kind="stable")[: max(1, k // 3)]
    p_scarce = p[:, scarce]
    member = p_scarce.argmax(axis=1)
    score = p_scarce[np.arange(len(p)), member]
    weight = pool.class_weights(k)[scarce]
    # who is more likely something common comes only after all likely members
    likely = np.isin(two[:, 0], scarce)
    available = np.bincount(member[likely], minlength=len(scarce))
    quota = allocate(min(n, int(available.sum())), weight, available)
    picks = [np.flatnonzero(likely & (member == code)) for code in range(len(scarce))]
    best = np.concatenate([pick[best_rows(score[pick], q)] for pick, q in zip(picks, quota, strict=True)])
    if len(best) < n:
        rest = np.setdiff1d(np.arange(len(rows)), best)
        best = np.concatenate([best, rest[best_rows(score[rest], n - len(best))]])
    best = best[np.argsort(-score[best], kind="stable")]
    reason = []
    for row in best.tolist():
        code = int(scarce[member[row]])
        reason.append(
            f"perhaps rare: {pool.name(code)} {score[row]:.2f} ({100 * expected[code]:.2g} % of all)"
        )
    return pool.propose(rows[best], score[best], reason, "rare", len(rows) / max(1, len(pool)))


def celltune(
    pool: Pool,
    n: int,
    rng: np.random.Generator,
    *,
    budgets: tuple[float, float, float, float] = BUDGETS,
    priorities: Mapping[str | int, float] | None = None,
) -> Proposal:
    """CellTune's review sample: four budgets, most of them spent at random among items the two models disagree on.

    * *Image* (0.33 of the places): images share them in proportion to the disagreement in each.
    * *Category* (0.44): predicted categories share them in proportion to the disagreement about each.
    * *Rare* (0.23): items that a model calls one of the rarest third of the categories, agreed on or not.
    * *Priorities* (0): categories and images that a person names share them in proportion to their weights,
      agreed on or not.

    What a budget cannot spend goes to the closest calls.  Score: 1 − the agreement of the image or
    category, 1 − the share of the rare category, or the share of a priority.  Source: CellTune's default budgets.

    Parameters
    ----------
    budgets : (image, category, rare, priorities)
        Parts of `n`, together at most 1.
    priorities : mapping, optional
        Name of a category (as in ``pool.categories``) or code of an image (as in ``pool.images``) → weight, not
        negative.  An item of several counts for the heaviest.

    Raises
    ------
    NotReadyError
        Fewer than two models have predicted.
    """
    rows, p, two, values = scored(pool, n, rng)
    _, _, a, b = answers(pool, rows)
    n, k = min(n, len(rows)), p.shape[1]
    differ, free = a != b, np.ones(len(rows), bool)
    missed = np.ones(len(rows))  # probability of not having been drawn so far
    taken: list[NDArray[np.int64]] = []
    score, reason = np.zeros(len(rows)), [""] * len(rows)

    def spend(
        places: int, stratum: NDArray[np.int64], weight: NDArray[np.floating], why: Callable[[int, int], str]
    ) -> None:
        """Draw at random among the free items of each stratum; −1 is an item of none."""
        use = np.flatnonzero(free & (stratum >= 0))
        available = np.bincount(stratum[use], minlength=len(weight))
        quota = allocate(places, np.maximum(weight, 1e-9), available)
        # also of those taken before: what their chance would have been here
        member = stratum >= 0
        missed[member] *= 1 - (quota / np.maximum(available, 1))[stratum[member]]
        for code in np.flatnonzero(quota):
            drawn = rng.choice(use[stratum[use] == code], quota[code], replace=False)
            free[drawn] = False
            score[drawn] = weight[code]
            taken.append(drawn)
            for row in drawn.tolist():
                reason[row] = why(int(code), row)

    def said(row: int) -> str:
        return f"{pool.name(int(a[row]))} / {pool.name(int(b[row]))}"

    # cut from the running sum, or rounding could give away one place more than there are
    until = [round(n * sum(budgets[:i])) for i in range(5)]
    by_image, by_category, by_rare, by_priority = (b - a for a, b in pairwise(until))
    _, image = np.unique(pool.images[rows], return_inverse=True)
    image = image.reshape(-1)
    apart = np.bincount(image, differ) / np.maximum(np.bincount(image), 1)
    spend(
        by_image, np.where(differ, image, -1), apart,
        lambda code, row: f"the models disagree, {said(row)}, on an image where they do for {100 * apart[code]:.2g} % of the cells",
    )  # fmt: skip
    either = np.bincount(a, minlength=k) + np.bincount(b, minlength=k) - np.bincount(a[~differ], minlength=k)
    dispute = 1 - np.bincount(a[~differ], minlength=k) / np.maximum(either, 1)
    worse = np.where(dispute[a] >= dispute[b], a, b)
    spend(
        by_category, np.where(differ, worse, -1), dispute,
        lambda code, row: f"the models disagree, {said(row)}, as for {100 * dispute[code]:.2g} % of the cells called {pool.name(code)}",
    )  # fmt: skip
    share = p.mean(axis=0) if len(p) else np.ones(k)
    scarce = np.argsort(share, kind="stable")[: max(1, k // 3)]
    rare_code = np.where(np.isin(a, scarce), a, np.where(np.isin(b, scarce), b, -1))
    spend(
        by_rare, rare_code, 1 - share,
        lambda code, row: f"perhaps rare: called {pool.name(code)}, as {100 * share[code]:.2g} % of all are",
    )  # fmt: skip
    if priorities and by_priority:
        named, weight = _prioritised(pool, rows, a, b, priorities)
        whose = [
            f"you asked for more of {name}" if isinstance(name, str) else "you asked for more of this image"
            for name in priorities
        ]
        spend(by_priority, named, weight / max(weight.sum(), 1e-9), lambda code, _: whose[code])
    left = np.flatnonzero(free)
    more = left[best_rows(1 - (values[left, 0] - values[left, 1]), n - int((~free).sum()))]
    missed[more] = 0
    score[more] = 1 - (values[more, 0] - values[more, 1])
    for row, text in zip(more.tolist(), close_calls(pool, two[more], values[more]), strict=True):
        reason[row] = text
    chosen = np.concatenate([*taken, more]).astype(np.int64)
    return pool.propose(
        rows[chosen], score[chosen], [reason[row] for row in chosen.tolist()], "celltune",
        (1 - missed[chosen]) * len(rows) / max(1, len(pool)),
    )  # fmt: skip


def _prioritised(
    pool: Pool, rows: NDArray[np.int64], a: NDArray[np.int64], b: NDArray[np.int64], priorities: Mapping[str | int, float]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:  # fmt: skip
    """Which of the priorities each row belongs to, −1 for none, and their weights."""
    weight = np.array(list(priorities.values()), np.float64)
    named = np.full(len(rows), -1)
    for place in np.argsort(weight, kind="stable").tolist():  # the heaviest last: it counts
        name = list(priorities)[place]
        if weight[place] <= 0:
            continue
        if isinstance(name, str):
            code = pool.categories.index(name) if name in pool.categories else -1
            member = (a == code) | (b == code)
        else:
            member = pool.images[rows] == name
        named[member] = place
    return named, weight
