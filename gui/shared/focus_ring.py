"""A ring around what has the keyboard's focus but does not show it by itself: plots, and areas that scroll."""

from __future__ import annotations

import shiboken6
from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QGraphicsView, QScrollArea, QWidget

from gui.shared.theme import tokens

PROPERTY = "focusRing"
"""A widget that has this property gets the ring too."""


class FocusRing(QObject):
    """Draws the ring while the keyboard moves the focus; who clicks knows where."""

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self._ring: QWidget | None = None
        app.focusChanged.connect(self._on_focus)

    @property
    def around(self) -> QWidget | None:
        """Return the widget that has the ring."""
        ring = self._ring  # it goes with the widget that it is on
        return ring.parentWidget() if ring is not None and shiboken6.isValid(ring) else None

    def _on_focus(self, before: QWidget | None, now: QWidget | None) -> None:
        if self._ring is not None and shiboken6.isValid(self._ring):
            self._ring.hide()
            self._ring.deleteLater()
        self._ring = None
        by_keyboard = QApplication.mouseButtons() == Qt.MouseButton.NoButton
        if by_keyboard and (isinstance(now, QGraphicsView | QScrollArea) or (now and now.property(PROPERTY))):
            self._ring = _Ring(now)


class _Ring(QWidget):
    """Lies over all of a widget and lets the mouse through."""

    def __init__(self, around: QWidget) -> None:
        super().__init__(around)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        around.installEventFilter(self)
        self.setGeometry(around.rect())
        self.show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay as large as the widget."""
        if event.type() == QEvent.Type.Resize and isinstance(watched, QWidget):
            self.setGeometry(watched.rect())
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the ring."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(tokens().accent), 2))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 6, 6)
