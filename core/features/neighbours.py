"""Which pictures are near each other, by the cosine of their features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.features.blas import one_thread
from core.progress import CancelToken
from training_scripts.data import cores, in_threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Block = tuple[NDArray[np.int64], NDArray[np.int64] | None]

_EXACT = 20_000
"""Up to so many pictures every pair is compared; of more, only pairs in the same or nearby clusters."""

_BLOCK, _THREADS = 512, 8
"""Rows that one thread compares at a time, and how many threads at most: each holds as many rows of cosines."""

_ASSIGNED = 4096
"""Rows that one thread finds the nearest centres of at a time."""

_PROBED = 8


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The k nearest other pictures of each: `index` (N, k) and `cosine` (N, k), nearest first."""

    index: NDArray[np.int64]
    cosine: NDArray[np.float32]


def nearest(features: NDArray[np.float32], count: int, cancel: CancelToken | None = None) -> Neighbours:
    """Return the `count` nearest other pictures of every row of `features` (N, dim), whose length is 1.

    Raises:
        Cancelled: through `cancel`.
    """
    total = len(features)
    count = max(0, min(count, total - 1))
    if not count:
        return Neighbours(np.zeros((total, 0), np.int64), np.zeros((total, 0), np.float32))
    cancel = cancel or CancelToken()
    index, cosine = np.empty((total, count), np.int64), np.empty((total, count), np.float32)

    def find(block: Block) -> None:
        rows, others = block
        similar = features[rows] @ (features[others] if others is not None else features).T
        positions = rows if others is None else np.searchsorted(others, rows)
        similar[np.arange(len(rows)), positions] = -2.0
        found = np.argpartition(similar, -count, axis=1)[:, -count:]
        values = np.take_along_axis(similar, found, axis=1)
        order = np.argsort(-values, axis=1)
        values = np.take_along_axis(values, order, axis=1)
        found = np.take_along_axis(found, order, axis=1)
        index[rows] = found if others is None else others[found]
        cosine[rows] = values

    one_thread()
    threads = min(cores(), _THREADS)
    for _ in in_threads(find, _candidates(features, cancel), threads, 2 * threads):
        cancel.raise_if_cancelled()
    return Neighbours(index, cosine)


def _candidates(features: NDArray[np.float32], cancel: CancelToken) -> Iterator[Block]:
    """Yield rows and those they are compared with (None: all)."""
    total = len(features)
    if total <= _EXACT:
        for start in range(0, total, _BLOCK):
            yield np.arange(start, min(total, start + _BLOCK)), None
        return
    clusters = int(total**0.5)
    centres, member = kmeans(features, clusters, cancel=cancel)
    near = np.argsort(-(centres @ centres.T), axis=1)[:, :_PROBED]
    for cluster in range(len(centres)):
        rows = np.flatnonzero(member == cluster)
        others = np.flatnonzero(np.isin(member, near[cluster]))
        for start in range(0, len(rows), _BLOCK):
            yield rows[start : start + _BLOCK], others


def kmeans(
    features: NDArray[np.float32], clusters: int, rounds: int = 8, seed: int = 0, cancel: CancelToken | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return centres (clusters, dim) of length 1, and the cluster (N,) of each row: k-means by the cosine.

    Many rows are clustered by a sample of them.

    Raises:
        Cancelled: through `cancel`.
    """
    one_thread()
    cancel = cancel or CancelToken()
    random = np.random.default_rng(seed)
    clusters = min(clusters, len(features))
    sample = features
    if len(features) > (most := max(20_000, 30 * clusters)):
        sample = features[np.sort(random.choice(len(features), most, replace=False))]
    centres = _spread_out(sample, clusters, random)
    for _ in range(rounds):
        member = _assign(sample, centres, cancel)
        order = np.argsort(member, kind="stable")
        starts = np.searchsorted(member[order], np.arange(clusters))
        filled = np.flatnonzero(np.bincount(member, minlength=clusters))
        centres[filled] = np.add.reduceat(sample[order], starts[filled], axis=0)
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    return centres, _assign(features, centres, cancel)


def _spread_out(features: NDArray[np.float32], clusters: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Choose rows far from each other (k-means++); for many clusters, rows at random do as well."""
    if clusters > 256:
        return features[random.choice(len(features), clusters, replace=False)].copy()
    chosen = [int(random.integers(len(features)))]
    distance = 1.0 - features @ features[chosen[0]]
    while len(chosen) < clusters:
        weights = np.maximum(distance, 0.0).astype(np.float64)
        total = weights.sum()
        chosen.append(int(random.choice(len(features), p=weights / total if total > 0 else None)))
        distance = np.minimum(distance, 1.0 - features @ features[chosen[-1]])
    return features[chosen].copy()


def _assign(features: NDArray[np.float32], centres: NDArray[np.float32], cancel: CancelToken) -> NDArray[np.int64]:
    """Return the nearest centre of each row."""

    def nearest_of(start: int) -> NDArray[np.int64]:
        cancel.raise_if_cancelled()
        found: NDArray[np.int64] = (features[start : start + _ASSIGNED] @ centres.T).argmax(axis=1)
        return found

    threads = min(cores(), _THREADS)
    blocks = in_threads(nearest_of, range(0, len(features), _ASSIGNED), threads, 2 * threads)
    return np.concatenate(list(blocks))
