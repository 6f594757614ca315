"""The pictures that were answered last, as a strip of thumbnails."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPixmap
from PySide6.QtWidgets import QListView, QListWidget, QListWidgetItem

from core.predict.intake import NamedPicture
from core.predict.records import Prediction, percent

THUMBNAIL = 56
MOST = 24
_PICTURE = Qt.ItemDataRole.UserRole


class RecentStrip(QListWidget):
    """Thumbnails side by side, the latest first; hidden while there are none.

    Signals:
        picture_chosen(NamedPicture): the user wants to see this one again.
    """

    picture_chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("grid")
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setMovement(QListView.Movement.Static)
        self.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self.setGridSize(QSize(THUMBNAIL + 12, THUMBNAIL + 12))
        self.setFixedHeight(THUMBNAIL + 16)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAcceptDrops(False)
        self.viewport().setAcceptDrops(False)
        self.setAccessibleName("Recent pictures")
        self.itemClicked.connect(self._on_chosen)
        self.itemActivated.connect(self._on_chosen)
        self.hide()

    def add(self, picture: NamedPicture, answer: Prediction) -> None:
        """Put a picture in front; one that is there already moves there."""
        for number in range(self.count()):
            if self.item(number).data(_PICTURE).source == picture.source:
                self.takeItem(number)
                break
        item = QListWidgetItem(_icon(answer.thumbnail), "")
        item.setData(_PICTURE, picture)
        words = f"{picture.name}: {answer.label} {percent(answer.probability)}"
        item.setToolTip(words)
        item.setData(Qt.ItemDataRole.AccessibleTextRole, words)
        self.insertItem(0, item)
        while self.count() > MOST:
            self.takeItem(self.count() - 1)
        self.setCurrentItem(item)
        self.show()

    def _on_chosen(self, item: QListWidgetItem) -> None:
        self.picture_chosen.emit(item.data(_PICTURE))


def _icon(thumbnail: bytes) -> QIcon:
    """The thumbnail as a square."""
    pixmap = QPixmap()
    pixmap.loadFromData(thumbnail)
    edge = min(pixmap.width(), pixmap.height())
    square = pixmap.copy((pixmap.width() - edge) // 2, (pixmap.height() - edge) // 2, edge, edge)
    return QIcon(square)
