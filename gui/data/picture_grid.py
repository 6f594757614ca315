"""The grid of pictures: what keys and the pointer do in it."""

from __future__ import annotations

from PySide6.QtCore import (
    QPoint,
    QRect,
    QRectF,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication

from gui.data.chosen_drag import drag_chosen
from gui.data.grid_layout import Placed
from gui.data.grid_view import GridView
from gui.data.label_keys import command_of, typed_by
from gui.data.pictures_model import PicturesModel
from gui.shared.theme import tokens
from gui.shared.thumbnail_pixmaps import Thumbnails

SCROLL_MS = 16
_MOVES = (
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
)


class PictureGrid(GridView):
    """Chooses pictures by keys and by the pointer, and says what was asked to be done with them.

    Arrow keys, Home, End and Page keys move; with Shift they choose up to there, with Ctrl they choose nothing. A drag
    that begins on a chosen picture takes the chosen ones along; any other chooses what it encloses.

    Signals:
        view_asked(): show the current picture large, or no longer.
        key_typed(str): a letter or digit for the chosen pictures; in upper case with Shift.
        command(str): "leave_out", "unlabel", "label", "undo", "redo" or "escape", by its key.
        section_accepted(int, int): accept what is suggested for `count` rows from `first` on.
        menu_asked(QPoint): show the menu of the chosen pictures at a point of the screen.
    """

    view_asked = Signal()
    key_typed = Signal(str)
    command = Signal(str)
    section_accepted = Signal(int, int)
    menu_asked = Signal(QPoint)

    def __init__(self, model: PicturesModel, thumbnails: Thumbnails) -> None:
        super().__init__(model, thumbnails)
        self._press: QPoint | None = None
        self._pressed_row = -1
        self._band: QRect | None = None
        self._before_band: set[int] = set()
        self._scrolling = QTimer(self)
        self._scrolling.setInterval(SCROLL_MS)
        self._scrolling.timeout.connect(self._on_scroll_tick)

    def go_to(self, row: int) -> None:
        """Make a row the current and the only chosen one, and bring it into sight."""
        if 0 <= row < self._pictures.rowCount():
            self._set_current(row)
            self._pictures.choose([row])
            self._anchor = row

    # Keys

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move, choose, or say what was typed."""
        key, control = event.key(), bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if key in _MOVES:
            self._move(event)
        elif control and key == Qt.Key.Key_A:
            self._pictures.choose(range(self._pictures.rowCount()))
        elif control and key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self.zoom(-1 if key == Qt.Key.Key_Minus else 1)
        elif control and key == Qt.Key.Key_Space and self.current_row >= 0:
            self._pictures.toggle(self.current_row)
        elif key == Qt.Key.Key_Space:
            self.view_asked.emit()
        elif command := command_of(event):
            self.command.emit(command)
        elif typed := typed_by(event):
            self.key_typed.emit(typed)
        else:
            event.ignore()

    def _move(self, event: QKeyEvent) -> None:
        super().keyPressEvent(event)
        row = self.current_row
        if row < 0:
            return
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._pictures.choose(_between(self._anchor, row))
        elif not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._pictures.choose([row])
            self._anchor = row

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll; with Ctrl make the squares larger or smaller."""
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier and event.angleDelta().y():
            self.zoom(1 if event.angleDelta().y() > 0 else -1)
        else:
            super().wheelEvent(event)

    # The pointer

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a picture, a section or, with the drag that follows, what it encloses."""
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        at = self._in_grid(event.position().toPoint())
        self._press, self._pressed_row = at, self.indexAt(event.position().toPoint()).row()
        control = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        row = self._pressed_row
        if row >= 0 and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._pictures.choose(_between(self._anchor, row), add=control)
        elif row >= 0 and control:
            self._pictures.toggle(row)
            self._anchor = row
        elif row >= 0 and not self._pictures.is_chosen(row):
            self._pictures.choose([row])
            self._pressed_row, self._anchor = -1, row
        elif row < 0 and (header := self._header_under(event.position().toPoint())):
            self._on_header(header, at.x(), add=control)
            self._press = None
        elif row < 0 and not control:
            self._pictures.choose([])
        if row >= 0:
            self._set_current(row)
        self._before_band = set(self._pictures.chosen) if control else set()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Take the chosen pictures along, or enclose more."""
        super().mouseMoveEvent(event)
        point = event.position().toPoint()
        if self._press is None or not event.buttons() & Qt.MouseButton.LeftButton:
            header = self._header_under(point)
            on_action = header is not None and point.x() >= self._painter.action_rect(header).left()
            self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if on_action else Qt.CursorShape.ArrowCursor)
            return
        here = self._in_grid(point)
        if self._band is None and (here - self._press).manhattanLength() < QApplication.startDragDistance():
            return
        if self._pressed_row >= 0 or (self._band is None and point.x() < 0):
            self._drag()
            return
        self._band = QRect(self._press, here).normalized()
        self._choose_enclosed()
        if not 0 <= point.y() < self.viewport().height():
            self._scrolling.start()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End a drag; a click on one of several chosen pictures chooses it alone."""
        plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        if self._press is not None and self._band is None and self._pressed_row >= 0 and plain:
            self._pictures.choose([self._pressed_row])
            self._anchor = self._pressed_row
        self._end_drag()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show a picture large."""
        if self.indexAt(event.position().toPoint()).isValid():
            self.view_asked.emit()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for the menu of the chosen pictures, or of the one under the pointer."""
        index = self.indexAt(event.pos()) if event.reason() is QContextMenuEvent.Reason.Mouse else self.currentIndex()
        if index.isValid() and not self._pictures.is_chosen(index.row()):
            self.go_to(index.row())
        if self._pictures.chosen:
            keyboard = event.reason() is not QContextMenuEvent.Reason.Mouse
            spot = self.visualRect(index).center() if keyboard else event.pos()
            self.menu_asked.emit(self.viewport().mapToGlobal(spot))

    def _drag(self) -> None:
        self._end_drag()
        count = len(self._pictures.chosen)
        row = self.current_row
        first = self._thumbnails.pixmap(self._pictures.picture(row)) if row >= 0 else None
        if count:
            drag_chosen(self, count, first)

    def _end_drag(self) -> None:
        self._press, self._band, self._pressed_row = None, None, -1
        self._scrolling.stop()
        self.viewport().update()

    def _choose_enclosed(self) -> None:
        assert self._band is not None
        numbers = {self._pictures.number(row) for row in self._layout.rows_in(self._band)}
        self._pictures.choose_numbers(self._before_band | numbers)
        self.viewport().update()

    def _on_scroll_tick(self) -> None:
        """Scroll on while the pointer is above or below, and enclose what comes."""
        point = self.viewport().mapFromGlobal(self.cursor().pos())
        beyond = min(0, point.y()) or max(0, point.y() - self.viewport().height())
        if self._press is None or not beyond:
            self._scrolling.stop()
            return
        bar = self.verticalScrollBar()
        bar.setValue(bar.value() + max(-40, min(40, beyond)))
        self._band = QRect(self._press, self._in_grid(point)).normalized()
        self._choose_enclosed()

    def _on_header(self, placed: Placed, x: int, *, add: bool) -> None:
        section = placed.section
        if self._painter.accepts and x >= self._painter.action_rect(placed).left():
            self.section_accepted.emit(section.first, section.count)
        else:
            self._pictures.choose(range(section.first, section.first + section.count), add=add)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is in sight, and the band that encloses pictures over it."""
        super().paintEvent(event)
        if self._band is not None:
            painter, tint = QPainter(self.viewport()), tokens().accent
            painter.setPen(QPen(QColor(tint), 1))
            ground = QColor(tint)
            ground.setAlpha(40)
            painter.setBrush(ground)
            band = QRectF(self._band.translated(0, -self.verticalOffset()))
            painter.drawRect(band.adjusted(0.5, 0.5, -0.5, -0.5))

    def _in_grid(self, point: QPoint) -> QPoint:
        return point + QPoint(0, self.verticalOffset())


def _between(first: int, last: int) -> range:
    return range(min(first, last), max(first, last) + 1)
