"""The place to drop pictures: a large dashed area, and the tint that shows over anything while a drag hovers."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from gui.shared.basics import button, label, row
from gui.shared.feedback import IconLabel
from gui.shared.icons import paint_icon
from gui.shared.theme import GRID, RADIUS, font, tokens


class PictureDropArea(QWidget):
    """The empty page: drop, paste or open. It only shows the drag; the tab around it takes the drop.

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
        self._hovered = False
        self._icon = IconLabel("picture", 56)
        self._sentence = label("Drop a picture here", "title")
        self._detail = label("One picture, many, or a whole folder. JPEG, PNG, WebP, GIF, BMP or TIFF.", "muted")
        self.open_button = button("Open pictures…", icon_name="picture", shortcut="Ctrl+Shift+O")
        self.folder_button = button("Open folder…", icon_name="folder-open")
        self.paste_button = button("Paste", icon_name="paste", shortcut="Ctrl+V")
        self.open_button.clicked.connect(self.open_asked)
        self.folder_button.clicked.connect(self.folder_asked)
        self.paste_button.clicked.connect(self.paste_asked)
        box = QVBoxLayout(self)
        box.setSpacing(12)
        box.addStretch(2)
        for widget in (self._icon, self._sentence, self._detail):
            box.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        box.addSpacing(GRID)
        box.addLayout(row(None, self.open_button, self.folder_button, self.paste_button, None))
        box.addStretch(3)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Drop a picture here")

    @property
    def hovered(self) -> bool:
        """Whether a drag is over it."""
        return self._hovered

    def set_hovered(self, hovered: bool) -> None:
        """Show that a drop would be taken."""
        self._hovered = hovered
        self._icon.set_icon("picture", "accent" if hovered else "muted")
        self._sentence.setText("Release to classify" if hovered else "Drop a picture here")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the dashed area."""
        paint_dashed(self, self._hovered)


class HoverVeil(QWidget):
    """Lies over a page while a drag hovers above it, tinted, with one sentence."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._page = parent
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def cover(self) -> None:
        """Show over the whole parent."""
        self.setGeometry(self._page.rect())
        self.raise_()
        self.show()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the tint, the border and the sentence."""
        colours, painter = tokens(), QPainter(self)
        veil = QColor(colours.accent_tint)
        veil.setAlpha(232)
        painter.fillRect(self.rect(), veil)
        painter.end()
        paint_dashed(self, True, fill=False)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        centre = self.rect().center()
        paint_icon(painter, QRectF(centre.x() - 28, centre.y() - 64, 56, 56), "picture", QColor(colours.accent))
        painter.setFont(font("title"))
        painter.setPen(QColor(colours.text))
        painter.drawText(self.rect().translated(0, 24), Qt.AlignmentFlag.AlignCenter, "Release to classify")


def paint_dashed(widget: QWidget, hovered: bool, *, fill: bool = True) -> None:
    """Paint a widget's whole face as a drop area."""
    colours, painter = tokens(), QPainter(widget)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(QColor(colours.accent if hovered else colours.control_line), 2 if hovered else 1.5)
    pen.setDashPattern([5, 4])
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    if fill:
        painter.setBrush(QColor(colours.accent_tint if hovered else colours.card))
    painter.drawRoundedRect(QRectF(widget.rect()).adjusted(1.5, 1.5, -1.5, -1.5), RADIUS + 4, RADIUS + 4)
