"""Paints the cells of a confusion matrix: the fuller, the more its row's pictures went there."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from gui.jobs.confusion_model import ConfusionRole
from gui.shared.theme import font, tokens


class ConfusionDelegate(QStyledItemDelegate):
    """Right answers are tinted in the accent, wrong ones in red; the count is always written."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint one cell."""
        colours, rect = tokens(), QRect(option.rect).adjusted(1, 1, -1, -1)
        share, right = index.data(ConfusionRole.SHARE), index.data(ConfusionRole.RIGHT)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if share is not None:
            ground = QColor(colours.accent if right else colours.failed)
            ground.setAlphaF(0.06 if not share else 0.12 + 0.38 * share)
            if not share:
                ground = QColor(colours.raised)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(ground)
            painter.drawRoundedRect(rect, 4, 4)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colours.accent), 2))
            painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), 4, 4)
        painter.setFont(font("figures"))
        painter.setPen(QColor(colours.muted if index.data() == "0" else colours.text))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, str(index.data() or ""))
        painter.restore()
