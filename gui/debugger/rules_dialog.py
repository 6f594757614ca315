"""Which rules new jobs of a project run, with which parameters and which action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from core.debugger.job_rules import ACTIONS, check, default_rules, parameters_of, rule_names, rule_summary
from core.errors import SpecError, UserFacingError
from core.jobs.specs import DebuggerConfig
from core.translation import tr
from gui.shared.basics import button, label, set_invalid
from gui.shared.card import Card
from gui.shared.feedback import InlineError
from gui.shared.theme import GRID

_ACTION_WORDS = {"none": tr("Do nothing"), "notify": tr("Notify me"), "stop": tr("Stop the trial")}
DEFAULT_ACTION = "notify"


class RulesDialog(QDialog):
    """A list of rules with a check each; the chosen rule's parameters and action beside it.

    Args:
        config: what is chosen now.
        hyperparameters: of the training the defaults are for.
        keep: takes the choice; raises UserFacingError if it cannot be kept.
    """

    def __init__(
        self,
        parent: QWidget | None,
        config: DebuggerConfig,
        hyperparameters: Mapping[str, str],
        keep: Callable[[DebuggerConfig], None],
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Rules"))
        self.setModal(True)
        self.resize(860, 620)
        self._hyperparameters, self._keep = dict(hyperparameters), keep
        self._config = config
        self._rule = ""
        self.fields: dict[str, QLineEdit] = {}
        self._lay_out()
        self.show_config(config)

    def _lay_out(self) -> None:
        self.enabled = QCheckBox(tr("Evaluate rules in new jobs"))
        self.profiler = QCheckBox(tr("Profile new jobs"))
        self.interval, self.budget = QLineEdit(), QLineEdit()
        self.interval.setPlaceholderText(tr("automatic"))
        for field, name in (
            (self.interval, tr("Save tensors every … training steps")),
            (self.budget, tr("Budget in MB")),
        ):
            field.setAccessibleName(name)
            field.setFixedWidth(110)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Rules"))
        self.list.setSpacing(3)
        self.list.currentItemChanged.connect(self._on_chosen)
        self._card = Card(tr("Rule"))
        self._summary = label("", "muted", wrap=True)
        self.action = QComboBox()
        self.action.setAccessibleName(tr("When it finds an issue"))
        for action in ACTIONS:
            self.action.addItem(_ACTION_WORDS[action], action)
        self.action.currentIndexChanged.connect(self._on_action)
        self._form_box = QVBoxLayout()
        self._card.add(self._summary)
        self._card.body.addLayout(self._form_box)
        self._card.body.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(self._card)
        self.error = InlineError()
        top = QHBoxLayout()
        top.setSpacing(GRID * 2)
        top.addWidget(self.enabled)
        top.addWidget(self.profiler)
        top.addStretch(1)
        for text, field in ((tr("Save every"), self.interval), (tr("Budget (MB)"), self.budget)):
            top.addWidget(label(text, "muted"))
            top.addWidget(field)
        middle = QHBoxLayout()
        middle.setSpacing(12)
        rules = Card(padding=GRID)
        rules.add(self.list, 1)
        middle.addWidget(rules, 2)
        middle.addWidget(scroll, 3)
        box = QVBoxLayout(self)
        box.setContentsMargins(16, 16, 16, 16)
        box.setSpacing(12)
        box.addWidget(label(tr("Rules of new jobs"), "title"))
        box.addLayout(top)
        box.addLayout(middle, 1)
        box.addWidget(self.error)
        box.addLayout(self._buttons())

    def _buttons(self) -> QHBoxLayout:
        reset = button(
            tr("Defaults"), kind="ghost", icon_name="undo", tip=tr("The default rules for this kind of training")
        )
        reset.clicked.connect(lambda: self.show_config(DebuggerConfig()))
        cancel = button(tr("Cancel"))
        cancel.clicked.connect(self.reject)
        self.save = button(tr("Keep"), kind="primary", tip=tr("Use these rules in new jobs of this project"))
        self.save.setDefault(True)
        self.save.clicked.connect(self._on_save)
        bar = QHBoxLayout()
        bar.setSpacing(GRID)
        bar.addWidget(reset)
        bar.addStretch(1)
        bar.addWidget(cancel)
        bar.addWidget(self.save)
        return bar

    def show_config(self, config: DebuggerConfig) -> None:
        """Show a choice."""
        self._config = config
        defaults = default_rules(self._hyperparameters)
        self._texts = {name: dict(defaults.get(name, {})) for name in rule_names()}
        self._texts.update({name: dict(texts) for name, texts in config.rules.items()})
        self._actions = dict(config.actions)
        on = set(config.rules) | (set(defaults) if config.default_rules else set())
        self.enabled.setChecked(config.enabled)
        self.profiler.setChecked(config.profiler)
        self.interval.setText("" if config.save_interval is None else str(config.save_interval))
        self.budget.setText(f"{config.tensor_budget_mb:g}")
        self.list.clear()
        for name in sorted(rule_names(), key=lambda name: (name not in on, name)):
            item = QListWidgetItem(name)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if name in on else Qt.CheckState.Unchecked)
            item.setToolTip(rule_summary(name))
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self.error.clear()

    def choose(self, rule: str) -> None:
        """Show the parameters of a rule."""
        for item in self.list.findItems(rule, Qt.MatchFlag.MatchExactly):
            self.list.setCurrentItem(item)

    def set_on(self, rule: str, on: bool) -> None:
        """Check or uncheck a rule."""
        for item in self.list.findItems(rule, Qt.MatchFlag.MatchExactly):
            item.setCheckState(Qt.CheckState.Checked if on else Qt.CheckState.Unchecked)

    def config(self) -> DebuggerConfig:
        """Return the choice as it stands.

        The default set stays in charge as long as none of its rules is unchecked: it knows the hyperparameters of each
        trial, and only what differs from it is written down.

        Raises:
            SpecError: something cannot run; `field` names the rule or setting.
        """
        items = [self.list.item(row) for row in range(self.list.count())]
        on = [item.text() for item in items if item.checkState() is Qt.CheckState.Checked]
        defaults = default_rules(self._hyperparameters)
        by_default = set(defaults) <= set(on)
        rules = {
            name: {key: text for key, text in self._texts[name].items() if text.strip()}
            for name in sorted(on)
            if not by_default or self._texts[name] != defaults.get(name)
        }
        config = replace(
            self._config,
            enabled=self.enabled.isChecked(),
            profiler=self.profiler.isChecked(),
            default_rules=by_default,
            rules=rules,
            actions={name: action for name, action in self._actions.items() if action != DEFAULT_ACTION},
            save_interval=_whole(self.interval.text(), "save_interval"),
            tensor_budget_mb=_whole(self.budget.text(), "tensor_budget_mb") or 0,
        )
        check(config)
        return config

    def _on_chosen(self, item: QListWidgetItem | None) -> None:
        self._rule = "" if item is None else item.text()
        self.fields = {}
        while (old := self._form_box.takeAt(0)) is not None:
            if (widget := old.widget()) is not None and widget is not self.action:
                widget.setParent(None)
                widget.deleteLater()
        if not self._rule:
            return
        self._card.set_title(self._rule)
        self._summary.setText(rule_summary(self._rule))
        self.action.blockSignals(True)
        self.action.setCurrentIndex(ACTIONS.index(self._actions.get(self._rule, DEFAULT_ACTION)))
        self.action.blockSignals(False)
        self._form_box.addWidget(label(tr("When it finds an issue"), "caption"))
        self._form_box.addWidget(self.action)
        self._form_box.addWidget(self._form())

    def _form(self) -> QWidget:
        """Return a field for each parameter; empty means the default that it shows."""
        holder = QWidget()
        form = QFormLayout(holder)
        form.setContentsMargins(0, GRID, 0, 0)
        for parameter in parameters_of(self._rule):
            field = QLineEdit(self._texts[self._rule].get(parameter.name, ""))
            field.setPlaceholderText(parameter.default or tr("none"))
            field.setAccessibleName(f"{self._rule} {parameter.name}")
            field.textChanged.connect(lambda text, name=parameter.name: self._on_text(name, text))
            form.addRow(label(parameter.name, "body"), field)
            self.fields[parameter.name] = field
        return holder

    def _on_text(self, name: str, text: str) -> None:
        texts = self._texts[self._rule]
        if text.strip():
            texts[name] = text.strip()
        else:
            texts.pop(name, None)
        try:
            check(DebuggerConfig(rules={self._rule: texts}))
        except SpecError as error:
            set_invalid(self.fields[name], name in error.why)
            self.error.show_error(error)
        else:
            for field in self.fields.values():
                set_invalid(field, False)
            self.error.clear()

    def _on_action(self) -> None:
        if self._rule:
            self._actions[self._rule] = str(self.action.currentData())

    def _on_save(self) -> None:
        try:
            self._keep(self.config())
        except UserFacingError as error:
            self.error.show_error(error)
            if isinstance(error, SpecError) and error.field in rule_names():
                self.choose(error.field)
            return
        self.accept()


def _whole(text: str, field: str) -> int | None:
    """Return a whole number, None for an empty text."""
    if not text.strip():
        return None
    try:
        return int(text)
    except ValueError:
        sentence = (
            tr("The save interval is {text!r}, which is not a whole number.")
            if field == "save_interval"
            else tr("The budget is {text!r}, which is not a whole number.")
        )
        raise SpecError(
            sentence.format(text=text),
            fix=tr("Correct it."),
            field=field,
        ) from None
