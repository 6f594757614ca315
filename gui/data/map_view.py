"""All pictures as a map: what looks alike is close together; a lasso chooses what it encloses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QWheelEvent,
)
from PySide6.QtWidgets import QToolTip, QWidget

from core.translation import tr
from gui.data.label_keys import command_of, typed_by
from gui.data.pictures_model import PicturesModel
from gui.shared.theme import series_colour, split_colour, tokens
from gui.shared.thumbnail_pixmaps import Thumbnails

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_THUMBNAILS, THUMBNAIL = 160, 52
"""Once so few points are in sight, each is a thumbnail of this edge."""
REACH = 10
MARGIN = 12
SERIES = 8


class MapView(QWidget):
    """The pictures of a `PicturesModel` at their places; those that its filters let through are in colour.

    A drag draws a lasso (with Ctrl it adds to what is chosen), the wheel zooms at the pointer, a drag with the right or
    middle button moves the map; arrows, + and - do the same by key. What keys do with the chosen is as in the grid.

    Signals:
        picture_asked(int): show the picture of a row in the grid.
        key_typed(str): a letter or digit for the chosen pictures.
        command(str): what a key asks for: see `command_of`.
    """

    picture_asked = Signal(int)
    key_typed = Signal(str)
    command = Signal(str)

    def __init__(self, model: PicturesModel, thumbnails: Thumbnails) -> None:
        super().__init__()
        self._model, self._thumbnails = model, thumbnails
        self._places: NDArray[np.float32] | None = None
        self._colour_by = "class"
        self._scale, self._shift = 1.0, QPointF(0, 0)
        self._lasso: QPolygonF | None = None
        self._grabbed: QPointF | None = None
        self._points: QImage | None = None
        self._drawn: tuple[object, ...] = ()
        self._colours: tuple[NDArray[np.uint32], NDArray[np.int64]] | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName(tr("Map of the pictures"))
        self.setAccessibleDescription(tr("What looks alike is close together. Draw around pictures to choose them."))
        self.setMinimumSize(160, 120)
        model.sections_changed.connect(self._recolour)
        model.chosen_changed.connect(self._recolour)
        thumbnails.ready.connect(self.update)

    def set_places(self, places: NDArray[np.float32] | None) -> None:
        """Show the pictures, by number, at places (N, 2) in the unit square; None while they are not known."""
        self._places = places
        self.fit()
        self._recolour()

    def colour_by(self, what: str) -> None:
        """Colour points by their "class", "split", "suggestion" or "suspect"."""
        self._colour_by = what
        self._recolour()

    def fit(self) -> None:
        """Show the whole map."""
        self._scale, self._shift = 1.0, QPointF(0, 0)
        self.update()

    def place_of(self, number: int) -> QPointF:
        """Return where a picture is in the widget."""
        assert self._places is not None
        x, y = (float(value) for value in self._places[number])
        size, left, top = self._square()
        return QPointF(left + x * size, top + y * size)

    def sizeHint(self) -> QSize:
        """Return a comfortable size."""
        return QSize(480, 480)

    # What is drawn

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the points, or thumbnails where few are in sight, and the lasso."""
        painter, colours = QPainter(self), tokens()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._places is not None and len(self._places):
            painter.drawImage(QPointF(0, 0), self._image())
            self._paint_thumbnails(painter)
        if self._lasso is not None:
            tint = QColor(colours.accent)
            painter.setPen(QPen(tint, 1.5))
            tint.setAlpha(40)
            painter.setBrush(tint)
            painter.drawPolygon(self._lasso)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colours.accent), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)

    def _square(self) -> tuple[float, float, float]:
        """Return the edge of the map as it is zoomed, and where its left upper corner is."""
        fitted = min(self.width(), self.height()) - 2 * MARGIN
        size = fitted * self._scale
        left = (self.width() - size) / 2 + self._shift.x()
        return size, left, (self.height() - size) / 2 + self._shift.y()

    def _pixels(self, ratio: float) -> NDArray[np.int32]:
        """Return the pixel (N, 2) of every picture."""
        import numpy as np

        assert self._places is not None
        size, left, top = self._square()
        corner = np.array([left * ratio, top * ratio], np.float32)
        found: NDArray[np.int32] = (self._places * np.float32(size * ratio) + corner).astype(np.int32)
        return found

    def _image(self) -> QImage:
        """Return the points, drawn again only when something changed."""
        import numpy as np

        ratio = self.devicePixelRatioF()
        key = (self.size(), ratio, self._scale, self._shift.toTuple(), tokens().scheme)
        if self._points is not None and self._drawn == key:
            return self._points
        width, height = round(self.width() * ratio), round(self.height() * ratio)
        canvas = np.zeros((height, width), np.uint32)
        values, order = self._point_colours()
        reach = max(1, round((2 if len(values) < 5000 else 1) * ratio))
        pixels = self._pixels(ratio)[order]
        seen = (
            (pixels[:, 0] >= reach)
            & (pixels[:, 0] < width - reach)
            & (pixels[:, 1] >= reach)
            & (pixels[:, 1] < height - reach)
        )
        spots, inks = pixels[seen], values[order][seen]
        flat, start = canvas.reshape(-1), spots[:, 1] * width + spots[:, 0]
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                if dx * dx + dy * dy <= reach * reach + 1:
                    flat[start + dy * width + dx] = inks
        image = QImage(canvas.data, width, height, 4 * width, QImage.Format.Format_ARGB32_Premultiplied).copy()
        image.setDevicePixelRatio(ratio)
        self._points, self._drawn = image, key
        return image

    def _point_colours(self) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Return every picture's colour and the order to draw in: what is filtered out first, the chosen last."""
        import numpy as np

        if self._colours is not None:
            return self._colours
        gallery, colours = self._model.gallery, tokens()
        assert self._places is not None
        total = len(self._places)
        values = np.full(total, QColor(colours.line).rgba(), np.uint32)
        shown = self._model.numbers()
        shown = shown[shown < total]
        values[shown] = _inks(self._colour_by, gallery.colour_codes(self._colour_by)[shown])
        chosen = np.array(sorted(number for number in self._model.chosen if number < total), np.int64)
        values[chosen] = QColor(colours.text).rgba()
        height = np.zeros(total, np.int8)
        height[shown] = 1
        height[chosen] = 2
        self._colours = values, np.argsort(height, kind="stable")
        return self._colours

    def _paint_thumbnails(self, painter: QPainter) -> None:
        import numpy as np

        shown = self._model.numbers()
        pixels = self._pixels(1.0)[shown]
        inside = (
            (pixels[:, 0] > -THUMBNAIL)
            & (pixels[:, 0] < self.width() + THUMBNAIL)
            & (pixels[:, 1] > -THUMBNAIL)
            & (pixels[:, 1] < self.height() + THUMBNAIL)
        )
        near = np.flatnonzero(inside)
        if len(near) > MOST_THUMBNAILS:
            return
        codes = self._model.gallery.colour_codes(self._colour_by)
        for number, spot in zip(shown[near].tolist(), pixels[near].tolist(), strict=True):
            pixmap = self._thumbnails.pixmap(self._model.gallery.pictures[number])
            if pixmap is None:
                continue
            size = QSize(pixmap.size() / pixmap.devicePixelRatio()).scaled(
                THUMBNAIL, THUMBNAIL, Qt.AspectRatioMode.KeepAspectRatio
            )
            box = QRectF(QPointF(*spot) - QPointF(size.width() / 2, size.height() / 2), size)
            painter.drawPixmap(box, pixmap, QRectF(pixmap.rect()))
            chosen = number in self._model.chosen
            ink = QColor.fromRgba(int(_inks(self._colour_by, codes[number : number + 1])[0]))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(tokens().accent) if chosen else ink, 4 if chosen else 2))
            painter.drawRect(box)

    def _recolour(self) -> None:
        self._colours = self._points = None
        if self.isVisible():
            self.update()

    def changeEvent(self, event: QEvent) -> None:
        """Take the colours of another scheme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._recolour()

    # The pointer

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a lasso, or to move the map."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._lasso = QPolygonF([event.position()])
        else:
            self._grabbed = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Draw on, or move the map."""
        if self._lasso is not None:
            self._lasso.append(event.position())
            self.update()
        elif self._grabbed is not None:
            self._shift += event.position() - self._grabbed
            self._grabbed = event.position()
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Choose what the lasso encloses; a click chooses the picture there."""
        self.unsetCursor()
        self._grabbed = None
        lasso, self._lasso = self._lasso, None
        if lasso is None:
            return
        if lasso.boundingRect().width() < 4 and lasso.boundingRect().height() < 4:
            number = self.number_at(event.position())
            found = [] if number is None else [number]
        else:
            found = self.enclosed(lasso)
        add = event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
        self._model.choose_numbers({*self._model.chosen, *found} if add else found)
        self.update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the picture there in the grid."""
        number = self.number_at(event.position())
        if number is not None:
            self.picture_asked.emit(self._model.row_of(number))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom, the point under the pointer staying there."""
        self._zoom(1.0015 ** event.angleDelta().y(), event.position())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move and zoom by key, choose all, or say what was typed for the chosen ones."""
        step = 60.0
        moves = {
            Qt.Key.Key_Left: QPointF(step, 0),
            Qt.Key.Key_Right: QPointF(-step, 0),
            Qt.Key.Key_Up: QPointF(0, step),
            Qt.Key.Key_Down: QPointF(0, -step),
        }
        key = Qt.Key(event.key())
        if key in moves:
            self._shift += moves[key]
            self.update()
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self._zoom(0.8 if key == Qt.Key.Key_Minus else 1.25, QPointF(self.width() / 2, self.height() / 2))
        elif key == Qt.Key.Key_0:
            self.fit()
        elif key == Qt.Key.Key_A and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._model.choose(range(self._model.rowCount()))
        elif command := command_of(event):
            self.command.emit(command)
        elif typed := typed_by(event):
            self.key_typed.emit(typed.lower())  # there are no sections here that Shift would mean
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Show what is known of the picture under the pointer."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            number = self.number_at(QPointF(event.pos()))
            text = "\n".join(self._model.details(number)) if number is not None else ""
            near = QRect(event.pos(), QSize()).adjusted(-REACH, -REACH, REACH, REACH)
            QToolTip.showText(event.globalPos(), text, self, near)  # it covers other points: gone with the pointer
            return True
        return super().event(event)

    def number_at(self, point: QPointF) -> int | None:
        """Return the number of the picture that is shown nearest to a point, if it is near."""
        if self._places is None or not self._model.rowCount():
            return None
        shown = self._model.numbers()
        away = self._pixels(1.0)[shown] - (point.x(), point.y())
        squared = (away**2).sum(axis=1)
        nearest = int(squared.argmin())
        return int(shown[nearest]) if squared[nearest] <= REACH**2 else None

    def enclosed(self, lasso: QPolygonF) -> list[int]:
        """Return the numbers of the pictures that are shown inside a polygon: filled once, then looked up."""
        import numpy as np

        if self._places is None:
            return []
        mask = QImage(self.size(), QImage.Format.Format_Grayscale8)
        mask.fill(0)
        painter = QPainter(mask)
        painter.setBrush(QColor("white"))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawPolygon(lasso)
        painter.end()
        filled = np.frombuffer(mask.constBits(), np.uint8).reshape(mask.height(), mask.bytesPerLine()) > 0
        shown = self._model.numbers()
        pixels = self._pixels(1.0)[shown]
        x, y = pixels[:, 0], pixels[:, 1]
        seen = (x >= 0) & (x < mask.width()) & (y >= 0) & (y < mask.height())
        seen[seen] = filled[y[seen], x[seen]]
        found: list[int] = shown[seen].tolist()
        return found

    def _zoom(self, factor: float, at: QPointF) -> None:
        factor = max(1.0, min(200.0, self._scale * factor)) / self._scale
        middle = QPointF(self.width() / 2, self.height() / 2)
        self._shift = (self._shift + middle - at) * factor + at - middle
        self._scale *= factor
        if self._scale == 1.0:
            self._shift = QPointF(0, 0)
        self.update()


def _inks(colour_by: str, codes: NDArray[np.int32]) -> NDArray[np.uint32]:
    """Return the colours of codes; 0 is grey."""
    import numpy as np

    grey = QColor(tokens().muted).rgba()
    if colour_by == "split":
        inks = [grey, *(split_colour(split).rgba() for split in ("train", "valid", "test"))]
        return np.array(inks, np.uint32)[codes]
    if colour_by == "suspect":
        return np.array([grey, QColor(tokens().failed).rgba()], np.uint32)[codes]
    palette = np.array([series_colour(at).rgba() for at in range(SERIES)], np.uint32)
    return np.where(codes > 0, palette[(codes - 1) % SERIES], np.uint32(grey)).astype(np.uint32)
