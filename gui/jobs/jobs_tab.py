"""The Jobs tab: the list at the left, the chosen job at the right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from core.cli.command_line import command_line
from core.errors import UserFacingError
from core.jobs.footprint import Footprint
from core.jobs.records import Job
from core.paths import give_away
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.tuning.ensemble import COUNT as ENSEMBLE
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.feed import JobsFeed
from gui.jobs.delete_dialog import DeleteDialog
from gui.jobs.job_datasets import JobDatasets
from gui.jobs.job_issues import JobIssues
from gui.jobs.job_list import JobList
from gui.jobs.job_watch import JobWatch
from gui.jobs.jobs_model import JobsModel
from gui.jobs.starting import Starting
from gui.shared.card import Card, PageHeader, page_layout
from gui.shared.feedback import EmptyState
from gui.shared.report_export import ReportExport
from gui.shared.theme import GRID
from gui.shared.toast import Toasts

if TYPE_CHECKING:
    from gui.jobs.compare_dialog import CompareDialog
    from gui.jobs.job_detail import JobDetail

SLOW_MS = 300
"""A job that takes longer to load is said to be loading."""
CHOOSE = tr("Choose a job to see how it does.")
LOOKING = tr("Looking for your jobs…")
NO_JOB = (
    tr("No job has been started yet."),
    tr("Set up a search"),
    tr("A tuning job tries many hyperparameters and keeps the best model."),
)


class JobsTab(QWidget):
    """Tuning jobs and training jobs, live.

    Signals:
        use_model_asked(str): use this training job's model for predictions.
        train_again_asked(str): take the settings of this job or trial to the Tuning tab.
        tuning_asked(): there is no job yet, and the user wants to start one.
        pictures_asked(list[str], str): look at these files, with this training job's model.
        deploy_asked(str): serve this training job's model on an endpoint.
        save_model_asked(str): write this training job's model in a format that others run.
    """

    use_model_asked = Signal(str)
    train_again_asked = Signal(str)
    tuning_asked = Signal()
    pictures_asked = Signal(list, str)
    deploy_asked = Signal(str)
    save_model_asked = Signal(str)

    def __init__(self, workbench: Workbench, bridge: Bridge, feed: JobsFeed) -> None:
        super().__init__()
        self._workbench, self._bridge, self._feed = workbench, bridge, feed
        self.model = JobsModel(self)
        self.watch = JobWatch(workbench, bridge, feed, self)
        self.datasets = JobDatasets(workbench, bridge, self)
        self.issues = JobIssues(workbench, bridge, feed, self)
        self.list = JobList(self.model)
        self.detail: JobDetail | None = None
        self._toasts = Toasts(self, 16)
        # Deleted jobs by name and time of creation, until the feed's list no longer has them.
        self._gone: dict[str, float] = {}
        self._wanted = ""
        self._lay_out()
        self._slow = QTimer(self)
        self._slow.setSingleShot(True)
        self._slow.setInterval(SLOW_MS)
        self._slow.timeout.connect(lambda: self._show_message(tr("Loading {name}…").format(name=self.watch.name)))
        self.watch.loaded.connect(self._slow.stop)
        self.watch.history_loaded.connect(self._on_history)
        self.watch.failed.connect(self._on_watch_failed)
        self.list.chosen.connect(self._on_chosen)
        self.list.delete_asked.connect(self.delete)
        self.datasets.found.connect(lambda: self.show_jobs(self._feed.jobs))
        feed.jobs_changed.connect(self._on_jobs_changed)
        self.issues.counted.connect(self.model.set_issues)
        self.show_jobs(feed.jobs)
        self.issues.ask()

    def _lay_out(self) -> None:
        self._header = PageHeader(tr("Jobs"))
        card = Card(padding=8)
        card.add(self.list, 1)
        left = QWidget()
        left.setMinimumWidth(250)
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        column.addWidget(self._header)
        column.addWidget(card, 1)
        self._choose = EmptyState("jobs", CHOOSE)
        self._right = QStackedWidget()
        self._right.addWidget(self._choose)
        self.split = QSplitter(Qt.Orientation.Horizontal)
        self.split.setHandleWidth(12)
        self.split.setChildrenCollapsible(False)
        self.split.addWidget(left)
        self.split.addWidget(self._right)
        self.split.setStretchFactor(1, 1)
        self.split.setSizes([250, 900])
        self.empty = EmptyState("jobs", LOOKING)
        self.empty.activated.connect(self.tuning_asked)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self.split)
        self.exports = ReportExport(self, self._workbench, self._bridge, self._toasts, self._on_error)
        self.starting = Starting(self._bridge, self._on_error)
        page = page_layout(self)
        page.addWidget(self.starting)
        page.addWidget(self.exports.progress)
        page.addWidget(self._pages, 1)

    # Jobs ------------------------------------------------------------------------------------------------------

    def show_jobs(self, jobs: tuple[Job, ...]) -> None:
        """Show these jobs; those being deleted stay away."""
        self._gone = {job.name: job.created for job in jobs if self._gone.get(job.name) == job.created}
        shown = [job for job in jobs if job.name not in self._gone]
        before = self.list.current()
        self.model.set_jobs(shown, self.datasets.folders)
        self.datasets.ask(job.name for job in shown)
        if before and not self.list.current():  # the order has changed
            self.list.choose(before)
        running = sum(not job.status.is_final for job in shown)
        counts = tr("{count:,} in all, {running:,} running").format(count=len(shown), running=running)
        self._header.set_context(counts if shown else "")
        self._pages.setCurrentIndex(1 if shown else 0)
        if self._wanted and self.list.choose(self._wanted):
            self._wanted = ""
        elif shown and not self.list.current():
            self.list.choose_first()
        self._show_empty()

    def _on_jobs_changed(self, jobs: tuple[Job, ...]) -> None:
        self.datasets.ask((job.name for job in jobs), changed=True)
        self.show_jobs(jobs)

    def _show_empty(self) -> None:
        """Say why there is no list; nothing is claimed before the engine was heard, nor while a job is started."""
        if self._wanted:
            self.empty.set_texts(tr("Starting {name}…").format(name=self._wanted))
        else:
            self.empty.set_texts(*(NO_JOB if self._feed.known else (LOOKING,)))

    def show_job(self, name: str) -> None:
        """Choose a job by name, now or as soon as it is heard of."""
        self._wanted = "" if self.list.choose(name) else name
        if self._wanted:
            self._show_empty()
            self._feed.refresh()

    def show_ended(self, job: Job) -> None:
        """Choose a job that has ended, or say that it was deleted since."""
        if not self.list.choose(job.name):
            self._toasts.show(tr("{name} is not there any more.").format(name=job.shown_name), "info")

    def _on_chosen(self, name: str) -> None:
        if name and self.detail is None:
            self._build_detail()
        if name and name != self.watch.name:
            self._choose.set_texts("")  # one is chosen
            self._slow.start()
            self.watch.watch(name)

    def _show_message(self, text: str, detail: str = "") -> None:
        self._choose.set_texts(text, detail=detail)
        self._right.setCurrentWidget(self._choose)

    def _on_history(self) -> None:
        self.issues.replace(self.watch.name, self.watch.outcomes())

    def _on_watch_failed(self, error: UserFacingError) -> None:
        self._slow.stop()
        if self.watch.job is None:
            self._show_message(error.what, f"{error.why} {error.fix}".strip())

    def _build_detail(self) -> None:
        # Only now, because this imports pyqtgraph.
        from gui.jobs.job_detail import JobDetail

        detail = JobDetail(self._workbench, self._bridge, self.watch)
        detail.header.stop_asked.connect(lambda: self._stop(self.watch.name))
        detail.header.resume_asked.connect(self._on_resume)
        detail.header.delete_asked.connect(lambda: self.delete(self.watch.name))
        detail.header.again_asked.connect(lambda: self.train_again_asked.emit(self.watch.name))
        detail.header.command_asked.connect(lambda: self._copy_command(self.watch.name))
        detail.header.note_changed.connect(self._keep_note)
        detail.header.renamed.connect(self._rename)
        detail.header.pin_asked.connect(self._pin)
        detail.header.ensemble_asked.connect(self._on_ensemble)
        detail.header.report_asked.connect(self.exports.save_report)
        detail.header.findings_asked.connect(self.exports.save_findings)
        detail.header.comparison_asked.connect(self._on_comparison)
        detail.best.note_changed.connect(self._keep_note)
        for trials in (detail.best, detail.table):
            trials.train_asked.connect(self.train_again_asked)
            trials.predict_asked.connect(self.use_model_asked)
            trials.stop_asked.connect(self._stop)
        detail.best.deploy_asked.connect(self.deploy_asked)
        detail.best.save_asked.connect(self.save_model_asked)
        detail.table.command_asked.connect(self._copy_command)
        detail.table.export_asked.connect(self._on_export)
        detail.views.pictures_asked.connect(self._on_pictures)
        detail.views.compare_asked.connect(self.compare)
        detail.loaded.connect(lambda: self._right.setCurrentWidget(detail))
        self._right.addWidget(detail)
        self.detail = detail

    # What the user does ----------------------------------------------------------------------------------------

    def _act(self, action: Callable[[str], None], name: str) -> None:
        def work(on_progress: OnProgress, cancel: CancelToken) -> None:
            action(name)

        def done(_: None) -> None:
            self._feed.refresh()

        self._bridge.run(work, done, self._on_error)

    def _on_error(self, error: UserFacingError) -> None:
        if self.detail is not None:
            self.detail.error.show_error(error)

    def _stop(self, name: str) -> None:
        self._act(self._workbench.engine.stop, name)

    def _on_resume(self) -> None:
        resume, name = self._workbench.jobs.resume, self.watch.name

        def work(on_progress: OnProgress, cancel: CancelToken) -> None:
            resume(name, on_progress, cancel)

        def done(_: None) -> None:
            self._feed.refresh()
            self.watch.reload()

        self.starting.start(tr("Resuming {name}").format(name=name), work, done)

    def delete(self, name: str) -> None:
        """Ask whether a finished job goes with its files; on a yes it does."""
        job = next((job for job in self.model.jobs() if job.name == name), None)
        if job is None:
            return
        if not job.status.is_final:
            self._toasts.show(tr("{name} is running: stop it first.").format(name=name), "warning")
            return
        dialog, workbench = DeleteDialog(self.window(), job), self._workbench

        def count(on_progress: OnProgress, cancel: CancelToken) -> Footprint:
            return workbench.jobs.footprint(name, cancel)

        counting = self._bridge.run(count, dialog.show_footprint, lambda error: dialog.room.setText(str(error)))

        def answered(answer: str) -> None:
            counting.cancel()
            if answer == "delete":
                self._delete_now(job)

        dialog.ask(answered)

    def _delete_now(self, job: Job) -> None:
        engine, name = self._workbench.engine, job.name
        self._gone[name] = job.created
        if self.watch.name == name:
            self.watch.watch("")
            self._show_message(CHOOSE)
        self.show_jobs(self._feed.jobs)

        def work(on_progress: OnProgress, cancel: CancelToken) -> None:
            engine.delete(name)

        def done(_: None) -> None:
            self.issues.forget(name)
            self._feed.refresh()
            self._toasts.show(tr("{name} is deleted.").format(name=name), "info")

        def failed(error: UserFacingError) -> None:
            self._gone.pop(name, None)
            self.show_jobs(self._feed.jobs)
            self.list.choose(name)
            self._toasts.show(str(error), "error")

        self._bridge.run(work, done, failed)

    def _copy_command(self, name: str) -> None:
        """Put the command that asks for the same job or trial on the clipboard."""
        engine, workbench = self._workbench.engine, self._workbench

        def work(on_progress: OnProgress, cancel: CancelToken) -> str:
            spec = engine.spec(name)
            manifest = workbench.data.manifest(spec.training.dataset_version)
            return command_line(spec, manifest, cloud=workbench.provider.name)

        def done(command: str) -> None:
            QGuiApplication.clipboard().setText(command)
            self._toasts.show(tr("The command is on the clipboard."), "info")

        self._bridge.run(work, done, self._on_error)

    def _rename(self, name: str, title: str) -> None:
        self._act(lambda job: _done(self._workbench.jobs.rename(job, title)), name)

    def _pin(self, name: str, pinned: bool) -> None:
        self._act(lambda job: _done(self._workbench.jobs.pin(job, pinned)), name)

    def _on_ensemble(self, name: str) -> None:
        """Start the training of the mean of a search's best trials, and show it."""
        start = self._workbench.jobs.ensemble

        def work(on_progress: OnProgress, cancel: CancelToken) -> str:
            return start(name, ENSEMBLE, on_progress, cancel)

        self.starting.start(tr("Starting the mean of the best trials of {name}").format(name=name), work, self.show_job)

    def _keep_note(self, name: str, note: str) -> None:
        self._act(lambda job: self._workbench.engine.set_note(job, note), name)

    def compare(self, job: str = "") -> CompareDialog:
        """Open the comparison of two models, the first being this training job's."""
        from gui.jobs.compare_dialog import CompareDialog

        dialog = CompareDialog(self.window(), self._workbench, self._bridge, job)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.pictures_asked.connect(self.pictures_asked)
        dialog.pictures_asked.connect(dialog.accept)
        dialog.open()
        return dialog

    def _on_comparison(self, job: str) -> None:
        self.exports.ask_other(job, [(other.shown_name, other.name) for other in self._feed.jobs])

    def _on_pictures(self, pictures: list[str], job: str) -> None:
        spec = self.watch.spec
        root = Path(spec.training.dataset_path if spec is not None else "")
        self.pictures_asked.emit([str(root / picture) for picture in pictures], job)

    def _on_export(self) -> None:
        start = str(Path.home() / f"{self.watch.name}.csv")
        path, _ = QFileDialog.getSaveFileName(self, tr("Save trials"), start, "CSV (*.csv)")
        if path:
            self.export_csv(Path(path))

    def export_csv(self, path: Path) -> None:
        """Write the trials as shown."""
        assert self.detail is not None
        text = self.detail.trials.to_csv()

        def work(on_progress: OnProgress, cancel: CancelToken) -> None:
            try:
                path.write_text(text, encoding="utf-8", newline="")
                give_away(path)
            except OSError as error:
                raise UserFacingError(
                    tr("The trials could not be saved."), f"{error.strerror} ({path}).", tr("Choose another place.")
                ) from error

        self._bridge.run(
            work,
            lambda _: self._toasts.show(tr("Saved {name}.").format(name=path.name), "Completed"),
            self._on_error,
        )


def _done(_job: Job) -> None:
    """Let a use case that returns the job be an action that returns nothing."""
