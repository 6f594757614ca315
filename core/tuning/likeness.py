"""What trials with like settings say of each other: an objective smoothed over its neighbours, and how much is luck.

A single trial may be good by chance, of its seed or of the few pictures that judge it; trials beside it share its
settings, not its luck. Settings are compared by their ranks among the trials, so that no scale matters, and what is
not a number is the same or another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

WIDTH = 0.15
"""How far neighbours reach, as a share of all trials: the standard deviation of a normal kernel."""
LEAST = 8
"""Of fewer trials none has neighbours enough to tell luck from settings."""


def smoothed(
    settings: Sequence[Mapping[str, str]], objectives: Sequence[float], maximize: bool
) -> tuple[NDArray[np.float64], float] | None:
    """Return each objective as the mean over its neighbourhood, and the standard deviation about what neighbours say.

    Objectives worse than the median count as the median: how bad a bad neighbour is says nothing of a good trial. The
    deviation is that of the better half of the trials, each against its neighbours alone; None of too few trials.
    """
    values = np.asarray(objectives, dtype=np.float64)
    if len(values) < LEAST:
        return None
    better = np.maximum if maximize else np.minimum
    clipped = better(values, np.median(values))
    weights = np.exp(-0.5 * _distances(settings) / WIDTH**2)
    alone = weights - np.diag(weights.diagonal())
    sums = alone.sum(axis=1)
    neighbours = np.divide(alone @ clipped, sums, out=clipped.copy(), where=sums > 1e-6)
    good = clipped != np.median(values)
    # A neighbourhood's mean is off by its own luck too: of k neighbours by 1/k of the variance.
    inflation = 1 + np.divide((alone**2).sum(axis=1), sums**2, out=np.zeros_like(sums), where=sums > 1e-6)
    residuals = ((clipped - neighbours) ** 2 / inflation)[good & (sums > 1e-6)]
    deviation = math.sqrt(float(residuals.mean())) if len(residuals) else 0.0
    return (weights @ clipped) / weights.sum(axis=1), deviation


def _distances(settings: Sequence[Mapping[str, str]]) -> NDArray[np.float64]:
    """Return squared distances between trials, (N, N)."""
    total = np.zeros((len(settings), len(settings)))
    for name in sorted({name for setting in settings for name in setting}):
        texts = [setting.get(name, "") for setting in settings]
        if len(set(texts)) < 2:
            continue
        try:
            numbers = np.array([float(text) for text in texts])
        except ValueError:
            total += np.array([[float(one != other) for other in texts] for one in texts])
            continue
        ranks = np.searchsorted(np.unique(numbers), numbers) / max(1, len(np.unique(numbers)) - 1)
        total += (ranks[:, None] - ranks[None, :]) ** 2
    return total
