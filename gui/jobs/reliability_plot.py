"""Whether a model is as sure as it is right: accuracy over sureness, one point for each bin of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import Signal
from PySide6.QtGui import QColor

from core.predict.scores import ReliabilityBin
from core.translation import plural, tr
from gui.shared.plotting import Plot, pen
from gui.shared.theme import tokens


class ReliabilityPlot(Plot):
    """Points on the dashed line are as sure as they are right; below it the model is too sure. Larger is more pictures.

    Signals:
        chosen(int): a point was clicked: its place among the bins.
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__(tr("How sure, %"), tr("How often right, %"))
        self._bins: Sequence[ReliabilityBin] = ()
        self.setAccessibleName(tr("How often the answers are right by how sure they are"))
        self._line = pg.PlotCurveItem([0, 100], [0, 100])
        self._points = pg.ScatterPlotItem(hoverable=True, tip=self._tip)
        self._points.sigClicked.connect(self._on_clicked)
        self.addItem(self._line)
        self.addItem(self._points)
        self.setRange(xRange=(0, 100), yRange=(0, 100))
        self.setMouseEnabled(x=False, y=False)
        self.restyled.connect(self._draw)

    def show_bins(self, bins: Sequence[ReliabilityBin]) -> None:
        """Show the bins of an evaluation."""
        self._bins = tuple(bins)
        self._draw()

    def _draw(self) -> None:
        self._line.setPen(pen(tokens().muted, dashed=True))
        most = max((one.count for one in self._bins), default=1)
        self._points.setData(
            x=[100 * one.sureness for one in self._bins],
            y=[100 * one.accuracy for one in self._bins],
            size=[8 + 16 * (one.count / most) ** 0.5 for one in self._bins],
            data=list(range(len(self._bins))),
            brush=QColor(tokens().accent),
            pen=pen(tokens().raised),
        )

    def _tip(self, x: float, y: float, data: int) -> str:
        return plural(
            "{count:,} picture: {sure:.0f} % sure, {right:.0f} % right",
            "{count:,} pictures: {sure:.0f} % sure, {right:.0f} % right",
            self._bins[data].count,
            sure=x,
            right=y,
        )

    def _on_clicked(self, _item: Any, points: Sequence[Any], _event: Any) -> None:
        if len(points):
            self.chosen.emit(int(points[0].data()))
