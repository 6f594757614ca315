"""Paints the cells of a confusion matrix: the fuller, the more its row's pictures went there."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from gui.jobs.confusion_model import ConfusionRole
from gui.shared.theme import font, tokens

WRITTEN_FROM = 24
"""Pixels of a cell's width from which its count is written."""


class ConfusionDelegate(QStyledItemDelegate):
    """Right answers are tinted in the accent, wrong ones in red; the count is written where there is room for it."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint one cell."""
        colours, rect = tokens(), QRect(option.rect)
        small = rect.width() < WRITTEN_FROM
        gap, radius = (0, 0) if small else (1, 4)
        rect.adjust(gap, gap, -gap, -gap)
        share, right = index.data(ConfusionRole.SHARE), index.data(ConfusionRole.RIGHT)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if share is not None:
            ground = QColor(colours.accent if right else colours.failed)
            ground.setAlphaF(0.2 + 0.8 * share if small else 0.12 + 0.38 * share)
            if not share:
                ground = QColor(colours.raised)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(ground)
            painter.drawRoundedRect(rect, radius, radius)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colours.accent), 2))
            painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), 4, 4)
        if small:
            painter.restore()
            return
        painter.setFont(font("figures"))
        painter.setPen(QColor(colours.muted if index.data() == "0" else colours.text))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, str(index.data() or ""))
        painter.restore()
