"""The rules of a job as rows: state, name, one sentence, a sparkline with its threshold, since which step."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus
from core.translation import tr
from gui.debugger.rules_model import SAW_NOTHING, RuleRole, RulesModel, heading_of, summary
from gui.shared.icons import paint_icon
from gui.shared.pill import status_look
from gui.shared.theme import RADIUS, font, tokens

_ROW, _HEADING = 52, 30
_INSET, _SPARK, _UNDER = 10, 96, 18


class RuleDelegate(QStyledItemDelegate):
    """Paints headings and rules."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Return two lines; a heading is one."""
        return QSize(260, _ROW if index.data(RuleRole.OUTCOME) is not None else _HEADING)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint one row."""
        outcome: RuleOutcome | None = index.data(RuleRole.OUTCOME)
        rect: QRect = option.rect
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if outcome is None:
            painter.setFont(font("caption"))
            painter.setPen(QColor(tokens().muted))
            words = rect.adjusted(_INSET, 8, -_INSET, 0)
            painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, str(index.data()))
        else:
            _paint_ground(painter, rect, option.state)
            _paint_rule(painter, rect, outcome)
        painter.restore()


class RuleList(QListView):
    """The rules; Up and Down move between them.

    Signals:
        chosen(object): the RuleOutcome that is selected now, None for none.
    """

    chosen = Signal(object)

    def __init__(self, model: RulesModel) -> None:
        super().__init__()
        self._rules = model
        self._rule = self._chosen = self._job = ""
        self._restoring = False
        self.setModel(model)
        self.setItemDelegate(RuleDelegate(self))
        self.setMouseTracking(True)
        self.setAccessibleName(tr("Rules"))
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.selectionModel().currentChanged.connect(self._on_current)
        model.modelReset.connect(self._restore)
        model.dataChanged.connect(lambda *_: self.chosen.emit(self.currentIndex().data(RuleRole.OUTCOME)))

    def choose(self, rule: str) -> bool:
        """Select a rule by name; returns whether it is there."""
        row = self._rules.row_of(rule)
        if row >= 0:
            self.setCurrentIndex(self._rules.index(row))
        return row >= 0

    def _restore(self) -> None:
        """Select the rule that was, of another job the one that was chosen last by hand; else the first."""
        first = self._rules.first_rule()
        outcome = self._rules.index(first).data(RuleRole.OUTCOME) if first >= 0 else None
        job = "" if outcome is None else outcome.job
        wanted = self._rule if job == self._job else self._chosen
        self._job, self._restoring = job, True
        if not wanted or not self.choose(wanted):
            self.setCurrentIndex(self._rules.index(first) if first >= 0 else QModelIndex())
        self._restoring = False
        if first < 0:
            self.chosen.emit(None)

    def _on_current(self, current: QModelIndex) -> None:
        outcome = current.data(RuleRole.OUTCOME) if current.isValid() else None
        if outcome is not None:
            self._rule = outcome.rule
            if not self._restoring:
                self._chosen = outcome.rule
            above = current.siblingAtRow(current.row() - 1)
            if above.isValid() and above.data(RuleRole.OUTCOME) is None:
                self.scrollTo(above)  # the state's heading stays in sight with its first rule
        self.chosen.emit(outcome)


def _paint_ground(painter: QPainter, rect: QRect, state: QStyle.StateFlag) -> None:
    colours, ground = tokens(), ""
    if state & QStyle.StateFlag.State_Selected:
        ground = colours.selection
    elif state & QStyle.StateFlag.State_MouseOver:
        ground = colours.hover
    inner = QRectF(rect).adjusted(2, 1, -2, -1)
    painter.setPen(Qt.PenStyle.NoPen)
    if ground:
        painter.setBrush(QColor(ground))
        painter.drawRoundedRect(inner, RADIUS - 2, RADIUS - 2)
    if state & QStyle.StateFlag.State_HasFocus and state & QStyle.StateFlag.State_Selected:
        painter.setPen(QColor(colours.accent))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(inner, RADIUS - 2, RADIUS - 2)


def _paint_rule(painter: QPainter, rect: QRect, outcome: RuleOutcome) -> None:
    look, colours = status_look("info" if heading_of(outcome) == SAW_NOTHING else outcome.status), tokens()
    if outcome.follows_from:  # it stands under its cause
        rect = rect.adjusted(_UNDER, 0, 0, 0)
    state = QColor(getattr(colours, look.colour))
    paint_icon(painter, QRectF(rect.left() + _INSET, rect.top() + 9, 18, 18), look.icon, state)
    left, right = rect.left() + _INSET + 28, rect.right() - _INSET
    spark = _SPARK if len(outcome.values) > 1 and rect.width() > 340 else 0
    if spark:
        box = QRectF(right - spark, rect.top() + 9, spark, rect.height() - 18)
        paint_sparkline(painter, box, outcome.values, state)
    room = right - left - (spark + 12 if spark else 0)
    since = ""
    if outcome.status is RuleStatus.ISSUES_FOUND and outcome.first_step is not None:
        since = tr("since step {first_step:,}").format(first_step=outcome.first_step)
    painter.setFont(font("caption"))
    width = painter.fontMetrics().horizontalAdvance(since)
    painter.setPen(QColor(colours.muted))
    painter.drawText(QRect(left + room - width, rect.top() + 8, width, 20), Qt.AlignmentFlag.AlignVCenter, since)
    painter.setFont(font("strong"))
    painter.setPen(QColor(colours.text))
    name = QRect(left, rect.top() + 8, room - width - 8, 20)
    text = painter.fontMetrics().elidedText(outcome.rule, Qt.TextElideMode.ElideRight, name.width())
    painter.drawText(name, Qt.AlignmentFlag.AlignVCenter, text)
    painter.setFont(font("caption"))
    painter.setPen(QColor(colours.muted))
    below = QRect(left, rect.top() + 27, room, 16)
    text = painter.fontMetrics().elidedText(summary(outcome), Qt.TextElideMode.ElideRight, room)
    painter.drawText(below, Qt.AlignmentFlag.AlignVCenter, text)


def paint_sparkline(
    painter: QPainter, box: QRectF, values: Sequence[tuple[int, float, float | None]], colour: QColor
) -> None:
    """Paint the values of a rule as a line, with its latest threshold dashed."""
    threshold = values[-1][2]
    known = [value for _, value, _ in values]
    both = [*known, *([] if threshold is None else [threshold])]
    floor = min((value for value in both if value > 0), default=1.0)
    # A threshold of 1e-7 beside values of 1e-3 can only be distinguished on a logarithmic scale; a 0 is at its foot.
    scale = (lambda value: math.log10(max(value, floor))) if min(both) >= 0 and max(both) > 50 * floor else float
    heights = [scale(value) for value in known]
    limit = None if threshold is None else scale(threshold)
    low = min([*heights, *([] if limit is None else [limit])])
    high = max([*heights, *([] if limit is None else [limit])])
    span = high - low or 1.0

    def at(number: int, height: float) -> QPointF:
        across = number / max(1, len(heights) - 1)
        return QPointF(box.left() + across * box.width(), box.bottom() - 2 - (height - low) / span * (box.height() - 4))

    if limit is not None:
        dashes = QPen(QColor(tokens().muted), 1)
        dashes.setDashPattern([3, 3])
        painter.setPen(dashes)
        painter.drawLine(at(0, limit), QPointF(box.right(), at(0, limit).y()))
    painter.setPen(QPen(colour, 1.5))
    painter.drawPolyline(QPolygonF([at(number, height) for number, height in enumerate(heights)]))
