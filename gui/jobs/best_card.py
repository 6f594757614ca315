"""The hyperparameters of the best trial (or of the selected one) as a card to copy, train again, or predict with."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from PySide6.QtCore import Qt, Signal, SignalInstance
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QFormLayout, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from core.jobs.records import TrainingJob
from core.jobs.status import JobStatus
from core.translation import tr
from gui.jobs.note_field import NoteField
from gui.shared import formatting
from gui.shared.basics import ElidedLabel, button, icon_button, label
from gui.shared.card import Card
from gui.shared.pill import StatusPill
from training_scripts.metrics import COUNT_METRICS

_NUMBER = 12
"""So many letters a number has at most."""


class BestCard(Card):
    """One trial's hyperparameters and metrics.

    Signals:
        train_asked(str): train this trial's hyperparameters again as a job of their own.
        predict_asked(str): use this trial's model for predictions.
        stop_asked(str): stop this trial.
        deploy_asked(str): serve this trial's model on an endpoint.
        save_asked(str): write this trial's model in a format that others run.
        note_changed(str, str): the trial's name and the note that was typed.
    """

    train_asked = Signal(str)
    predict_asked = Signal(str)
    stop_asked = Signal(str)
    deploy_asked = Signal(str)
    save_asked = Signal(str)
    note_changed = Signal(str, str)

    def __init__(self) -> None:
        super().__init__(tr("Best trial"))
        self._trial: TrainingJob | None = None
        self._searched: tuple[str, ...] = ()
        self._step_metrics: Collection[str] = ()
        self.pill = StatusPill(JobStatus.IN_PROGRESS)
        self.copy = icon_button("copy", tr("Copy these hyperparameters"))
        self.copy.clicked.connect(self._copy)
        self.add_action(self.copy)
        self._nothing = label(tr("No trial has finished yet."), "muted", wrap=True)
        self._rows = QWidget()
        self._form = QFormLayout(self._rows)
        self._form.setContentsMargins(0, 0, 4, 0)
        self._form.setHorizontalSpacing(8)
        self._form.setVerticalSpacing(4)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self._rows)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setMinimumHeight(60)
        # setWidget() makes the content opaque; the card's surface is to show through.
        self._rows.setAutoFillBackground(False)
        area.viewport().setAutoFillBackground(False)
        self._area = area
        self.train = button(
            tr("Take to Tuning"),
            icon_name="tuning",
            tip=tr("Fill the Tuning page with these settings, to change and start them"),
        )
        self._tip = tr("Classify pictures with this model")
        self.predict = button(tr("Use for predictions"), icon_name="predict", tip=self._tip)
        self.stop = button(tr("Stop this trial"), icon_name="stop", kind="danger")
        self.train.clicked.connect(lambda: self._tell(self.train_asked))
        self.predict.clicked.connect(lambda: self._tell(self.predict_asked))
        self.deploy = button(
            tr("Deploy…"), icon_name="cloud", tip=tr("Serve this model on an endpoint of your AWS account")
        )
        self.deploy.clicked.connect(lambda: self._tell(self.deploy_asked))
        self.save = button(tr("Save model…"), icon_name="save", tip=tr("Write this model in a format that others run"))
        self.save.clicked.connect(lambda: self._tell(self.save_asked))
        self.stop.clicked.connect(lambda: self._tell(self.stop_asked))
        self.note = NoteField(tr("Add a note to this trial"), tr("Note on this trial"))
        self.note.note_changed.connect(self.note_changed)
        for widget in (self.pill, self.note, self._nothing, area):
            self.add(widget)
        self.body.setStretch(self.body.indexOf(area), 1)
        self._buttons = QVBoxLayout()
        self._buttons.setSpacing(6)
        self._words = {
            action: action.text() for action in (self.predict, self.train, self.save, self.deploy, self.stop)
        }
        for action, text in self._words.items():
            action.setAccessibleName(text)
            self._buttons.addWidget(action)
        self.body.addLayout(self._buttons)
        self.show_trial(None, tr("Best trial"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the buttons their words where all fit below each other, else only their icons."""
        super().resizeEvent(event)
        self._fit_buttons()

    def _fit_buttons(self) -> None:
        shown = [action for action in self._words if not action.isHidden()]
        column = sum(action.sizeHint().height() + self._buttons.spacing() for action in shown)
        others = self.minimumSizeHint().height() - self._buttons.minimumSize().height()
        in_words = others + column <= self.height()
        ways = QBoxLayout.Direction
        self._buttons.setDirection(ways.TopToBottom if in_words else ways.LeftToRight)
        for action, text in self._words.items():
            action.setText(text if in_words else "")

    def set_searched(self, names: Sequence[str], step_metrics: Collection[str]) -> None:
        """Set which hyperparameters were searched: they come first and stand out; metrics by steps are left out."""
        self._searched, self._step_metrics = tuple(names), step_metrics

    def show_trial(self, trial: TrainingJob | None, title: str) -> None:
        """Show a trial; None: there is none yet."""
        if trial is not None and trial == self._trial and title == self.title.text():
            return
        self._trial = trial
        self.set_title(title)
        self._nothing.setVisible(trial is None)
        for widget in (self._area, self.copy, self.predict):
            widget.setVisible(trial is not None)
        self.train.setVisible(trial is not None and not trial.watched)  # a user's script has no settings of ours
        self.pill.setVisible(trial is not None and trial.status is not JobStatus.COMPLETED)
        self.stop.setVisible(trial is not None and trial.tuning_job is not None and not trial.status.is_final)
        self.note.setVisible(trial is not None and trial.tuning_job is not None)
        self.note.show_note(trial.name if trial is not None else "", trial.note if trial is not None else "")
        for leaves in (self.deploy, self.save):
            leaves.setVisible(trial is not None and trial.artifact is not None)
        if trial is not None:
            self.pill.set_status(trial.status, "" if trial.status.is_final else trial.secondary_status)
            self.predict.setVisible(trial.artifact is not None or not trial.status.is_final)
            self.predict.setEnabled(trial.artifact is not None)
            self.predict.setToolTip(self._tip if trial.artifact else tr("There is no model yet."))
            self._fill(trial)
        self._fit_buttons()

    def _fill(self, trial: TrainingJob) -> None:
        rows = [(name, formatting.parameter(trial.hyperparameters[name])) for name in self._ordered(trial)]
        rows += [
            (name, formatting.number(value))
            for name, value in trial.metrics.items()
            if name not in self._step_metrics and name not in COUNT_METRICS
        ]
        while self._form.rowCount() > len(rows):
            self._form.removeRow(self._form.rowCount() - 1)
        for at, (name, value) in enumerate(rows):
            if at >= self._form.rowCount():
                self._form.addRow(ElidedLabel("", "muted"), ElidedLabel("", "figures"))
            for role, text in ((QFormLayout.ItemRole.LabelRole, name), (QFormLayout.ItemRole.FieldRole, value)):
                item = self._form.itemAt(at, role)
                shown = item.widget() if item is not None else None
                if isinstance(shown, ElidedLabel):
                    shown.setText(text)
                    if role is QFormLayout.ItemRole.FieldRole:
                        shown.setSizePolicy(_horizontal(value), QSizePolicy.Policy.Fixed)

    def _ordered(self, trial: TrainingJob) -> list[str]:
        first = [name for name in self._searched if name in trial.hyperparameters]
        return first + sorted(name for name in trial.hyperparameters if name not in first)

    def _copy(self) -> None:
        if self._trial is not None:
            pairs = (f"{name}={self._trial.hyperparameters[name]}" for name in self._ordered(self._trial))
            QGuiApplication.clipboard().setText("\n".join(pairs))

    def _tell(self, signal: SignalInstance) -> None:
        if self._trial is not None:
            signal.emit(self._trial.name)


def _horizontal(value: str) -> QSizePolicy.Policy:
    """Return how a value takes its room: a number cut in its middle says nothing, so a long name gives way first."""
    policies = QSizePolicy.Policy
    return policies.MinimumExpanding if len(value) <= _NUMBER else policies.Expanding
