"""The chosen pictures on their way to a class: what a drag carries, and how it looks."""

from __future__ import annotations

from PySide6.QtCore import QMimeData, QPoint, QRectF, Qt
from PySide6.QtGui import QColor, QDrag, QPainter, QPixmap
from PySide6.QtWidgets import QWidget

from gui.shared.theme import font, tokens

CHOSEN_MIME = "application/x-sagehound-chosen"
EDGE = 72


def drag_chosen(source: QWidget, count: int, thumbnail: QPixmap | None) -> None:
    """Drag the chosen pictures until they are dropped; who takes them asks the model which they are."""
    mime = QMimeData()
    mime.setData(CHOSEN_MIME, str(count).encode())
    drag = QDrag(source)
    drag.setMimeData(mime)
    drag.setPixmap(_look(count, thumbnail))
    drag.setHotSpot(QPoint(EDGE // 2, EDGE // 2))
    drag.exec(Qt.DropAction.MoveAction)


def _look(count: int, thumbnail: QPixmap | None) -> QPixmap:
    colours = tokens()
    look = QPixmap(EDGE + 12, EDGE + 12)
    look.fill(Qt.GlobalColor.transparent)
    painter = QPainter(look)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(colours.raised))
    painter.setPen(QColor(colours.accent))
    for shift in (6, 0) if count > 1 else (0,):
        painter.drawRoundedRect(QRectF(shift + 0.5, shift + 0.5, EDGE, EDGE), 6, 6)
    if thumbnail is not None:
        fitted = thumbnail.scaled(
            EDGE - 6, EDGE - 6, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        painter.drawPixmap((EDGE - fitted.width()) // 2, (EDGE - fitted.height()) // 2, fitted)
    if count > 1:
        painter.setFont(font("strong"))
        text = f"{count:,}"
        width = painter.fontMetrics().horizontalAdvance(text) + 14
        badge = QRectF(EDGE + 10 - width, 0, width, 22)
        painter.setBrush(QColor(colours.accent))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawRoundedRect(badge, 11, 11)
        painter.setPen(QColor(colours.on_accent))
        painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, text)
    painter.end()
    return look
