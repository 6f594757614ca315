"""The Debugger tab: what the rules say of a job, live, the tensors behind it, and its profile."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QHideEvent, QShowEvent
from PySide6.QtWidgets import QInputDialog, QMenu, QSplitter, QStackedWidget, QWidget

from core.errors import UserFacingError
from core.jobs.records import Event, Job, RuleOutcome
from core.jobs.status import RuleStatus
from core.progress import CancelToken, OnProgress
from core.translation import plural, tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.debugger.debug_source import DebugSource
from gui.debugger.debug_view import (
    DebugView,
    JobTrials,
    evaluate_again,
    load_earlier,
    load_job,
    load_trials,
    report_file,
)
from gui.debugger.rule_choice import RuleChoice
from gui.debugger.rule_list import RuleList
from gui.debugger.rules_model import RulesModel
from gui.feed import JobsFeed
from gui.shared.basics import button
from gui.shared.card import Card, PageHeader, page_layout
from gui.shared.feedback import EmptyState, InlineError, ProgressRow
from gui.shared.icons import icon
from gui.shared.report_export import ReportExport, last_part
from gui.shared.toast import Toasts

if TYPE_CHECKING:
    from gui.debugger.rule_detail import RuleDetail
    from gui.debugger.tensors_and_profile_pane import TensorsAndProfilePane

LOOKING = tr("Looking for your jobs…")
NO_JOB = (
    tr("No job has been debugged yet."),
    tr("Open an earlier job"),
    tr("Rules are evaluated while a job runs. Tensors of an earlier job, also of SageMaker, can be opened here."),
)
READING = tr("Reading what the rules say…")
LIVE_MS = 1000
"""While a job runs, its rules are read again this often; the watcher writes them about as often."""
_TENSOR_TURNS = 5
"""Every so many times the saved tensors are listed too."""


class DebuggerTab(QWidget):
    """Rules of a job, grouped by state; the chosen rule's evidence; tensors and profile below.

    Signals:
        setting_asked(str): the user wants to change this hyperparameter.
    """

    setting_asked = Signal(str)

    def __init__(self, workbench: Workbench, bridge: Bridge, feed: JobsFeed) -> None:
        super().__init__()
        self._workbench, self._bridge, self._feed = workbench, bridge, feed
        self._earlier: list[str] = []
        self._view = DebugView("", "", ())
        self._loading: Handle | None = None
        self._turns = 0
        self._unread = self._split_by_hand = False
        self.rules = RulesModel(self)
        self.list = RuleList(self.rules)
        self.detail: RuleDetail | None = None
        self.below: TensorsAndProfilePane | None = None
        self._toasts = Toasts(self, 16)
        self.choice = RuleChoice(self, workbench, bridge, self._toasts)
        self._live = QTimer(self)
        self._live.setInterval(LIVE_MS)
        self._live.timeout.connect(self._on_live)
        self._lay_out()
        feed.jobs_changed.connect(self._on_jobs)
        feed.events.connect(self._on_events)
        self._on_jobs(feed.jobs)

    def _lay_out(self) -> None:
        self.export = button(tr("Export"), icon_name="download", kind="primary")
        self.exports = ReportExport(self, self._workbench, self._bridge, self._toasts, self._on_error)
        self.source = DebugSource()
        self._export_menu()
        self._offer_export()
        self.aws_report = button(tr("AWS's report"), icon_name="external", tip=tr("Opens AWS's own profiler's report"))
        self.aws_report.clicked.connect(self.open_aws_report)
        self.aws_report.hide()
        choose = button(tr("Rules…"), icon_name="settings", tip=tr("Choose the rules of new jobs"))
        choose.clicked.connect(self.choice.show_dialog)
        self._header = PageHeader(tr("Debugger"), "", self.export)
        for action in (choose, self.aws_report):
            self._header.add_action(action)
        self.source.job_chosen.connect(self._on_job_chosen)
        self.source.trial_chosen.connect(self._on_trial_chosen)
        self.source.opened.connect(self.open_earlier)
        self.progress = ProgressRow()
        self.progress.cancelled.connect(self._on_cancel)
        self.error = InlineError()
        self.empty = EmptyState("debugger", LOOKING)
        self.empty.activated.connect(self.source.ask_folder)
        rules = Card(padding=8)
        rules.setMinimumWidth(320)
        self._no_rules = EmptyState("debugger", READING)
        self._rule_pages = QStackedWidget()
        self._rule_pages.addWidget(self._no_rules)
        self._rule_pages.addWidget(self.list)
        rules.add(self._rule_pages, 1)
        self.upper = _splitter(Qt.Orientation.Horizontal, rules)
        self.split = _splitter(Qt.Orientation.Vertical, self.upper)
        self._pages = QStackedWidget()
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self.split)
        page = page_layout(self)
        for widget in (self._header, self.source, self.progress, self.exports.progress, self.error):
            page.addWidget(widget)
        page.addWidget(self._pages, 1)

    def _build_views(self) -> None:
        """Make what imports pyqtgraph, when a job is first shown."""
        from gui.debugger.rule_detail import RuleDetail
        from gui.debugger.tensors_and_profile_pane import TensorsAndProfilePane

        self.detail, self.below = RuleDetail(), TensorsAndProfilePane(self._bridge)
        self.list.chosen.connect(self.detail.show_outcome)
        self.detail.evaluation_asked.connect(self._on_evaluate)
        self.detail.keep_asked.connect(self.choice.keep)
        self.detail.setting_asked.connect(self.setting_asked)
        self.below.finding_chosen.connect(self.list.choose)
        self.upper.addWidget(self.detail)
        self.upper.setStretchFactor(1, 1)
        self.upper.setSizes([430, 760])
        self.split.addWidget(self.below)
        self.split.setSizes([450, 270])
        self.split.splitterMoved.connect(self._on_split)
        self.below.tabs.currentChanged.connect(self._make_room)

    def _export_menu(self) -> None:
        menu = QMenu(self.export)
        menu.addAction(icon("save"), tr("Report…"), lambda: self.exports.save_report(self._reported))
        self._of_trials = menu.addAction(
            icon("tuning"), tr("Report over all trials…"), lambda: self.exports.save_report(self.source.job)
        )
        menu.addAction(icon("warning"), tr("All findings…"), lambda: self.exports.save_findings(self.source.job))
        menu.addAction(icon("chart"), tr("Compare with another job…"), self._ask_other)
        menu.addSeparator()
        menu.addAction(icon("upload"), tr("To an MLflow server…"), self.ask_server)
        self.export.setMenu(menu)

    def _offer_export(self) -> None:
        """Offer what can be kept of what is shown, or say why there is nothing yet."""
        view = self._view
        ended = view.job is not None and view.job.status.is_final
        self.export.setEnabled(bool(view.outcomes or ended or view.groups is not None))
        self._of_trials.setVisible(self.source.trials.count() > 1)
        there = tr("The result, the reasons, and where the time went: a web page, a PDF, a trace or tables")
        missing = tr("There is nothing to export before a rule has said something or the job has ended.")
        self.export.setToolTip(there if self.export.isEnabled() else missing)

    @property
    def _reported(self) -> str:
        """Return what a report of what is shown is of: a training job's name, or the place of an earlier one."""
        return self._view.source if self.source.job in self._earlier else self._view.name

    def _ask_other(self) -> QInputDialog:
        others = [(job.shown_name, job.name) for job in self._feed.jobs]
        return self.exports.ask_other(
            self._reported, [*others, *((last_part(place), place) for place in self._earlier)]
        )

    def _on_split(self) -> None:
        self._split_by_hand = True

    def _make_room(self, lower: int) -> None:
        """Give the profile's plots more height than a histogram; where the user put the border it stays."""
        if not self._split_by_hand:
            self.split.setSizes([250, 470] if lower else [450, 270])

    # What is shown ---------------------------------------------------------------------------------------------

    @property
    def view(self) -> DebugView:
        """Return the training job that is shown."""
        return self._view

    def show_job(self, name: str) -> None:
        """Choose a job of the list."""
        self.source.choose_job(name)

    def open_earlier(self, source: str) -> None:
        """Evaluate what an earlier job saved, in a folder or under an s3:// address."""
        if source not in self._earlier:
            self._earlier.append(source)
            self._on_jobs(self._feed.jobs)
        if self.source.job == source:
            self._on_job_chosen(source)
        else:
            self.source.choose_job(source)

    def _on_jobs(self, jobs: tuple[Job, ...]) -> None:
        self.source.set_jobs(jobs, self._earlier)
        self.empty.set_texts(*(NO_JOB if self._feed.known else (LOOKING,)))
        self._pages.setCurrentIndex(1 if self.source.job else 0)
        self.source.jobs.setVisible(bool(self.source.job))

    def _on_job_chosen(self, name: str) -> None:
        self.error.clear()
        self._stop_loading()
        if not name:
            return
        self._pages.setCurrentIndex(1)
        self._unread = not self.isVisible()
        if self._unread:
            return  # it is read when someone looks
        if name in self._earlier:
            self.source.set_trials([], {})
            self._load_earlier(name)
            return
        engine = self._workbench.engine

        def work(on_progress: OnProgress, cancel: CancelToken) -> JobTrials:
            return load_trials(engine, name)

        def done(trials: JobTrials) -> None:
            self._loading = None
            before = self.source.trial
            self.source.set_trials(trials.names, trials.issues)
            if self.source.trial == before:
                self._on_trial_chosen(before)

        self._loading = self._bridge.run(work, done, self._on_error)

    def _on_trial_chosen(self, name: str) -> None:
        if name:
            self._load(name, with_tensors=True)

    def _load(self, name: str, with_tensors: bool) -> None:
        engine = self._workbench.engine

        def work(on_progress: OnProgress, cancel: CancelToken) -> DebugView:
            return load_job(engine, name, with_tensors)

        self._stop_loading()
        self._loading = self._bridge.run(work, self._on_loaded, self._on_error)

    def _load_earlier(self, source: str) -> None:
        def work(on_progress: OnProgress, cancel: CancelToken) -> DebugView:
            return load_earlier(source, on_progress, cancel)

        self.progress.start(tr("Reading saved tensors"))
        self._loading = self._bridge.run(work, self._on_loaded, self._on_error, self.progress.update_progress)

    def _on_loaded(self, view: DebugView) -> None:
        self._loading = None
        self.progress.finish()
        if self.detail is None:
            self._build_views()
        assert self.detail is not None
        assert self.below is not None
        self._view = view
        issues = sum(outcome.status is RuleStatus.ISSUES_FOUND for outcome in view.outcomes)
        found = plural("{count:,} issue", "{count:,} issues", issues) if issues else tr("no issues")
        looked = sum(outcome.evaluated > 0 or outcome.triggered > 0 for outcome in view.outcomes)
        rules = plural("{count:,} rule", "{count:,} rules", looked)
        sentence = tr("{name}: {issues} in {rules}") if looked else tr("{name}: nothing that rules look at was saved")
        name = view.job.shown_name if view.job is not None else view.name
        told = bool(looked) or (bool(view.outcomes) and not view.running)  # while it runs more may be saved
        self._header.set_context(sentence.format(name=name, issues=found, rules=rules) if told else name)
        nothing = tr("No rule has said anything of this job yet.") if view.running else tr("No rule ran on this job.")
        self._no_rules.set_texts(nothing)
        self._rule_pages.setCurrentIndex(1 if view.outcomes else 0)
        self.detail.setVisible(bool(view.outcomes))  # where there is no rule none can be chosen
        self.aws_report.setVisible(bool(view.aws_report))
        self.rules.set_outcomes(view.outcomes)
        self.below.show_view(view)
        self.choice.show_view(view)
        self._offer_export()
        if view.groups is None and not view.running:
            self._load(view.name, with_tensors=True)  # it has ended: what it saved at last is there now

    def _on_error(self, error: UserFacingError) -> None:
        self._loading = None
        self.progress.finish()
        self.error.show_error(error)

    def _on_cancel(self) -> None:
        self._stop_loading()
        self.progress.finish()

    def _stop_loading(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
            self._loading = None

    # Live ------------------------------------------------------------------------------------------------------

    def _on_live(self) -> None:
        if self._loading is None and self._view.running:
            self._turns += 1
            self._load(self._view.name, with_tensors=self._turns % _TENSOR_TURNS == 0 or not self._view.source)

    def _on_events(self, events: tuple[Event, ...]) -> None:
        mine = any(event.job == self._view.name for event in events)
        if mine and self._loading is None and self.isVisible():
            self._load(self._view.name, with_tensors=False)
        if any(isinstance(event, RuleOutcome) for event in events) and self.source.trials.isVisible():
            self._refresh_trials()

    def _refresh_trials(self) -> None:
        """Renew the issue counts beside the trials."""
        engine, name = self._workbench.engine, self.source.job

        def work(on_progress: OnProgress, cancel: CancelToken) -> JobTrials:
            return load_trials(engine, name)

        def done(trials: JobTrials) -> None:
            if self.source.job == name:
                self.source.set_trials(trials.names, trials.issues)

        self._bridge.run(work, done, self._on_error)

    def showEvent(self, event: QShowEvent) -> None:
        """Follow the job while the tab is in sight."""
        super().showEvent(event)
        self._live.start()
        if self._unread:
            self._on_job_chosen(self.source.job)

    def hideEvent(self, event: QHideEvent) -> None:
        """Follow nothing while it is not."""
        super().hideEvent(event)
        self._live.stop()

    # What the user does ----------------------------------------------------------------------------------------

    def _on_evaluate(self, rule: str, parameters: Mapping[str, str]) -> None:
        """Evaluate one rule with other parameters on what the job saved."""
        view = self._view

        def work(on_progress: OnProgress, cancel: CancelToken) -> RuleOutcome:
            return evaluate_again(view, rule, parameters, on_progress, cancel)

        def done(outcome: RuleOutcome) -> None:
            self._loading = None
            self.progress.finish()
            shown = self.detail.outcome if self.detail is not None else None
            if self.detail is not None and shown is not None and (shown.rule, self._view.name) == (rule, view.name):
                self.detail.show_tried(outcome)

        self.error.clear()
        self._stop_loading()
        self.progress.start(tr("Evaluating {rule}").format(rule=rule))
        self._loading = self._bridge.run(work, done, self._on_error, self.progress.update_progress)

    def ask_server(self) -> QInputDialog:
        """Ask for the address of an MLflow server and send it the job that is shown."""
        return self.exports.ask_server(self._reported)

    def export_report(self, path: Path) -> None:
        """Write the report of the job that is shown, in the format that the file's name or the address asks for."""
        self.exports.write(path, self._reported)

    def open_aws_report(self) -> None:
        """Open the report of AWS's own profiler in the browser."""
        view, folder = self._view, self._workbench.paths.home / "reports"

        def work(on_progress: OnProgress, cancel: CancelToken) -> Path:
            return report_file(view, folder)

        def done(file: Path) -> None:
            if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(file.resolve()))):
                self.error.show_error(
                    UserFacingError(
                        tr("No program opens AWS's report."),
                        fix=tr("Open {file} in a browser yourself.").format(file=file),
                    )
                )

        self._bridge.run(work, done, self._on_error)


def _splitter(orientation: Qt.Orientation, first: QWidget) -> QSplitter:
    made = QSplitter(orientation)
    made.setHandleWidth(12)
    made.setChildrenCollapsible(False)
    made.addWidget(first)
    return made
