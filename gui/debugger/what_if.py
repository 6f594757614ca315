"""Another value for a parameter of a rule, evaluated on what the job saved; the job's own finding stays."""

from __future__ import annotations

import math
from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QLineEdit, QWidget

from core.debugger.job_rules import check, parameters_of, rule_names
from core.errors import SpecError
from core.jobs.records import RuleOutcome
from core.jobs.specs import DebuggerConfig
from core.jobs.status import RuleStatus
from core.translation import tr
from gui.shared.basics import button, label, row, set_invalid


class WhatIf(QWidget):
    """One row: a parameter, its value, and what to do with it.

    Signals:
        asked(object): evaluate the rule with these parameters (dict of strings).
        keep_asked(object): run the rule with these parameters in new jobs.
        put_back(): show the job's own finding again.
    """

    asked = Signal(object)
    keep_asked = Signal(object)
    put_back = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._outcome: RuleOutcome | None = None
        self.parameter, self.value = QComboBox(), QLineEdit()
        self.parameter.setAccessibleName(tr("Parameter of the rule"))
        self.value.setAccessibleName(tr("Its value"))
        self.value.setFixedWidth(100)
        self.evaluate = button(tr("Evaluate"), tip=tr("Evaluate the rule again on what the job saved"))
        self.keep = button(
            tr("Use in new jobs"), kind="ghost", tip=tr("New jobs of this project run the rule like this")
        )
        self.back = button(tr("Put back"), kind="ghost", icon_name="undo", tip=tr("Show the job's own finding"))
        self.parameter.currentTextChanged.connect(self._show_value)
        self.value.textChanged.connect(self._check)
        self.value.returnPressed.connect(self._ask)
        self.evaluate.clicked.connect(self._ask)
        self.keep.clicked.connect(lambda: self.keep_asked.emit(self.parameters()))
        self.back.clicked.connect(self.put_back)
        box = row(label(tr("Try"), "muted"), self.parameter, self.value, self.evaluate, self.keep, self.back, None)
        box.setContentsMargins(0, 0, 0, 0)
        self.setLayout(box)
        self.show_rule(None)

    def show_rule(self, outcome: RuleOutcome | None) -> None:
        """Offer the numbers of this rule, as the job ran it; nothing where there are none."""
        self._outcome = outcome
        names = () if outcome is None or outcome.rule not in rule_names() else numbers_of(outcome.rule)
        self.parameter.blockSignals(True)
        self.parameter.clear()
        self.parameter.addItems(list(names))
        if outcome is not None and names:
            known = next((name for name in names if value_of(outcome, name)), names[0])
            self.parameter.setCurrentText(drawn_parameter(outcome) or known)
        self.parameter.blockSignals(False)
        self.setVisible(bool(names))
        self.show_tried(False)
        self._show_value()

    def show_tried(self, tried: bool) -> None:
        """Offer what can be done with the values that were tried."""
        self.keep.setVisible(tried)
        self.back.setVisible(tried)

    def set_value(self, parameter: str, value: float) -> None:
        """Take another value and evaluate the rule with it."""
        self.parameter.setCurrentText(parameter)
        kinds = {item.name: item.kind for item in parameters_of(self._outcome.rule)} if self._outcome else {}
        self.value.setText(str(round(value)) if kinds.get(parameter) == "int" else f"{value:.4g}")
        self._ask()

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the rule: the job's, with the one that is tried."""
        known = {} if self._outcome is None else dict(self._outcome.parameters)
        return {**known, self.parameter.currentText(): self.value.text().strip()}

    def _show_value(self) -> None:
        if self._outcome is not None and self.parameter.currentText():
            self.value.setText(value_of(self._outcome, self.parameter.currentText()))

    def _check(self) -> bool:
        """Mark a value that the rule cannot take."""
        if self._outcome is None or not self.parameter.currentText():
            return False
        try:
            check(DebuggerConfig(rules={self._outcome.rule: self.parameters()}))
            problem = "" if self.value.text().strip() else tr("Give a number.")
        except SpecError as error:
            problem = error.why
        untouched = self.value.text() == value_of(self._outcome, self.parameter.currentText())
        set_invalid(self.value, bool(problem) and not untouched)  # some parameters have no value of their own
        self.value.setToolTip(problem)
        self.evaluate.setEnabled(not problem)
        return not problem

    def _ask(self) -> None:
        if self._check():
            self.asked.emit(self.parameters())


def numbers_of(rule: str) -> tuple[str, ...]:
    """Return the parameters of a rule that are numbers."""
    return tuple(parameter.name for parameter in parameters_of(rule) if parameter.kind in ("int", "float"))


def value_of(outcome: RuleOutcome, parameter: str) -> str:
    """Return the value that a job ran a rule's parameter with, as text."""
    defaults: Mapping[str, str] = {item.name: item.default or "" for item in parameters_of(outcome.rule)}
    return outcome.parameters.get(parameter, defaults.get(parameter, ""))


def drawn_parameter(outcome: RuleOutcome) -> str:
    """Return the parameter that is the threshold of the evidence as it is drawn, "" if none is.

    Some rules hold their values against something they work out (a loss of ten steps before); only a number that is
    the threshold itself can be moved in the plot.
    """
    if not outcome.values or outcome.values[-1][2] is None or outcome.rule not in rule_names():
        return ""
    limit = outcome.values[-1][2]
    for name in numbers_of(outcome.rule):
        try:
            value = float(value_of(outcome, name))
        except ValueError:
            continue
        if math.isclose(value, limit, rel_tol=1e-6) and all(item[2] == limit for item in outcome.values):
            return name
    return ""


def comparison(tried: RuleOutcome, own: RuleOutcome) -> str:
    """Return one sentence on what other parameters change."""
    words = {RuleStatus.ISSUES_FOUND: tr("an issue"), RuleStatus.NO_ISSUES_FOUND: tr("no issue")}
    return tr("With these parameters: {tried}. As the job ran it: {own}.").format(
        tried=words.get(tried.status, str(tried.status)), own=words.get(own.status, str(own.status))
    )
