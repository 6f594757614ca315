"""What the labels so far say of the other pictures: a head refitted on them, and which pictures to label next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.labels.head import fit, scaled

if TYPE_CHECKING:
    from numpy.typing import NDArray

SURE = 0.95
"""A guess of this probability is one that a person may accept unseen."""

_FEW, _UNSURE = 3, 0.9
"""While a class has fewer labels than this, no guess is surer than that: a head knows nothing of what is missing."""

_MOST = 5000
"""Labelled pictures that a refit looks at, so that it takes a moment whatever the dataset."""


@dataclass(frozen=True, slots=True)
class Guesses:
    """The class (N,) that each row probably has, its probability (N,), and how far the second is behind (N,)."""

    label: NDArray[np.int64]
    probability: NDArray[np.float32]
    margin: NDArray[np.float32]


def guess(features: NDArray[np.float32], labels: NDArray[np.int64], classes: int) -> Guesses | None:
    """Return what a head fitted on the labelled rows says of all; None while fewer than two classes have a label.

    Args:
        features: (N, dim) of length 1.
        labels: (N,) positions of classes; -1 for a row without a label.
        classes: how many there are.
    """
    known = np.flatnonzero(labels >= 0)
    used = np.unique(labels[known])
    if len(used) < 2:
        return None
    if len(known) > _MOST:
        known = np.random.default_rng(0).choice(known, _MOST, replace=False)
    rows = scaled(features)
    position = np.full(classes, -1, np.int64)
    position[used] = np.arange(len(used))
    head = fit(rows[known], position[labels[known]], len(used))
    probabilities = head.probabilities(rows)
    order = np.argsort(-probabilities, axis=1)[:, :2]
    first, second = np.take_along_axis(probabilities, order, axis=1).T
    if np.bincount(labels[known], minlength=classes)[used].min() < _FEW:
        first, second = np.minimum(first, _UNSURE), np.minimum(second, _UNSURE)
    return Guesses(used[order[:, 0]], first, first - second)


def ask_next(
    cohort: NDArray[np.int64], open_rows: NDArray[np.bool_], margin: NDArray[np.float32] | None, count: int
) -> list[int]:
    """Return the rows to label next, spread over cohorts: the least sure of each, the least sure first.

    While nothing is known of margins: one of each cohort, of the largest first.
    """
    rows = np.flatnonzero(open_rows)
    if not len(rows):
        return []
    if margin is None:
        sizes = np.bincount(cohort[rows] + 1)
        doubt = -sizes[cohort[rows] + 1].astype(np.float64)
    else:
        doubt = margin[rows].astype(np.float64)
    rows = rows[np.argsort(doubt, kind="stable")]
    # The first of every cohort, then the second of every one, and so on.
    turn = np.zeros(len(rows), np.int64)
    seen: dict[int, int] = {}
    for at, group in enumerate(cohort[rows].tolist()):
        turn[at] = seen.get(group, 0)
        seen[group] = int(turn[at]) + 1
    found: list[int] = rows[np.argsort(turn, kind="stable")][:count].tolist()
    return found
