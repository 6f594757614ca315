"""The chosen rule: what it found, the evidence drawn with its threshold, what it means and what to do.

Importing this module imports pyqtgraph.
"""

from __future__ import annotations

import contextlib
import math
import time

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from core.debugger.aws_output import SUFFIX as AWS
from core.debugger.job_rules import rule_summary
from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus
from core.translation import tr
from gui.debugger.rules_model import SAW_NOTHING, heading_of, summary
from gui.debugger.what_if import WhatIf, comparison, drawn_parameter
from gui.shared.basics import button, label
from gui.shared.card import Card
from gui.shared.feedback import EmptyState, IconLabel
from gui.shared.pill import StatusPill, status_look
from gui.shared.plotting import Plot, pen
from gui.shared.theme import GRID, tokens

Values = NDArray[np.float64]


class RuleDetail(QStackedWidget):
    """One rule of a job: what it found as the job ran it, or with parameters that are tried.

    Signals:
        evaluation_asked(str, object): evaluate a rule with these parameters, then call `show_tried`.
        keep_asked(str, object): run a rule with these parameters in new jobs.
        setting_asked(str): show the setting that the finding asks to change.
    """

    evaluation_asked = Signal(str, object)
    keep_asked = Signal(str, object)
    setting_asked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._outcome: RuleOutcome | None = None
        self._tried: RuleOutcome | None = None
        self._nothing = EmptyState("debugger", tr("Choose a rule to see its evidence."))
        self.addWidget(self._nothing)
        self._lay_out()

    def _lay_out(self) -> None:
        self._name = label("", "card")
        self._pill = StatusPill(RuleStatus.IN_PROGRESS)
        self._when = label("", "caption")
        self._when.setProperty("role", "muted")
        top = QHBoxLayout()
        top.setSpacing(GRID)
        top.addWidget(self._name)
        top.addWidget(self._pill)
        top.addStretch(1)
        top.addWidget(self._when)
        self.plot = Plot(tr("Training step"), "")
        self.plot.setMinimumHeight(100)
        self.plot.setAccessibleName(tr("Evidence of the rule over training steps"))
        self.plot.restyled.connect(self._draw)
        self._details = label("", "strong", wrap=True)
        self._meaning, self._meaning_row = _advice_row("info", tr("What it means"))
        self._advice, self._advice_row = _advice_row("lightbulb", tr("What to do"))
        self.setting = button("", kind="ghost", icon_name="tuning", tip=tr("Open this setting on the Tuning page"))
        self.setting.clicked.connect(lambda: self.setting_asked.emit(self._drawn.setting if self._drawn else ""))
        self.what_if = WhatIf()
        self.what_if.asked.connect(lambda values: self.evaluation_asked.emit(self._rule, values))
        self.what_if.keep_asked.connect(lambda values: self.keep_asked.emit(self._rule, values))
        self.what_if.put_back.connect(lambda: self.show_tried(None))
        self._facts = label("", "muted", wrap=True)
        self._facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        texts = QWidget()
        column = QVBoxLayout(texts)
        column.setContentsMargins(0, 0, GRID, 0)
        column.setSpacing(GRID)
        for widget in (self._details, self._meaning_row, self._advice_row):
            column.addWidget(widget)
        column.addWidget(self.setting, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self._facts)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        see_through(scroll, texts)
        scroll.setMinimumHeight(72)
        page = Card()
        page.body.addLayout(top)
        page.add(self.plot, 1)
        page.add(self.what_if)
        page.add(scroll, 1)
        self._page = page
        self.addWidget(page)

    @property
    def outcome(self) -> RuleOutcome | None:
        """Return the rule as the job ran it."""
        return self._outcome

    @property
    def _rule(self) -> str:
        return "" if self._outcome is None else self._outcome.rule

    @property
    def _drawn(self) -> RuleOutcome | None:
        return self._tried or self._outcome

    def show_outcome(self, outcome: RuleOutcome | None) -> None:
        """Show a rule, or that none is chosen. Parameters that are tried stay while the same rule says more."""
        if outcome is not None and outcome == self._outcome:
            return
        before, self._outcome = self._outcome, outcome
        same = before is not None and outcome is not None and (before.rule, before.job) == (outcome.rule, outcome.job)
        if not same or outcome is None or before is None or before.parameters != outcome.parameters:
            self._tried = None
            self.what_if.show_rule(outcome)
        self._show()

    def show_tried(self, tried: RuleOutcome | None) -> None:
        """Show what the rule says with other parameters; None: as the job ran it."""
        self._tried = tried
        if tried is None:
            self.what_if.show_rule(self._outcome)
        else:
            self.what_if.show_tried(True)
        self._show()

    def _show(self) -> None:
        outcome, own = self._drawn, self._outcome
        if outcome is None or own is None:
            self.setCurrentWidget(self._nothing)
            return
        issues = outcome.status is RuleStatus.ISSUES_FOUND
        self._name.setText(outcome.rule)
        if heading_of(outcome) == SAW_NOTHING:
            self._pill.set_status("info", SAW_NOTHING)
        else:
            self._pill.set_status(outcome.status)
        self._when.setText(_when(outcome))
        said = summary(outcome)
        self._details.setText(said if self._tried is None else f"{comparison(outcome, own)}\n{said}")
        self._meaning.setText(outcome.meaning)
        self._meaning_row.setVisible(issues and bool(outcome.meaning))
        self._advice.setText(outcome.advice)
        self._advice_row.setVisible(bool(outcome.advice) and (issues or outcome.status is RuleStatus.ERROR))
        self.setting.setText(tr("Change {setting}…").format(setting=outcome.setting))
        self.setting.setVisible(bool(outcome.setting))
        self._facts.setText(_facts(outcome))
        self._page.setAccessibleName(f"{outcome.rule}, {status_look(outcome.status).word}")
        self._draw()
        self.setCurrentWidget(self._page)

    def _draw(self) -> None:
        """Draw the values as a line with points, the threshold dashed, where it was crossed in the state's colour."""
        self.plot.clear()
        outcome = self._drawn
        if outcome is None:
            return
        self.plot.setVisible(bool(outcome.values))
        if not outcome.values:
            return
        steps = np.array([step for step, _, _ in outcome.values], np.float64)
        values = np.array([value for _, value, _ in outcome.values])
        limits = np.array([math.nan if limit is None else limit for _, _, limit in outcome.values])
        log = _needs_log(values, limits)
        if log:  # a zero has no place there: it stands a decade below the rest, and `_facts` says so
            values, limits = _lifted(values, limits)
        item = self.plot.getPlotItem()
        item.setLogMode(x=False, y=log)
        colours = tokens()
        state = QColor(getattr(colours, status_look(outcome.status).colour))
        if np.isfinite(limits).any():
            limit_pen = pen(colours.muted, 1.2, dashed=True)
            item.addItem(pg.PlotDataItem(steps, limits, pen=limit_pen, connect="finite", name="threshold"))
            if name := drawn_parameter(outcome):
                item.addItem(self._handle(name, float(limits[-1]), log))
        symbol = "o" if len(steps) <= 60 else None
        item.addItem(
            pg.PlotDataItem(
                steps,
                values,
                pen=pen(state, 2),
                symbol=symbol,
                symbolSize=5,
                symbolBrush=state,
                symbolPen=None,
                connect="finite",
            )
        )
        item.enableAutoRange()

    def _handle(self, parameter: str, limit: float, log: bool) -> pg.InfiniteLine:
        """Return the threshold as a line that can be dragged: the rule is evaluated where it is put down."""
        at = math.log10(limit) if log else limit
        hover = pen(tokens().accent, 3)
        line = pg.InfiniteLine(at, angle=0, movable=True, pen=pen(tokens().muted, 1.2, dashed=True), hoverPen=hover)
        line.setToolTip(tr("Drag to try another {parameter}").format(parameter=parameter))

        def moved() -> None:
            self.what_if.set_value(parameter, 10.0 ** line.value() if log else line.value())

        line.sigPositionChangeFinished.connect(moved)
        return line


