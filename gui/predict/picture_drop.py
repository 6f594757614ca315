"""The place to drop pictures: a large dashed area."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from core.translation import tr
from gui.shared.basics import button, label, row
from gui.shared.feedback import IconLabel
from gui.shared.theme import GRID, RADIUS, tokens
from training_scripts.pictures.formats import FORMAT_NAMES


class PictureDropArea(QWidget):
    """The empty page: drop, paste or open. The window takes what is dropped anywhere on it.

    Signals:
        open_asked(): the user wants to choose files.
        folder_asked(): the user wants to choose a folder.
        paste_asked(): the user wants what is in the clipboard.
    """

    open_asked = Signal()
    folder_asked = Signal()
    paste_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        icon = IconLabel("picture", 56)
        sentence = label(tr("Drop a picture here"), "title")
        detail = label(tr("One picture, many, or a whole folder. {formats}.").format(formats=FORMAT_NAMES), "muted")
        self.open_button = button(tr("Open pictures…"), icon_name="picture", shortcut="Ctrl+Shift+O")
        self.folder_button = button(tr("Open folder…"), icon_name="folder-open")
        self.paste_button = button(tr("Paste"), icon_name="paste", shortcut="Ctrl+V")
        self.open_button.clicked.connect(self.open_asked)
        self.folder_button.clicked.connect(self.folder_asked)
        self.paste_button.clicked.connect(self.paste_asked)
        box = QVBoxLayout(self)
        box.setSpacing(12)
        box.addStretch(2)
        for widget in (icon, sentence, detail):
            box.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        box.addSpacing(GRID)
        box.addLayout(row(None, self.open_button, self.folder_button, self.paste_button, None))
        box.addStretch(3)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(tr("Drop a picture here"))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the dashed area."""
        colours, painter = tokens(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(QColor(colours.control_line), 1.5)
        pen.setDashPattern([5, 4])
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.setBrush(QColor(colours.card))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5), RADIUS + 4, RADIUS + 4)
