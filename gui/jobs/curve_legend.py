"""Which curve is whose: the trials' numbers in their curves' colours, and what solid and dashed lines are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from core.translation import tr
from gui.jobs.curve_colours import curve_colour
from gui.shared.icons import paint_icon
from gui.shared.plotting import pen
from gui.shared.theme import font, scaled, tokens

ROW_HEIGHT = 18
_MARK, _GAP, _LINE = 14.0, 10.0, 22.0


@dataclass(frozen=True, slots=True)
class Chip:
    """A trial's place in the legend."""

    trial: int
    rect: QRectF


class CurveLegend(QWidget):
    """The best trial first, then all in the order they were started; a few rows at most, the rest is counted.

    Signals:
        hovered(int), chosen(int): the trial (its place in the job) under the pointer or clicked; -1 for none.
    """

    hovered = Signal(int)
    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._count, self._best, self._lit, self._selected = 0, -1, -1, -1
        self._lines: tuple[str, ...] = ()
        self._chips: list[Chip] = []
        self._hidden, self._most_rows = 0, 3
        self._under = -1
        self.setFont(font("caption"))
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(tr("Legend"))

    def show_trials(self, count: int, best: int, lines: Sequence[str]) -> None:
        """Name `count` trials and the lines of each: a solid one and perhaps a dashed one."""
        if (count, best, tuple(lines)) != (self._count, self._best, self._lines):
            self._count, self._best, self._lines = count, best, tuple(lines)
            self._arrange()

    def set_most_rows(self, rows: int) -> None:
        """Set how many rows there is room for."""
        if rows != self._most_rows:
            self._most_rows = rows
            self._arrange()

    def mark(self, lit: int, selected: int) -> None:
        """Set which trials stand out, -1 for none."""
        if (lit, selected) != (self._lit, self._selected):
            self._lit, self._selected = lit, selected
            self.update()

    @property
    def shown(self) -> tuple[int, ...]:
        """Return the trials that have a place."""
        return tuple(chip.trial for chip in self._chips)

    @property
    def hidden(self) -> int:
        """Return how many have none."""
        return self._hidden

    def sizeHint(self) -> QSize:
        """Return a height for as many rows as it has."""
        return QSize(200, self._rows() * scaled(ROW_HEIGHT))

    def _rows(self) -> int:
        chips = round(self._chips[-1].rect.top() / scaled(ROW_HEIGHT)) + 1 if self._chips else 0
        return max(chips, 1 if len(self._lines) > 1 else 0)

    def _arrange(self) -> None:
        metrics, self._chips = QFontMetricsF(self.font()), []
        trials = [at for at in range(self._count) if at != self._best] if self._count > 1 else []
        order = [self._best, *trials] if self._best >= 0 and trials else trials
        left, top = self._lines_width(metrics), 0.0
        rest = metrics.horizontalAdvance(_more(self._count)) + _GAP  # kept free in the last row
        for place, trial in enumerate(order):
            width = _MARK + metrics.horizontalAdvance(str(trial + 1))
            is_last_row = top >= (self._most_rows - 1) * scaled(ROW_HEIGHT)
            end = self.width() - (rest if is_last_row and place < len(order) - 1 else 0.0)
            if left + width > end and left > 0:
                if is_last_row:
                    break
                left, top = 0.0, top + scaled(ROW_HEIGHT)
            self._chips.append(Chip(trial, QRectF(left, top, width, scaled(ROW_HEIGHT))))
            left += width + _GAP
        self._hidden = len(order) - len(self._chips)
        tip = tr("and {count:,} more: the table has them all").format(count=self._hidden)
        self.setToolTip(tip if self._hidden else "")
        self.setFixedHeight(max(1, self._rows() * scaled(ROW_HEIGHT)))
        self.update()

    def _lines_width(self, metrics: QFontMetricsF) -> float:
        if len(self._lines) < 2:
            return 0.0
        return sum(_LINE + 6 + metrics.horizontalAdvance(text) + _GAP for text in self._lines) + _GAP

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint lines, chips and the count of the rest."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if len(self._lines) > 1:
            self._paint_lines(painter)
        for chip in self._chips:
            self._paint_chip(painter, chip)
        if self._hidden and self._chips:
            last = self._chips[-1].rect
            painter.setPen(QColor(tokens().muted))
            rect = QRectF(last.right() + _GAP, last.top(), self.width(), scaled(ROW_HEIGHT))
            painter.drawText(rect, Qt.AlignmentFlag.AlignVCenter, _more(self._hidden))

    def _paint_lines(self, painter: QPainter) -> None:
        left, middle = 0.0, scaled(ROW_HEIGHT) / 2
        for at, text in enumerate(self._lines):
            painter.setPen(pen(tokens().muted, 1.5, dashed=bool(at)))
            painter.drawLine(QPointF(left, middle), QPointF(left + _LINE, middle))
            left += _LINE + 6
            painter.setPen(QColor(tokens().text))
            width = QFontMetricsF(self.font()).horizontalAdvance(text)
            painter.drawText(QRectF(left, 0, width + 2, scaled(ROW_HEIGHT)), Qt.AlignmentFlag.AlignVCenter, text)
            left += width + _GAP

    def _paint_chip(self, painter: QPainter, chip: Chip) -> None:
        rect, colours = chip.rect, tokens()
        stands_out = chip.trial in (self._lit, self._selected)
        if stands_out:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.selection if chip.trial == self._selected else colours.hover))
            painter.drawRoundedRect(rect.adjusted(-3, 1, 3, -1), 4, 4)
        middle = rect.top() + rect.height() / 2
        if chip.trial == self._best:
            paint_icon(painter, QRectF(rect.left() - 2, middle - 6, 12, 12), "star", QColor(colours.accent))
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(curve_colour(chip.trial))
            painter.drawEllipse(QRectF(rect.left() + 1, middle - 4, 8, 8))
        faded = self._selected >= 0 and not stands_out
        painter.setPen(QColor(colours.muted if faded else colours.text))
        painter.drawText(rect.adjusted(_MARK, 0, 2, 0), Qt.AlignmentFlag.AlignVCenter, str(chip.trial + 1))

    def _at(self, position: QPointF) -> int:
        return next((chip.trial for chip in self._chips if chip.rect.adjusted(-4, 0, 4, 0).contains(position)), -1)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Light the trial up."""
        self._hover(self._at(event.position()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the trial; the chosen one again, or the empty place, chooses none."""
        if event.button() == Qt.MouseButton.LeftButton:
            trial = self._at(event.position())
            self.chosen.emit(-1 if trial == self._selected else trial)

    def leaveEvent(self, event: QEvent) -> None:
        """Note that nothing is under the pointer."""
        self._hover(-1)
        super().leaveEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay the rows out for another width."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._arrange()

    def _hover(self, trial: int) -> None:
        if trial != self._under:
            self._under = trial
            self.setCursor(Qt.CursorShape.PointingHandCursor if trial >= 0 else Qt.CursorShape.ArrowCursor)
            self.hovered.emit(trial)


def _more(count: int) -> str:
    return tr("and {count:,} more").format(count=count)
