"""The squares of the grid, each finished once: while scrolling, one `drawPixmap` paints a picture and its words."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPixmap

from gui.shared.icons import paint_icon
from gui.shared.theme import Tokens, font, split_colour

MOST_TILES = 900


@dataclass(frozen=True, slots=True)
class TileLook:
    """All that a square shows: the picture by its hash ("" while there is none yet), and the words on it."""

    sha256: str
    edge: int
    ratio: float
    scheme: str
    split: str = ""
    label: str = ""
    suggested: str = ""
    marked: bool = False
    left_out: bool = False
    broken: bool = False


class Tiles:
    """Finished squares, the least lately used dropped first."""

    def __init__(self) -> None:
        self._made: OrderedDict[TileLook, QPixmap] = OrderedDict()

    def get(self, look: TileLook, pixmap: QPixmap | None, colours: Tokens) -> QPixmap:
        """Return the square, made on first use."""
        tile = self._made.get(look)
        if tile is None:
            tile = self._made[look] = _make_tile(look, pixmap, colours)
            if len(self._made) > MOST_TILES:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(look)
        return tile


def _make_tile(look: TileLook, pixmap: QPixmap | None, colours: Tokens) -> QPixmap:
    """Return a picture cut to a rounded square, with what is known of it in words; empty while there is no picture."""
    edge = look.edge
    tile = QPixmap(round(edge * look.ratio), round(edge * look.ratio))
    tile.setDevicePixelRatio(look.ratio)
    tile.fill(Qt.GlobalColor.transparent)
    cell = QRectF(0, 0, edge, edge)
    painter = QPainter(tile)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    shape = QPainterPath()
    shape.addRoundedRect(cell, 6, 6)
    painter.fillPath(shape, QColor(colours.raised))
    if look.broken:
        paint_icon(painter, QRectF(edge / 2 - 12, edge / 2 - 12, 24, 24), "warning", QColor(colours.warning))
    elif pixmap is not None:
        painter.setClipPath(shape)
        painter.setOpacity(0.35 if look.left_out else 1)
        size = pixmap.size().scaled(QSize(edge, edge), Qt.AspectRatioMode.KeepAspectRatioByExpanding)
        target = QRect(QPoint(0, 0), size)
        target.moveCenter(cell.center().toPoint())
        painter.drawPixmap(target, pixmap)
        painter.setOpacity(1)
        painter.setClipping(False)
    painter.setPen(QPen(QColor(colours.line), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(cell.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
    painter.setFont(font("caption"))
    if look.marked:
        _paint_mark(painter, colours)
    right = edge - 4.0
    if look.split and look.split != "train":
        right = _paint_split(painter, look.split, edge, colours) - 4
    if look.suggested or look.label:
        _paint_words(painter, look, right, colours)
    painter.end()
    return tile


def _paint_split(painter: QPainter, split: str, edge: int, colours: Tokens) -> float:
    """Paint the word beside the colour, for those who do not see the colour; returns its left."""
    width = painter.fontMetrics().horizontalAdvance(split) + 22
    badge = QRectF(edge - width - 4, edge - 22, width, 18)
    _paint_badge(painter, badge, colours)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(split_colour(split))
    painter.drawRoundedRect(QRectF(badge.left() + 5, badge.top() + 5, 8, 8), 2, 2)
    painter.setPen(QColor(colours.text))
    painter.drawText(badge.adjusted(15, 0, 0, 0), Qt.AlignmentFlag.AlignCenter, split)
    return badge.left()


def _paint_mark(painter: QPainter, colours: Tokens) -> None:
    badge = QRectF(4, 4, 20, 20)
    _paint_badge(painter, badge, colours)
    paint_icon(painter, badge.adjusted(3, 3, -3, -3), "warning", QColor(colours.warning))


def _paint_words(painter: QPainter, look: TileLook, right: float, colours: Tokens) -> None:
    """Paint the class, or with a question the one that is suggested, at the lower left."""
    text = f"{look.suggested}?" if look.suggested else look.label
    metrics = painter.fontMetrics()
    text = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, max(24, int(right - 4 - 12)))
    badge = QRectF(4, look.edge - 22, metrics.horizontalAdvance(text) + 12, 18)
    _paint_badge(painter, badge, colours, dashed=bool(look.suggested))
    painter.setPen(QColor(colours.accent if look.suggested else colours.text))
    painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, text)


def _paint_badge(painter: QPainter, badge: QRectF, colours: Tokens, *, dashed: bool = False) -> None:
    painter.setPen(QPen(QColor(colours.accent), 1, Qt.PenStyle.DashLine) if dashed else QPen(QColor(colours.line), 1))
    painter.setBrush(QColor(colours.card))
    painter.drawRoundedRect(badge, 5, 5)