def see_through(scroll: QScrollArea, inside: QWidget) -> None:
    """Put `inside` into a scroll area that shows the card behind it."""
    scroll.setWidget(inside)
    inside.setAutoFillBackground(False)
    scroll.viewport().setAutoFillBackground(False)


def _advice_row(icon_name: str, title: str) -> tuple[QLabel, QWidget]:
    """Return an icon, a caption and the sentence that will stand under it."""
    text = label("", "body", wrap=True)
    caption = label(title, "caption")
    caption.setProperty("role", "muted")
    row = QWidget()
    box = QHBoxLayout(row)
    box.setContentsMargins(0, 0, 0, 0)
    box.setSpacing(GRID)
    box.addWidget(IconLabel(icon_name, 18, "accent"), 0, Qt.AlignmentFlag.AlignTop)
    column = QVBoxLayout()
    column.setSpacing(0)
    column.addWidget(caption)
    column.addWidget(text)
    box.addLayout(column, 1)
    return text, row


def _when(outcome: RuleOutcome) -> str:
    if outcome.first_step is None:
        return ""
    moment = time.strftime("%H:%M:%S", time.localtime(outcome.time))
    steps = tr("step {number:,}").format(number=outcome.first_step)
    if outcome.last_step is not None and outcome.last_step != outcome.first_step:
        steps = tr("steps {first:,} to {last:,}").format(first=outcome.first_step, last=outcome.last_step)
    return f"{steps} · {moment}"


