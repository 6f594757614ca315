"""The figures of an evaluation, and how sure they are: the field's own definitions, as scikit-learn computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.jobs.accuracy import wilson

BINS = 15
"""Bins of equal width in which sureness and accuracy are compared (Guo et al. 2017)."""

TOP = 5
"""Of more classes than twice this many, it says how often the right one is among this many first answers."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The answers that were about equally sure: how sure on average (0…1), how many of them right (0…1), how many.

    `low` and `high` bound their sureness: above the one, up to the other.
    """

    sureness: float
    accuracy: float
    count: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Figures beside accuracy and loss, each 0…1; None where the pictures' answers are not known well enough.

    `interval` is the accuracy's 95 % interval (Wilson). `baseline` is the share that always saying the largest class
    would have right. `brier` is the mean squared distance of the probabilities from the truth, summed over the classes
    (0…2, Brier 1950). `ece` is the expected calibration error of the answers over `BINS` bins. `top` is how often the
    right class is among the first `TOP`; None where there are too few classes for it to say something.
    """

    interval: tuple[float, float]
    baseline: float
    balanced_accuracy: float
    macro_f1: float
    ece: float | None = None
    brier: float | None = None
    top: float | None = None


def of_confusion(confusion: Sequence[Sequence[int]]) -> Scores:
    """Return what the counts alone say: `confusion[i][j]` pictures of class i were taken for class j."""
    counts = np.asarray(confusion, dtype=np.int64).reshape(len(confusion), len(confusion))
    right, actual, claimed = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    total = int(counts.sum())
    there, named = actual > 0, (actual + claimed) > 0
    return Scores(
        interval=wilson(int(right.sum()), total),
        baseline=float(actual.max() / total) if total else 0.0,
        balanced_accuracy=float((right[there] / actual[there]).mean()) if total else 0.0,
        macro_f1=float((2 * right[named] / (actual + claimed)[named]).mean()) if total else 0.0,
    )


def reliability(sureness: Sequence[float], right: Sequence[bool], bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """Return the bins of a reliability diagram that hold an answer, from unsure to sure.

    `sureness` are the probabilities of the answers, `right` whether each was.
    """
    sure, hits = np.asarray(sureness, dtype=np.float64), np.asarray(right, dtype=np.float64)
    place = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
    found = []
    for number in np.unique(place):
        chosen = place == number
        mean, share, count = float(sure[chosen].mean()), float(hits[chosen].mean()), int(chosen.sum())
        found.append(ReliabilityBin(mean, share, count, float(number / bins), float((number + 1) / bins)))
    return tuple(found)


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Return the expected calibration error: how far sureness is from accuracy, by count."""
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.sureness - one.accuracy) for one in bins) / total if total else 0.0
