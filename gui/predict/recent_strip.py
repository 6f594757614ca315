"""The pictures that were answered last, as a strip of thumbnails."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPixmap
from PySide6.QtWidgets import (
    QListView,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from core.jobs.accuracy import percent
from core.predict.intake import NamedPicture
from core.predict.records import Prediction
from core.translation import tr
from gui.shared.theme import tokens

THUMBNAIL = 56
MOST = 24
_PICTURE = Qt.ItemDataRole.UserRole
_PIXMAP = Qt.ItemDataRole.UserRole + 1


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
        self.setItemDelegate(_Delegate(self))
        self.setGridSize(QSize(THUMBNAIL + 12, THUMBNAIL + 12))
        self.setFixedHeight(THUMBNAIL + 16)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAcceptDrops(False)
        self.viewport().setAcceptDrops(False)
        self.setAccessibleName(tr("Recent pictures"))
        self.itemClicked.connect(self._on_chosen)
        self.itemActivated.connect(self._on_chosen)
        self.hide()

    def add(self, picture: NamedPicture, answer: Prediction) -> None:
        """Put a picture in front; one that is there already moves there."""
        for number in range(self.count()):
            if self.item(number).data(_PICTURE).source == picture.source:
                self.takeItem(number)
                break
        item = QListWidgetItem()
        pixmap = QPixmap()
        pixmap.loadFromData(answer.thumbnail)
        item.setData(_PIXMAP, pixmap)
        item.setData(_PICTURE, picture)
        sure = "" if answer.unknown else f" {percent(answer.probability)}"
        words = f"{picture.name}: {answer.answer}{sure}"
        item.setToolTip(words)
        item.setData(Qt.ItemDataRole.AccessibleTextRole, words)
        self.insertItem(0, item)
        while self.count() > MOST:
            self.takeItem(self.count() - 1)
        self.setCurrentItem(item)
        self.show()

    def _on_chosen(self, item: QListWidgetItem) -> None:
        self.picture_chosen.emit(item.data(_PICTURE))


class _Delegate(QStyledItemDelegate):
    """Paints the middle of a thumbnail as a square; the current one has a frame."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        box = QRectF(0, 0, THUMBNAIL, THUMBNAIL)
        box.moveCenter(QRectF(option.rect).center())
        path = QPainterPath()
        path.addRoundedRect(box, 6, 6)
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillPath(path, QColor(tokens().raised))
        pixmap: QPixmap = index.data(_PIXMAP)
        edge = min(pixmap.width(), pixmap.height())
        painter.save()
        painter.setClipPath(path)
        square = QRectF((pixmap.width() - edge) / 2, (pixmap.height() - edge) / 2, edge, edge)
        painter.drawPixmap(box, pixmap, square)
        painter.restore()
        selected = bool(option.state & (QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver))
        painter.setPen(QPen(QColor(tokens().accent if selected else tokens().line), 2 if selected else 1))
        painter.drawPath(path)
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(THUMBNAIL + 8, THUMBNAIL + 8)
