"""Plots in the application's look. Importing this module imports pyqtgraph: do it when a plot is first shown."""

from __future__ import annotations

from html import escape
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QPainter, QPen
from PySide6.QtWidgets import QWidget

from gui.shared.plot_export import Numbers, curves_of, offer_export
from gui.shared.theme import font, tokens


def pen(colour: str | QColor, width: float = 1.0, alpha: float = 1.0, dashed: bool = False) -> QPen:
    """Return a pen of `width` device-independent pixels that does not scale with the data.

    A width of 1 stays one pixel of the device: such lines are drawn many times faster.
    """
    made_colour = QColor(colour)
    made_colour.setAlphaF(alpha)
    app = QGuiApplication.instance()
    ratio = app.devicePixelRatio() if isinstance(app, QGuiApplication) else 1.0
    # A cosmetic pen counts pixels of the device.
    made = QPen(made_colour, width * ratio if width > 1 else width)
    made.setCosmetic(True)
    if dashed:
        made.setDashPattern([4.0, 3.0])
    return made


class PaintedAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis that is painted; pyqtgraph plays a recording, which looks for the font of every text again and again."""

    picture: Any
    _specs: Any = None

    def paint(self, painter: QPainter, option: Any, widget: Any) -> None:
        """Paint line, ticks and texts; where they are is worked out again only after a change (`picture` is None)."""
        painter.save()
        if self.picture is None:
            painter.setFont(font("caption"))
            self._specs, self.picture = self.generateDrawSpecs(painter), True
        if self._specs is not None:
            self.drawPicture(painter, *self._specs)
        painter.restore()


class WholeAxis(PaintedAxis):
    """An axis of epochs, steps or trials: never half of one."""

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, float]]:
        """Return spacings of one and more only."""
        spacings = super().tickSpacing(minVal, maxVal, size)
        return [(max(1.0, round(spacing)), offset) for spacing, offset in spacings]


class Plot(pg.PlotWidget):  # type: ignore[misc]
    """A plot on a card: axes left and below, a faint grid, colours that follow the theme, a menu that saves it.

    `numbers` gives what is saved as CSV: the points that are drawn, unless the owner knows better.

    Signals:
        restyled(): the colours changed; items with pens of their own must be drawn again.
    """

    restyled = Signal()

    def __init__(self, x_label: str = "", y_label: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent, axisItems={"bottom": WholeAxis("bottom"), "left": PaintedAxis("left")})
        self.setFrameStyle(0)
        self.setMenuEnabled(False)
        self.hideButtons()
        item = self.getPlotItem()
        item.showGrid(x=True, y=True, alpha=0.12)
        item.getViewBox().setDefaultPadding(0.03)
        for side in ("left", "bottom"):
            axis = item.getAxis(side)
            axis.enableAutoSIPrefix(False)  # "Average loss (x0.001)" reads badly
            axis.setStyle(tickFont=font("caption"), tickLength=0, tickTextOffset=6)
        self._labels = {"left": y_label, "bottom": x_label}
        self.numbers: Numbers = lambda: curves_of([(self.accessibleName(), item)], self._labels["bottom"] or "x")
        offer_export(self, lambda: self.numbers())
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.restyle()

    def set_labels(self, x_label: str, y_label: str) -> None:
        """Name the axes; cheap when nothing changes."""
        labels = {"left": y_label, "bottom": x_label}
        if labels != self._labels:
            self._labels = labels
            self._style_axes()

    def restyle(self) -> None:
        """Take the colours of the scheme in use."""
        self.setBackground(QColor(tokens().card))
        self._style_axes()
        self.restyled.emit()

    def _style_axes(self) -> None:
        colours = tokens()
        for side, text in self._labels.items():
            axis = self.getPlotItem().getAxis(side)
            axis.setPen(pen(colours.line))
            axis.setTextPen(pen(colours.muted))
            # pyqtgraph takes it for markup, and metrics have the names that a script gives them.
            axis.setLabel(escape(text), **{"color": colours.muted, "font-size": "11px"})

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and getattr(self, "_labels", None):
            self.restyle()


def curve(**options: Any) -> pg.PlotCurveItem:
    """Return a curve item that breaks at NaN and does not catch the mouse."""
    item = pg.PlotCurveItem(connect="finite", antialias=options.pop("antialias", False), **options)
    item.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
    return item
