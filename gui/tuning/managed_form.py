"""AWS's own Debugger and ProfilerReport on a training job in the cloud: whether, and which of AWS's rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFrame,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.errors import SpecError
from core.jobs.managed_rules import AWS_RULES, INTERVALS_MS, OWN_RULES_DO, parse_rules
from core.jobs.specs import ManagedDebugger
from core.translation import tr
from gui.shared.basics import button, label, row
from gui.shared.feedback import InlineError
from gui.shared.field import Field

_NOT_FOR_TRIALS = " ".join([tr("Not for a tuning job: AWS cannot attach it to trials."), OWN_RULES_DO])


class ManagedForm(QWidget):
    """A check, the rules behind it, and why it is off where it cannot be on.

    Signals:
        changed(): it was switched, or other rules were chosen.
        reset_asked(): the next job is to ask AWS again.
    """

    changed = Signal()
    reset_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._managed = ManagedDebugger()
        self._wanted, self._tuning, self._refusal = False, False, ""
        self.check = QCheckBox(tr("AWS's Debugger and ProfilerReport"))
        self.check.setToolTip(tr("AWS evaluates its own rules beside Sagehound's, in accounts that have them"))
        self.rules = button(
            tr("AWS's rules…"), kind="link", tip=tr("Which of AWS's rules run, and with which parameters")
        )
        self.again = button(tr("Ask AWS again"), kind="link", tip=tr("The next job that wants it asks for it again"))
        self._why = label("", "caption", wrap=True)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2)
        box.addLayout(row(self.check, None, self.again, self.rules))
        box.addWidget(self._why)
        self.check.toggled.connect(self._on_toggled)
        self.rules.clicked.connect(self._choose)
        self.again.clicked.connect(self.reset_asked)
        self._show_state()

    @property
    def value(self) -> ManagedDebugger | None:
        """Return what a job is to have; None: nothing of AWS's Debugger, or it cannot be had."""
        return None if self.why else self.chosen

    @property
    def chosen(self) -> ManagedDebugger | None:
        """Return what the user wants where it can be had."""
        return self._managed if self._wanted else None

    @property
    def why(self) -> str:
        """Return why it is off, as a sentence; "" where it can be on."""
        return _NOT_FOR_TRIALS if self._tuning else self._refusal

    def show_managed(self, managed: ManagedDebugger | None) -> None:
        """Show a choice; None switches it off and keeps the rules."""
        self._managed, self._wanted = managed or self._managed, managed is not None
        self._show_state()

    def show_tuning(self, tuning: bool) -> None:
        """Note that a tuning job or a single one is set up."""
        self._tuning = tuning
        self._show_state()

    def show_refusal(self, sentence: str) -> None:
        """Show what AWS said when it refused; "": it has not."""
        self._refusal = sentence
        self._show_state()

    def _on_toggled(self, on: bool) -> None:
        self._wanted = on
        self.changed.emit()

    def _show_state(self) -> None:
        blocked = self.check.blockSignals(True)
        self.check.setChecked(self._wanted and not self.why)
        self.check.blockSignals(blocked)
        self.check.setEnabled(not self.why)
        self.rules.setVisible(not self.why)
        self.again.setVisible(bool(self._refusal) and not self._tuning)
        self._why.setText(self.why)
        self._why.setVisible(bool(self.why))
        self.check.setAccessibleDescription(self.why)

    def _choose(self) -> None:
        dialog = ManagedDialog(self.window(), self._managed)
        dialog.accepted.connect(lambda: self._take(dialog.managed))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _take(self, managed: ManagedDebugger) -> None:
        self.show_managed(managed)
        self.changed.emit()


class ManagedDialog(QDialog):
    """AWS's rules with a check each and the chosen rule's parameters; `managed` is what was accepted."""

    def __init__(self, parent: QWidget | None, managed: ManagedDebugger) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("AWS's rules"))
        self.setModal(True)
        self.resize(460, 560)
        self.managed = managed
        self._texts = {rule: _text(managed.rules.get(rule, {})) for rule in AWS_RULES}
        self.list = QListWidget()
        self.list.setAccessibleName(tr("AWS's rules"))
        self.list.setFrameShape(QFrame.Shape.NoFrame)
        self.list.setSpacing(3)
        for rule in AWS_RULES:
            item = QListWidgetItem(rule, self.list)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if rule in managed.rules else Qt.CheckState.Unchecked)
        self.parameters = QLineEdit()
        self._field = Field(
            tr("Parameters"), self.parameters, tr("Empty: AWS's defaults. Else NAME=VALUE, NAME=VALUE.")
        )
        self.report = QCheckBox(tr("ProfilerReport: where the machine's time went"))
        self.report.setChecked(managed.report)
        self.interval = QComboBox()
        for interval in INTERVALS_MS:
            self.interval.addItem(tr("{interval:,} ms").format(interval=interval), interval)
        self.interval.setCurrentIndex(max(0, self.interval.findData(managed.interval_ms)))
        self.error = InlineError()
        self._lay_out()
        self.list.currentItemChanged.connect(lambda *_: self._show_parameters())
        self.parameters.textEdited.connect(self._on_text)
        self.list.setCurrentRow(0)

    def _lay_out(self) -> None:
        cancel, done = button(tr("Cancel"), kind="ghost"), button(tr("Done"), kind="primary")
        cancel.clicked.connect(self.reject)
        done.clicked.connect(self.accept)
        done.setDefault(True)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("AWS's rules"), "card"))
        hint = tr(
            "AWS says that its built-in rules cost nothing extra. Each runs on a machine of its own, which counts on "
            "your quota of processing instances."
        )
        box.addWidget(label(hint, "muted", wrap=True))
        box.addWidget(self.list, 1)
        for widget in (self._field, self.report, Field(tr("AWS measures every"), self.interval), self.error):
            box.addWidget(widget)
        box.addLayout(row(None, cancel, done))

    def set_rule(self, rule: str, on: bool, parameters: str = "") -> None:
        """Check or uncheck a rule and set its parameters."""
        (item,) = self.list.findItems(rule, Qt.MatchFlag.MatchExactly)
        item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)
        self._texts[rule] = parameters
        self.list.setCurrentItem(item)
        self._show_parameters()

    def accept(self) -> None:
        """Take the choice, unless something is wrong with it."""
        items = [self.list.item(at) for at in range(self.list.count())]
        on = [item.text() for item in items if item.checkState() is Qt.CheckState.Checked]
        try:
            rules = parse_rules([f"{rule}:{self._texts[rule]}" if self._texts[rule].strip() else rule for rule in on])
            if not on and not self.report.isChecked():
                raise SpecError(tr("AWS's Debugger has nothing to do."), fix=tr("Choose a rule, or the report."))
        except SpecError as error:
            self.error.show_error(error)
            return
        interval = int(self.interval.currentData())
        self.managed = replace(self.managed, rules=rules, report=self.report.isChecked(), interval_ms=interval)
        super().accept()

    def _show_parameters(self) -> None:
        item = self.list.currentItem()
        rule = item.text() if item is not None else ""
        self.parameters.setText(self._texts.get(rule, ""))
        self.parameters.setPlaceholderText(", ".join(AWS_RULES.get(rule, ())))
        self.parameters.setAccessibleName(tr("Parameters of {rule}").format(rule=rule))

    def _on_text(self, text: str) -> None:
        if (item := self.list.currentItem()) is not None:
            self._texts[item.text()] = text


def _text(parameters: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in parameters.items())
