"""Synthetic cells with known categories, shared by the tests of this floor."""

from __future__ import annotations

import numpy as np

from celltune_nb.learn.training import TrainingData


def make(n, seed=0, *, k=5, f=20, groups=6, spread=1.0, amount=1.5):
    """Features, codes and groups of `n` cells; every category occurs in every group once n is large."""
    centres = np.random.default_rng(7).normal(0, amount, (k, f)) * (
        np.random.default_rng(8).random((k, f)) < 0.4
    )
    rng = np.random.default_rng(seed)
    share = np.geomspace(1.0, 0.2, k)
    y = rng.choice(k, n, p=share / share.sum())
    y[:k] = np.arange(k)
    X = (centres[y] + rng.normal(0, spread, (n, f))).astype(np.float32)
    return X, y, rng.integers(0, groups, n)


def training_data(n=300, seed=0, **options):
    X, y, g = make(n, seed, **options)
    k = options.get("k", 5)
    return TrainingData(
        X,
        y,
        g,
        tuple(f"T{i}" for i in range(k)),
        tuple(f"f{i}" for i in range(X.shape[1])),
        "hash",
        3,
        "image",
    )
