"""Clusters of cells: found on a sample, then every cell goes to the nearest part of one.

* ``leiden`` – communities of a graph of nearest neighbours weighted by what they share (Levine 2015, Traag 2019);
* ``kmeans`` – as many as asked for;
* ``flowsom`` – a codebook of 100 nodes, merged by how near they are (after Van Gassen 2015, with k-means for the map).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .clustering import Scaling, distances

__all__ = ["METHODS", "find_clusters", "top_features"]

METHODS = ("leiden", "kmeans", "flowsom")
#: Items that clusters are found on, and how many of them make a graph of neighbours.
SAMPLE, GRAPH = 50_000, 20_000
#: Principal axes that distances are taken along, neighbours in the graph, parts of a cluster that items go to.
AXES, NEIGHBOURS, PARTS = 20, 15, 20
NODES = 100
Progress = Callable[[float, str], object]


def find_clusters(
    rows: Callable[[Any], NDArray[np.float32]], n: int, *, method: str, clusters: int, resolution: float, seed: int,
    progress: Progress,
) -> NDArray[np.int64]:  # fmt: skip
    """Group items.

    Parameters
    ----------
    rows : callable
        Features of some items: takes positions (an array, or a slice), gives float32 (m, f).
    n : int
        Number of items.
    method : {"leiden", "kmeans", "flowsom"}
    clusters : int
        How many ``kmeans`` and ``flowsom`` make.
    resolution : float
        Of ``leiden``: larger gives more and smaller clusters.

    Returns
    -------
    ndarray of int64, shape (n,)
        Number of the cluster, 0 the largest; -1 for an item without any value.
    """
    rng = np.random.default_rng(seed)
    most = GRAPH if method == "leiden" else SAMPLE
    sample = np.arange(n) if n <= most else np.sort(rng.choice(n, most, replace=False))
    X = rows(sample)
    X = X[np.isfinite(X).any(axis=1)]
    if len(X) < 10:
        raise InputError(
            f"{len(X)} cells have features: too few to cluster. Measure first: in Data, or with session.measure()."
        )
    scaling = Scaling.of(X, AXES)
    Z = scaling(X)
    progress(0.1, f"grouping {len(Z):,} cells")
    if method == "leiden":
        label = _leiden(Z, resolution, seed, progress)
    else:
        label = _by_centres(Z, method, min(clusters, len(Z)), seed)
    progress(0.7, "finding the middles of the clusters")
    centres, owner = _parts(Z, label, seed)
    found = np.full(n, -1, np.int64)
    for start in range(0, n, 50_000):
        part = slice(start, min(start + 50_000, n))
        X = rows(part)
        known = np.isfinite(X).any(axis=1)
        Z = scaling(X[known])
        nearest = distances(Z, np.zeros(len(Z), np.float32), centres).argmin(axis=1)
        found[start + np.flatnonzero(known)] = owner[nearest]
        progress(0.75 + 0.25 * part.stop / n, f"{part.stop:,} of {n:,} cells")
    sizes = np.bincount(found[found >= 0], minlength=int(owner.max()) + 1)
    rank = np.empty(len(sizes), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return np.where(found >= 0, rank[found], -1)


def _leiden(Z: NDArray[np.float32], resolution: float, seed: int, progress: Progress) -> NDArray[np.int64]:
    import random

    import igraph
    from scipy.sparse import csr_array
    from sklearn.neighbors import NearestNeighbors

    k = min(NEIGHBOURS, len(Z) - 1)
    index = NearestNeighbors(n_neighbors=k + 1, algorithm="brute", n_jobs=1).fit(Z)
    near = np.empty((len(Z), k), np.int64)
    for start in range(0, len(Z), 2_000):
        part = slice(start, start + 2_000)
        found = index.kneighbors(Z[part], return_distance=False)
        # Itself stands among its neighbours, but not always first where cells are alike.
        own = found == np.arange(start, start + len(found))[:, None]
        own[~own.any(axis=1), -1] = True
        near[part] = found[~own].reshape(-1, k)
        progress(0.1 + 0.4 * min(1.0, part.stop / len(Z)), "finding neighbours")
    source = np.repeat(np.arange(len(Z)), k)
    links = csr_array((np.ones(len(source), np.float32), (source, near.ravel())), (len(Z), len(Z)))
    shared = (links @ links.T).tocsr()[source, near.ravel()]
    shared = np.asarray(shared).ravel()
    weight = shared / (2 * k - shared)  # Jaccard's index of the two neighbourhoods
    keep = weight > 0
    graph = igraph.Graph(n=len(Z), edges=np.column_stack([source[keep], near.ravel()[keep]]))
    graph.es["weight"] = weight[keep].tolist()
    progress(0.6, "finding communities")
    igraph.set_random_number_generator(random.Random(seed))  # noqa: S311 - a repeatable result, no secret
    try:
        found = graph.community_leiden("modularity", weights="weight", resolution=resolution, n_iterations=2)
    finally:
        igraph.set_random_number_generator(random)
    label = np.array(found.membership, np.int64)
    # Cells far from all others are communities of their own: they go to the nearest of the others instead.
    sizes = np.bincount(label)
    small = sizes < min(10, sizes.max())
    return np.where(small[label], -1, label)


def _by_centres(Z: NDArray[np.float32], method: str, clusters: int, seed: int) -> NDArray[np.int64]:
    from sklearn.cluster import AgglomerativeClustering, KMeans

    if method == "kmeans":
        return KMeans(clusters, n_init=3, random_state=seed).fit_predict(Z).astype(np.int64)
    nodes = KMeans(min(max(NODES, clusters), len(Z)), n_init=1, max_iter=50, random_state=seed).fit(Z)
    merged = AgglomerativeClustering(clusters, linkage="average").fit_predict(nodes.cluster_centers_)
    return np.asarray(merged[nodes.labels_], np.int64)


def _parts(
    Z: NDArray[np.float32], label: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Centres of parts of each cluster, which follow its shape as one middle does not, and whose they are."""
    from sklearn.cluster import KMeans

    centres, owner = [], []
    for new, number in enumerate(np.unique(label[label >= 0]).tolist()):
        rows = Z[label == number]
        rows = rows[:: max(1, len(rows) // 2_000)]
        k = min(PARTS, max(1, len(rows) // 20))
        middle = (
            KMeans(k, n_init=1, max_iter=20, random_state=seed).fit(rows).cluster_centers_
            if k > 1
            else rows.mean(0)[None]
        )
        centres.append(np.asarray(middle, np.float32))
        owner.append(np.full(len(middle), new))
    return np.concatenate(centres), np.concatenate(owner)


def top_features(
    X: NDArray[np.float32], label: NDArray[np.int64], names: list[str], n: int = 3
) -> dict[int, list[tuple[str, float]]]:
    """The features in which each cluster lies highest above all cells, in units of their spread.

    Parameters
    ----------
    X : ndarray of float32, shape (m, f)
        Of a sample.
    label : ndarray of int64, shape (m,)

    Returns
    -------
    dict
        Number of the cluster → (feature, how far above), the highest first; only those above.
    """
    X = np.where(np.isfinite(X), X, np.nan)
    low, middle, high = np.nanpercentile(X, [25, 50, 75], axis=0)
    spread = np.where(high > low, high - low, np.nanstd(X, axis=0) + 1e-9)
    found = {}
    for number in np.unique(label[label >= 0]).tolist():
        above = (np.nanmedian(X[label == number], axis=0) - middle) / spread
        best = np.argsort(-above)[:n]
        found[number] = [(names[i], float(above[i])) for i in best.tolist() if above[i] > 0.2]
    return found
