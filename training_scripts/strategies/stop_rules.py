"""Which trials are not worth their time: SageMaker's median rule, and Hyperband's successive halving.

Both come down to a table: after which epoch an objective is too bad to continue, and by how much. It is made of the
trials that the search knew when it asked for this one, so it depends on no clock, and the training script itself
keeps to it (training_scripts/stopping.py).
"""

from __future__ import annotations

import bisect
import math
import statistics
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

from training_scripts.stopping import Limits

MIN_CURVES = 5
"""Early stopping compares with at least this many earlier trials; the median of fewer says little."""

REDUCTION = 3
"""Of so many trials at a rung of Hyperband one continues."""

Curve = Sequence[tuple[int, float]]
"""The objective by epoch, in the order it came."""


class StopRule(ABC):
    """What a search has learnt of when to stop a trial. Not thread-safe."""

    @abstractmethod
    def learn(self, number: int, curve: Curve) -> None:
        """Take in the curve of the trial `number`, which is over."""

    @abstractmethod
    def limits(self, number: int) -> Limits:
        """Return what the trial `number` is held against, as of now."""


class MedianRule(StopRule):
    """SageMaker's rule of early stopping.

    An objective is held against the median, over the earlier trials that got as far, of the average of their objective
    up to the same epoch. (Developer guide, "Stop training jobs early".)
    """

    def __init__(self) -> None:
        self._averages: dict[int, list[float]] = {}

    def learn(self, number: int, curve: Curve) -> None:
        """See `StopRule.learn`."""
        total, count = 0.0, 0
        for epoch, value in sorted(curve):
            if math.isfinite(value):
                total, count = total + value, count + 1
            if count:
                bisect.insort(self._averages.setdefault(epoch, []), total / count)

    def limits(self, number: int) -> Limits:
        """See `StopRule.limits`."""
        return {
            epoch: statistics.median(averages)
            for epoch, averages in self._averages.items()
            if len(averages) >= MIN_CURVES
        }


class Halving(StopRule):
    """Hyperband (Li et al., 2018), asynchronous as Optuna has it: a trial lives on if among the best third so far.

    Each trial belongs to a bracket, which says after which epoch it is judged first; then after three times as many.

    Args:
        seed: deals out the brackets.
        maximize: whether more is better.
        longest: the most epochs that a trial may take; None: those of the longest trial so far.
    """

    def __init__(self, seed: int, maximize: bool, longest: int | None) -> None:
        self._seed, self._sign, self._longest = seed, -1.0 if maximize else 1.0, longest
        self._rungs: dict[tuple[int, int], list[float]] = {}

    def learn(self, number: int, curve: Curve) -> None:
        """See `StopRule.learn`."""
        if self._longest is None and curve:
            self._longest = max(epoch for epoch, _ in curve)
        values = {epoch: value for epoch, value in curve if math.isfinite(value)}
        bracket = self._bracket(number)
        for epoch in self._epochs(bracket):
            if epoch in values:
                bisect.insort(self._rungs.setdefault((bracket, epoch), []), self._sign * values[epoch])

    def limits(self, number: int) -> Limits:
        """See `StopRule.limits`."""
        bracket = self._bracket(number)
        found = {}
        for epoch in self._epochs(bracket):
            known = self._rungs.get((bracket, epoch), [])
            place = max((len(known) + 1) // REDUCTION - 1, 0)  # itself among them
            if place < len(known):
                found[epoch] = self._sign * known[place]
        return found

    def _epochs(self, bracket: int) -> list[int]:
        epochs, epoch = [], REDUCTION**bracket
        while epoch < (self._longest or 0):
            epochs.append(epoch)
            epoch *= REDUCTION
        return epochs

    def _bracket(self, number: int) -> int:
        """Return the bracket of a trial: more trials for those that are judged early, as in the paper."""
        count = 1
        while REDUCTION**count <= (self._longest or 1):
            count += 1
        shares = [math.ceil(count * REDUCTION ** (count - 1 - place) / (count - place)) for place in range(count)]
        drawn = zlib.crc32(f"{self._seed} {number}".encode()) % sum(shares)
        for place, share in enumerate(shares):
            drawn -= share
            if drawn < 0:
                return place
        return count - 1
