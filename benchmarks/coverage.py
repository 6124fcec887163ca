"""Do corrected counts hold what they promise?  ``python -m benchmarks.coverage [repeats]``.

Slices of several animals are made up, with known truth, whose staining shifts the probabilities of a classifier that is
too sure of itself: its errors differ by slice and animal.  An audit is drawn by the product's own design, and three ways to
correct the count of each slice are held against the truth:

* *pooled, shrunk* – what the product does (:mod:`celltune_nb.learn.counting`);
* *one correction for all* – the share right among the called and among the others, from the whole audit, applied to every
  slice (post-stratified), with its interval;
* *own cells only* – the same, from each slice's own audited cells.

Printed: how often 95 % intervals hold the true number of a slice and of an animal, how wide they are, and the median error.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from celltune_nb.learn.audit import audit
from celltune_nb.learn.counting import Units, binned, fit, sums
from celltune_nb.learn.intervals import share
from celltune_nb.learn.pool import Pool

__all__ = ["SETTINGS", "Estimate", "coverage", "made_up"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: What slices, stains and classifiers are tried; what is left out is as in the first.
SETTINGS: dict[str, dict[str, Any]] = {
    "12 slices, 6 animals, 10 % ON, audit 250": {},
    "errors differ twice as much": {"shift": 0.9, "animal_shift": 0.5},
    "errors are alike everywhere": {"shift": 0.0, "animal_shift": 0.0},
    "strength of the signal differs too": {"strength": 0.3, "apart": 1.5},
    "classifier far too sure": {"sure": 4.0},
    "1.5 % ON": {"on": 0.015},
    "audit 100": {"audited": 100},
    "audit 400": {"audited": 400},
    "30 small slices": {"slices": 30, "cells": 600},
    "200 slices, 20 animals": {"slices": 200, "animals": 20, "cells": 300},
}


@dataclass(frozen=True, eq=False)
class Estimate:
    """Of every slice or animal."""

    value: Floats
    low: Floats
    high: Floats


def made_up(
    rng: np.random.Generator, *, slices: int = 12, animals: int = 6, cells: int = 1500, on: float = 0.1, shift: float = 0.5,
    animal_shift: float = 0.3, apart: float = 2.0, sure: float = 1.6, strength: float = 0.0,
) -> tuple[Ints, Ints, NDArray[np.bool_], Floats]:  # fmt: skip
    """Slice, animal, truth and probability of every cell."""
    where = np.repeat(np.arange(slices), cells)
    owner = np.arange(slices) * animals // slices
    often = expit(np.log(on / (1 - on)) + rng.normal(0, 0.5, slices) + rng.normal(0, 0.25, animals)[owner])
    truth = rng.random(len(where)) < often[where]
    of_animal = rng.normal(0, animal_shift, animals)[owner]
    bright, dark = of_animal + rng.normal(0, shift, slices), of_animal + rng.normal(0, shift / 2, slices)
    scale = np.exp(rng.normal(0, strength, slices))
    signal = np.where(truth, apart * scale[where] + bright[where], dark[where] - apart) + rng.normal(
        0, 1, len(where)
    )
    return where, owner[where], truth, np.asarray(expit(sure * signal), np.float64)


def _product(p: Floats, truth: NDArray[np.bool_], rows: Ints, w: Floats, units: Units) -> dict[int, Estimate]:
    called = p >= 0.5
    model = fit(p[rows], called[rows], truth[rows], w, units.part(rows))
    place, middle = binned(p)
    left = np.ones(len(p), bool)
    left[rows] = False
    columns = np.column_stack([*(codes[left] for codes in units.codes), 2 * place[left] + called[left]])
    kinds, cells = np.unique(columns, axis=0, return_counts=True)
    of = Units([kinds[:, i] for i in range(len(units.codes))], units.sizes)
    chance = model.probability(middle[kinds[:, -1] // 2], (kinds[:, -1] % 2).astype(np.float64), of)
    found = {}
    for i, (codes, size) in enumerate(zip(units.codes, units.sizes, strict=True)):
        known = np.bincount(codes[rows], truth[rows], size)
        s = sums([(chance, cells.astype(np.float64), kinds[:, i])], known, chance.shape[1])
        found[i] = Estimate(s.value, s.low, s.high)
    return found


def _stratified(
    p: Floats, truth: NDArray[np.bool_], rows: Ints, w: Floats, codes: Ints, size: int, own: bool
) -> Estimate:
    """Share right of the called and of the others, times how many there are."""
    called = p >= 0.5
    out = np.zeros((3, size))
    for unit in range(size):
        use = codes[rows] == unit if own else np.ones(len(rows), bool)
        reach = 0.0
        for side in (True, False):
            n = np.count_nonzero(called[codes == unit] == side)
            some = use & (called[rows] == side)
            s = share(truth[rows][some], w[some])
            value = float(side) if np.isnan(s.value) else s.value
            out[0, unit] += n * value
            reach += (n * (s.high - s.low) / 2) ** 2
        out[1, unit], out[2, unit] = out[0, unit] - np.sqrt(reach), out[0, unit] + np.sqrt(reach)
    return Estimate(*out)


def coverage(
    repeats: int, setting: Mapping[str, Any], seed: int = 0
) -> dict[str, dict[str, dict[str, float]]]:
    """Method → "slice" or "animal" → covered (share of intervals that hold the truth), its standard error over repeats, width
    and error (relative, median)."""
    setting = dict(setting)
    n = setting.pop("audited", 250)
    every: dict[str, dict[str, list[tuple[Floats, Floats, Floats]]]] = {}
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat])
        where, owner, truth, p = made_up(rng, **setting)
        nothing = np.zeros(len(p))
        pool = Pool(np.arange(len(p)), None, where, owner, nothing, nothing, [np.stack([p, 1 - p], axis=1)])
        drawn, inclusion = audit(pool, n, rng)
        rows, w = drawn.ids, 1 / inclusion[drawn.ids]
        units = Units([where, owner], (int(where.max()) + 1, int(owner.max()) + 1))
        ours = _product(p, truth, rows, w, units)
        for i, (name, codes) in enumerate((("slice", where), ("animal", owner))):
            size = units.sizes[i]
            real = np.bincount(codes, truth, size)
            raw = np.bincount(codes, p >= 0.5, size)
            found = {
                "pooled, shrunk": ours[i], "one correction for all": _stratified(p, truth, rows, w, codes, size, own=False),
                "own cells only": _stratified(p, truth, rows, w, codes, size, own=True), "as called": Estimate(raw, raw, raw),
            }  # fmt: skip
            for method, e in found.items():
                scale = np.maximum(real, 1)
                every.setdefault(method, {}).setdefault(name, []).append(
                    (
                        (e.low <= real) & (real <= e.high),
                        (e.high - e.low) / scale,
                        np.abs(e.value - real) / scale,
                    )  # type: ignore[arg-type]
                )
    return {
        method: {
            name: {
                "covered": float(np.mean([r[0].mean() for r in rows_])),
                "uncertain": float(np.std([r[0].mean() for r in rows_]) / len(rows_) ** 0.5),
                "width": float(np.median(np.concatenate([r[1] for r in rows_]))),
                "error": float(np.median(np.concatenate([r[2] for r in rows_]))),
            }
            for name, rows_ in of.items()
        }
        for method, of in every.items()
    }


def main(repeats: int) -> None:
    """Print the table."""
    print(
        f"{repeats} repeats (a quarter with 200 slices); covered ± standard error / median width / median error, relative to the true count\n"
    )
    for title, setting in SETTINGS.items():
        print(title)
        few = max(5, repeats // 4) if setting.get("slices", 0) > 100 else repeats
        for method, of in coverage(few, setting).items():
            cells = "   ".join(
                f"{name} {v['covered']:.3f} ± {v['uncertain']:.3f} {v['width']:.2f} {v['error']:.3f}"
                for name, v in of.items()
            )
            print(f"  {method:24s} {cells}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
