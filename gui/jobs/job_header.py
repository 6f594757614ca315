"""The head of a job's page: name, status, progress, time left, and what can be done with the job."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QInputDialog, QMenu, QProgressBar, QToolButton, QVBoxLayout, QWidget

from core.jobs.records import Job, TuningJob, elapsed
from core.jobs.status import JobStatus
from core.translation import tr
from gui.jobs.note_field import NoteField
from gui.shared import formatting
from gui.shared.basics import ElidedLabel, button, icon_button, label
from gui.shared.icons import icon
from gui.shared.job_progress import bar_of, progress_of, progress_text, trials_done
from gui.shared.pill import StatusPill


class JobHeader(QWidget):
    """Everything about a job that fits two lines.

    Signals:
        stop_asked(), resume_asked(), delete_asked(): the buttons.
        again_asked(): take the job's settings to the Tuning tab.
        command_asked(): copy the job as a command line.
        note_changed(str, str): a job's name and the note that was typed.
        renamed(str, str): a job's name, and what it is to be called; "" for its own name.
        ensemble_asked(str): make one model of this search's best trials.
        report_asked(str), findings_asked(str), comparison_asked(str): keep the job's report, all findings of rules, or
            a report that compares it with another job's.
        pin_asked(str, bool): keep this job at the head of the list, or no longer.
    """

    stop_asked = Signal()
    resume_asked = Signal()
    delete_asked = Signal()
    again_asked = Signal()
    command_asked = Signal()
    note_changed = Signal(str, str)
    renamed = Signal(str, str)
    ensemble_asked = Signal(str)
    report_asked = Signal(str)
    findings_asked = Signal(str)
    comparison_asked = Signal(str)
    pin_asked = Signal(str, bool)

    def __init__(self) -> None:
        super().__init__()
        self._job: Job | None = None
        self._seen_running = ""
        self.name = ElidedLabel("", "title")
        self.pill = StatusPill(JobStatus.IN_PROGRESS)
        self.stop = button(tr("Stop"), icon_name="stop", tip=tr("Finished trials and their models stay"))
        self.resume = button(tr("Resume"), icon_name="play", tip=tr("Continue with the trials that are left"))
        self.delete = button(tr("Delete"), icon_name="trash", tip=tr("Remove the job and its files (Del)"))
        self.more = self._menu()
        self.stop.clicked.connect(self.stop_asked)
        self.resume.clicked.connect(self.resume_asked)
        self.delete.clicked.connect(self.delete_asked)
        self._bar = QProgressBar()
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._bar.setProperty("tone", "running")
        self._bar.setAccessibleName(tr("Progress of the job"))
        self._left = label("", "figures")
        self._left.setProperty("role", "muted")
        widest = tr("888 of 888 trials · 88 min 88 s left")
        self._left.setMinimumWidth(self._left.fontMetrics().horizontalAdvance(widest))  # nothing jumps
        top = QHBoxLayout()
        top.setSpacing(10)
        top.addWidget(self.name, 0)
        top.addWidget(self.pill)
        self.facts = ElidedLabel("", "caption", Qt.TextElideMode.ElideRight)
        self.facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        top.addWidget(self.facts, 1)
        for widget in (self.stop, self.resume, self.delete, self.more):
            top.addWidget(widget)
        self._progress = QWidget()
        below = QHBoxLayout(self._progress)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(10)
        below.addWidget(self._left)
        below.addWidget(self._bar, 1)  # to the edge of the page, so that a full one looks full
        self.note = NoteField(tr("Add a note to this job"), tr("Note on this job"))
        self.note.note_changed.connect(self.note_changed)
        second = QHBoxLayout()  # together, in favour of the plot
        second.setSpacing(10)
        second.addWidget(self.note, 1)
        second.addWidget(self._progress, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(6)
        box.addLayout(top)
        box.addLayout(second)

    def _menu(self) -> QToolButton:
        more = icon_button("more", tr("More actions"))
        menu = QMenu(more)
        again = menu.addAction(icon("tuning"), tr("Take to Tuning"), self.again_asked.emit)
        command = menu.addAction(icon("terminal"), tr("Copy as command line"), self.command_asked.emit)
        self.repeats = (again, command, menu.addSeparator())
        for name, title, asked in (
            ("save", tr("Save report…"), self.report_asked),
            ("warning", tr("Save all findings…"), self.findings_asked),
            ("chart", tr("Compare reports…"), self.comparison_asked),
        ):
            menu.addAction(icon(name), title, lambda asked=asked: asked.emit(self._job.name if self._job else ""))
        menu.addSeparator()
        self.ensemble_action = menu.addAction(icon("plus"), tr("Train the mean of the best trials"), self._on_ensemble)
        self.rename_action = menu.addAction(icon("edit"), tr("Rename…"), self.ask_name)
        self.pin_action = menu.addAction(icon("star"), tr("Pin to the top"), self._on_pin)
        more.setMenu(menu)
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        more.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        return more

    def ask_name(self) -> QInputDialog:
        """Ask what the job is to be called."""
        job = self._job
        dialog = QInputDialog(self)
        dialog.setWindowTitle(tr("Rename the job"))
        dialog.setLabelText(tr("What it is called here; its files keep their name. Empty: its own name."))
        dialog.setTextValue(job.shown_name if job is not None else "")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if job is not None:
            name = job.name
            dialog.textValueSelected.connect(lambda text: self.renamed.emit(name, "" if text == name else text))
        dialog.open()
        return dialog

    def _on_ensemble(self) -> None:
        if self._job is not None:
            self.ensemble_asked.emit(self._job.name)

    def _on_pin(self) -> None:
        if self._job is not None:
            self.pin_asked.emit(self._job.name, not self._job.pinned)

    def show_job(self, job: Job, resumes: bool, began: float | None = None) -> None:
        """Show a job as it is now; `began` is when its first trial did, which its time left is reckoned from."""
        self._job = job
        if self.name.text() != job.shown_name:
            self.name.setText(job.shown_name)
        self.ensemble_action.setVisible(isinstance(job, TuningJob) and job.status.is_final)
        for action in self.repeats:  # a script of the user's own has no settings of ours
            action.setVisible(job.kind != "watched")
        self.pin_action.setText(tr("Unpin") if job.pinned else tr("Pin to the top"))
        self.pill.set_status(job.status, "" if job.status.is_final else _spaced(job.secondary_status))
        running = not job.status.is_final
        self.stop.setVisible(running)
        self.stop.setEnabled(job.status is JobStatus.IN_PROGRESS)
        self.resume.setVisible(resumes and can_resume(job))
        self.delete.setVisible(not running)
        if running:
            self._seen_running = job.name
        # One that was seen running keeps its bar: nothing moves when it ends.
        self._progress.setVisible(self._seen_running == job.name)
        done = bar_of(job)
        self._bar.setRange(0, 1000 if done is not None or not running else 0)
        if done is not None:
            self._bar.setValue(round(1000 * done))
        # How good the best one is stands below, with room for its interval.
        self._left.setText(_time_left(job, began) if running else progress_text(job, with_best=False))
        self.note.show_note(job.name, job.note)
        facts = facts_of(job)
        if self.facts.text() != facts:
            self.facts.setText(facts)


def facts_of(job: Job) -> str:
    """Return when a job was made, of which data, by which code."""
    facts = [tr("Watched script")] if job.kind == "watched" else []
    facts.append(formatting.moment(job.created))
    if job.dataset_version:
        facts.append(tr("dataset {version}").format(version=job.dataset_version[:8]))
    if job.code_version:
        facts.append(tr("code {version}").format(version=job.code_version))
    return " · ".join(facts)


def can_resume(job: Job) -> bool:
    """Whether a tuning job ended before all its trials were done."""
    ended_early = job.status in (JobStatus.STOPPED, JobStatus.FAILED)
    return isinstance(job, TuningJob) and ended_early and trials_done(job) < job.max_jobs


def _time_left(job: Job, began: float | None) -> str:
    done, so_far = progress_of(job), elapsed(job)
    if job.status is JobStatus.STOPPING:
        return tr("Stopping")
    if not done or so_far is None or done < 0.02:
        return progress_text(job, with_best=False)
    if began is not None and job.started is not None:
        so_far = max(0.0, so_far - (began - job.started))
    left = formatting.duration(so_far * (1 - done) / done)
    return tr("{progress} · {duration} left").format(progress=progress_text(job, with_best=False), duration=left)


def _spaced(word: str) -> str:
    """Return "PreparingFeatures" as "Preparing features"."""
    text = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in word).strip()
    return text[:1].upper() + text[1:]
