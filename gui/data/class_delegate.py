"""Paints a class: its key, name and count above a bar of its splits."""

from __future__ import annotations

from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from core.dataset.records import SPLITS
from gui.data.class_model import COUNTS_ROLE, KEY_ROLE, AnyIndex, ClassModel, Counts
from gui.shared.theme import font, scaled, split_colour, tokens

ROW_HEIGHT = 44


class ClassDelegate(QStyledItemDelegate):
    """Name and count above a stacked bar; the bars share one scale."""

    segment_clicked = Signal(QPersistentModelIndex, str)

    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> QSize:
        """Return every row is equally high."""
        return QSize(120, scaled(ROW_HEIGHT))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        """Paint one row."""
        colours = tokens()
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        if chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.selection if chosen else colours.hover))
            painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), 6, 6)
        counts: Counts = index.data(COUNTS_ROLE)
        text = rect.adjusted(8, 5, -8, -18)
        painter.setFont(font("figures"))
        painter.setPen(QColor(colours.muted))
        total = f"{sum(counts.values()):,}"
        painter.drawText(text, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, total)
        room = text.width() - painter.fontMetrics().horizontalAdvance(total) - 8
        if key := index.data(KEY_ROLE):
            cap = QRectF(text.left(), text.top(), 16, 16)
            painter.setPen(QPen(QColor(colours.line), 1))
            painter.setBrush(QColor(colours.raised))
            painter.drawRoundedRect(cap, 4, 4)
            painter.setFont(font("caption"))
            painter.setPen(QColor(colours.muted))
            painter.drawText(cap, Qt.AlignmentFlag.AlignCenter, key.upper())
            text.setLeft(text.left() + 22)
            room -= 22
        painter.setFont(font("body" if index.row() else "strong"))
        painter.setPen(QColor(colours.text))
        name = painter.fontMetrics().elidedText(index.data(), Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(text, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        self._paint_bar(painter, _bar_rect(rect), index, QColor(colours.line))
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colours.accent), 1.5))
            painter.drawRoundedRect(QRectF(rect).adjusted(1.5, 1.5, -1.5, -1.5), 6, 6)
        painter.restore()

    def editorEvent(
        self, event: QEvent, model: QAbstractItemModel, option: QStyleOptionViewItem, index: AnyIndex
    ) -> bool:
        """Tell which part of a bar was clicked."""
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonRelease:
            rect: QRect = option.rect
            bar = _bar_rect(rect).adjusted(0, -4, 0, 4)
            if bar.contains(event.position()):
                for split, part in _segments(_bar_rect(rect), index):
                    if part.left() <= event.position().x() < part.right() and split:
                        self.segment_clicked.emit(QPersistentModelIndex(index), split)
                        return True
        return False

    def _paint_bar(self, painter: QPainter, bar: QRectF, index: AnyIndex, ground: QColor) -> None:
        clip = QPainterPath()
        clip.addRoundedRect(bar, 3, 3)
        painter.setClipPath(clip)
        painter.fillRect(bar, ground)
        for split, part in _segments(bar, index):
            painter.fillRect(part.adjusted(0, 0, -1, 0), split_colour(split))
        painter.setClipping(False)


def _bar_rect(row: QRect) -> QRectF:
    return QRectF(row.left() + 8, row.bottom() - 14, row.width() - 16, 7)


def _segments(bar: QRectF, index: AnyIndex) -> list[tuple[str, QRectF]]:
    """Return the parts of a row's bar; the longest bar is that of the largest class."""
    model = index.model()
    assert isinstance(model, ClassModel)
    counts: Counts = index.data(COUNTS_ROLE)
    whole = sum(counts.values()) if index.row() == 0 else model.largest
    parts, left = [], bar.left()
    for split in ("", *SPLITS):
        width = bar.width() * counts.get(split, 0) / max(1, whole)
        if width:
            parts.append((split, QRectF(left, bar.top(), width, bar.height())))
        left += width
    return parts
