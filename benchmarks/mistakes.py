"""How many of the most suspicious predictions are wrong: held against the marker, beside the models' doubt alone.

The synthetic brain, twelve slices of 400 to 1,500 cells with known truth; 90 labels as the samplers offer them over all slices.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .harness import OURS, Figure, Job

LOOKED_AT = (50, 200)
GOAL = 1.4
"""Times as many mistakes among the first 50 as by doubt alone."""


def mistakes(size: str) -> Iterator[Figure]:
    """Precision of the first 50 and 200 of both markers."""
    import celltune_nb as ct

    cells = {"400": 400, "1,000": 1_000, "1,500": 1_500}[size]
    with (
        tempfile.TemporaryDirectory() as folder,
        ct.datasets.load("brain", project=Path(folder) / "p", cells=cells) as session,
    ):
        for level in session.levels:
            session.level = level
            truth = session.items[f"truth_{level}"]
            for turn, n in enumerate((60, 30)):
                said = truth.loc[session.sample(n, seed=turn)]
                session.label_each({name: said.index[said == name] for name in said.unique()})
                session.train(wait=True)
            average = session.populations["Pred_AVG"]
            p = average.probabilities()["ON"]
            wrong = (p >= 0.5) != (truth == "ON")
            free = wrong.index[session.labels.codes() == 0]
            started = time.perf_counter()
            ours = session.likely_mistakes(max(LOOKED_AT)).index
            seconds = time.perf_counter() - started
            began = time.perf_counter()
            doubt = (1 - (2 * p[free] - 1).abs()).sort_values(ascending=False, kind="stable").index
            alone = time.perf_counter() - began
            found = {
                name: [float(wrong[ids[:n]].mean()) for n in LOOKED_AT]
                for name, ids in ((OURS, ours), ("doubt alone", doubt))
            }
            ratio = found[OURS][0] / max(found["doubt alone"][0], 1e-9)
            for name, values in found.items():
                extra = {f"wrong of the first {n}": v for n, v in zip(LOOKED_AT, values, strict=True)}
                extra["wrong of all"] = float(np.mean(wrong[free]))
                yield Figure(
                    f"mistakes of {level}", name, seconds if name == OURS else alone, extra=extra,
                    goal=f"≥ {GOAL}× doubt alone" if name == OURS else "", met=ratio >= GOAL if name == OURS else None,
                )  # fmt: skip


JOBS = [
    Job("mistakes", "mistakes among the most suspicious predictions, held against the marker, beside doubt alone", ("400", "1,000", "1,500"), mistakes)
]  # fmt: skip
