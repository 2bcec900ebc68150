"""k-means with k-means++ seeding (Arthur and Vassilvitskii 2007), for the initialisation of fits.

Legend: N points, D dimensions, K clusters.
"""

from __future__ import annotations

import numpy as np

from seqgen import rng


def assignments(x: np.ndarray, clusters: int, *, seed: int, iterations: int = 30) -> np.ndarray:
    """Return the cluster (N,) of each point (N, D), as a function of points and seed.

    No cluster is empty if there are as many points as clusters; equal points may be in several.
    """
    centres = _seeds(x, clusters, seed)
    labels = np.full(len(x), -1)
    for _ in range(iterations):
        distances = np.stack([np.sum((x - centre) ** 2, -1) for centre in centres], -1)
        new = np.argmin(distances, -1)
        counts = np.bincount(new, minlength=clusters)
        for empty in np.flatnonzero(counts == 0):
            if counts.max() == 1:
                break
            # move the farthest point of a cluster that has other points
            far = np.where(counts[new] > 1, distances[np.arange(len(x)), new], -1.0).argmax()
            counts[new[far]] -= 1
            new[far], counts[empty] = empty, 1
        if np.array_equal(new, labels):
            break
        labels = new
        for k in np.unique(labels):
            centres[k] = x[labels == k].mean(0)
    return labels


def _seeds(x: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Return points (K, D), each drawn with probability proportional to its squared distance from the others.

    If there are fewer distinct points, the rest are drawn with equal probabilities.
    """
    draws = rng.uniforms(seed, 0, np.arange(clusters), rng.Purpose.SHUFFLE)
    chosen = [int(draws[0] * len(x))]
    distance = np.sum((x - x[chosen[0]]) ** 2, -1)
    for u in draws[1:]:
        weights = distance if distance.any() else np.ones(len(x))
        chosen.append(int(rng.categorical(weights, u)))
        distance = np.minimum(distance, np.sum((x - x[chosen[-1]]) ** 2, -1))
    return x[chosen].astype(np.float64)
