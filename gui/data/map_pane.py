"""The map with what colours it."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox, QVBoxLayout, QWidget

from core.translation import tr
from gui.data.map_view import MapView
from gui.data.pictures_model import PicturesModel
from gui.shared.basics import button, label, row
from gui.shared.thumbnail_pixmaps import Thumbnails

COLOURS = (
    (tr("Class"), "class"),
    (tr("Suggested class"), "suggestion"),
    (tr("Split"), "split"),
    (tr("Suspects"), "suspect"),
)


class MapPane(QWidget):
    """A map, what it is coloured by, and a way back to the whole of it."""

    def __init__(self, model: PicturesModel, thumbnails: Thumbnails) -> None:
        super().__init__()
        self.view = MapView(model, thumbnails)
        self.colours = QComboBox()
        self.colours.setAccessibleName(tr("Colour by"))
        for title, key in COLOURS:
            self.colours.addItem(title, key)
        self.colours.currentIndexChanged.connect(lambda _at: self.view.colour_by(self.colours.currentData()))
        self.whole = button(tr("Whole map"), icon_name="fit", kind="ghost", tip=tr("Show the whole map (0)"))
        self.whole.clicked.connect(self.view.fit)
        hint = label(tr("Draw around pictures to choose them; the wheel zooms, the right button moves."), "caption")
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(8)
        box.addLayout(row(label(tr("Colour by"), "muted"), self.colours, self.whole, None))
        box.addWidget(self.view, 1)
        box.addWidget(hint)
