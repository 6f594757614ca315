"""How busy the machine was over the phases of the training. Importing this module imports pyqtgraph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from core.profiler.results import Band, ProfilerAnalysis
from core.report.document import quantity
from core.translation import tr
from gui.debugger.profiler_items import AXIS_WIDTH, PhaseItem, QuantityAxis, ShareStrip, TimeAxis
from gui.debugger.step_marks import Mark, MarkLane, StepAxis, StepClock
from gui.shared.basics import button, label
from gui.shared.focus_ring import PROPERTY as FOCUS_RING
from gui.shared.plot_export import curves_of, offer_export
from gui.shared.plotting import curve, pen
from gui.shared.theme import GRID, font, series_colour, tokens

ALL_NODES = tr("All nodes")
_ROW_HEIGHT = 74
_HEADROOM = 1.35
"""How much higher a plot is than its data: room for its name."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One plot of the timeline: its name, unit, and the resources in it; the second is dashed."""

    name: str
    unit: str
    resources: tuple[str, ...]


LANES = (
    Lane("CPU", "%", ("CPU",)),
    Lane("GPU", "%", ("GPU", tr("GPU memory"))),
    Lane(tr("Memory"), "%", (tr("Memory"),)),
    Lane(tr("Disk"), "B/s", (tr("Disk read"), tr("Disk write"))),
    Lane(tr("Network"), "B/s", (tr("Network received"), tr("Network sent"))),
)


