"""Paints the part of a grid that is in sight: headers, squares, and frames around the chosen ones."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QAbstractItemView

from core.translation import tr
from gui.data.grid_layout import HEADER, GridLayout, Placed
from gui.data.grid_tiles import TileLook, Tiles
from gui.data.pictures_model import PicturesModel
from gui.shared.icons import paint_icon
from gui.shared.theme import Tokens, font, tokens
from gui.shared.thumbnail_pixmaps import Thumbnails


class GridPainter:
    """Paints for one grid."""

    def __init__(self, grid: QAbstractItemView, model: PicturesModel, thumbnails: Thumbnails) -> None:
        self._grid, self._pictures, self._thumbnails = grid, model, thumbnails
        self._tiles = Tiles()

    def paint(self, painter: QPainter, layout: GridLayout, offset: int, dirty: QRect, current: int) -> None:
        """Paint what is inside `dirty`, `offset` pixels scrolled down; the header of the first line stays at the top.

        `current` is the row that keys act on; -1 for none.
        """
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = tokens()
        for placed in layout.between(offset + dirty.top(), offset + dirty.bottom()):
            self._paint_header(painter, placed, placed.top - offset, colours)
            for line in layout.lines_between(placed, offset + dirty.top(), offset + dirty.bottom()):
                self._paint_line(painter, layout, placed, line, offset, current, colours)
        top = layout.section_at(offset)
        if top is not None and top.top < offset and dirty.top() < HEADER:
            y = min(0, top.top + top.lines * layout.line - offset)
            painter.fillRect(QRect(0, y, self._width, HEADER), QColor(colours.card))
            self._paint_header(painter, top, y, colours)

    @property
    def accepts(self) -> bool:
        """Whether the words at the right of a header accept what is suggested."""
        return self._pictures.query.order == "suggestion"

    def action_rect(self, placed: Placed) -> QRect:
        """Return where those words are, in the grid."""
        width = self._grid.fontMetrics().horizontalAdvance(self._action(placed)) + 8
        return QRect(self._width - width - 4, placed.top, width, HEADER)

    @property
    def _width(self) -> int:
        return self._grid.viewport().width()

    def _action(self, placed: Placed) -> str:
        return tr("Accept all") if self.accepts and placed.section.label else tr("Choose all")

    def _paint_header(self, painter: QPainter, placed: Placed, y: int, colours: Tokens) -> None:
        section = placed.section
        header = QRect(0, y, self._width, HEADER)
        painter.setFont(font("strong"))
        painter.setPen(QColor(colours.text))
        count = f"{section.count:,}"
        action = self.action_rect(placed)
        room = action.left() - painter.fontMetrics().horizontalAdvance(count) - 24
        name = painter.fontMetrics().elidedText(section.title, Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(header, Qt.AlignmentFlag.AlignVCenter, name)
        after = header.adjusted(painter.fontMetrics().horizontalAdvance(name) + 8, 0, 0, 0)
        painter.setFont(font("figures"))
        painter.setPen(QColor(colours.muted))
        painter.drawText(after, Qt.AlignmentFlag.AlignVCenter, count)
        painter.setPen(QColor(colours.accent))
        painter.setFont(font("body"))
        action.moveTop(y)
        painter.drawText(action, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, self._action(placed))

    def _paint_line(
        self,
        painter: QPainter,
        layout: GridLayout,
        placed: Placed,
        line: int,
        offset: int,
        current: int,
        colours: Tokens,
    ) -> None:
        first = placed.section.first + line * layout.columns
        end = placed.section.first + placed.section.count
        y = placed.top + HEADER + line * layout.line - offset
        for column, row in enumerate(range(first, min(first + layout.columns, end))):
            at = QPoint(column * layout.line, y)
            painter.drawPixmap(at, self._tiles.get(*self._look(row, layout.edge, colours), colours))
            if self._pictures.is_chosen(row) or row == current:
                self._paint_frame(painter, QRect(at, QSize(layout.edge, layout.edge)), row, row == current, colours)

    def _look(self, row: int, edge: int, colours: Tokens) -> tuple[TileLook, QPixmap | None]:
        picture, number, gallery = self._pictures.picture(row), self._pictures.number(row), self._pictures.gallery
        pixmap = self._thumbnails.pixmap(picture)
        suggestion = gallery.suggestion(number)
        label, by_class = gallery.label_of(number), self._pictures.query.order == "class"
        look = TileLook(
            sha256=picture.sha256 if pixmap is not None else "",
            edge=edge,
            ratio=self._grid.devicePixelRatioF(),
            scheme=colours.scheme,
            split=gallery.split_of(number),
            label="" if by_class else label,
            suggested=suggestion.label
            if suggestion is not None and suggestion.label != gallery.label_of(number)
            else "",
            marked=gallery.is_marked(number),
            left_out=gallery.has(number, "left_out"),
            broken=self._thumbnails.broken(picture),
        )
        return look, pixmap

    def _paint_frame(self, painter: QPainter, cell: QRect, row: int, is_current: bool, colours: Tokens) -> None:
        chosen = self._pictures.is_chosen(row)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        style = Qt.PenStyle.SolidLine if chosen else Qt.PenStyle.DashLine
        painter.setPen(QPen(QColor(colours.accent), 3 if chosen else 2, style))
        painter.drawRoundedRect(QRectF(cell).adjusted(1.5, 1.5, -1.5, -1.5), 6, 6)
        if chosen:
            # A check, for those who do not see the colour; the current one has a second line around it.
            spot = QRectF(cell.right() - 23, cell.top() + 4, 20, 20)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.accent))
            painter.drawEllipse(spot)
            paint_icon(painter, spot.adjusted(4, 4, -4, -4), "check", QColor(colours.on_accent))
            if is_current and len(self._pictures.chosen) > 1:
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(QColor(colours.card), 1.5))
                painter.drawRoundedRect(QRectF(cell).adjusted(4, 4, -4, -4), 4, 4)
