"""Thumbnails on demand: read and shrunk in the bridge's threads, kept in Qt's pixmap cache."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QIcon, QImage, QPainter, QPixmap, QPixmapCache

from core.dataset.thumbnails import thumbnail
from core.progress import CancelToken, OnProgress
from gui.bridge import Bridge, Handle

BATCH = 12
AT_ONCE = 2
MOST_WAITING = 400


class Pictured(Protocol):
    """A picture's path below the dataset's folder, and a key that changes with its content: its SHA-256."""

    @property
    def path(self) -> str:
        """Return where the file is, from the root."""
        ...

    @property
    def sha256(self) -> str:
        """Return the key of its content."""
        ...


class Thumbnails(QObject):
    """Gives a picture's pixmap if it is there, else has it made; the latest asked for comes first.

    Signals:
        ready(): some that were asked for have come, or cannot be made.
    """

    ready = Signal()

    def __init__(self, bridge: Bridge, cache_dir: Path, edge: int = 128) -> None:
        super().__init__()
        self._bridge, self._cache_dir, self._edge = bridge, cache_dir, edge
        self.root = Path()
        self._waiting: OrderedDict[str, Pictured] = OrderedDict()
        self._asked: set[str] = set()
        self._broken: set[str] = set()
        self._handles: list[Handle] = []
        self._start = QTimer(self)
        self._start.setSingleShot(True)
        self._start.setInterval(0)
        self._start.timeout.connect(self._hand_out)

    def set_root(self, root: Path) -> None:
        """Take pictures from another dataset's folder; nothing of the one before is made any more."""
        self.stop()
        self.root = root

    def stop(self) -> None:
        """Make no more."""
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()
        self._waiting.clear()
        self._asked.clear()
        self._broken.clear()

    def pixmap(self, picture: Pictured) -> QPixmap | None:
        """Return the thumbnail, or None while it is being made (or cannot be: `broken`)."""
        found = QPixmap()
        if QPixmapCache.find(self._key(picture.sha256), found):
            return found
        if picture.sha256 not in self._asked and picture.sha256 not in self._broken:
            self._waiting[picture.sha256] = picture
            self._waiting.move_to_end(picture.sha256)
            if len(self._waiting) > MOST_WAITING:
                self._waiting.popitem(last=False)
            self._start.start()
        return None

    def broken(self, picture: Pictured) -> bool:
        """Whether no thumbnail can be made of it."""
        return picture.sha256 in self._broken

    def _key(self, sha256: str) -> str:
        return f"{sha256}-{self._edge}"

    def _hand_out(self) -> None:
        self._handles = [handle for handle in self._handles if handle.active]
        while self._waiting and len(self._handles) < AT_ONCE:
            batch = [self._waiting.popitem(last=True)[1] for _ in range(min(BATCH, len(self._waiting)))]
            self._asked.update(picture.sha256 for picture in batch)
            root = self.root

            def work(
                on_progress: OnProgress, cancel: CancelToken, batch: list[Pictured] = batch, root: Path = root
            ) -> list[tuple[str, QImage | None]]:
                return _load(batch, root, self._cache_dir, self._edge, cancel)

            self._handles.append(self._bridge.run(work, self._on_loaded))

    def _on_loaded(self, images: Sequence[tuple[str, QImage | None]]) -> None:
        for sha256, image in images:
            self._asked.discard(sha256)
            if image is None:
                self._broken.add(sha256)
            else:
                QPixmapCache.insert(self._key(sha256), QPixmap.fromImage(image))
        self.ready.emit()
        if self._waiting:
            self._start.start()


def list_icon(pixmap: QPixmap | None, edge: int, sharpness: float = 1.0) -> QIcon:
    """Return a thumbnail in the middle of a square of `edge`, so that words beside it begin alike; None: the square.

    It is not tinted where its row is chosen: the picture is what is looked at.
    """
    side = round(edge * sharpness)
    square = QPixmap(side, side)
    square.fill(Qt.GlobalColor.transparent)
    if pixmap is not None:
        fitted = pixmap.scaled(
            side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        painter = QPainter(square)
        painter.drawPixmap((side - fitted.width()) // 2, (side - fitted.height()) // 2, fitted)
        painter.end()
    square.setDevicePixelRatio(sharpness)
    made = QIcon(square)
    made.addPixmap(square, QIcon.Mode.Selected)
    return made


def _load(
    pictures: Sequence[Pictured], root: Path, cache_dir: Path, edge: int, cancel: CancelToken
) -> list[tuple[str, QImage | None]]:
    """Return thumbnails as images; None for a picture that cannot be read any more."""
    images: list[tuple[str, QImage | None]] = []
    for picture in pictures:
        cancel.raise_if_cancelled()
        try:
            image = QImage(str(thumbnail(root / picture.path, picture.sha256, cache_dir, edge)))
        except (OSError, ValueError):
            image = QImage()
        images.append((picture.sha256, None if image.isNull() else image))
    return images
