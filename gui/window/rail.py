"""The left rail: the window's tabs as a real QTabBar, painted as icon above word."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QKeySequence, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QTabBar, QToolButton, QVBoxLayout

from core.translation import tr
from gui.shared.icons import paint_icon
from gui.shared.theme import GRID, font, scaled, tokens

WIDTH = 84
_HEIGHT = 62
_ICON = 22


class RailTabs(QTabBar):
    """Tabs one below the other. Up and Down move between them, as a list would."""

    def __init__(self) -> None:
        super().__init__()
        self.setShape(QTabBar.Shape.RoundedWest)
        self.setAccessibleName(tr("Tabs"))
        self.setExpanding(False)
        self.setDrawBase(False)
        self.setUsesScrollButtons(False)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._icons: list[str] = []
        self._marked: set[int] = set()

    def add(self, icon_name: str, word: str, shortcut: str) -> int:
        """Add a tab; returns its number."""
        self._icons.append(icon_name)
        at = self.addTab(word)
        native = QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText)
        self.setTabToolTip(at, f"{word} ({native})")
        self.setAccessibleTabName(at, word)
        return at

    def set_mark(self, at: int, why: str = "") -> None:
        """Mark a tab with a dot, or with no `why` take the mark away; `why` is said to screen readers."""
        (self._marked.add if why else self._marked.discard)(at)
        self.setAccessibleTabName(at, f"{self.tabText(at)}, {why}" if why else self.tabText(at))
        self.update()

    def is_marked(self, at: int) -> bool:
        """Whether a tab has a mark."""
        return at in self._marked

    def tabSizeHint(self, index: int) -> QSize:
        """Return all are alike."""
        return QSize(WIDTH, scaled(_HEIGHT))

    def minimumTabSizeHint(self, index: int) -> QSize:
        """Return the size; none shrinks."""
        return self.tabSizeHint(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move by Up, Down, Home and End."""
        last = self.count() - 1
        to = {
            Qt.Key.Key_Up: max(0, self.currentIndex() - 1),
            Qt.Key.Key_Down: min(last, self.currentIndex() + 1),
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }.get(Qt.Key(event.key()))
        if to is None:
            super().keyPressEvent(event)
        else:
            self.setCurrentIndex(to)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint every tab."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        under = self.tabAt(self.mapFromGlobal(self.cursor().pos())) if self.underMouse() else -1
        for at in range(self.count()):
            self._paint_tab(painter, at, self.tabRect(at), hovered=at == under)

    def _paint_tab(self, painter: QPainter, at: int, rect: QRect, *, hovered: bool) -> None:
        colours, current = tokens(), at == self.currentIndex()
        tile = QRectF(rect).adjusted(8, 3, -8, -3)
        if current or hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.accent_tint if current else colours.hover))
            painter.drawRoundedRect(tile, GRID, GRID)
        if current:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.accent))
            painter.drawRoundedRect(QRectF(0, tile.top() + 12, 3, tile.height() - 24), 1.5, 1.5)
        if current and self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colours.accent), 2))
            painter.drawRoundedRect(tile.adjusted(1, 1, -1, -1), GRID, GRID)
        colour = QColor(colours.accent if current else colours.muted)
        box = QRectF(tile.center().x() - _ICON / 2, tile.top() + 8, _ICON, _ICON)
        paint_icon(painter, box, self._icons[at], colour)
        if at in self._marked:
            painter.setPen(QPen(QColor(colours.rail), 2))
            painter.setBrush(QColor(colours.warning))
            painter.drawEllipse(QRectF(box.right() - 4, box.top() - 5, 11, 11))
        painter.setFont(font("caption"))
        painter.setPen(QColor(colours.text if current else colours.muted))
        words = QRectF(tile.left(), box.bottom() + 2, tile.width(), tile.bottom() - box.bottom() - 4)
        painter.drawText(words, Qt.AlignmentFlag.AlignCenter, self.tabText(at))


class Rail(QFrame):
    """The tabs, and the window's menu button at the bottom."""

    def __init__(self, tabs: RailTabs, *at_bottom: QToolButton) -> None:
        super().__init__()
        self.setObjectName("rail")
        self.setFixedWidth(WIDTH + 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, GRID, 0, GRID)
        box.setSpacing(GRID // 2)
        box.addWidget(tabs)
        box.addStretch(1)
        for made in at_bottom:
            box.addWidget(made, 0, Qt.AlignmentFlag.AlignHCenter)
