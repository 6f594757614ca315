"""The most probable classes of a picture as horizontal bars with percentages."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from core.jobs.accuracy import percent
from core.translation import tr
from gui.shared.theme import font, scaled, tokens

ROW = 44
BAR = 8
PAD = 8


class ClassBars(QWidget):
    """Paints (label, probability) pairs, the first one prominent; one of them is chosen by click or arrow keys.

    Signals:
        chosen(str): another class was chosen by the user.
    """

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._classes: tuple[tuple[str, float], ...] = ()
        self._current = 0
        self._hovered = -1
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(tr("Most probable classes"))

    @property
    def classes(self) -> tuple[tuple[str, float], ...]:
        """Return what is shown."""
        return self._classes

    @property
    def current(self) -> str:
        """Return the chosen class, "" when nothing is shown."""
        return self._classes[self._current][0] if self._classes else ""

    def set_classes(self, classes: Sequence[tuple[str, float]]) -> None:
        """Show other classes, the most probable first; the first is chosen."""
        self._classes, self._current, self._hovered = tuple(classes), 0, -1
        self._describe()
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Return one row per class."""
        return QSize(280, max(1, len(self._classes)) * scaled(ROW))

    def minimumSizeHint(self) -> QSize:
        """Return the height of all rows."""
        return QSize(160, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the bars."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for number in range(len(self._classes)):
            self._paint_row(painter, number)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Light up the row under the pointer."""
        self._set_hovered(self._row_at(event.position().y()))

    def leaveEvent(self, event: object) -> None:
        """Note that nothing is under the pointer any more."""
        self._set_hovered(-1)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a class."""
        self._choose(self._row_at(event.position().y()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose a class by arrow keys."""
        step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
        else:
            self._choose(self._current + step)

    def _paint_row(self, painter: QPainter, number: int) -> None:
        colours, (label, probability) = tokens(), self._classes[number]
        row = QRectF(0, number * scaled(ROW), self.width(), scaled(ROW))
        first, current = number == 0, number == self._current
        if number == self._hovered or (current and self.hasFocus()):
            painter.setPen(QColor(colours.accent) if current and self.hasFocus() else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.hover))
            painter.drawRoundedRect(row.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        inner = row.adjusted(PAD, 5, -PAD, -6)
        text_line = QRectF(inner.left(), inner.top(), inner.width(), inner.height() - BAR - 4)
        painter.setFont(font("strong" if first else "figures"))
        painter.setPen(QColor(colours.text if first or current else colours.muted))
        figure = percent(probability)
        # Digits of one width, so that the percentages stand under each other.
        width = painter.fontMetrics().horizontalAdvance("> 99.9 %") + 4
        painter.drawText(text_line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, figure)
        name_width = int(text_line.width()) - width - PAD
        name = painter.fontMetrics().elidedText(label, Qt.TextElideMode.ElideMiddle, name_width)
        painter.drawText(text_line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        track = QRectF(inner.left(), inner.bottom() - BAR, inner.width(), BAR)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.line))
        painter.drawRoundedRect(track, BAR / 2, BAR / 2)
        filled = QRectF(track)
        filled.setWidth(max(BAR if probability > 0.005 else 2.0, track.width() * probability))
        painter.setBrush(QColor(colours.accent if first else colours.control_line))
        painter.drawRoundedRect(filled, min(BAR / 2, filled.width() / 2), BAR / 2)

    def _row_at(self, y: float) -> int:
        number = int(y // scaled(ROW))
        return number if 0 <= number < len(self._classes) else -1

    def _set_hovered(self, number: int) -> None:
        if number != self._hovered:
            self._hovered = number
            self.setToolTip(self._classes[number][0] if number >= 0 else "")
            self.update()

    def _choose(self, number: int) -> None:
        if 0 <= number < len(self._classes) and number != self._current:
            self._current = number
            self._describe()
            self.update()
            self.chosen.emit(self.current)

    def _describe(self) -> None:
        words = ", ".join(f"{label} {percent(probability)}" for label, probability in self._classes)
        self.setAccessibleDescription(words)
