"""A list of a dataset's pictures with a word on each; their files are looked up and shrunk in the background."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QListView, QListWidget, QListWidgetItem

from core.progress import CancelToken, OnProgress
from gui.bridge import Bridge
from gui.shared.thumbnail_pixmaps import Thumbnails, list_icon

EDGE = 64
_PATH, _SHOWN = Qt.ItemDataRole.UserRole + 1, Qt.ItemDataRole.UserRole + 2


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """A picture's path below the folder, what is written beside it, and what a screen reader says ("" for the same)."""

    path: str
    words: str
    said: str = ""


@dataclass(frozen=True, slots=True)
class _File:
    """A picture's file, and a key that changes with its content."""

    path: str
    sha256: str


class PictureList(QListWidget):
    """Thumbnails one below the other.

    Signals:
        opened(list[str]): a picture was activated: all that are listed, from it on, as full paths.
    """

    opened = Signal(list)

    def __init__(self, bridge: Bridge, cache_dir: Path, name: str) -> None:
        super().__init__()
        self._bridge = bridge
        self._files: dict[str, _File] = {}
        self._thumbnails = Thumbnails(bridge, cache_dir)
        self._thumbnails.ready.connect(self._set_icons)
        self.setAccessibleName(name)
        self.setIconSize(QSize(EDGE, EDGE))
        self.setUniformItemSizes(True)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.itemActivated.connect(self._on_activated)

    @property
    def root(self) -> Path:
        """Return the folder of the pictures' paths."""
        return self._thumbnails.root

    def show_pictures(self, root: Path, pictures: Sequence[ListedPicture]) -> None:
        """List these pictures instead of those before."""
        if root != self._thumbnails.root:
            self._thumbnails.set_root(root)
            self._files.clear()
        self.clear()
        for picture in pictures:
            item = QListWidgetItem()
            item.setSizeHint(QSize(EDGE, EDGE + 8))  # as wide as the list, so that long words elide
            item.setIcon(list_icon(None, EDGE))
            item.setData(_PATH, picture.path)
            item.setToolTip(picture.path)
            self.addItem(item)
            self.say(self.count() - 1, picture)
        paths = [picture.path for picture in pictures]

        def work(on_progress: OnProgress, cancel: CancelToken) -> list[_File]:
            return _files(root, paths)

        self._bridge.run(work, self._on_files)

    def say(self, row: int, picture: ListedPicture) -> None:
        """Write other words beside a picture."""
        self.item(row).setText(picture.words)
        said = picture.said or f"{picture.path}: {picture.words}"
        self.item(row).setData(Qt.ItemDataRole.AccessibleTextRole, said)

    def _on_files(self, files: Sequence[_File]) -> None:
        self._files |= {file.path: file for file in files}
        self._set_icons()

    def _set_icons(self) -> None:
        for row in range(self.count()):
            item = self.item(row)
            file = self._files.get(item.data(_PATH))
            if file is None or item.data(_SHOWN) or (pixmap := self._thumbnails.pixmap(file)) is None:
                continue
            item.setIcon(list_icon(pixmap, EDGE, self.devicePixelRatioF()))
            item.setData(_SHOWN, True)

    def _on_activated(self, item: QListWidgetItem) -> None:
        paths = [self.item(row).data(_PATH) for row in range(self.row(item), self.count())]
        self.opened.emit([str(self.root / path) for path in paths])


def _files(root: Path, paths: Sequence[str]) -> list[_File]:
    files = []
    for path in paths:
        try:
            status = (root / path).stat()
        except OSError:
            continue
        key = f"{root / path}|{status.st_size}|{status.st_mtime_ns}"
        files.append(_File(path, hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()))
    return files
