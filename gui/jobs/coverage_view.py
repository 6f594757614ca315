"""The threshold of a model: how many pictures are answered, and how many of these rightly, as it is moved."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from core.predict.coverage import Coverage, coverage_at, coverage_curve
from core.predict.evaluate import Evaluation
from core.translation import tr
from gui.shared.basics import button, icon_button, label
from gui.shared.plotting import Plot, pen
from gui.shared.theme import tokens

EVERY_CLASS = tr("Every class")
NOTHING = tr(
    "This model cannot say what it does not know: it was trained by an earlier version, or on too few pictures."
)


class CoverageView(QWidget):
    """Accuracy over the share of pictures that are answered; the line is the threshold, and can be dragged.

    Nothing is changed before it is kept, and what was kept can be taken back.

    Signals:
        keep_asked(float): keep this threshold in the model.
        undo_asked(): take the last change back.
        pictures_asked(float): list the pictures that are stranger than this.
    """

    keep_asked = Signal(float)
    undo_asked = Signal()
    pictures_asked = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self._evaluation: Evaluation | None = None
        self._curve: tuple[Coverage, ...] = ()
        self._value = 0.0
        self.classes = QComboBox()
        self.classes.setAccessibleName(tr("Pictures of which class"))
        self.classes.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.classes.setMinimumContentsLength(7)
        self.classes.currentIndexChanged.connect(self._on_class)
        self.keep = button(
            tr("Keep"), kind="primary", tip=tr("Keep this threshold: answers and new endpoints go by it")
        )
        self.keep.clicked.connect(lambda: self.keep_asked.emit(self._value))
        self.undo = icon_button("undo", tr("Take the last change of the threshold back"))
        self.undo.clicked.connect(self.undo_asked)
        self.pictures = button(
            tr("Show the unknown"), kind="link", tip=tr("List the pictures that would not be answered")
        )
        self.pictures.clicked.connect(lambda: self.pictures_asked.emit(self._value))
        self.text = label("", "caption", wrap=True)
        self.origin = label("", "caption", wrap=True)
        self._make_plot()
        top, box = QHBoxLayout(), QVBoxLayout(self)
        top.addWidget(self.classes, 1)
        top.addWidget(self.pictures)
        below = QHBoxLayout()
        below.addWidget(self.text, 1)
        for widget in (self.keep, self.undo):
            below.addWidget(widget, 0, Qt.AlignmentFlag.AlignTop)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addLayout(top)
        box.addWidget(self.plot, 1)
        box.addLayout(below)
        box.addWidget(self.origin)

    def _make_plot(self) -> None:
        self.plot = Plot(tr("Answered, %"), tr("Of these right, %"))
        self.plot.setAccessibleName(tr("How often answers are right by how many pictures are answered"))
        self._line = pg.PlotCurveItem()
        self.marker = pg.InfiniteLine(angle=90, movable=True, bounds=(0, 100))
        self.marker.sigDragged.connect(self._on_dragged)
        self._point = pg.ScatterPlotItem(size=11)
        for item in (self._line, self.marker, self._point):
            self.plot.addItem(item)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.restyled.connect(self._draw)

    def show_evaluation(self, evaluation: Evaluation) -> None:
        """Show the threshold of another evaluation, or the same after it was moved."""
        self._evaluation = evaluation
        chosen = self.classes.currentText()
        self.classes.blockSignals(True)
        self.classes.clear()
        self.classes.addItems([EVERY_CLASS, *evaluation.classes])
        self.classes.setCurrentIndex(max(0, self.classes.findText(chosen)))
        self.classes.blockSignals(False)
        threshold = evaluation.threshold
        known = threshold is not None and evaluation.answered is not None
        for widget in (self.classes, self.keep, self.undo, self.plot, self.pictures):
            widget.setVisible(known)
        self._value = threshold.value if threshold is not None else 0.0
        self.undo.setEnabled(threshold is not None and threshold.moves > 0)
        self.origin.setText(threshold.sentence if known and threshold is not None else "")
        self._on_class()

    def move_to(self, share: float) -> None:
        """Answer this share of the pictures, 0…1: the nearest threshold that there is."""
        if self._curve:
            self._value = min(self._curve, key=lambda point: abs(point.share - share)).threshold
            self._draw()

    def keyPressEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        """Move the line by a picture with Left and Right."""
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(event.key(), 0)
        if not step or not self._curve:
            super().keyPressEvent(event)
            return
        values = [point.threshold for point in self._curve]
        at = int(np.searchsorted(values, self._value, "right")) - 1 + step
        self._value = values[min(max(at, 0), len(values) - 1)]
        self._draw()

    def _on_class(self) -> None:
        if self._evaluation is None:
            return
        wanted = self.classes.currentText() if self.classes.currentIndex() > 0 else ""
        self._curve = coverage_curve([p for p in self._evaluation.pictures if wanted in ("", p.label)])
        self._draw()

    def _on_dragged(self) -> None:
        self.move_to(self.marker.value() / 100)

    def _draw(self) -> None:
        found, threshold = self._evaluation, None if self._evaluation is None else self._evaluation.threshold
        if found is None or threshold is None or found.answered is None:
            self.text.setText(NOTHING)
            return
        wanted = self.classes.currentText() if self.classes.currentIndex() > 0 else ""
        now = coverage_at((p for p in found.pictures if wanted in ("", p.label)), self._value)
        shares = [100 * point.share for point in self._curve]
        rates = [100 * (point.accuracy or 0.0) for point in self._curve]
        self._line.setData(shares, rates, pen=pen(tokens().accent, width=2))
        self._point.setData(
            [100 * now.share], [100 * (now.accuracy or 0.0)], brush=QColor(tokens().accent), pen=pen(tokens().raised)
        )
        self.marker.setPen(pen(tokens().muted, dashed=True))
        self.marker.setHoverPen(pen(tokens().accent, width=2))
        self.marker.blockSignals(True)
        self.marker.setValue(100 * now.share)
        self.marker.blockSignals(False)
        low = min(rates, default=0.0)
        self.plot.setRange(xRange=(0, 100), yRange=(max(0.0, low - 5), 101), padding=0.02)
        unknown = tr("Unknown is what is stranger than {value:.2f}.").format(value=self._value)
        self.text.setText(f"{now.sentence} {unknown}")
        self.pictures.setText(tr("Show the {count:,} unknown").format(count=now.count - now.answered))
        self.pictures.setEnabled(now.answered < now.count)
        self.keep.setEnabled(self._value != threshold.value)
