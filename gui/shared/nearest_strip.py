"""The training pictures that a model finds nearest to a picture, as thumbnails: because of these it answers so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QListView, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from core.errors import UserFacingError
from core.predict.training_neighbours import TrainingPicture
from core.progress import CancelToken, OnProgress
from core.translation import tr
from gui.bridge import Bridge, Handle
from gui.shared.basics import label
from gui.shared.theme import scaled
from gui.shared.thumbnail_pixmaps import Thumbnails, list_icon

EDGE, SMALL_EDGE = 64, 40
_WIDTH, _HEIGHT = EDGE + 16, EDGE + 44
_PICTURE, _SHOWN = Qt.ItemDataRole.UserRole + 1, Qt.ItemDataRole.UserRole + 2
Find = Callable[[CancelToken], Sequence[TrainingPicture]]


class NearestStrip(QWidget):
    """Asks for the nearest training pictures of one picture at a time.

    They stand side by side or, `upright`, one below the other; it is hidden while there are none.

    Signals:
        activated(list[str]): a picture was activated: all that are shown, from it on, as full paths.
    """

    activated = Signal(list)

    def __init__(self, bridge: Bridge, cache_dir: Path, upright: bool = False) -> None:
        super().__init__()
        self._bridge, self._upright, self._edge = bridge, upright, SMALL_EDGE if upright else EDGE
        self._asking: Handle | None = None
        self._thumbnails = Thumbnails(bridge, cache_dir)
        self._thumbnails.ready.connect(self._set_icons)
        self.title = label(tr("Nearest training pictures, by distance"), "caption", wrap=upright)
        self.title.setToolTip(tr("Because of these: the pictures it learned from that look most alike to the model"))
        self.list = QListWidget()
        self.list.setObjectName("grid")
        self.list.setAccessibleName(tr("Nearest training pictures"))
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        if upright:
            self.list.setIconSize(QSize(SMALL_EDGE, SMALL_EDGE))
            self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
            self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            self.setFixedWidth(scaled(104))
        else:
            self.list.setViewMode(QListView.ViewMode.IconMode)
            self.list.setMovement(QListView.Movement.Static)
            self.list.setWrapping(False)
            self.list.setIconSize(QSize(EDGE, EDGE))
            self.list.setGridSize(QSize(_WIDTH, _HEIGHT))
            self.list.setFixedHeight(_HEIGHT + 18)
            self.list.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemActivated.connect(self._on_activated)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 4, 0, 0)
        box.setSpacing(2)
        box.addWidget(self.title)
        box.addWidget(self.list, int(upright))
        self.hide()

    def ask(self, find: Find) -> None:
        """Show what `find` returns; what was asked before is not waited for any more.

        Its room stays meanwhile: from picture to picture nothing moves.
        """
        self._forget()

        def work(on_progress: OnProgress, cancel: CancelToken) -> Sequence[TrainingPicture]:
            return find(cancel)

        self._asking = self._bridge.run(work, self._show, self._on_error)

    def clear(self) -> None:
        """Show none, and ask no more."""
        self._forget()
        self.hide()

    def _forget(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        self.list.clear()

    def _show(self, pictures: Sequence[TrainingPicture]) -> None:
        self._asking = None
        if not pictures:
            self.hide()
            return
        self._thumbnails.set_root(pictures[0].root)
        for picture in pictures:
            item = QListWidgetItem(f"{picture.label}\n{picture.distance:.2f}")
            item.setIcon(list_icon(None, self._edge))
            if not self._upright:
                item.setTextAlignment(Qt.AlignmentFlag.AlignHCenter)
                item.setSizeHint(QSize(_WIDTH, _HEIGHT))
            item.setData(_PICTURE, picture)
            tip = tr("{path}, distance {distance:.3f}: 0 is the same, 2 the opposite")
            item.setToolTip(tip.format(path=picture.path, distance=picture.distance))
            said = tr("{path}: {label}, distance {distance:.2f}")
            said = said.format(path=picture.path, label=picture.label, distance=picture.distance)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, said)
            self.list.addItem(item)
        self.show()
        self._set_icons()

    def _on_error(self, _error: UserFacingError) -> None:
        """Show none: the answer itself is there."""
        self.clear()

    def _set_icons(self) -> None:
        for row in range(self.list.count()):
            item = self.list.item(row)
            if not item.data(_SHOWN) and (pixmap := self._thumbnails.pixmap(item.data(_PICTURE))) is not None:
                item.setIcon(list_icon(pixmap, self._edge, self.devicePixelRatioF()))
                item.setData(_SHOWN, True)

    def _on_activated(self, item: QListWidgetItem) -> None:
        pictures = [self.list.item(row).data(_PICTURE) for row in range(self.list.row(item), self.list.count())]
        self.activated.emit([str(picture.root / picture.path) for picture in pictures])
