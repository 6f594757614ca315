"""A view of thumbnails under headers: it lays out all and paints what is in sight, so its size does not matter."""

from __future__ import annotations

from PySide6.QtCore import (
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QPainter,
    QPaintEvent,
    QRegion,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QFrame, QToolTip

from core.translation import tr
from gui.data.grid_layout import GAP, HEADER, GridLayout, Placed
from gui.data.grid_painter import GridPainter
from gui.data.pictures_model import PicturesModel
from gui.shared.announce import announce
from gui.shared.theme import tokens
from gui.shared.thumbnail_pixmaps import Thumbnails

AnyIndex = QModelIndex | QPersistentModelIndex
SIZES = (72, 104, 144, 208)
"""The smallest edge of a square, in pixels; Ctrl+wheel, Ctrl++ and Ctrl+- go through them."""


class GridView(QAbstractItemView):
    """Lays out and paints the pictures of a `PicturesModel`, which keeps what is chosen, and knows the current one.

    Signals:
        looked_at(int): another row is the current one; -1 for none.
        resized(): it has another size.
    """

    looked_at = Signal(int)
    resized = Signal()

    def __init__(self, model: PicturesModel, thumbnails: Thumbnails) -> None:
        super().__init__()
        self.setObjectName("grid")
        self.setAccessibleName(tr("Pictures"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setMouseTracking(True)
        self._pictures, self._thumbnails = model, thumbnails
        self._painter = GridPainter(self, model, thumbnails)
        self._smallest = SIZES[1]
        self._layout = GridLayout((), 1, self._smallest)
        self._anchor = 0
        """The row where a choice by Shift begins; it follows the current picture when they are arranged."""
        self._current = (-1, -1)
        self._read_out = -1
        self._top: tuple[int, int] | None = None
        """The picture at the top when they are arranged, and how much of it is scrolled away."""
        self._asked = model.query
        self.setModel(model)
        model.modelAboutToBeReset.connect(self._keep_current)
        model.sections_changed.connect(self._on_arranged)
        model.chosen_changed.connect(self.viewport().update)
        thumbnails.ready.connect(self.viewport().update)
        self._lay_out()

    @property
    def columns(self) -> int:
        """Return how many pictures stand side by side."""
        return self._layout.columns

    @property
    def cell(self) -> int:
        """Return the edge of a picture's square; a line of them fills the width."""
        return self._layout.edge

    @property
    def current_row(self) -> int:
        """Return the row that keys act on; -1 for none."""
        return self.currentIndex().row()

    def show_class(self, label: str) -> None:
        """Scroll to the header of a class."""
        for placed in self._layout.placed:
            if placed.section.title == label:
                self.verticalScrollBar().setValue(placed.top)

    def zoom(self, steps: int) -> None:
        """Make the squares larger or smaller, the picture in the middle of the view staying there."""
        at = SIZES.index(self._smallest) + steps
        if not 0 <= at < len(SIZES):
            return
        middle = self._layout.row_at(0, self.verticalOffset() + self.viewport().height() // 2)
        self._smallest = SIZES[at]
        self._lay_out()
        if middle >= 0:
            centre = self._layout.square(middle).center().y()
            self.verticalScrollBar().setValue(centre - self.viewport().height() // 2)

    # What Qt asks of a view

    def visualRect(self, index: AnyIndex) -> QRect:
        """Return where a picture is in the viewport."""
        if not index.isValid() or not self._layout.placed:
            return QRect()
        return self._layout.square(index.row()).translated(0, -self.verticalOffset())

    def indexAt(self, point: QPoint) -> QModelIndex:
        """Return the picture under a point of the viewport; the header that stays at the top is before it."""
        row = -1 if self._header_under(point) else self._layout.row_at(point.x(), point.y() + self.verticalOffset())
        return self._pictures.index(row) if row >= 0 else QModelIndex()

    def scrollTo(
        self, index: AnyIndex, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        """Bring a picture into sight, with room for the header above it."""
        if not index.isValid() or not self._layout.placed:
            return
        square, bar = self._layout.square(index.row()), self.verticalScrollBar()
        top = square.top() - HEADER
        if top < bar.value():
            bar.setValue(top)
        elif square.bottom() + GAP > bar.value() + self.viewport().height():
            bar.setValue(square.bottom() + GAP - self.viewport().height())

    def moveCursor(self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier) -> QModelIndex:
        """Return the picture that a key leads to."""
        count = self._pictures.rowCount()
        if not count:
            return QModelIndex()
        row = self.current_row
        if row < 0:
            return self._pictures.index(0)
        move = QAbstractItemView.CursorAction
        page = max(1, self.viewport().height() // self._layout.line - 1)
        target = {
            move.MoveLeft: row - 1,
            move.MovePrevious: row - 1,
            move.MoveRight: row + 1,
            move.MoveNext: row + 1,
            move.MoveHome: 0,
            move.MoveEnd: count - 1,
        }.get(action)
        if target is None:
            step = {move.MoveUp: -1, move.MoveDown: 1, move.MovePageUp: -page, move.MovePageDown: page}[action]
            target = self._layout.beyond(row, step)
        return self._pictures.index(min(max(target, 0), count - 1))

    def horizontalOffset(self) -> int:
        """Return 0: nothing scrolls sideways."""
        return 0

    def verticalOffset(self) -> int:
        """Return pixels scrolled down."""
        return self.verticalScrollBar().value()

    def isIndexHidden(self, index: AnyIndex) -> bool:
        """Return False: nothing is hidden."""
        return False

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        """Leave it to the model, which knows what is chosen."""

    def visualRegionForSelection(self, selection: object) -> QRegion:
        """Return nothing: see `setSelection`."""
        return QRegion()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out for another width."""
        super().resizeEvent(event)
        self._lay_out()
        self.resized.emit()

    def viewportEvent(self, event: object) -> bool:
        """Show the details of the picture under the pointer."""
        if isinstance(event, QHelpEvent):
            index = self.indexAt(event.pos())
            text = index.data(Qt.ItemDataRole.ToolTipRole) if index.isValid() else ""
            # Gone as soon as the pointer leaves that picture: it covers its neighbours.
            QToolTip.showText(event.globalPos(), text, self.viewport(), self.visualRect(index))
            return True
        return super().viewportEvent(event)  # type: ignore[arg-type]

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what is in sight."""
        painter = QPainter(self.viewport())
        current = self.current_row if self.hasFocus() else -1
        self._painter.paint(painter, self._layout, self.verticalOffset(), event.rect(), current)
        if self._pictures.total and not self._pictures.rowCount():
            painter.setPen(QColor(tokens().muted))
            centred = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.viewport().rect(), centred, tr("No picture passes these filters."))

    # How it does it

    def _header_under(self, point: QPoint) -> Placed | None:
        """Return the section whose header is at a point of the viewport: the one that stays at the top, or another."""
        offset = self.verticalOffset()
        top = self._layout.section_at(offset)
        if top is not None and point.y() < HEADER and top.top < offset:
            return top
        return self._layout.header_at(point.y() + offset)

    def _set_current(self, row: int) -> None:
        index = self._pictures.index(row)
        self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        self.scrollTo(index)

    def currentChanged(self, current: AnyIndex, previous: AnyIndex) -> None:
        """Say which picture is the current one, also to screen readers: to Qt's own a view like this has no items."""
        super().currentChanged(current, previous)
        self.viewport().update()
        said = current.data(Qt.ItemDataRole.AccessibleTextRole) if current.isValid() else ""
        self.setAccessibleDescription(said)
        number = self._pictures.number(current.row()) if said else -1
        if number != self._read_out and said and self.hasFocus():
            announce(self, said)
        self._read_out = number
        self.looked_at.emit(current.row())

    def _keep_current(self) -> None:
        row, offset = self.current_row, self.verticalOffset()
        if row >= 0:
            self._current = (row, self._pictures.number(row))
        in_sight = self._layout.rows_in(QRect(0, offset, 1, self.viewport().height())) if offset else []
        self._top = None
        if in_sight:
            self._top = self._pictures.number(in_sight[0]), offset - self._layout.square(in_sight[0]).top()

    def _on_arranged(self) -> None:
        """Lay out, and show the same pictures where nothing else was asked for."""
        is_asked, self._asked = self._asked != self._pictures.query, self._pictures.query
        self._lay_out()
        scroll = 0 if is_asked else self._scroll_to_top_picture()
        is_shown = self._set_current_again()
        self.verticalScrollBar().setValue(scroll)  # a view scrolls to what becomes current, also out of sight
        if is_asked and is_shown:
            self.scrollTo(self.currentIndex())

    def _set_current_again(self) -> bool:
        """Let the current picture stay current, else what is in its place now be; returns whether it is shown."""
        (row, number), count = self._current, self._pictures.rowCount()
        if row < 0 or not count:
            return False
        found = -1 if self._pictures.keeps_place else self._pictures.row_of(number)
        self._anchor = min(row, count - 1) if found < 0 else found
        self._current = (-1, -1)
        index = self._pictures.index(self._anchor)
        self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
        return found >= 0

    def _scroll_to_top_picture(self) -> int:
        """Return how far down the picture is at the top again; as far as now where it is gone, or places are kept."""
        row = -1 if self._top is None or self._pictures.keeps_place else self._pictures.row_of(self._top[0])
        if self._top is None or row < 0:
            return self.verticalOffset()
        return self._layout.square(row).top() + self._top[1]

    def _lay_out(self) -> None:
        self._layout = GridLayout(self._pictures.sections, self.viewport().width(), self._smallest)
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, self._layout.height - self.viewport().height()))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(self._layout.line // 3)
        self.viewport().update()
