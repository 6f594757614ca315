"""What the profiler's timeline is made of: an axis of quantities, the band of phases, the strip of shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from core.profiler.results import PhaseTrack
from core.profiler.traces import PHASES, Floats
from core.profiler.wording import PHASE_WORDS, seconds
from core.report.charts import PHASE_COLOURS
from core.report.document import quantity
from core.translation import tr
from gui.shared.theme import GRID, font, series_colour, tokens

AXIS_WIDTH = 72
_MOST_SPANS = 1500


class QuantityAxis(pg.AxisItem):  # type: ignore[misc]
    """A left axis whose ticks carry their unit: 40%, 3 MB/s. All are equally wide, so that plots align."""

    def __init__(self, unit: str) -> None:
        super().__init__("left")
        self._unit = unit
        self.setWidth(AXIS_WIDTH)
        self.setStyle(tickFont=font("caption"), tickLength=0, tickTextOffset=6, maxTickLevel=0)

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """Return the ticks as people write them."""
        return [quantity(value, self._unit) for value in values]


class TimeAxis(pg.AxisItem):  # type: ignore[misc]
    """A bottom axis of seconds since the start, written 12 s, 3 min 5 s or 2 h 10 min."""

    def __init__(self) -> None:
        super().__init__("bottom")
        self.setStyle(tickFont=font("caption"), tickLength=0, tickTextOffset=4, maxTickLevel=0)

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, float]]:
        """Return spacings of whole seconds, minutes and hours, beneath a second of decimals."""
        wanted = (maxVal - minVal) / max(2.0, size / 110)
        steps = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
        longer = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
        return [(next((step for step in (*steps, *longer) if step >= wanted), 86400.0), 0.0)]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """Return the ticks as people write them."""
        return [_tick(value, spacing) for value in values]


class PhaseItem(pg.GraphicsObject):  # type: ignore[misc]
    """The phases of the training under the curves: each one where few are in sight, their shares where many are."""

    def __init__(self) -> None:
        super().__init__()
        self._track: PhaseTrack | None = None
        self._origin = 0.0
        self._spans: tuple[Floats, Floats, list[str]] = (np.empty(0), np.empty(0), [])
        self._rect = QRectF()

    def set_track(self, track: PhaseTrack | None, origin: float) -> None:
        """Show `track`, times as seconds since `origin`."""
        self.prepareGeometryChange()
        self._track, self._origin = track, origin
        self._rect = QRectF()
        self._spans = (np.empty(0), np.empty(0), [])
        if track is not None and len(track.times) > 1:
            width = float(track.times[1] - track.times[0])
            self._rect = QRectF(float(track.times[0]) - origin, 0, width * len(track.times), 1)
            start = np.array([began for _, began, _ in track.spans]) - origin
            end = np.array([ended for *_, ended in track.spans]) - origin
            self._spans = (start, end, [phase for phase, *_ in track.spans])
        self.informViewBoundsChanged()
        self.update()

    def phase_at(self, time: float) -> str:
        """Return the word for what went on at `time` seconds since the origin; empty where it is not known."""
        start, end, phases = self._spans
        index = int(np.searchsorted(start, time, side="right")) - 1
        for at in range(index, max(-1, index - 3), -1):
            if start[at] <= time < end[at]:
                return PHASE_WORDS[phases[at]]
        return ""

    def boundingRect(self) -> QRectF:
        """Return the whole track, one unit high."""
        return self._rect

    def paint(self, painter: QPainter, *_: object) -> None:
        """Paint only what is in sight."""
        if self._track is None or self._rect.isNull():
            return
        view = self.viewRect().intersected(self._rect)
        start, end, phases = self._spans
        first, last = np.searchsorted(end, view.left()), np.searchsorted(start, view.right(), side="right")
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        if 0 < last - first <= _MOST_SPANS:
            for at in range(int(first), int(last)):
                colour = series_colour(PHASE_COLOURS[phases[at]])
                painter.fillRect(QRectF(start[at], 0, end[at] - start[at], 1), colour)
            return
        self._paint_shares(painter, view)

    def _paint_shares(self, painter: QPainter, view: QRectF) -> None:
        assert self._track is not None
        times = self._track.times - self._origin
        width = float(times[1] - times[0])
        first = max(0, int(np.searchsorted(times, view.left())) - 1)
        last = int(np.searchsorted(times, view.right(), side="right"))
        base: Floats = np.zeros(len(times))
        for phase in PHASES:
            share = self._track.shares.get(phase)
            if share is None:
                continue
            colour = series_colour(PHASE_COLOURS[phase])
            for at in range(first, last):
                if share[at] > 0.002:
                    # A hair wider than the bucket: no seams between neighbours.
                    painter.fillRect(QRectF(times[at], base[at], width * 1.02, share[at]), colour)
            base = base + share


class ShareStrip(QWidget):
    """The shares of the training loop as one bar, with a legend in words and figures under it."""

    _BAR = 18

    def __init__(self) -> None:
        super().__init__()
        self._shares: Mapping[str, float] = {}
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFont(font("caption"))

    def set_shares(self, shares: Mapping[str, float]) -> None:
        """Show seconds by phase, as `ProfilerAnalysis.shares`."""
        self._shares = dict(shares)
        said = ", ".join(f"{word} {text}" for word, text, _ in self._parts())
        self.setAccessibleName(
            tr("Shares of the training loop: {shares}").format(shares=said)
            if said
            else tr("Shares of the training loop")
        )
        self.setToolTip("\n".join(f"{PHASE_WORDS[phase]}: {seconds(spent)}" for phase, spent in self._shares.items()))
        self.setVisible(bool(self._shares))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Return one bar and one line of text."""
        return QSize(320, self._BAR + GRID + QFontMetrics(self.font()).height() + 2)

    def minimumSizeHint(self) -> QSize:
        """Return it as `sizeHint` does, narrower."""
        return QSize(160, self.sizeHint().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint the bar, then the legend."""
        total = sum(self._shares.values())
        if not total:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        x = 0.0
        for phase, spent in self._shares.items():
            width = spent / total * self.width()
            painter.setBrush(series_colour(PHASE_COLOURS[phase]))
            painter.drawRoundedRect(QRectF(x, 0, max(1.0, width - 2), self._BAR), 3, 3)
            x += width
        metrics, x = QFontMetrics(self.font()), 0.0
        top = self._BAR + GRID
        for word, text, colour in self._parts():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawRoundedRect(QRectF(x, top + (metrics.height() - 9) / 2, 9, 9), 2, 2)
            painter.setPen(QColor(tokens().muted))
            painter.drawText(QPointF(x + 15, top + metrics.ascent()), f"{word} {text}")
            x += 15 + metrics.horizontalAdvance(f"{word} {text}") + 2 * GRID

    def _parts(self) -> list[tuple[str, str, QColor]]:
        total = sum(self._shares.values())
        return [
            (PHASE_WORDS[phase], f"{spent / total:.0%}", series_colour(PHASE_COLOURS[phase]))
            for phase, spent in self._shares.items()
            if total
        ]


def _tick(value: float, spacing: float) -> str:
    if spacing < 1:
        return f"{value:.3f}".rstrip("0").rstrip(".") + " s"
    value = round(value)
    if spacing >= 3600 or (value >= 3600 and value % 3600 == 0):
        return f"{value // 3600} h"
    if value < 60:
        return f"{value} s"
    hours, rest = divmod(value, 3600)
    minutes, last = divmod(rest, 60)
    text = f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
    return f"{text} {last:02} s" if last else text
