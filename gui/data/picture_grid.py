"""A grid of thumbnails with a header per class; it paints only what is in sight, so its size does not matter."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QPersistentModelIndex, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
    QRegion,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QFrame, QToolTip

from core.dataset.records import Picture
from gui.data.pictures_model import PicturesModel, Section
from gui.data.thumbnails import Thumbnails
from gui.shared.icons import paint_icon
from gui.shared.theme import Tokens, font, split_colour, tokens

AnyIndex = QModelIndex | QPersistentModelIndex
SMALLEST = 104
GAP = 8
HEADER = 34
MOST_TILES = 600


@dataclass(frozen=True, slots=True)
class _Placed:
    section: Section
    top: int
    rows: int


class PictureGrid(QAbstractItemView):
    """The pictures of a `PicturesModel`; arrow keys, Home, End and Page keys move among them."""

    def __init__(self, model: PicturesModel, thumbnails: Thumbnails) -> None:
        super().__init__()
        self.setObjectName("grid")
        self.setAccessibleName("Pictures")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setMouseTracking(True)
        self._pictures, self._thumbnails = model, thumbnails
        self._placed: list[_Placed] = []
        self._tops: list[int] = []
        self._height = 0
        self._tiles: dict[tuple[str, str, int, float, str], QPixmap] = {}
        self.setModel(model)
        model.sections_changed.connect(self._lay_out)
        thumbnails.ready.connect(self.viewport().update)
        self._lay_out()

    @property
    def columns(self) -> int:
        """Return how many pictures stand side by side."""
        return max(1, (self.viewport().width() + GAP) // (SMALLEST + GAP))

    @property
    def cell(self) -> int:
        """Return the edge of a picture's square, so that a line fills the width."""
        return max(SMALLEST, (self.viewport().width() - (self.columns - 1) * GAP) // self.columns)

    def show_class(self, label: str) -> None:
        """Scroll to the header of a class."""
        for placed in self._placed:
            if placed.section.label == label:
                self.verticalScrollBar().setValue(placed.top)

    # What Qt asks of a view

    def visualRect(self, index: AnyIndex) -> QRect:
        """Return where a picture is in the viewport."""
        if not index.isValid():
            return QRect()
        return self._cell(index.row()).translated(0, -self.verticalOffset())

    def indexAt(self, point: QPoint) -> QModelIndex:
        """Return the picture under a point of the viewport."""
        x, y = point.x(), point.y() + self.verticalOffset()
        at = bisect_right(self._tops, y) - 1
        if at < 0 or x < 0:
            return QModelIndex()
        placed = self._placed[at]
        edge = self.cell
        line, below = divmod(y - placed.top - HEADER, edge + GAP)
        column, beside = divmod(x, edge + GAP)
        number = line * self.columns + column
        if line < 0 or below >= edge or beside >= edge or column >= self.columns or number >= placed.section.count:
            return QModelIndex()
        return self._pictures.index(placed.section.first + number)

    def scrollTo(
        self, index: AnyIndex, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        """Bring a picture into sight, with the header of its class if it is in the first line."""
        if not index.isValid():
            return
        cell, bar = self._cell(index.row()), self.verticalScrollBar()
        top = cell.top() - HEADER
        if top < bar.value():
            bar.setValue(top)
        elif cell.bottom() + GAP > bar.value() + self.viewport().height():
            bar.setValue(cell.bottom() + GAP - self.viewport().height())

    def moveCursor(self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier) -> QModelIndex:
        """Return the picture that a key leads to."""
        count = self._pictures.rowCount()
        if not count:
            return QModelIndex()
        current = self.currentIndex()
        if not current.isValid():
            return self._pictures.index(0)
        row = current.row()
        move = QAbstractItemView.CursorAction
        lines = max(1, self.viewport().height() // (self.cell + GAP) - 1)
        target = {
            move.MoveLeft: row - 1,
            move.MovePrevious: row - 1,
            move.MoveRight: row + 1,
            move.MoveNext: row + 1,
            move.MoveHome: 0,
            move.MoveEnd: count - 1,
        }.get(action)
        if target is None:
            step = {move.MoveUp: -1, move.MoveDown: 1, move.MovePageUp: -lines, move.MovePageDown: lines}[action]
            target = self._row_beyond(row, step)
        return self._pictures.index(min(max(target, 0), count - 1))

    def horizontalOffset(self) -> int:
        """Nothing scrolls sideways."""
        return 0

    def verticalOffset(self) -> int:
        """Pixels scrolled down."""
        return self.verticalScrollBar().value()

    def isIndexHidden(self, index: AnyIndex) -> bool:
        """Nothing is hidden."""
        return False

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        """Select the picture at the middle of `rect`."""
        index = self.indexAt(rect.center())
        if index.isValid():
            self.selectionModel().select(index, command)

    def visualRegionForSelection(self, selection: object) -> QRegion:
        """Return where the selected pictures are."""
        region = QRegion()
        for index in self.selectionModel().selectedIndexes():
            region += self.visualRect(index)
        return region

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out for another width."""
        super().resizeEvent(event)
        self._lay_out()

    def viewportEvent(self, event: object) -> bool:
        """Show the details of the picture under the pointer."""
        if isinstance(event, QHelpEvent):
            index = self.indexAt(event.pos())
            text = index.data(Qt.ItemDataRole.ToolTipRole) if index.isValid() else ""
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().viewportEvent(event)  # type: ignore[arg-type]

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the headers and pictures that are in sight."""
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours, offset = tokens(), self.verticalOffset()
        first = max(0, bisect_right(self._tops, offset + event.rect().top()) - 1)
        for placed in self._placed[first:]:
            if placed.top - offset > event.rect().bottom():
                break
            self._paint_section(painter, placed, offset, event.rect(), colours)

    # How it does it

    def _lay_out(self) -> None:
        columns, line, top = self.columns, self.cell + GAP, 0
        self._placed = []
        for section in self._pictures.sections:
            rows = -(-section.count // columns)
            self._placed.append(_Placed(section, top, rows))
            top += HEADER + rows * line + GAP
        self._tops = [placed.top for placed in self._placed]
        self._height = top
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, top - self.viewport().height()))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(line // 3)
        self.viewport().update()

    def _cell(self, row: int) -> QRect:
        """Return where a picture is in the whole grid."""
        placed = self._placed[self._section_at(row)]
        line, column = divmod(row - placed.section.first, self.columns)
        edge = self.cell
        return QRect(column * (edge + GAP), placed.top + HEADER + line * (edge + GAP), edge, edge)

    def _section_at(self, row: int) -> int:
        return bisect_right([placed.section.first for placed in self._placed], row) - 1

    def _row_beyond(self, row: int, lines: int) -> int:
        """Return the row that lies `lines` lines below (above, if negative), across classes."""
        at = self._section_at(row)
        line, column = divmod(row - self._placed[at].section.first, self.columns)
        line += lines
        while line < 0 and at > 0:
            at -= 1
            line += self._placed[at].rows
        while line >= self._placed[at].rows and at < len(self._placed) - 1:
            line -= self._placed[at].rows
            at += 1
        if line < 0 or line >= self._placed[at].rows:
            return row
        section = self._placed[at].section
        return section.first + min(line * self.columns + column, section.count - 1)

    def _paint_section(self, painter: QPainter, placed: _Placed, offset: int, dirty: QRect, colours: Tokens) -> None:
        section, top = placed.section, placed.top - offset
        header = QRect(0, top, self.viewport().width(), HEADER)
        if header.intersects(dirty):
            painter.setFont(font("strong"))
            painter.setPen(QColor(colours.text))
            count = f"{section.count:,}"
            room = header.width() - painter.fontMetrics().horizontalAdvance(count) - 24
            name = painter.fontMetrics().elidedText(section.label, Qt.TextElideMode.ElideMiddle, room)
            painter.drawText(header, Qt.AlignmentFlag.AlignVCenter, name)
            after = header.adjusted(painter.fontMetrics().horizontalAdvance(name) + 8, 0, 0, 0)
            painter.setFont(font("figures"))
            painter.setPen(QColor(colours.muted))
            painter.drawText(after, Qt.AlignmentFlag.AlignVCenter, count)
        edge = self.cell
        first = max(0, (dirty.top() - top - HEADER) // (edge + GAP))
        last = min(placed.rows - 1, (dirty.bottom() - top - HEADER) // (edge + GAP))
        columns, selected = self.columns, self._selected_row()
        for number in range(first * columns, min((last + 1) * columns, section.count)):
            line, column = divmod(number, columns)
            at = QPoint(column * (edge + GAP), top + HEADER + line * (edge + GAP))
            row = section.first + number
            picture = self._pictures.picture(row)
            painter.drawPixmap(at, self._tile(picture, edge, colours))
            if row == selected:
                self._paint_frame(painter, QRect(at, QSize(edge, edge)), colours)

    def _selected_row(self) -> int:
        """The row that is framed: the selected or, while the grid has the focus, the current one; -1 for none."""
        current = self.currentIndex()
        return current.row() if current.isValid() and (self.hasFocus() or self.selectionModel().hasSelection()) else -1

    def _tile(self, picture: Picture, edge: int, colours: Tokens) -> QPixmap:
        """Return a finished square: one `drawPixmap` per picture while scrolling, instead of a dozen calls."""
        split, pixmap = self._pictures.split_of(picture), self._thumbnails.pixmap(picture)
        ratio = self.devicePixelRatioF()
        state = "broken" if self._thumbnails.broken(picture) else "waiting" if pixmap is None else picture.sha256
        key = (state, split, edge, ratio, colours.scheme)
        tile = self._tiles.get(key)
        if tile is None:
            tile = _make_tile(pixmap, split, edge, ratio, colours, broken=state == "broken")
            if len(self._tiles) >= MOST_TILES:
                self._tiles.clear()
            self._tiles[key] = tile
        return tile

    def _paint_frame(self, painter: QPainter, cell: QRect, colours: Tokens) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        selected = self.selectionModel().hasSelection()
        style = Qt.PenStyle.SolidLine if selected else Qt.PenStyle.DashLine
        painter.setPen(QPen(QColor(colours.accent), 3 if selected else 2, style))
        painter.drawRoundedRect(QRectF(cell).adjusted(1.5, 1.5, -1.5, -1.5), 6, 6)


def _make_tile(
    pixmap: QPixmap | None, split: str, edge: int, ratio: float, colours: Tokens, *, broken: bool
) -> QPixmap:
    """A picture cut to a rounded square, with the letter of its split; an empty square while there is no picture."""
    tile = QPixmap(round(edge * ratio), round(edge * ratio))
    tile.setDevicePixelRatio(ratio)
    tile.fill(Qt.GlobalColor.transparent)
    cell = QRectF(0, 0, edge, edge)
    painter = QPainter(tile)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    shape = QPainterPath()
    shape.addRoundedRect(cell, 6, 6)
    painter.fillPath(shape, QColor(colours.raised))
    if broken:
        paint_icon(painter, QRectF(edge / 2 - 12, edge / 2 - 12, 24, 24), "warning", QColor(colours.warning))
    elif pixmap is not None:
        painter.setClipPath(shape)
        size = pixmap.size().scaled(QSize(edge, edge), Qt.AspectRatioMode.KeepAspectRatioByExpanding)
        target = QRect(QPoint(0, 0), size)
        target.moveCenter(cell.center().toPoint())
        painter.drawPixmap(target, pixmap)
        painter.setClipping(False)
    painter.setPen(QPen(QColor(colours.line), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(cell.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
    if split and split != "train":
        # The word beside the colour, for those who do not see the colour.
        painter.setFont(font("caption"))
        width = painter.fontMetrics().horizontalAdvance(split) + 22
        badge = QRectF(edge - width - 4, edge - 22, width, 18)
        painter.setPen(QPen(QColor(colours.line), 1))
        painter.setBrush(QColor(colours.card))
        painter.drawRoundedRect(badge, 5, 5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(split_colour(split))
        painter.drawRoundedRect(QRectF(badge.left() + 5, badge.top() + 5, 8, 8), 2, 2)
        painter.setPen(QColor(colours.text))
        painter.drawText(badge.adjusted(15, 0, 0, 0), Qt.AlignmentFlag.AlignCenter, split)
    painter.end()
    return tile
