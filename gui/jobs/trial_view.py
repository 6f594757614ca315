"""What the plots of trials share: a plot, one trial lit up or selected, the pointer's hover and click out."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, Qt, QTimer, Signal
from PySide6.QtWidgets import QWidget

from gui.jobs.trial_curves import Bundle, nearest
from gui.shared.plotting import Plot


class TrialView(QWidget):
    """A plot of trials; who derives from it draws them, and keeps in `_bundle` what the pointer can meet.

    Signals:
        hovered(str): the trial under the pointer, "" for none.
        chosen(str): a trial was clicked, "" for the empty plane.
    """

    hovered = Signal(str)
    chosen = Signal(str)

    reach = 24.0
    """A trial is under the pointer when it is drawn within so many pixels."""

    def __init__(self, x_label: str, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._best = self._lit = self._selected = ""
        self._pointer_x: float | None = None  # of the pointer, while it is over the plot
        self._bundle = Bundle(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64))
        self.plot = Plot(x_label)
        self.plot.setAccessibleName(name)
        self.plot.restyled.connect(self.schedule)
        self.plot.scene().sigMouseMoved.connect(self._on_moved)
        self.plot.scene().sigMouseClicked.connect(self._on_clicked)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.redraw)
        self._cost_s, self._drawn = 0.0, 0.0

    def schedule(self) -> None:
        """Draw when the event loop comes to it; later where drawing costs much, so that it takes 5 % of the time."""
        if not self._timer.isActive():
            pause = self._drawn + 20 * self._cost_s - time.perf_counter()
            self._timer.start(max(0, round(1000 * pause)))

    def redraw(self) -> None:
        """Draw everything now."""
        self._timer.stop()
        started = time.perf_counter()
        self._draw()
        self._drawn = time.perf_counter()
        self._cost_s = self._drawn - started

    def _draw(self) -> None:
        """Draw everything."""
        raise NotImplementedError

    def highlight(self, name: str) -> None:
        """Light a trial up, as the table's hover does; "" for none."""
        self._pointer_x = None
        self._light(name)

    def _light(self, name: str) -> None:
        if name != self._lit:
            self._lit = name
            self._draw_top()

    def trial_at(self, scene_position: QPointF) -> str:
        """Return the trial drawn nearest to a point of the scene, "" for none within reach."""
        box = self.plot.getPlotItem().getViewBox()
        if not box.sceneBoundingRect().contains(scene_position):
            return ""
        point, (width, height) = box.mapSceneToView(scene_position), box.viewPixelSize()
        if not width or not height:
            return ""
        found = nearest(self._bundle, point.x(), point.y(), (1 / width, 1 / height))
        return self._name_of(found[0]) if found is not None and found[1] <= self.reach else ""

    def _name_of(self, at: int) -> str:
        """Return the name of a trial by its place in `_bundle`."""
        raise NotImplementedError

    def _draw_top(self) -> None:
        """Draw the trial that is lit up or selected over the others."""
        raise NotImplementedError

    def _on_moved(self, scene_position: QPointF) -> None:
        before, self._pointer_x = (
            self._pointer_x,
            self.plot.getPlotItem().getViewBox().mapSceneToView(scene_position).x(),
        )
        name = self.trial_at(scene_position)
        if name and name == self._lit and self._pointer_x != before:
            self._draw_top()
        self._on_hover(name)

    def _on_hover(self, name: str) -> None:
        if name != self._lit:
            self._light(name)
            self.hovered.emit(name)

    def _on_clicked(self, event: Any) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(self.trial_at(event.scenePos()))
