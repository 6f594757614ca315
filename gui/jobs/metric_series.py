"""Metric values of many trials, gathered from events and handed out as arrays."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from core.jobs.records import MetricEvent
from training_scripts.metrics import COUNT_METRICS, STEP_METRICS

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]


class Series:
    """The values of one metric of one trial, by epoch (or by step, where a line has no epoch)."""

    __slots__ = ("_arrays", "x", "y")

    def __init__(self) -> None:
        self.x: list[float] = []
        self.y: list[float] = []
        self._arrays: tuple[Array, Array] | None = None

    def put(self, x: float, y: float) -> None:
        """Set the value at `x`; the same `x` again replaces it (a trial that was restarted, an event twice)."""
        self._arrays = None
        if not self.x or x > self.x[-1]:
            self.x.append(x)
            self.y.append(y)
            return
        at = bisect_left(self.x, x)
        if self.x[at] == x:
            self.y[at] = y
        else:
            self.x.insert(at, x)
            self.y.insert(at, y)

    def arrays(self) -> tuple[Array, Array]:
        """Return x and y as float64 arrays of one length; kept until the next `put`."""
        if self._arrays is None:
            import numpy as np

            self._arrays = np.array(self.x, dtype=np.float64), np.array(self.y, dtype=np.float64)
        return self._arrays


class Curves:
    """All series of a job: `metric -> trial -> Series`. `per_step` names the metrics that come by steps."""

    def __init__(self, per_step: Collection[str] = STEP_METRICS) -> None:
        self._per_step = per_step
        self._series: dict[str, dict[str, Series]] = {}

    def add(self, events: Iterable[MetricEvent]) -> set[str]:
        """Take over events in any order; returns the metrics that changed."""
        changed: set[str] = set()
        for event in events:
            if event.name in COUNT_METRICS:
                continue
            trials = self._series.setdefault(event.name, {})
            series = trials.get(event.job)
            if series is None:
                series = trials[event.job] = Series()
            series.put(_place(event, len(series.x), event.name in self._per_step), event.value)
            changed.add(event.name)
        return changed

    def metrics(self) -> Sequence[str]:
        """Return the names of the metrics seen, in order of their first value."""
        return tuple(self._series)

    def series(self, metric: str) -> dict[str, Series]:
        """Return the series of one metric by trial, in order of their first value."""
        return self._series.get(metric, {})

    def is_by_epoch(self, metric: str) -> bool:
        """Whether a metric comes once an epoch and not once in some steps."""
        return metric not in self._per_step


def _place(event: MetricEvent, count: int, per_step: bool) -> float:
    if per_step and event.step is not None:
        return float(event.step)
    if event.epoch is not None:
        return float(event.epoch)
    return float(event.step) if event.step is not None else float(count + 1)
