"""Trees as flat arrays, evaluated for many items at once.

XGBoost's own prediction walks every tree item by item and waits at each node for a feature value; a million
cells take 5–7 CPU seconds.  Here each feature is first turned into the number of cuts below its value, a byte; then
every node is one comparison of bytes for 256 items at a time, which the processor does 32 or 64 in an instruction.
Leaves are counted from left to right.  An item stands at the first leaf of the subtree it is in, so a node concerns
exactly the items that stand at its own first leaf, and sends some of them to the first leaf of its right branch.
The idea of replacing walks by comparisons over all nodes is QuickScorer's (Lucchese et al., SIGIR 2015).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from . import Float32

__all__ = ["Forest", "Later", "Tree", "build", "is_compiled", "warm_up"]

AT_A_TIME = 256  # items: their features as bytes stay in the processor's nearest cache
MOST_LEAVES = 256  # of a tree
MOST_CUTS = 253  # of a feature: a byte, less one value for a missing feature and one on either side


@dataclass(frozen=True)
class Tree:
    """One tree, node by node; node 0 is the root.

    Attributes
    ----------
    left, right : sequence of int
        Child nodes; -1 in `left` marks a leaf.
    feature : sequence of int
        Column that a node looks at.
    value : sequence of float
        A node's cut (an item goes left where its feature is below), a leaf's value.
    missing_left : sequence of int
        Whether a missing feature goes left.
    output : int
        Column of the result that the tree adds to.
    """

    left: Sequence[int]
    right: Sequence[int]
    feature: Sequence[int]
    value: Sequence[float]
    missing_left: Sequence[int]
    output: int


@dataclass(frozen=True)
class Forest:
    """Trees as flat arrays; see :func:`build`."""

    features: NDArray[np.int64]  # columns that any node looks at
    cut_starts: NDArray[np.int32]
    cuts: Float32  # of each of them, ascending
    node_starts: NDArray[np.int32]  # of each tree
    slot: NDArray[np.int32]  # of each node: which of `features`
    shift: NDArray[np.uint8]  # 1: a missing feature, byte 0, wraps round to 255 and goes right
    bound: NDArray[np.uint8]  # bytes above it go right
    here: NDArray[np.uint8]  # first leaf of the node
    right: NDArray[np.uint8]  # first leaf of its right branch
    leaf_starts: NDArray[np.int32]  # of each tree
    leaves: Float32
    outputs: NDArray[np.int32]  # of each tree
    base: Float32  # of each output, before any tree

    def margins(self, X: Float32) -> Float32:
        """Sums of the leaves that each item reaches.

        Parameters
        ----------
        X : float32 array, shape (n, f)
            NaN is missing.

        Returns
        -------
        float32 array, shape (n, k)
            Added up in the order of the trees, as the library does.
        """
        out = np.empty((len(X), len(self.base)), np.float32)
        _evaluate(
            np.ascontiguousarray(X), self.features, self.cut_starts, self.cuts, self.node_starts, self.slot, self.shift,
            self.bound, self.here, self.right, self.leaf_starts, self.leaves, self.outputs, self.base, out,
        )  # fmt: skip
        return out

    def trying(self, n: int, width: int) -> Float32:
        """Rows that try the trees out: values at the cuts and between them, some of them missing.

        Returns
        -------
        float32 array, shape (n, width)
        """
        rng = np.random.default_rng(0)
        X = rng.normal(size=(n, width)).astype(np.float32)
        for slot, column in enumerate(self.features):
            own = self.cuts[self.cut_starts[slot] : self.cut_starts[slot + 1]]
            X[:, column] = rng.choice(own, n) + np.where(rng.random(n) < 0.5, 0, rng.normal(size=n))
        # an infinite cut parts the missing from all others; no feature is infinite
        X[np.isinf(X) | (rng.random(X.shape) < 0.05)] = np.nan
        return X


class Later:
    """A forest that is built when it is first asked for, once, whichever thread asks.

    Parameters
    ----------
    make : callable
        Returns the forest; None where there can be none.
    """

    def __init__(self, make: Callable[[], Forest | None]) -> None:
        self._make = make
        self._made: tuple[Forest | None, ...] = ()
        self._lock = threading.Lock()

    def __call__(self) -> Forest | None:
        """The forest."""
        with self._lock:
            if not self._made:
                self._made = (self._make(),)
            return self._made[0]


def build(trees: Sequence[Tree], base: Float32) -> Forest | None:
    """Flatten trees.

    Parameters
    ----------
    trees : sequence of Tree
    base : float32 array, shape (k,)
        Of each output, before any tree.

    Returns
    -------
    Forest or None
        None where a tree has more than 256 leaves or a feature more than 253 cuts.
    """
    found: dict[int, set[np.float32]] = {}
    for tree in trees:
        for left, feature, value in zip(tree.left, tree.feature, tree.value, strict=True):
            if left != -1:
                found.setdefault(feature, set()).add(np.float32(value))
    if any(sum(left == -1 for left in tree.left) > MOST_LEAVES for tree in trees):
        return None
    if any(len(own) > MOST_CUTS for own in found.values()):
        return None
    features = sorted(found)
    place = {feature: slot for slot, feature in enumerate(features)}
    cuts = [np.array(sorted(found[feature]), np.float32) for feature in features]
    nodes: list[tuple[int, int, int, int, int]] = []  # slot, shift, bound, here, right
    node_starts, leaf_starts, leaves = [0], [], list[float]()

    def visit(tree: Tree, node: int, first: int) -> int:
        """Put down a node before its branches, which is what lets a leaf's number say where an item stands."""
        if tree.left[node] == -1:
            leaves.append(tree.value[node])
            return first + 1
        slot, at = place[tree.feature[node]], len(nodes)
        below = int(np.searchsorted(cuts[slot], np.float32(tree.value[node])))
        shift, bound = (0, below + 1) if tree.missing_left[node] else (1, below)
        nodes.append((slot, shift, bound, first, 0))
        right = visit(tree, tree.left[node], first)
        nodes[at] = (slot, shift, bound, first, right)
        return visit(tree, tree.right[node], right)

    for tree in trees:
        leaf_starts.append(len(leaves))
        visit(tree, 0, 0)
        node_starts.append(len(nodes))
    slot, *parts = np.array(nodes, np.int32).reshape(-1, 5).T
    shift, bound, here, right = (np.ascontiguousarray(part.astype(np.uint8)) for part in parts)
    return Forest(
        np.array(features, np.int64),
        np.cumsum([0, *map(len, cuts)]).astype(np.int32),
        np.concatenate(cuts) if cuts else np.empty(0, np.float32),
        np.array(node_starts, np.int32),
        np.ascontiguousarray(slot),
        shift,
        bound,
        here,
        right,
        np.array(leaf_starts, np.int32),
        np.array(leaves, np.float32),
        np.array([tree.output for tree in trees], np.int32),
        np.asarray(base, np.float32),
    )


