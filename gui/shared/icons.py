"""Icons: our own monochrome SVG files, tinted while painting, sharp at every scale."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QIconEngine, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from gui.shared.resource_files import read_text, resource
from gui.shared.theme import Tokens, tokens

DEFAULT_ROLE = "text"


def icon(name: str, role: str = DEFAULT_ROLE) -> QIcon:
    """Return the icon resources/icons/`name`.svg in the colour of a token (`text`, `muted`, `accent`, `on_accent`, …).

    It follows the theme by itself.
    """
    if name not in icon_names():
        raise KeyError(name)
    return QIcon(_TintedEngine(name, role))


@lru_cache(maxsize=1)
def icon_names() -> frozenset[str]:
    """Return the names of all icons there are."""
    return frozenset(path.stem for path in resource("icons").glob("*.svg"))


def paint_icon(painter: QPainter, rect: QRectF, name: str, colour: QColor) -> None:
    """Paint the icon into `rect`, in delegates and painted widgets."""
    _renderer(name, colour.name()).render(painter, rect)


def app_icon() -> QIcon:
    """Return the application's own icon: the hound on a sage tile, the same in both schemes."""
    made = QIcon()
    for edge in (16, 24, 32, 48, 64, 128, 256):
        pixmap = QPixmap(edge, edge)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor("#2F7D55"))
        painter.drawRoundedRect(QRectF(0, 0, edge, edge), edge * 0.22, edge * 0.22)
        inset = edge * 0.14
        paint_icon(painter, QRectF(inset, inset, edge - 2 * inset, edge - 2 * inset), "sagehound", QColor("#FFFFFF"))
        painter.end()
        made.addPixmap(pixmap)
    return made


@lru_cache(maxsize=512)
def _renderer(name: str, colour: str) -> QSvgRenderer:
    text = read_text("icons", f"{name}.svg").replace("currentColor", colour)
    return QSvgRenderer(QByteArray(text.encode()))


class _TintedEngine(QIconEngine):
    """Paints one icon in the colour that its token has at that moment."""

    def __init__(self, name: str, role: str) -> None:
        super().__init__()
        self._name, self._role = name, role

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        paint_icon(painter, QRectF(rect), self._name, self._colour(mode, tokens()))

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        pixmap = QPixmap(size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return pixmap

    def clone(self) -> QIconEngine:
        return _TintedEngine(self._name, self._role)

    def isNull(self) -> bool:
        return False

    def iconName(self) -> str:
        return self._name

    def _colour(self, mode: QIcon.Mode, colours: Tokens) -> QColor:
        if mode is QIcon.Mode.Disabled:
            return QColor(colours.control_line)
        return QColor(getattr(colours, self._role))
