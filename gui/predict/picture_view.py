"""One picture that fits its frame, zooms and pans, with an overlay that can be laid over it."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPixmap, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QGraphicsPixmapItem, QGraphicsScene, QGraphicsView

from core.translation import tr
from gui.shared.theme import tokens

STEP = 1.25
LARGEST = 16.0
OVERLAY_OPACITY = 0.72


class PictureView(QGraphicsView):
    """Shows a picture. Wheel, + and - zoom, dragging pans, 0 fits, 1 shows it pixel by pixel, a double click toggles.

    Signals:
        zoomed(float): the scale has changed; 1.0 is one pixel of the picture per pixel of the window.
    """

    zoomed = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self._scene = QGraphicsScene(self)
        self._picture = QGraphicsPixmapItem()
        self._overlay = QGraphicsPixmapItem()
        for item in (self._picture, self._overlay):
            item.setTransformationMode(Qt.TransformationMode.SmoothTransformation)
            self._scene.addItem(item)
        self._overlay.setOpacity(OVERLAY_OPACITY)
        self._fits = True
        self.setScene(self._scene)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        self.setDragMode(QGraphicsView.DragMode.ScrollHandDrag)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.AnchorUnderMouse)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumSize(160, 120)
        # Drops belong to the tab around this view.
        self.setAcceptDrops(False)
        self.viewport().setAcceptDrops(False)
        self.setAccessibleName(tr("Picture"))

    @property
    def has_picture(self) -> bool:
        """Whether a picture is shown."""
        return not self._picture.pixmap().isNull()

    @property
    def has_overlay(self) -> bool:
        """Whether an overlay is over it."""
        return not self._overlay.pixmap().isNull()

    @property
    def pans(self) -> bool:
        """Whether the picture is wider than its frame."""
        bar = self.horizontalScrollBar()
        return bar.maximum() > bar.minimum()

    @property
    def scale_factor(self) -> float:
        """Return pixels of the window per pixel of the picture."""
        return self.transform().m11() * self.devicePixelRatioF()

    def set_picture(self, image: QImage, description: str = "") -> None:
        """Show another picture, fitted, without overlay; a null image shows nothing."""
        self._picture.setPixmap(QPixmap.fromImage(image))
        self._overlay.setPixmap(QPixmap())
        self._scene.setSceneRect(QRectF(self._picture.pixmap().rect()))
        self.setAccessibleDescription(description)
        self.fit()

    def set_overlay(self, image: QImage | None) -> None:
        """Lay an image over the whole picture, stretched to its size; None takes it away."""
        pixmap = QPixmap() if image is None else QPixmap.fromImage(image)
        self._overlay.setPixmap(pixmap)
        if not pixmap.isNull():
            size = self._picture.pixmap().size()
            self._overlay.setTransform(
                self._overlay.transform().fromScale(size.width() / pixmap.width(), size.height() / pixmap.height())
            )

    def fit(self) -> None:
        """Show the whole picture, a small one at most at twice its size."""
        self._fits = True
        if not self.has_picture:
            return
        size, room = self._picture.pixmap().size(), self.viewport().rect()
        scale = min(room.width() / size.width(), room.height() / size.height(), 2.0)
        self.resetTransform()
        self.scale(scale, scale)
        self.centerOn(self._picture)
        self.zoomed.emit(self.scale_factor)

    def zoom(self, factor: float) -> None:
        """Zoom by a factor, within bounds."""
        if not self.has_picture:
            return
        current = self.transform().m11()
        size, room = self._picture.pixmap().size(), self.viewport().rect()
        smallest = min(room.width() / size.width(), room.height() / size.height(), 1.0)
        wanted = max(smallest, min(LARGEST, current * factor))
        self._fits = False
        self.scale(wanted / current, wanted / current)
        self.zoomed.emit(self.scale_factor)

    def zoom_in(self) -> None:
        """Zoom in by one step."""
        self.zoom(STEP)

    def zoom_out(self) -> None:
        """Zoom out by one step."""
        self.zoom(1 / STEP)

    def actual_size(self) -> None:
        """Show one pixel of the picture on one pixel of the screen."""
        self.zoom(1 / self.scale_factor)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom around the pointer."""
        self.zoom(STEP ** (event.angleDelta().y() / 120))
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Fit, or show pixel by pixel when it fits already."""
        if self._fits:
            self.actual_size()
        else:
            self.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Zoom by keyboard."""
        match event.key():
            case Qt.Key.Key_Plus | Qt.Key.Key_Equal:
                self.zoom_in()
            case Qt.Key.Key_Minus:
                self.zoom_out()
            case Qt.Key.Key_0:
                self.fit()
            case Qt.Key.Key_1:
                self.actual_size()
            case _:
                super().keyPressEvent(event)

    def drawBackground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        """Paint a surface that sets off white pictures and black ones."""
        painter.fillRect(rect, QColor(tokens().raised))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Stay fitted."""
        super().resizeEvent(event)
        if self._fits:
            self.fit()
