"""What a trial's printed lines say of its objective."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from training_scripts.metrics import EPOCH, METRIC_DEFINITIONS, begins_with, value_in
from training_scripts.stopping import Limits, is_beyond

KEPT_BY = "valid:loss"
"""The metric by whose lowest value train.py keeps the weights of an epoch."""


def kept_value(curve: Sequence[tuple[int, float]], losses: Mapping[int, float]) -> float | None:
    """Return the objective at the epoch whose weights are kept; None if it is not a finite number or never came.

    That is the epoch of the lowest valid loss, as train.py keeps them; for a script that prints no such loss the last
    one, as SageMaker takes it. Losses of epochs that the curve does not have do not count.
    """
    if not curve:
        return None
    value, values = curve[-1][1], dict(curve)
    known = {epoch: loss for epoch, loss in losses.items() if epoch in values and math.isfinite(loss)}
    if known:
        value = values[min(known, key=lambda epoch: (known[epoch], epoch))]
    return value if math.isfinite(value) else None


class ObjectiveCurve:
    """The objective by epoch, read from the lines that train.py prints.

    Args:
        regex: finds the objective in a line.
        maximize: whether more is better.
        limits: after which epoch it is too bad to continue; what comes after that does not count.
    """

    def __init__(self, regex: str, maximize: bool, limits: Limits) -> None:
        self._objective, self._loss = re.compile(regex), re.compile(METRIC_DEFINITIONS[KEPT_BY])
        self._maximize, self._limits = maximize, limits
        self._losses: dict[int, float] = {}
        self.points: list[tuple[int, float]] = []
        self.is_beyond = False

    def read(self, line: str) -> None:
        """Take in one line; that of an epoch read before, or of a training that begins again, replaces what it had."""
        if self.is_beyond:
            return
        if (begins := begins_with(line)) is not None:
            self.points = [point for point in self.points if point[0] < begins]
            self._losses = {epoch: loss for epoch, loss in self._losses.items() if epoch < begins}
        found = EPOCH.search(line)
        if found and (loss := value_in(self._loss.search, line)) is not None:
            self._losses[int(found[1])] = loss
        if (objective := value_in(self._objective.search, line)) is None:
            return
        epoch = int(found[1]) if found else len(self.points) + 1
        self.points = [point for point in self.points if point[0] < epoch]
        self.points.append((epoch, objective))
        self.is_beyond = found is not None and is_beyond(self._limits, epoch, objective, self._maximize)

    @property
    def objective(self) -> float | None:
        """Return the objective of the model that is kept."""
        return kept_value(self.points, self._losses)