class ProfilerTimeline(QWidget):
    """CPU, GPU, memory, disk and network over time, zoomed together, over the phases of the training; its steps, those
    that tensors were saved of and what the rules found stand on the same axis.

    The wheel zooms and a drag moves all plots at once. With the keyboard + and - zoom, the arrows move, Home shows all.

    Signals:
        finding_chosen(str): the mark of a rule's finding was clicked.
    """

    finding_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._analysis: ProfilerAnalysis | None = None
        self._origin = 0.0
        self._plots: list[tuple[Lane, pg.PlotItem]] = []
        self._drawn: list[Band] = []
        self._lines: list[pg.InfiniteLine] = []
        self._names: list[pg.TextItem] = []
        self._phases = PhaseItem()
        self._marks: tuple[Mark, ...] = ()
        self._saved: tuple[int, ...] = ()
        self._clock = StepClock()
        self._mark_lane: MarkLane | None = None
        self._build()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setProperty(FOCUS_RING, True)
        self.setAccessibleName(tr("Profiler timeline"))

    def set_analysis(self, analysis: ProfilerAnalysis | None) -> None:
        """Show a profile, or nothing."""
        self._analysis = analysis
        self._nodes.blockSignals(True)
        self._nodes.clear()
        if analysis is not None:
            self._nodes.addItems([ALL_NODES, *analysis.nodes])
        self._nodes.blockSignals(False)
        self._nodes.setVisible(analysis is not None and len(analysis.nodes) > 1)
        self._shares.set_shares(analysis.shares if analysis is not None else {})
        self._draw()
        self.show_all()

    def set_marks(self, marks: Sequence[Mark], saved: Sequence[int]) -> None:
        """Show these findings, and the training steps that tensors were saved of."""
        if (tuple(marks), tuple(saved)) != (self._marks, self._saved):
            self._marks, self._saved = tuple(marks), tuple(saved)
            self._draw(keep_view=True)

    def show_all(self) -> None:
        """Zoom out to the whole job."""
        if self._analysis is not None and self._plots:
            self._plots[-1][1].setXRange(0, self._span(), padding=0)

    @property
    def lanes(self) -> tuple[str, ...]:
        """Return the names of the plots that are shown, top to bottom."""
        return tuple(lane.name for lane, _ in self._plots)

    @property
    def view(self) -> tuple[float, float]:
        """Return the seconds in sight."""
        if not self._plots:
            return (0.0, 0.0)
        (low, high), _ = self._plots[-1][1].viewRange()
        return float(low), float(high)

    def zoom(self, factor: float) -> None:
        """Show `factor` times as much time, around the middle."""
        low, high = self.view
        middle, half = (low + high) / 2, (high - low) / 2 * factor
        self._plots[-1][1].setXRange(middle - half, middle + half, padding=0)

    def read_at(self, time: float) -> str:
        """Return what the machine did at `time` seconds since the start, in one line."""
        parts = [quantity(time, "s") if time < 1 else f"{time:.1f} s"]
        if (step := self._clock.step_at(time)) is not None:
            parts.append(tr("step {step:,}").format(step=step))
        phase = self._phases.phase_at(time)
        if phase:
            parts.append(phase)
        for resource in dict.fromkeys(band.resource for band in self._drawn):
            bands = [band for band in self._drawn if band.resource == resource]
            values = [value for band in bands if (value := _value_at(band, time + self._origin)) is not None]
            if values:
                mean = "mean " if len(bands) > 1 else ""
                parts.append(f"{resource} {mean}{quantity(sum(values) / len(values), bands[0].unit)}")
        parts += [tr("{rule} since step {step:,}").format(rule=mark.rule, step=mark.step) for mark in self._near(time)]
        return "  ·  ".join(parts)

    def _near(self, time: float) -> tuple[Mark, ...]:
        """Return the findings whose marks are under a time, as far as a hand aims."""
        low, high = self.view
        return () if self._mark_lane is None else self._mark_lane.at(time, (high - low) * 6 / max(1, self.width()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Zoom and move without a mouse."""
        low, high = self.view
        match event.key():
            case Qt.Key.Key_Plus | Qt.Key.Key_Equal if self._plots:
                self.zoom(0.5)
            case Qt.Key.Key_Minus if self._plots:
                self.zoom(2.0)
            case Qt.Key.Key_Home:
                self.show_all()
            case Qt.Key.Key_Left | Qt.Key.Key_Right if self._plots:
                step = (high - low) / 5 * (1 if event.key() == Qt.Key.Key_Right else -1)
                self._plots[-1][1].setXRange(low + step, high + step, padding=0)
            case _:
                super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_canvas"):
            self._restyle()

    def _build(self) -> None:
        self._nodes = QComboBox()
        self._nodes.setAccessibleName(tr("Node"))
        self._nodes.currentTextChanged.connect(self._on_node_chosen)
        self._reading = label("", "caption")
        self._reading.setMinimumWidth(0)
        whole = button(tr("Show all"), kind="ghost", tip=tr("Show the whole job (Home)"))
        whole.clicked.connect(self.show_all)
        bar = QHBoxLayout()
        bar.setSpacing(GRID)
        bar.addWidget(self._nodes)
        bar.addWidget(self._reading, 1)
        bar.addWidget(whole)
        self._canvas = pg.GraphicsLayoutWidget()
        self._canvas.setFrameStyle(0)
        self._canvas.ci.setContentsMargins(0, 0, 0, 0)
        self._canvas.ci.setSpacing(2)
        self._canvas.setFocusProxy(self)
        self._canvas.scene().sigMouseMoved.connect(self._on_mouse_moved)
        self._canvas.scene().sigMouseClicked.connect(self._on_mouse_clicked)
        offer_export(self._canvas, lambda: curves_of(((lane.name, plot) for lane, plot in self._plots), tr("seconds")))
        self._shares = ShareStrip()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(GRID)
        outer.addLayout(bar)
        outer.addWidget(self._canvas, 1)
        outer.addWidget(self._shares)

    def _span(self) -> float:
        assert self._analysis is not None
        times = self._analysis.times
        return max(1e-3, (times.end or 0.0) - self._origin)

    def _draw(self, keep_view: bool = False) -> None:
        view = self.view if keep_view else None
        self._clear()
        analysis = self._analysis
        if analysis is None:
            return
        starts = [float(band.times[0]) for band in analysis.bands]
        self._origin = analysis.times.start if analysis.times.start is not None else min(starts, default=0.0)
        self._clock = StepClock(analysis, self._origin)
        for lane in LANES:
            bands = [band for resource in lane.resources for band in self._chosen(resource)]
            if bands:
                self._add_lane(lane, bands)
        if analysis.track is not None:
            self._add_phases(analysis)
        if self._clock and (self._marks or self._saved):
            self._add_marks()
        if self._plots:
            self._finish_last()
            if view is not None:
                self._plots[-1][1].setXRange(*view, padding=0)
        self._canvas.setMinimumHeight(_ROW_HEIGHT * len(self._plots))
        self._restyle()

    def _restyle(self) -> None:
        """Take the colours of the scheme in use. Nothing is removed: the change may come from within a paint."""
        colours = tokens()
        self._canvas.setBackground(QColor(colours.card))
        for (_, plot), name, line in zip(self._plots, self._names, self._lines, strict=True):
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(pen(colours.line))
                plot.getAxis(side).setTextPen(pen(colours.muted))
            name.setColor(QColor(colours.text))
            line.setPen(pen(colours.muted, 1.0))
        if self._clock and self._plots:
            steps = self._plots[0][1].getAxis("top")
            steps.setPen(pen(colours.line))
            steps.setTextPen(pen(colours.muted))
        if self._mark_lane is not None:
            self._mark_lane.restyle()

    def _clear(self) -> None:
        if self._phases.scene() is not None:
            self._phases.scene().removeItem(self._phases)
        self._canvas.clear()
        self._plots, self._drawn, self._lines, self._names = [], [], [], []
        self._phases = PhaseItem()
        self._clock, self._mark_lane = StepClock(), None

    def _chosen(self, resource: str) -> list[Band]:
        assert self._analysis is not None
        node = self._nodes.currentText()
        return [band for band in self._analysis.band(resource) if node in (ALL_NODES, "", band.node)]

    def _add_lane(self, lane: Lane, bands: list[Band]) -> None:
        plot = self._add_plot(lane, QuantityAxis(lane.unit))
        assert self._analysis is not None
        for band in bands:
            index = self._analysis.nodes.index(band.node)
            dashed = band.resource != lane.resources[0]
            colour = series_colour(index)
            x = band.times - self._origin
            if len(bands) <= 4 and bool((band.high > band.low).any()):
                low, high = (curve(x=x, y=edge, pen=pen(colour, 0.5, 0.0)) for edge in (band.low, band.high))
                tint = QColor(colour)
                tint.setAlphaF(0.18)
                for item in (low, high, pg.FillBetweenItem(low, high, brush=tint)):
                    plot.addItem(item)
            plot.addItem(curve(x=x, y=band.mean, pen=pen(colour, 1.4, dashed=dashed)))
            self._drawn.append(band)
        top = 100.0 if lane.unit == "%" else max(1.0, max(float(np.nanmax(band.high)) for band in bands))
        plot.setYRange(0, top * _HEADROOM, padding=0)
        if lane.unit == "%":
            plot.getAxis("left").setTicks([[(value, f"{value}%") for value in (0, 50, 100)]])

    def _add_phases(self, analysis: ProfilerAnalysis) -> None:
        axis = QuantityAxis("%")
        plot = self._add_plot(Lane(tr("Phases"), "", ()), axis)
        axis.setStyle(showValues=False)
        plot.showGrid(x=True, y=False, alpha=0.12)
        plot.addItem(self._phases)
        self._phases.set_track(analysis.track, self._origin)
        plot.setYRange(0, _HEADROOM, padding=0)

    def _add_marks(self) -> None:
        axis = QuantityAxis("")
        plot = self._add_plot(Lane(MarkLane.title, "", ()), axis)
        axis.setStyle(showValues=False)
        plot.showGrid(x=True, y=False, alpha=0.12)
        plot.setYRange(0, _HEADROOM, padding=0)
        self._mark_lane = MarkLane(plot, self._clock, self._marks, self._saved)

    def _add_plot(self, lane: Lane, axis: QuantityAxis) -> pg.PlotItem:
        axes: dict[str, pg.AxisItem] = {"left": axis, "bottom": TimeAxis()}
        if self._clock and not self._plots:
            axes["top"] = StepAxis(self._clock)
        plot = self._canvas.addPlot(row=len(self._plots), col=0, axisItems=axes)
        if "top" in axes:
            plot.showAxis("top")
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.showGrid(x=True, y=True, alpha=0.12)
        plot.getViewBox().setMouseEnabled(x=True, y=False)
        span = self._span()
        plot.getViewBox().setLimits(xMin=-0.02 * span, xMax=1.02 * span, minXRange=span / 1e5)
        plot.hideAxis("bottom")
        words = (
            lane.name
            if len(lane.resources) < 2
            else tr("{one} (solid), {other} (dashed)").format(one=lane.resources[0], other=lane.resources[1])
        )
        name = pg.TextItem(words, anchor=(0, 0))
        name.setFont(font("caption"))
        name.setParentItem(plot.getViewBox())
        name.setPos(2, -2)
        name.setZValue(10)
        self._names.append(name)
        line = pg.InfiniteLine()
        line.hide()
        plot.addItem(line, ignoreBounds=True)
        self._lines.append(line)
        if self._plots:
            plot.setXLink(self._plots[0][1])
        self._plots.append((lane, plot))
        return plot

    def _finish_last(self) -> None:
        """Give the lowest plot the time axis of all."""
        plot = self._plots[-1][1]
        plot.showAxis("bottom")
        self._canvas.ci.layout.setRowStretchFactor(len(self._plots) - 1, 1)
        plot.getAxis("left").setWidth(AXIS_WIDTH)

    def _on_node_chosen(self, _name: str) -> None:
        self._draw(keep_view=True)

    def _on_mouse_moved(self, position: QPointF) -> None:
        if not self._plots:
            return
        box = self._plots[0][1].getViewBox()
        low, high = self.view
        time = float(box.mapSceneToView(position).x())
        inside = low <= time <= high and time >= 0
        for line in self._lines:
            line.setVisible(inside)
            line.setPos(time)
        self._reading.setText(self.read_at(time) if inside else "")

    def _on_mouse_clicked(self, event: Any) -> None:
        if not self._plots:
            return
        time = float(self._plots[0][1].getViewBox().mapSceneToView(event.scenePos()).x())
        for mark in self._near(time)[:1]:
            self.finding_chosen.emit(mark.rule)


def _value_at(band: Band, when: float) -> float | None:
    """Return the sample that covers `when` (Unix seconds); None outside of the samples."""
    at = int(np.searchsorted(band.times, when))
    if at == len(band.times) or (at == 0 and len(band.times) > 1):
        return None
    return float(band.mean[at])
