"""One picture as large as there is room, over the grid, which keeps the keys."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from core.dataset.records import Picture
from core.dataset.thumbnails import thumbnail
from core.progress import CancelToken, OnProgress
from core.translation import tr
from gui.bridge import Bridge, Handle
from gui.shared.icons import paint_icon
from gui.shared.theme import font, scaled, tokens
from gui.shared.thumbnail_pixmaps import Thumbnails

EDGE = 1600
KEPT = 6


class LargeView(QWidget):
    """Shows the picture that the grid looks at, and what is known of it; a click closes it.

    Until the large picture is read, its thumbnail stands in.

    Signals:
        closed(): it was closed.
    """

    closed = Signal()

    def __init__(self, parent: QWidget, bridge: Bridge, cache_dir: Path, thumbnails: Thumbnails) -> None:
        super().__init__(parent)
        self._bridge, self._cache_dir, self._thumbnails = bridge, cache_dir, thumbnails
        self._root = Path()
        self._picture: Picture | None = None
        self._lines: Sequence[str] = ()
        self._kept: OrderedDict[str, QPixmap] = OrderedDict()
        self._broken: set[str] = set()
        self._loading: dict[str, Handle] = {}
        self.setAccessibleName(tr("Large view"))
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.hide()

    def set_root(self, root: Path) -> None:
        """Take pictures from another dataset's folder."""
        self.stop()
        self._root = root
        self._kept.clear()
        self._broken.clear()

    def stop(self) -> None:
        """Read no more, and close."""
        for handle in self._loading.values():
            handle.cancel()
        self._loading.clear()
        self.hide()

    def show_picture(self, picture: Picture, lines: Sequence[str], beside: Sequence[Picture] = ()) -> None:
        """Show a picture with lines of words; those beside it are read too, for the arrow keys."""
        self._picture, self._lines = picture, lines
        for wanted in (picture, *beside):
            self._load(wanted)
        self.setAccessibleDescription(", ".join(lines))
        self.show()
        self.raise_()
        self.update()

    def close_view(self) -> None:
        """Close it."""
        if self.isVisible():
            self.hide()
            self.closed.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Close it."""
        self.close_view()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture, fitted, and the words below it."""
        colours, painter = tokens(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(colours.card))
        if self._picture is None:
            return
        line = scaled(20)
        below = line * (len(self._lines)) + 8
        room = QRectF(self.rect()).adjusted(0, 0, 0, -below)
        pixmap = self._kept.get(self._picture.sha256) or self._thumbnails.pixmap(self._picture)
        if self._picture.sha256 in self._broken:
            spot = QRectF(room.center().x() - 24, room.center().y() - 24, 48, 48)
            paint_icon(painter, spot, "warning", QColor(colours.warning))
        elif pixmap is not None:
            # In the picture's own proportions: its thumbnail has the same.
            ratio = self.devicePixelRatioF()
            largest = min(room.width() / self._picture.width, room.height() / self._picture.height)
            factor = min(largest, max(1 / ratio, 320 / max(self._picture.width, self._picture.height)))
            turned = (pixmap.width() < pixmap.height()) != (self._picture.width < self._picture.height)
            width, height = self._picture.width * factor, self._picture.height * factor
            if turned:
                width, height = height, width
                shrink = min(1.0, room.width() / width, room.height() / height)
                width, height = width * shrink, height * shrink
            target = QRectF(room.center().x() - width / 2, room.center().y() - height / 2, width, height)
            painter.drawPixmap(target, pixmap, QRectF(pixmap.rect()))
        for at, text in enumerate(self._lines):
            painter.setFont(font("strong" if at == 0 else "body"))
            painter.setPen(QColor(colours.text if at == 0 else colours.muted))
            box = QRectF(8, room.bottom() + 4 + at * line, self.width() - 16, line)
            text = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, int(box.width()))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _load(self, picture: Picture) -> None:
        sha256 = picture.sha256
        if sha256 in self._kept or sha256 in self._broken or sha256 in self._loading:
            return
        root, cache_dir = self._root, self._cache_dir

        def work(on_progress: OnProgress, cancel: CancelToken) -> tuple[str, QImage]:
            try:
                return sha256, QImage(str(thumbnail(root / picture.path, sha256, cache_dir, EDGE)))
            except (OSError, ValueError):
                return sha256, QImage()

        self._loading[sha256] = self._bridge.run(work, self._on_loaded)

    def _on_loaded(self, loaded: tuple[str, QImage]) -> None:
        sha256, image = loaded
        self._loading.pop(sha256, None)
        if image.isNull():
            self._broken.add(sha256)
        else:
            self._kept[sha256] = QPixmap.fromImage(image)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self.update()
