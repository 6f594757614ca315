"""Training steps on the profile's time axis: their numbers, where tensors were saved, where rules found something.

Importing this module imports pyqtgraph.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor

from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus
from core.profiler.results import ProfilerAnalysis
from core.profiler.traces import Floats
from core.translation import tr
from gui.shared.plotting import pen
from gui.shared.theme import font, tokens

_SAVED_AT, _FOUND_AT = 0.25, 0.8
"""Where in its lane, 1 unit high, each kind of mark stands."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A rule that found something, and the training step from which on."""

    rule: str
    step: int


def marks_of(outcomes: Iterable[RuleOutcome]) -> tuple[Mark, ...]:
    """Return the findings that have a step, first step first."""
    found = [
        Mark(outcome.rule, outcome.first_step)
        for outcome in outcomes
        if outcome.status is RuleStatus.ISSUES_FOUND and outcome.first_step is not None
    ]
    return tuple(sorted(found, key=lambda mark: mark.step))


_LEAST_PIXELS = 60
"""Between the numbers of two steps on the axis."""


class StepClock:
    """Turns training steps into seconds since an origin and back; empty where the profile has no training steps."""

    def __init__(self, analysis: ProfilerAnalysis | None = None, origin: float = 0.0) -> None:
        steps = next((item for item in analysis.steps if item.mode == "TRAIN"), None) if analysis else None
        self._numbers: Floats = np.empty(0) if steps is None else steps.curve[0]
        self._times: Floats = np.empty(0) if steps is None else steps.starts - origin

    def __bool__(self) -> bool:
        """Whether any step is known."""
        return len(self._numbers) > 1

    def times(self, steps: Sequence[float] | Floats) -> Floats:
        """Return (N,) when steps began; those beyond the profile stand at its ends."""
        return np.interp(steps, self._numbers, self._times)

    def step_at(self, time: float) -> int | None:
        """Return the step that ran at a time; None before the first and after the last."""
        if not self or not self._times[0] <= time <= self._times[-1]:
            return None
        return math.floor(self.nearest(time))

    def nearest(self, time: float) -> float:
        """Return the step at a time, with its fraction; the first or last one beyond them."""
        return float(np.interp(time, self._times, self._numbers))


class StepAxis(pg.AxisItem):  # type: ignore[misc]
    """A top axis with the numbers of training steps where they began."""

    def __init__(self, clock: StepClock) -> None:
        super().__init__("top")
        self._clock = clock
        self.setStyle(tickFont=font("caption"), tickLength=0, tickTextOffset=3)

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        """Return the times of round step numbers, about one every 110 pixels of the part of the axis that has steps."""
        low, high = self._clock.nearest(minVal), self._clock.nearest(maxVal)
        began, ended = self._clock.times([low, high])
        pixel = (maxVal - minVal) / max(1.0, size)
        apart = _round_up((high - low) / max(1.5, (ended - began) / pixel / 110))
        steps = np.arange(math.ceil(low / apart) * apart, high + 1e-9, apart)
        times: list[float] = []
        for time in self._clock.times(steps).tolist():  # steps are not evenly long: an evaluation stands between some
            if not times or time - times[-1] >= _LEAST_PIXELS * pixel:
                times.append(time)
        return [(float(apart), times)]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """Return the step numbers, the first with the word."""
        steps = [f"{round(self._clock.nearest(value)):,}" for value in values]
        return [tr("step {step}").format(step=steps[0]), *steps[1:]] if steps else []


class MarkLane:
    """What stands in one plot of the timeline: where tensors were saved, and the findings, which can be clicked."""

    title = tr("Saved steps and findings")

    def __init__(self, plot: pg.PlotItem, clock: StepClock, marks: Sequence[Mark], saved: Sequence[int]) -> None:
        self._marks = tuple(marks)
        self.found = clock.times([mark.step for mark in marks])
        self._saved = pg.ScatterPlotItem(symbol="|", size=9, pen=None)
        self._findings = pg.ScatterPlotItem(symbol="d", size=13, pen=None)
        self._saved.setData(x=clock.times(saved), y=np.full(len(saved), _SAVED_AT))
        self._findings.setData(x=self.found, y=np.full(len(marks), _FOUND_AT))
        for item in (self._saved, self._findings):
            plot.addItem(item)
        self.restyle()

    def restyle(self) -> None:
        """Take the colours of the scheme in use."""
        self._saved.setPen(pen(tokens().muted, 1.2))
        self._findings.setBrush(QColor(tokens().failed))

    def at(self, time: float, within: float) -> tuple[Mark, ...]:
        """Return the findings within so many seconds of a time."""
        return tuple(mark for mark, found in zip(self._marks, self.found, strict=True) if abs(found - time) <= within)


def _round_up(value: float) -> float:
    """Return 1, 2 or 5 times a power of ten that is at least `value`, and at least 1."""
    power = 10.0 ** math.floor(math.log10(max(value, 1.0)))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= value)