def is_compiled() -> bool:
    """Whether the machine code is in memory, or on disk and newer than this file."""
    dispatcher: Any = _evaluate
    if dispatcher.signatures:
        return True
    folder, source = dispatcher.stats.cache_path, Path(__file__)
    if folder is None:
        return False
    written = [path.stat().st_mtime for path in Path(folder).glob(f"{source.stem}._evaluate-*.nbi")]
    return bool(written) and (not source.exists() or max(written) >= source.stat().st_mtime)


def warm_up() -> None:
    """Compile, or load the machine code from the disk: seconds the first time, milliseconds later."""
    forest = build(
        [Tree([1, -1, -1], [2, -1, -1], [0, 0, 0], [0.0, -1.0, 1.0], [0, 0, 0], 0)], np.zeros(1, np.float32)
    )
    assert forest is not None
    forest.margins(np.zeros((1, 1), np.float32))


def _compiled(function):  # type: ignore[no-untyped-def]
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba: no folder for the machine code can be written
        return numba.njit(nogil=True)(function)


@_compiled
def _count(X, start, size, features, cut_starts, cuts, level):  # type: ignore[no-untyped-def]
    """level[f, r] = 1 + how many cuts of a feature are not above the value of item start + r; 0 where it is missing."""
    column = np.zeros(AT_A_TIME, np.float32)
    below = np.empty(AT_A_TIME, np.int32)
    for f in range(len(features)):
        source = features[f]
        for r in range(size):
            column[r] = X[start + r, source]
        for r in range(AT_A_TIME):
            below[r] = 1
        for c in range(cut_starts[f], cut_starts[f + 1]):
            cut = cuts[c]
            for r in range(AT_A_TIME):
                below[r] += column[r] >= cut
        for r in range(AT_A_TIME):
            level[f, r] = below[r] if column[r] == column[r] else 0


@_compiled
def _evaluate(  # type: ignore[no-untyped-def]
    X, features, cut_starts, cuts, node_starts, slot, shift, bound, here, right, leaf_starts, leaves, outputs, base, out
):  # fmt: skip
    n, k = out.shape
    level = np.empty((len(features), AT_A_TIME), np.uint8)
    sums = np.empty((k, AT_A_TIME), np.float32)
    leaf = np.empty(AT_A_TIME, np.uint8)
    for start in range(0, n, AT_A_TIME):
        size = min(AT_A_TIME, n - start)
        _count(X, start, size, features, cut_starts, cuts, level)
        for j in range(k):
            sums[j, :] = base[j]
        for t in range(len(outputs)):
            leaf[:] = 0
            for i in range(node_starts[t], node_starts[t + 1]):
                s, away, most, stands, goes = slot[i], shift[i], bound[i], here[i], right[i]
                for r in range(AT_A_TIME):
                    leaf[r] = goes if (np.uint8(level[s, r] - away) > most) & (leaf[r] == stands) else leaf[r]
            j, first = outputs[t], leaf_starts[t]
            for r in range(AT_A_TIME):
                sums[j, r] += leaves[first + leaf[r]]
        for r in range(size):
            out[start + r] = sums[:, r]