def _facts(outcome: RuleOutcome) -> str:
    """Return the numbers, the tensors, the parameters and the action, a line each."""
    lines = []
    if outcome.values:
        _, value, threshold = outcome.values[-1]
        sentence = (
            tr("Last value {value:.4g}. Evaluations: {evaluated:,}, fired: {fired:,}.")
            if threshold is None
            else tr("Last value {value:.4g}, threshold {threshold:.4g}. Evaluations: {evaluated:,}, fired: {fired:,}.")
        )
        known = {"value": value, "threshold": threshold, "evaluated": outcome.evaluated, "fired": outcome.triggered}
        lines.append(sentence.format(**known))
    drawn = np.array([value for _, value, _ in outcome.values])
    limits = np.array([math.nan if limit is None else limit for _, _, limit in outcome.values])
    if drawn.size and (drawn == 0).any() and _needs_log(drawn, limits):
        lines.append(tr("Zeros are drawn at the foot of the logarithmic axis."))
    if outcome.tensors:
        sentence = tr("Tensors: {names} and {more} more.") if len(outcome.tensors) > 4 else tr("Tensors: {names}.")
        lines.append(sentence.format(names=", ".join(outcome.tensors[:4]), more=len(outcome.tensors) - 4))
    if outcome.parameters:
        values = ", ".join(f"{key}={value}" for key, value in outcome.parameters.items())
        lines.append(tr("Parameters: {values}.").format(values=values))
    if outcome.file:
        lines.append(tr("At {file}:{line}.").format(file=outcome.file, line=outcome.line))
    if outcome.unreadable:
        lines.append(tr("Damaged: {unreadable}.").format(unreadable=", ".join(outcome.unreadable)))
    if outcome.action == "stop":
        lines.append(tr("It stops the trial when it finds an issue."))
    with contextlib.suppress(KeyError):  # a rule of another's
        lines.append(rule_summary(outcome.rule.removesuffix(AWS)))
    return "\n".join(lines)


def _lifted(values: Values, limits: Values) -> tuple[Values, Values]:
    """Return both with their zeros at a tenth of the smallest number above."""
    both = np.concatenate([values, limits])
    foot = both[both > 0].min() / 10
    return np.where(values > 0, values, foot), np.where(limits == 0, foot, limits)


def _needs_log(values: Values, limits: Values) -> bool:
    """Whether values and threshold are too far apart for a linear axis, and can stand on a logarithmic one."""
    both = np.concatenate([values, limits[np.isfinite(limits)]])
    above = both[both > 0]
    return bool(above.size > both.size / 2 and both.min() >= 0 and above.max() > 50 * above.min())
