"""Why a job failed: the reason first, then what to do, then the traceback."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QVBoxLayout

from core.jobs.records import Job, TrainingJob, TuningJob
from core.jobs.status import JobStatus
from core.translation import tr
from gui.shared.basics import button, label
from gui.shared.feedback import IconLabel
from gui.shared.log_link import LogLink
from gui.shared.theme import font


class FailureCard(QFrame):
    """Shown while a job has a reason for how it ended; hidden otherwise.

    Signals:
        log_asked(): the user wants the log.
    """

    log_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self._icon = IconLabel("x-circle", 20, "failed")
        self._what = label("", "strong", wrap=True)
        self._what.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._next = label("", "body", wrap=True)
        self._trace = QPlainTextEdit()
        self._trace.setReadOnly(True)
        self._trace.setFont(font("mono"))
        self._trace.setFixedHeight(96)
        self._trace.hide()
        self._trace.setAccessibleName(tr("Traceback"))
        self.open_log = button(tr("Open the log"), kind="link")
        self.web_log = LogLink()
        self.copy = button(tr("Copy"), kind="link", tip=tr("Copy the reason and the traceback"))
        self.open_log.clicked.connect(self.log_asked)
        self.copy.clicked.connect(self._on_copy)
        actions = QHBoxLayout()
        actions.setSpacing(12)
        self.show_trace = button(tr("Hide traceback"), kind="link")
        self.show_trace.setCheckable(True)
        self.show_trace.setChecked(True)
        self.show_trace.toggled.connect(self._on_trace)
        actions.addWidget(self.show_trace)
        actions.addWidget(self.open_log)
        actions.addWidget(self.web_log)
        actions.addWidget(self.copy)
        actions.addStretch(1)
        texts = QVBoxLayout()
        texts.setSpacing(4)
        for widget in (self._what, self._next, self._trace):
            texts.addWidget(widget)
        texts.addLayout(actions)
        box = QHBoxLayout(self)
        box.setContentsMargins(12, 8, 12, 8)
        box.setSpacing(8)
        box.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        box.addLayout(texts, 1)
        self.hide()

    def show_job(self, job: Job, resumes: bool) -> None:
        """Show a job's reason, if it has one."""
        failed = job.status is JobStatus.FAILED
        reason = job.failure_reason.strip()
        interrupted = job.status is JobStatus.STOPPED and bool(reason)
        self.setVisible(failed or interrupted)
        if not (failed or interrupted):
            return
        tone = "failed" if failed else "warning"
        if self.property("tone") != tone:
            self.setProperty("tone", tone)
            self.style().unpolish(self)
            self.style().polish(self)
        self._icon.set_icon("x-circle" if failed else "warning", tone)
        first, _, rest = reason.partition("\n")
        self._what.setText(first or tr("The job failed and left no reason."))
        self._next.setText(_advice(job, resumes))
        if self._trace.toPlainText() != rest.strip():
            self._trace.setPlainText(rest.strip())
            bar = self._trace.verticalScrollBar()
            bar.setValue(bar.maximum())  # the last lines say what it was
        self.show_trace.setVisible(bool(rest.strip()))
        self._on_trace(self.show_trace.isChecked() and bool(rest.strip()))
        self.setAccessibleName(f"{first} {self._next.text()}")

    def _on_trace(self, shown: bool) -> None:
        self._trace.setVisible(shown)
        self.show_trace.setText(tr("Hide traceback") if shown else tr("Show traceback"))

    def _on_copy(self) -> None:
        parts = (self._what.text(), self._trace.toPlainText(), self.web_log.url)
        QGuiApplication.clipboard().setText("\n".join(part for part in parts if part))


def _advice(job: Job, resumes: bool) -> str:
    if isinstance(job, TuningJob) and resumes:
        return tr("Finished trials and their models are kept. Fix the cause, then press Resume: the search continues.")
    if isinstance(job, TuningJob):
        return tr("Finished trials and their models are kept. Fix the cause, then tune again.")
    if isinstance(job, TrainingJob) and job.tuning_job is not None:
        return tr("The search did without this trial. Its log has the details.")
    return tr("The log has the details. Fix the cause, then train it again from the Tuning tab.")
