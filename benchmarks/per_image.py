"""Brightness against the cells of the same image: what it brings on slices and animals that no model has seen.

    python -m benchmarks.per_image                        # about four minutes, one thread
    python -m benchmarks.per_image --seeds 1 --markers PV

Each animal of the synthetic brain is left out in turn; models learn from some labels of the others, and F1 of ON is
taken on every slice of the animal left out.  ``docs/decisions/0019-per-image-features.md`` draws the conclusion.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict

import numpy as np

import celltune_nb as ct
from celltune_nb.learn.training import TrainingData, fit_models

from .labelled_sets import brain_folder

#: Labels: how many ON, how many in all; None for ON: as they come.
LABELS: dict[str, dict[str, tuple[int | None, int]]] = {
    "cFos": {"200 at random": (None, 200), "1,000 at random": (None, 1000)},
    "PV": {"50 ON + 150 OFF": (50, 200), "1,000 at random": (None, 1000), "100 ON + 900 OFF": (100, 1000)},
}


def choices(groups: dict[str, list[str]], names: list[str]) -> dict[str, list[str]]:
    """The features that are compared: raw, both, the relative ones in place of the raw ones, relative and shape."""
    relative = set(groups["Per image"])
    restated = {name.replace("__Relative_", "__") for name in relative}
    chosen = set(groups["Default"])
    kept = {*relative, *groups["Morphology"], "NeighbourCount"}
    return {
        "raw": [n for n in names if n in (chosen | restated) - relative],
        "raw and relative": [n for n in names if n in chosen | restated],
        "relative for raw": [n for n in names if n in chosen],
        "relative and shape": [n for n in names if n in kept & chosen],
    }


def drawn(
    on: np.ndarray, pool: np.ndarray, wanted: tuple[int | None, int], rng: np.random.Generator
) -> np.ndarray:
    """Labels from the animals that are not left out."""
    most, n = wanted
    if most is None:
        return np.sort(rng.choice(pool, n, replace=False))
    positive, negative = pool[on[pool]], pool[~on[pool]]
    most = min(most, len(positive))
    parts = rng.choice(positive, most, replace=False), rng.choice(negative, n - most, replace=False)
    return np.sort(np.concatenate(parts))


def by_slice(
    X: np.ndarray, names: list[str], on: np.ndarray, image: np.ndarray, animal: np.ndarray, rows: np.ndarray, out: np.ndarray, seed: int
) -> list[float]:  # fmt: skip
    """F1 of ON in each slice of the animal left out."""
    data = TrainingData(X[rows], on[rows].astype(int), animal[rows], ("OFF", "ON"), tuple(names))
    handles = fit_models(data, ["xgboost", "catboost"], seed=seed, n_jobs=1).handles
    called = np.mean([h.predict_proba(X[out], n_jobs=1)[:, 1] for h in handles], axis=0) > 0.5
    truth, where = on[out], image[out]
    return [
        2 * np.count_nonzero(truth[here] & called[here]) / max(1, np.count_nonzero(truth[here]) + np.count_nonzero(called[here]))
        for here in (where == name for name in np.unique(where))
    ]  # fmt: skip


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "benchmarks.per_image", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--markers", nargs="+", choices=LABELS, default=list(LABELS))
    options = parser.parse_args(arguments)
    with ct.datasets.load("brain", project=brain_folder()) as session:
        source, items = session.features["cells"], session.items
        compared = {
            how: (chosen, np.ascontiguousarray(source.matrix[:, [source.names.index(n) for n in chosen]]))
            for how, chosen in choices(source.groups, source.names).items()
        }
    image, animal = items["image"].to_numpy(str), items["group"].to_numpy(str)
    print(
        f"| F1 of ON, mean / worst slice | {' | '.join(f'{how} ({len(chosen)})' for how, (chosen, _) in compared.items())} |"
    )
    print("|---" * (1 + len(compared)) + "|", flush=True)
    for marker in options.markers:
        on = items[f"truth_{marker}"].to_numpy(str) == "ON"
        for labels, wanted in LABELS[marker].items():
            found: dict[str, list[list[float]]] = defaultdict(list)
            for seed in range(options.seeds):
                slices: dict[str, list[float]] = defaultdict(list)
                for left_out in np.unique(animal):
                    out = np.flatnonzero(animal == left_out)
                    rows = drawn(
                        on, np.flatnonzero(animal != left_out), wanted, np.random.default_rng([seed, 5])
                    )
                    for how, (names, X) in compared.items():
                        slices[how] += by_slice(X, names, on, image, animal, rows, out, seed)
                for how, values in slices.items():
                    found[how].append([float(np.mean(values)), float(np.min(values))])
            cells = [f"{np.mean(v, axis=0)[0]:.3f} / {np.mean(v, axis=0)[1]:.2f}" for v in found.values()]
            print(f"| {marker}, {labels} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
