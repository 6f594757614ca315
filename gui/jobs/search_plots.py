"""Views of a search as a whole: objective over trials, parallel coordinates, and one hyperparameter at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFontMetrics
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QStackedWidget, QVBoxLayout

from core.jobs.records import TrainingJob
from core.translation import tr
from gui.jobs.search_axis import Axis
from gui.jobs.trial_curves import Array, Bundle
from gui.jobs.trial_view import TrialView
from gui.shared import formatting
from gui.shared.basics import ElidedLabel, label
from gui.shared.plotting import curve, pen
from gui.shared.theme import font, tokens

_SHADES = 8
_RIGHT, _NAME = Qt.TextElideMode.ElideRight, 60


class _SearchPlot(TrialView):
    """What the three views share: trials in, a line of text about one of them."""

    reach = 20.0

    def __init__(self, x_label: str, name: str) -> None:
        super().__init__(x_label, name)
        self._trials: tuple[TrainingJob, ...] = ()
        self._maximize, self._metric = False, tr("Objective")
        self._parameters: tuple[str, ...] = ()
        self._logs: Mapping[str, bool] = {}
        self.readout = ElidedLabel("", "muted", Qt.TextElideMode.ElideRight)
        self.readout.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.readout.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._tools = QHBoxLayout()
        self._tools.setSpacing(8)
        self._tools.addWidget(self.readout, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addLayout(self._tools)
        self._nothing = label("", "muted")
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._place = QStackedWidget()
        self._place.addWidget(self.plot)
        self._place.addWidget(self._nothing)
        box.addWidget(self._place, 1)

    def set_job(self, metric: str, maximize: bool, parameters: Sequence[str], logs: Mapping[str, bool]) -> None:
        """Start over for another job; `logs` says which hyperparameters are searched on a logarithmic scale."""
        self._logs = logs
        self._metric, self._maximize, self._parameters = metric, maximize, tuple(parameters)
        self._trials, self._best, self._lit, self._selected = (), "", "", ""
        self.plot.enableAutoRange()
        self.redraw()

    def set_trials(self, trials: Sequence[TrainingJob], best: str, ended: bool = False) -> None:
        """Show these trials; drawn soon. `ended` says that no others will come."""
        self._trials, self._best = tuple(trials), best
        self._nothing.setText(tr("No trial has a value.") if ended else tr("No trial has a value yet."))
        self.schedule()

    def redraw(self) -> None:
        """Draw everything now; a sentence while there is nothing to draw."""
        self._place.setCurrentIndex(0 if np.isfinite(self._objectives()).any() else 1)
        super().redraw()

    def select(self, name: str) -> None:
        """Keep a trial lit up, "" none."""
        if name != self._selected:
            self._selected = name
            self._draw_top()

    def schedule(self) -> None:
        """Draw if it can be seen; what comes while it is hidden is drawn when it is shown."""
        if self.isVisible():
            super().schedule()

    def showEvent(self, event: Any) -> None:
        """Draw what came while hidden."""
        super().showEvent(event)
        self.redraw()

    def _draw_top(self) -> None:
        name = self._lit or self._selected
        at = next((at for at, trial in enumerate(self._trials) if trial.name == name), -1)
        self._mark(at)
        self.readout.setText(self._describe(at) if at >= 0 else "")

    def _mark(self, at: int) -> None:
        raise NotImplementedError

    def _describe(self, at: int) -> str:
        trial = self._trials[at]
        said = tr("Trial {number} (best) · {value}") if trial.name == self._best else tr("Trial {number} · {value}")
        return said.format(number=at + 1, value=formatting.number(trial.objective))

    def _name_of(self, at: int) -> str:
        return self._trials[at].name

    def _objectives(self) -> Array:
        """Return the objective of every trial; NaN where there is none yet."""
        values = [math.nan if trial.objective is None else trial.objective for trial in self._trials]
        return np.array(values, dtype=np.float64)


class _DotPlot(_SearchPlot):
    """Trials as dots."""

    def __init__(self, x_label: str, name: str) -> None:
        super().__init__(x_label, name)
        self._dots = pg.ScatterPlotItem(size=7, pxMode=True)
        self._top = pg.ScatterPlotItem(size=13, pxMode=True)
        self.plot.addItem(self._dots)
        self.plot.addItem(self._top)

    def _draw_dots(self, x: Array, y: Array) -> None:
        shown = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
        colour = QColor(tokens().running)
        colour.setAlphaF(0.65)
        self._dots.setData(x[shown], y[shown], pen=None, brush=colour)
        # A gap after every dot: nearest() must not take the way between two dots for a curve.
        gaps = np.full(len(shown), np.nan)
        xs, ys = np.column_stack((x[shown], gaps)).ravel(), np.column_stack((y[shown], gaps)).ravel()
        self._bundle = Bundle(xs, ys, np.repeat(shown, 2))
        self._x, self._y = x, y
        self._draw_top()

    def _mark(self, at: int) -> None:
        points = []
        best = next((i for i, trial in enumerate(self._trials) if trial.name == self._best), -1)
        for index, colour in ((best, tokens().accent), (at, tokens().text)):
            if 0 <= index < len(self._x) and np.isfinite(self._x[index]) and np.isfinite(self._y[index]):
                pos = (float(self._x[index]), float(self._y[index]))
                points.append({"pos": pos, "pen": pen(colour, 2.0), "brush": None if index == at else colour})
        self._top.setData(points)

    _x: Array = np.empty(0)
    _y: Array = np.empty(0)


class HistoryPlot(_DotPlot):
    """The objective of each trial in the order they were started, and the best so far."""

    def __init__(self) -> None:
        super().__init__(tr("Trial"), tr("Objective over trials"))
        self._so_far = curve(stepMode="right")
        self.plot.addItem(self._so_far)

    def _draw(self) -> None:
        y = self._objectives()
        x = np.arange(1, len(y) + 1, dtype=np.float64)
        known = np.isfinite(y)
        best = np.fmax.accumulate(y) if self._maximize else np.fmin.accumulate(y)
        first = int(np.argmax(known)) if known.any() else len(y)
        self._so_far.setPen(pen(tokens().accent, 2.0))
        self._so_far.setData(x[first:], best[first:])
        self.plot.set_labels(tr("Trial"), self._metric)
        self._draw_dots(x, y)


class SlicePlot(_DotPlot):
    """The objective against one hyperparameter."""

    def __init__(self) -> None:
        super().__init__("", tr("Objective against one hyperparameter"))
        self.parameter = QComboBox()
        self.parameter.setAccessibleName(tr("Hyperparameter"))
        self.parameter.setMinimumWidth(170)
        self.parameter.currentIndexChanged.connect(self._on_parameter)
        self._tools.insertWidget(0, self.parameter)

    def set_job(self, metric: str, maximize: bool, parameters: Sequence[str], logs: Mapping[str, bool]) -> None:
        """Start over for another job."""
        blocked = self.parameter.blockSignals(True)
        self.parameter.clear()
        self.parameter.addItems(list(parameters))
        self.parameter.blockSignals(blocked)
        super().set_job(metric, maximize, parameters, logs)

    def _on_parameter(self) -> None:
        self.plot.enableAutoRange()
        self.redraw()

    def _draw(self) -> None:
        name = self.parameter.currentText()
        axis = Axis.of(name, [trial.hyperparameters.get(name, "") for trial in self._trials], self._logs.get(name))
        bottom = self.plot.getPlotItem().getAxis("bottom")
        bottom.setTicks([axis.ticks()])
        self.plot.set_labels(name, self._metric)
        self._draw_dots(axis.unit, self._objectives())


class ParallelPlot(_SearchPlot):
    """One line per trial through an axis for each hyperparameter and the objective; better trials are greener."""

    def __init__(self) -> None:
        super().__init__("", tr("Parallel coordinates"))
        self.plot.showGrid(x=False, y=False)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.getPlotItem().getAxis("left").setStyle(showValues=False)
        self.plot.getPlotItem().getAxis("bottom").setStyle(hideOverlappingLabels=False)
        self._shades = [curve() for _ in range(_SHADES)]
        self._axes = curve()
        self._top = curve(antialias=True)
        for item in (*self._shades, self._axes, self._top):
            self.plot.addItem(item)
        self._ends: list[pg.TextItem] = []
        self._lines: Array = np.empty((0, 0))

    def _draw(self) -> None:
        objectives = self._objectives()
        axes = [
            Axis.of(name, [trial.hyperparameters.get(name, "") for trial in self._trials], self._logs.get(name))
            for name in self._parameters
        ]
        axes.append(Axis.of(self._metric, [repr(float(value)) if np.isfinite(value) else "" for value in objectives]))
        self._lines = np.column_stack([axis.unit for axis in axes]) if self._trials else np.empty((0, len(axes)))
        x = np.append(np.arange(len(axes), dtype=np.float64), np.nan)
        complete = np.flatnonzero(np.isfinite(self._lines).all(axis=1)) if len(self._lines) else np.empty(0, np.int64)
        rank = self._ranks(objectives, complete)
        for shade, item in enumerate(self._shades):
            rows = complete[rank == shade]
            item.setPen(pen(_shade(shade), 1.0, 0.25 + 0.09 * shade))
            item.setData(np.tile(x, len(rows)), self._joined(rows))
        self._bundle = Bundle(np.tile(x, len(complete)), self._joined(complete), np.repeat(complete, len(x)))
        self._draw_axes(axes)
        self._draw_top()

    def _ranks(self, objectives: Array, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return for each row, in which eighth from worst (0) to best (7) its objective is."""
        order = np.argsort(np.argsort(objectives[rows] if self._maximize else -objectives[rows]))
        return np.asarray(order * _SHADES // max(1, len(rows)))

    def _joined(self, rows: np.ndarray[Any, Any]) -> Array:
        gaps = np.full((len(rows), 1), np.nan)
        return np.asarray(np.hstack((self._lines[rows], gaps)).ravel()) if len(rows) else np.empty(0)

    def _draw_axes(self, axes: Sequence[Axis]) -> None:
        count = len(axes)
        x = np.repeat(np.arange(count, dtype=np.float64), 3)
        y = np.tile([0.0, 1.0, np.nan], count)
        self._axes.setPen(pen(tokens().control_line, 1.0))
        self._axes.setData(x, y)
        # The first and the last name may stand out over the plot: each is cut to its axis's share of the width.
        room = max(_NAME, self.plot.width() // max(1, count) - 8)
        names = [QFontMetrics(font("caption")).elidedText(axis.name, _RIGHT, room) for axis in axes]
        self.plot.getPlotItem().getAxis("bottom").setTicks([list(enumerate(names))])
        for item in self._ends:
            self.plot.removeItem(item)
        self._ends = []
        for at, axis in enumerate(axes):
            for place, text in axis.ends():
                below, above = place <= 0.0, place >= 1.0
                anchor = (0.5, 0.0) if below else (0.5, 1.0) if above else (-0.1, 0.5)
                item = pg.TextItem(text, color=tokens().muted, anchor=anchor)
                item.setFont(font("caption"))
                item.setPos(at, place)
                self.plot.addItem(item, ignoreBounds=True)
                self._ends.append(item)
        self.plot.setRange(xRange=(-0.3, count - 0.7), yRange=(-0.12, 1.12), padding=0)

    def _mark(self, at: int) -> None:
        index = at if at >= 0 else next((i for i, t in enumerate(self._trials) if t.name == self._best), -1)
        complete = 0 <= index < len(self._lines) and bool(np.isfinite(self._lines[index]).all())
        self._top.setPen(pen(tokens().accent if at < 0 else tokens().text, 2.5))
        self._top.setShadowPen(pen(tokens().card, 5.0))
        y = self._lines[index] if complete else np.empty(0)
        self._top.setData(np.arange(len(y), dtype=np.float64), y)


def _shade(step: int) -> QColor:
    """Return a colour from muted (worst) to the accent (best)."""
    low, high = QColor(tokens().muted), QColor(tokens().accent)
    part = step / (_SHADES - 1)
    pairs = ((low.red(), high.red()), (low.green(), high.green()), (low.blue(), high.blue()))
    return QColor(*(round(a + part * (b - a)) for a, b in pairs))
