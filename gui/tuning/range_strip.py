"""A small strip that shows which values a search would draw from a range."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from core.jobs.ranges import CategoricalRange, Range
from core.translation import tr
from gui.shared.theme import tokens
from gui.tuning.range_draft import sample

_INSET = 4.0


class RangeStrip(QWidget):
    """Ticks on an axis of the range's own scale, from low to high."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._marks: tuple[tuple[float, str], ...] = ()
        self._discrete = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(30)
        self.setMinimumWidth(40)
        self.setAccessibleName(tr("Sampled values"))

    def sizeHint(self) -> QSize:
        """Return a size that tells ticks apart."""
        return QSize(96, 30)

    def show_range(self, item: Range | None) -> None:
        """Show a range's values; None: an empty axis."""
        self._marks = sample(item) if item is not None else ()
        self._discrete = isinstance(item, CategoricalRange) or len(self._marks) < 12
        text = ", ".join(text for _, text in self._marks[:: max(1, len(self._marks) // 8)])
        self.setToolTip(tr("Values such as {text}").format(text=text) if text else "")
        self.setAccessibleDescription(self.toolTip())
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the axis and the ticks."""
        colours = tokens()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle, width = self.height() / 2, self.width() - 2 * _INSET
        painter.setPen(QPen(QColor(colours.line), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawLine(QPointF(_INSET, middle), QPointF(_INSET + width, middle))
        accent = QColor(colours.accent)
        if self._discrete:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(accent)
            for position, _ in self._marks:
                painter.drawEllipse(QPointF(_INSET + position * width, middle), 3.5, 3.5)
            return
        accent.setAlphaF(0.65)
        for position, _ in self._marks:
            painter.fillRect(QRectF(_INSET + position * width - 0.75, middle - 7, 1.5, 14), accent)
