"""What a drop or the clipboard holds, as items that `core.predict.intake.gather` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QBuffer, QIODevice, QMimeData
from PySide6.QtGui import QImage, QImageWriter, QPixmap

from core.predict.intake import Item

_ENCODED = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff")


def has_pictures(mime: QMimeData) -> bool:
    """Whether there may be pictures in it: files, addresses, or the data of an image."""
    return mime.hasUrls() or mime.hasImage() or any(mime.hasFormat(name) for name in _ENCODED)


def picture_items(mime: QMimeData | None) -> list[Item]:
    """Return the files and folders in it, else the image itself, else the addresses, else the text.

    A picture dragged out of a browser brings its data and its address: the data are taken. An empty clipboard is None.
    """
    if mime is None:
        return []
    files: list[Item] = [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
    if files:
        return files
    data = _image_bytes(mime)
    if data:
        return [data]
    if mime.hasUrls():
        return [url.toString() for url in mime.urls()]
    text = mime.text().strip()
    return _paths_in(text) if text else []


def _image_bytes(mime: QMimeData) -> bytes:
    for name in _ENCODED:
        if mime.hasFormat(name):
            data = bytes(mime.data(name).data())
            if data:
                return data
    return _encoded(mime.imageData()) if mime.hasImage() else b""


def _encoded(image: Any) -> bytes:
    if isinstance(image, QPixmap):
        image = image.toImage()
    if not isinstance(image, QImage) or image.isNull():
        return b""
    # Neither loses a pixel, and both are quick: a PNG of 12 megapixels would hold up the window for seconds.
    for kind in (b"TIFF" if image.hasAlphaChannel() else b"BMP", b"PNG"):
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        # Not QImage.save, which takes the format's name as text only, where its type stub has bytes only.
        if QImageWriter(buffer, kind).write(image):
            return bytes(buffer.data().data())
    return b""


def _paths_in(text: str) -> list[Item]:
    """Return text as files when every line names one that exists, as file managers copy them; else as it is."""
    lines = [line.strip().strip('"') for line in text.splitlines() if line.strip()]
    try:
        if lines and all(Path(line).expanduser().exists() for line in lines):
            return [Path(line).expanduser() for line in lines]
    except OSError:
        pass
    return [text]
