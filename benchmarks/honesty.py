"""Whether the figures that an audit gives are true: 100 audits each, on cells whose truth is known.

Every audit goes through the session's own verbs: draw, label with source "audit", evaluate.  The models
were taught actively, so the labels are anything but a fair sample.  Counted is how often the 95 % interval
holds the truth: of accuracy and macro-F1 on all cells the models have not learned from, of each category's
F1, and of each category's share of all cells.  Beside them: percentiles of the usual bootstrap on the same
audits, cross-validation on the labels, and the uncorrected counts.

"±" is two binomial standard errors of a coverage.  "rare" are categories below 2.5 %.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from celltune_nb.session import Session
from celltune_nb.session.annotator import Annotator
from celltune_nb.session.jobs import Jobs
from celltune_nb.session.labelled import Cells

from .harness import OURS, Figure, Job

RUNS, PROJECTS = 100, 10
HELD, CALIBRATED = 0.90, 0.03
RARE = 0.025
OLD = "bootstrap percentiles"


@dataclass(frozen=True)
class Scenario:
    """Cells, the labels the models learn from, and whether the audit is topped up after another round."""

    cells: Callable[[int], Cells]
    labels: int
    topped: bool = False
    models: tuple[str, ...] = ("xgboost", "catboost")


def tissue(donors: int, seed: int) -> Cells:
    """Synthetic tissue whose stains scatter, so that about one cell in ten is taken for another."""
    from celltune_nb.datasets import tissue as synthetic

    made = synthetic.table(6000, fields=12, donors=donors, seed=seed)
    wanted = (
        "Mean__Cell",
        "Std__Cell",
        "P95__Cell",
        "NeighbourMean__Cell",
        "Area__Cell",
        "Eccentricity__Cell",
    )
    columns = [i for i, name in enumerate(made.names) if name.endswith(wanted)]
    noise = np.random.default_rng(seed).standard_normal((6000, len(columns)), dtype=np.float32)
    return Cells(
        made.matrix[:, columns] * np.exp(np.float32(0.6) * noise), tuple(made.names[i] for i in columns),
        np.array(made.categories, object)[made.cell_type], np.array(made.images, object)[made.image],
        np.array(made.donors, object)[made.donor], made.y, made.x,
    )  # fmt: skip


def real(name: str) -> Callable[[int], Cells]:
    """A real set; its cells are the same each time, the labels that are chosen are not."""

    def load(_seed: int) -> Cells:
        from .labelled_sets import load

        return load(name)

    return load


SCENARIOS = {
    "tissue 6 donors": Scenario(lambda seed: tissue(6, seed), 240),
    "tissue 3, topped up": Scenario(lambda seed: tissue(3, seed), 240, True, ("xgboost",)),
    "chula": Scenario(real("chula"), 600),
    "vectra": Scenario(real("vectra"), 300),
}


def taught(scenario: Scenario, folder: Path, seed: int):
    """A project whose models were taught actively, first by clusters and then by margin; the truth by item."""
    cells = scenario.cells(seed)
    session, truth = cells.project(folder, np.arange(len(cells)))
    with session:
        annotator = Annotator(session, truth, seed=seed, models=scenario.models, n_jobs=1)
        for _ in range(2):
            annotator.label(annotator.sample(scenario.labels // 2))
            annotator.train()
    return truth


def audited(template: Path, truth, n: int, seed: int, scenario: Scenario):
    """One audit on a copy of a project; yields the open session and its evaluation."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(template, Path(folder) / "project")
        with Session.open(copy, jobs=Jobs(inline=True)) as session:
            annotator = Annotator(session, truth, seed=seed, models=scenario.models, n_jobs=1)
            if scenario.topped:
                annotator.label(session.draw_audit(n // 2, seed=annotator.draw()), source="audit")
                annotator.label(annotator.sample(40))
                annotator.train()
                n -= n // 2
            annotator.label(session.draw_audit(n, seed=annotator.draw()), source="audit")
            start = time.perf_counter()
            found = session.evaluate()
            yield session, found, time.perf_counter() - start


def true_figures(session: Session, truth) -> dict:
    """What the evaluation estimates, from all cells."""
    from celltune_nb.learn.calibration import ece, reliability
    from celltune_nb.learn.metrics import confusion_counts, macro_f1, per_category
    from celltune_nb.session.evaluations import calibrate
    from celltune_nb.session.runs import trained_on

    names = sorted(set(truth))
    y = np.searchsorted(names, truth.to_numpy(str))
    raw = session.populations["Pred_AVG"].probabilities()
    calibrated = calibrate(
        session.run, raw.to_numpy(np.float32)
    )  # what session.predict(calibrated=True) gives
    place = np.searchsorted(names, np.asarray(raw.columns, str))
    said = place[raw.to_numpy().argmax(axis=1)]
    fresh = ~np.isin(truth.index, trained_on(session.run))
    confusion = confusion_counts(y[fresh], said[fresh], len(names))

    def error(probabilities) -> float:
        p = np.zeros((int(fresh.sum()), len(names)))
        p[:, place] = probabilities[fresh]
        return ece(reliability(p, y[fresh]))

    return {
        "accuracy": float(np.trace(confusion) / confusion.sum()), "macro_f1": macro_f1(confusion),
        "f1": dict(zip(names, per_category(confusion)["f1"], strict=True)),
        "share": dict(zip(names, np.bincount(y, minlength=len(names)) / len(y), strict=True)),
        "raw": dict(zip(names, np.bincount(said, minlength=len(names)) / len(y), strict=True)),
        "ece": error(raw.to_numpy()), "ece_after": error(calibrated),
    }  # fmt: skip


def bootstrap(found, member, rng, replicates: int = 1000) -> dict:
    """Middle 95 % over resampled groups, items where there are fewer than five: what is mostly done."""
    k, n = len(found.categories), found.n
    units = int(member.max()) + 1
    if units < 5:
        member, units = np.arange(n), n
    times = rng.multinomial(units, np.full(units, 1 / units), size=replicates)[:, member] * found.weights
    pair = found.truth * k + found.predicted
    confusion = np.zeros((replicates, k * k))
    for p in np.unique(pair):
        confusion[:, p] = times[:, pair == p].sum(axis=1)
    confusion = confusion.reshape(-1, k, k)
    hit, support, called = np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(2), confusion.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = 2 * hit / (support + called)
        share = support / support.sum(1, keepdims=True)
    macro = np.where(support > 0, f1, 0).sum(1) / (support > 0).sum(1)

    def middle(values):
        values = values[np.isfinite(values)]
        return np.percentile(values, [2.5, 97.5]) if len(values) else (np.nan, np.nan)

    return {
        "accuracy": middle(hit.sum(1) / support.sum(1)), "macro_f1": middle(macro),
        "f1": {name: middle(f1[:, c]) for c, name in enumerate(found.categories)},
        "share": {name: middle(share[:, c]) for c, name in enumerate(found.categories)},
    }  # fmt: skip


def error(held) -> float:
    """Two binomial standard errors of a coverage (with two runs of either kind added, so that 100 of 100 has one)."""
    p = (np.sum(held) + 2) / (len(held) + 4)
    return 2 * float(np.sqrt(p * (1 - p) / len(held)))


class Tally:
    """How often limits held the truth, how wide they were, and by how much the figure was off."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], list[tuple[str, float, float, float, bool]]] = defaultdict(list)

    def add(self, who: str, task: str, what: str, low, high, value, truth, *, rare: bool = False) -> None:
        if np.isfinite(truth) and np.isfinite(low):
            held = low - 1e-12 <= truth <= high + 1e-12
            self._rows[who, task].append((what, float(held), high - low, value - truth, rare))

    def extra(self, who: str, task: str) -> dict[str, float]:
        rows = self._rows[who, task]
        held = np.array([row[1] for row in rows])
        found = {"coverage": float(held.mean())}
        names = sorted({row[0] for row in rows})
        if len(names) > 1:
            by_name = {name: held[[row[0] == name for row in rows]] for name in names}
            found["worst"] = min(float(hits.mean()) for hits in by_name.values() if len(hits) >= RUNS // 4)
            rare = held[[row[4] for row in rows]]
            found |= {"rare": float(rare.mean())} if len(rare) else {}
        else:
            found["±"] = error(held)
            found["off by"] = float(np.mean([row[3] for row in rows]))
        found["width"] = float(np.mean([row[2] for row in rows]))
        return found


def scenario_figures(name: str, scenario: Scenario, n: int) -> Iterator[Figure]:
    """100 audits of n cells: 10 on each of 10 projects."""
    tally, seconds = Tally(), []
    off: dict[str, list[float]] = defaultdict(list)
    errors: dict[str, list[float]] = defaultdict(list)
    for seed in range(PROJECTS):
        with tempfile.TemporaryDirectory() as place:
            template = Path(place) / "project"
            truth = taught(scenario, template, seed)
            for repeat in range(RUNS // PROJECTS):
                for session, found, took in audited(template, truth, n, 1000 * seed + repeat, scenario):
                    assert found.kind == "audit"
                    true = true_figures(session, truth)
                    _compare(tally, off, session, found, true, seed=repeat)
                    seconds.append(took)
                    for key, value in (
                        ("before", true["ece"]), ("ECE", true["ece_after"]), ("reported", found.ece_after),
                        ("chance", found.ece_chance), ("temperature", found.temperature),
                    ):  # fmt: skip
                        errors[key].append(value)
                    if repeat == 0:
                        _cross_validate(tally, session, true)
    yield from _figures(name, n, tally, off, errors, float(np.mean(seconds)))


def _compare(tally: Tally, off: dict, session: Session, found, true: dict, seed: int) -> None:
    units, _ = session.table.units()
    member = np.unique(units[session.positions(found.ids)], return_inverse=True)[1]
    old = bootstrap(found, member, np.random.default_rng([seed, 31]))
    for key in ("accuracy", "macro_f1"):
        value = getattr(found, key)
        tally.add(OURS, key, key, *found.interval[key], value, true[key])
        tally.add(OLD, key, key, *old[key], value, true[key])
    for c, category in enumerate(found.categories):
        share = true["share"][category]
        rare = share < RARE
        row, count = found.per_category.loc[category], found.prevalence.loc[category]
        tally.add(OURS, "f1", category, row["low"], row["high"], row["f1"], true["f1"][category], rare=rare)
        tally.add(OLD, "f1", category, *old["f1"][category], row["f1"], true["f1"][category], rare=rare)
        tally.add(OURS, "share", category, count["low"], count["high"], count["corrected"], share, rare=rare)
        alone = found.weights[found.truth == c].sum() / found.weights.sum()
        tally.add(OLD, "share", category, *old["share"][category], alone, share, rare=rare)
        for who, value in (
            ("raw", true["raw"][category]),
            ("corrected", count["corrected"]),
            ("alone", alone),
        ):
            off[who].append(abs(value - share))
            if rare:
                off[f"rare {who}"].append(value / share)


def _cross_validate(tally: Tally, session: Session, true: dict) -> None:
    """Random folds of the labels, as cross-validation is mostly done."""
    from celltune_nb.learn.evaluation import evaluate_out_of_fold
    from celltune_nb.session.training import snapshot

    data = snapshot(session, session.level).data()
    data = replace(data, groups=np.zeros(len(data.y)))
    found = evaluate_out_of_fold(data, session.run.model_names, rounds=session.run.about["rounds"], n_jobs=1)
    for key in ("accuracy", "macro_f1"):
        tally.add(
            "random folds of the labels", key, key, *found.interval[key], getattr(found, key), true[key]
        )


def _figures(name: str, n: int, tally: Tally, off: dict, errors: dict, seconds: float) -> Iterator[Figure]:
    for key, title in (
        ("accuracy", "accuracy"), ("macro_f1", "macro-F1"), ("f1", "F1s"), ("share", "counts"),
    ):  # fmt: skip
        ours = tally.extra(OURS, key)
        old = tally.extra(OLD, key)
        met = min(ours["coverage"], ours.get("rare", 1.0), ours["worst"] if key == "share" else 1.0) >= HELD
        if key == "share":
            ours |= _off(off, "corrected")
            old |= _off(off, "alone")
        yield Figure(
            f"{title}: {name}", OURS, seconds, extra=ours, goal=f"≥ {HELD:g} of {RUNS} runs", met=met
        )
        yield Figure(f"{title}: {name}", OLD, seconds, extra=old)
        if key in ("accuracy", "macro_f1"):
            who = "random folds of the labels"
            yield Figure(f"{title}: {name}", who, seconds, extra=tally.extra(who, key))
        if key == "share":
            yield Figure(f"{title}: {name}", "predictions counted", seconds, extra=_off(off, "raw"))
    mean = {key: float(np.mean(values)) for key, values in errors.items()}
    yield Figure(
        f"calibration: {name}", OURS, seconds,
        extra={"ECE of all cells": mean["ECE"], "reported": mean["reported"], "chance": mean["chance"],
               "temperature": mean["temperature"]},
        goal=f"≤ {CALIBRATED:g} with 200 cells" if n >= 200 else "", met=mean["ECE"] <= CALIBRATED if n >= 200 else None,
    )  # fmt: skip
    yield Figure(
        f"calibration: {name}", "as the models say", seconds, extra={"ECE of all cells": mean["before"]}
    )


def _off(off: dict, who: str) -> dict[str, float]:
    """Mean absolute error of a share, and how many times too high (or low) rare categories are counted on average."""
    found = {"off by": float(np.mean(off[who]))}
    rare = off.get(f"rare {who}")
    return found | ({"rare ×": float(np.mean(rare))} if rare else {})


def new_donors(n: int, runs: int = 1000) -> Iterator[Figure]:
    """Donors whose accuracy differs by .08: does the interval hold what new donors would give?"""
    from celltune_nb.learn.intervals import share

    for donors in (3, 6, 12):
        held: dict[str, list[bool]] = defaultdict(list)
        for run in range(runs):
            rng = np.random.default_rng([run, donors, n])
            member = np.arange(n) % donors
            right = rng.random(n) < np.clip(rng.normal(0.85, 0.08, donors), 0, 1)[member]
            found = share(right, np.ones(n), member)
            held[OURS].append(found.low <= 0.85 <= found.high)
            per_donor = np.bincount(member, right) / np.bincount(member)
            drawn = per_donor[rng.integers(0, donors, (500, donors))].mean(axis=1)
            low, high = np.percentile(drawn, [2.5, 97.5])
            held[OLD].append(bool(low <= 0.85 <= high))
        for who, hits in held.items():
            p = float(np.mean(hits))
            asked = who == OURS and donors >= 5
            yield Figure(
                f"accuracy: {donors} differing donors", who, 0.0,
                extra={"coverage": p, "±": error(hits)},
                goal=f"≥ {HELD:g}" if asked else "", met=p >= HELD if asked else None,
            )  # fmt: skip


def run(size: str) -> Iterator[Figure]:
    """All scenarios with that many audit cells."""
    from .labelled_sets import AbsentError

    n = int(size)
    yield from new_donors(n)
    for name, scenario in SCENARIOS.items():
        try:
            yield from scenario_figures(name, scenario, n)
        except AbsentError as error:
            print(error)


JOBS = [
    Job(
        "honesty",
        "audit intervals, corrected counts and calibration on known truth, beside the bootstrap and cross-validation",
        ("100", "200", "300"),
        run,
    )
]
