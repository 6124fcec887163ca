"""Other ways of doing what the default sampler does, each with one thing changed.

They run beside the strategies of the package: ``python -m benchmarks.strategies --strategies default
by_answer even_quota … --out variants.jsonl``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from celltune_nb.learn.clustering import kmeans
from celltune_nb.learn.exploring import explore, uncharted
from celltune_nb.learn.pool import Pool
from celltune_nb.learn.quotas import EXPLORED, allocate
from celltune_nb.learn.sampling import clusters, random
from celltune_nb.learn.uncertainty import asked_for, best_rows, scored
from celltune_nb.session.annotator import Annotator
from celltune_nb.session.sampling import make_pool

Strategy = Callable[[Annotator, int], None]


def variant(
    *, first: str = "default", exponent: float = 0.5, by_answer: bool = False, entropy: bool = False,
    diverse: int = 0, at_random: float = 0.0, explored: float = EXPLORED, later: float | None = None, loose: int = 1,
    by_group: bool = False,
) -> Strategy:  # fmt: skip
    """The default with something changed.

    Parameters
    ----------
    first : {"default", "typical", "random"}
        First cells: half typical and half ordinary ones, the most typical of as many groups, or random ones.
    exponent : float
        The quota is ∝ 1/labels**exponent; 0 gives every category the same.
    by_answer : bool
        A close call counts for the most probable category, not for the one of two with fewer labels.
    entropy : bool
        Rank by entropy, not by the margin between the two best.
    diverse : int
        Choose by k-means among so many times the quota of close calls; 0: the closest.
    at_random : float
        Share of cells that are drawn from all.
    explored : float
        Share of cells from where nothing is labelled.
    later : float, optional
        The same from 200 labels on.
    loose : int
        Draw at random among so many times the quota of close calls.
    by_group : bool
        Those cells come from groups of similar cells only, not from random places.
    """

    def work(annotator: Annotator, n: int) -> None:
        pool = make_pool(annotator.session, annotator.level, None, None)
        rng = np.random.default_rng(annotator.draw())
        n = min(n, len(pool))
        share = explored if later is None or annotator.labels < 200 else later
        if not annotator.trained:
            annotator.label(begin(pool, n, rng))
            return
        some = random(pool, round(at_random * n), rng).ids if round(at_random * n) else np.empty(0, np.int64)
        rows, p, two, values = scored(pool, n, rng)
        new, _ = (uncharted if by_group else explore)(pool, rows, int(share * n + rng.random()), rng)
        some = np.union1d(some, pool.ids[rows[new]])
        free = ~np.isin(pool.ids[rows], some)
        rows, p, two, values = rows[free], p[free], two[free], values[free]
        k = p.shape[1]
        spread = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=1)
        score = spread if entropy else 1 - (values[:, 0] - values[:, 1])
        category = two[:, 0] if by_answer else asked_for(pool, k, two, values)
        weight = pool.class_weights(k) ** (2 * exponent)
        quota = allocate(n - len(some), weight, np.bincount(category, minlength=k))
        for code in np.flatnonzero(quota):
            among = np.flatnonzero(category == code)
            close = among[best_rows(score[among], max(1, loose, diverse) * quota[code])]
            if loose > 1:
                close = rng.permutation(close)[: quota[code]]
            if len(close) > quota[code]:
                typical, _ = kmeans(pool.scaled(rows[close]), int(quota[code]), rng)
                left = np.setdiff1d(np.arange(len(close)), typical)
                close = close[np.concatenate([typical, left[: quota[code] - len(typical)]])]
            some = np.concatenate([some, pool.ids[rows[close]]])
        annotator.label(some)

    def begin(pool: Pool, n: int, rng: np.random.Generator) -> np.ndarray:
        if first == "typical":
            typical, _ = kmeans(pool.scaled(np.arange(len(pool))), n, rng)
            return pool.ids[typical]
        return (random if first == "random" else clusters)(pool, n, rng).ids

    return work


VARIANTS: dict[str, Strategy] = {
    "former": variant(first="typical", by_answer=True, explored=0),
    "typical_first": variant(first="typical"),
    "random_first": variant(first="random"),
    "by_answer": variant(by_answer=True),
    "unexplored": variant(explored=0),
    "by_group": variant(by_group=True),
    "later_3": variant(later=0.03),
    "loose_2": variant(loose=2),
    "loose_4": variant(loose=4),
    "explored_20": variant(explored=0.2),
    "random_10": variant(explored=0, at_random=0.1),
    "even_quota": variant(exponent=0.0),
    "steep_quota": variant(exponent=1.0),
    "entropy": variant(entropy=True),
    "diverse": variant(diverse=4),
}
