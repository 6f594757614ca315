"""The right side of the Jobs tab: everything about the chosen job."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QKeySequence, QResizeEvent, QShortcut, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QSplitter, QVBoxLayout, QWidget

from core.engine_names import LOCAL
from core.jobs.accuracy import percent
from core.jobs.records import Job, TrainingJob, TuningJob, elapsed
from core.jobs.status import JobStatus
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.jobs.best_card import BestCard
from gui.jobs.cloud_job import CloudJobPanel
from gui.jobs.failure_card import FailureCard
from gui.jobs.figures_row import FiguresRow
from gui.jobs.job_header import JobHeader
from gui.jobs.job_views import JobViews, objective_and_parameters
from gui.jobs.job_watch import JobWatch
from gui.jobs.log_drawer import LogDrawer
from gui.jobs.trial_table import TrialTable
from gui.jobs.trials_model import TrialsModel
from gui.shared import formatting
from gui.shared.card import Card
from gui.shared.feedback import Banner, InlineError
from gui.shared.job_progress import progress_text, trials_done
from gui.shared.theme import GRID, scaled

_TICK_MS = 1000
_NOTICES = 2
_LOW = 820
"""Pixels of height below which an evaluation and the table of trials are not shown together: those of a page of 900."""


class JobDetail(QWidget):
    """Shows what a `JobWatch` follows, and links plot, table, card and log by one selected trial.

    Importing this module imports pyqtgraph: build it when a job is first shown.

    Signals:
        loaded(): another job is shown.
    """

    loaded = Signal()

    def __init__(self, workbench: Workbench, bridge: Bridge, watch: JobWatch) -> None:
        super().__init__()
        self._workbench, self._bridge, self._watch = workbench, bridge, watch
        self._selected = self._linked = ""
        self._closed_heights: list[int] = []
        self.trials = TrialsModel(self)
        self.header, self.failure, self.error = JobHeader(), FailureCard(), InlineError()
        self.notices = Banner("", "running", "info")
        self.notices.hide()
        captions = (tr("Best objective"), tr("Trials"), tr("Elapsed"), tr("Cost"))
        self.figures = FiguresRow(captions, tr("Show the pictures behind it"))
        self.cloud = CloudJobPanel(workbench, bridge)
        self.cloud.cost_changed.connect(lambda value, caption: self.figures.set_figure(3, value, caption))
        self.views = JobViews(workbench, bridge, watch)
        self.best = BestCard()
        self.table = TrialTable(self.trials)
        self.log = LogDrawer(bridge, lambda name, offset: workbench.engine.read_log(name, offset))
        self._lay_out()
        self._connect()
        self._tick = QTimer(self)
        self._tick.setInterval(_TICK_MS)
        self._tick.timeout.connect(self._show_times)

    def _lay_out(self) -> None:
        plot_card = Card()
        plot_card.add(self.views, 1)
        upper = QWidget()
        row = QHBoxLayout(upper)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        row.addWidget(plot_card, 1)
        row.addWidget(self.best)
        self._table_card = Card()
        self._table_card.add(self.table, 1)
        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.setHandleWidth(GRID)
        self.split.setChildrenCollapsible(False)
        for widget in (upper, self._table_card, self.log):
            self.split.addWidget(widget)
        self.split.setStretchFactor(0, 3)  # the plot has at least half the height of a 1280 x 800 window
        self.split.setStretchFactor(1, 1)
        self.split.setSizes([420, 160, 40])
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        for widget in (self.header, self.error, self.failure, self.notices, self.cloud, self.figures):
            box.addWidget(widget)
        box.addWidget(self.split, 1)
        self._on_drawer(False)

    def _connect(self) -> None:
        watch = self._watch
        watch.loaded.connect(self._on_loaded)
        watch.job_changed.connect(self._on_job)
        watch.trials_changed.connect(self._on_trials)
        watch.curves_changed.connect(self.views.show_curves)
        watch.issues_changed.connect(self.trials.set_issues)
        watch.failed.connect(self.error.show_error)
        self.views.hovered.connect(self._on_plot_hover)
        # The table of classes needs the width.
        self.views.evaluation_shown.connect(self._on_evaluation)
        self.figures.opened.connect(self._open_pictures)
        self.views.chosen.connect(self.select)
        self.table.hovered.connect(self.views.highlight)
        self.table.chosen.connect(self.select)
        self.log.toggled.connect(self._on_drawer)
        self.failure.log_asked.connect(lambda: self.log.set_open(True))
        escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), self, lambda: self.select(""))
        escape.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)

    # What is shown ---------------------------------------------------------------------------------------------

    def _on_loaded(self) -> None:
        job = self._watch.job
        if job is None:
            return
        self.error.clear()
        metric, _, parameters = objective_and_parameters(self._watch)
        tuning = isinstance(job, TuningJob)
        self._selected = ""
        self.trials.set_frame(metric, parameters)
        self.trials.update_trials(self._watch.trials, self._watch.best if tuning else None)
        self.best.set_searched(parameters, self._watch.spec.training.step_metrics if self._watch.spec else ())
        self.table.view.scrollToTop()
        self._show_table()
        self.views.show_job()
        self._on_job()
        self.loaded.emit()

    def _on_trials(self, trials: tuple[TrainingJob, ...]) -> None:
        self.trials.update_trials(trials, self._watch.best if isinstance(self._watch.job, TuningJob) else None)
        self.views.show_trials()

    def _on_job(self) -> None:
        job = self._watch.job
        if job is None:
            return
        self._show_header(job)
        self.figures.set_figure(0, *self._result(job))
        self.figures.set_leads(job.accuracy is not None)
        if isinstance(job, TuningJob):
            done = trials_done(job)
            self.figures.set_figure(1, f"{done:,} / {job.max_jobs:,}", tr("Trials"))
            # The best trial may have changed without any trial having changed.
            self.trials.update_trials((), self._watch.best or None)
        else:
            self.figures.set_figure(1, progress_text(job), tr("Progress"))
        self.cloud.show_job(job)
        self._show_times()
        self._show_trial()
        if job.status.is_final:
            self._tick.stop()
        elif self.isVisible():
            self._tick.start()

    def _show_header(self, job: Job) -> None:
        began = min((trial.started for trial in self._watch.trials if trial.started is not None), default=None)
        self.header.show_job(job, self._workbench.engine.capabilities.resumes, began)

    def _result(self, job: Job) -> tuple[str, str]:
        """Return the first figure and its caption: the share that is right leads, the objective comes second."""
        metric, maximize, _ = objective_and_parameters(self._watch)
        searched, value = isinstance(job, TuningJob), formatting.number(job.best_objective)
        if job.accuracy is not None:
            counted = job.accuracy.counted
            result = counted[:1].upper() + counted[1:]
            said = tr("{result}; {metric} {value}")
            return percent(job.accuracy.share), said.format(result=result, metric=metric, value=value)
        if searched:
            said = tr("Best {metric} (higher is better)") if maximize else tr("Best {metric} (lower is better)")
        else:
            said = tr("{metric} (higher is better)") if maximize else tr("{metric} (lower is better)")
        return value, said.format(metric=metric)

    def _show_times(self) -> None:
        job = self._watch.job
        if job is not None:
            self.figures.set_figure(2, formatting.duration(elapsed(job)))
            self._show_header(job)

    def _show_trial(self) -> None:
        """Show card, log and evaluation of the selected trial, or of the best one."""
        selected = self._watch.trial(self._selected)
        trial = selected or self._watch.trial(self._watch.best)
        tuning = isinstance(self._watch.job, TuningJob)
        blamed = selected if selected is not None and selected.status is JobStatus.FAILED else self._watch.job
        if blamed is not None:
            self.failure.show_job(blamed, self._workbench.engine.capabilities.resumes)
            self._find_log(blamed)
            self.notices.set_text(formatting.some_lines(blamed.notices, _NOTICES))
        # The reason of one trial takes the room of the search's figures: both do not fit into a small window.
        self.figures.setVisible(blamed is self._watch.job)
        number = next((at for at, item in enumerate(self._watch.trials, 1) if trial and item.name == trial.name), 0)
        if not tuning:
            title = tr("Hyperparameters")
        elif trial is None or trial.name == self._watch.best:
            title = tr("Best trial") if trial is None else tr("Best trial: {number}").format(number=number)
        else:
            title = tr("Trial {number}").format(number=number)
        self.best.show_trial(trial, title)
        evaluated = trial or (None if tuning else self._watch.job)
        ready = trial is not None and trial.artifact is not None
        ended = not ready and blamed is not None and blamed.status.is_final
        self.views.evaluation.show_job(evaluated.name if evaluated else "", ready, ended)
        logged = trial or next(iter(self._watch.trials), None)
        if logged is not None:
            whose = tr("Trial {number}: {name}") if tuning else "{name}"
            whose = whose.format(number=number or 1, name=logged.name)
            self.log.show_log(logged.name, whose, logged.status.is_final)
        else:
            self.log.show_log("", "", True)

    def _find_log(self, job: Job) -> None:
        """Link to the page of a failed job's log, where it has one."""
        name = job.name if job.status is JobStatus.FAILED and job.engine != LOCAL else ""
        if name == self._linked:
            return
        self._linked = name
        self.failure.web_log.set_url("")
        if name:
            engine = self._workbench.engine
            self._bridge.run(lambda _report, _cancel: (name, engine.log_url(name)), self._on_log_url)

    def _on_log_url(self, found: tuple[str, str]) -> None:
        if found[0] == self._linked:
            self.failure.web_log.set_url(found[1])

    # Selection -------------------------------------------------------------------------------------------------

    @property
    def selected(self) -> str:
        """Return the selected trial, "" for none."""
        return self._selected

    def select(self, name: str) -> None:
        """Select a trial in plot, table, card and log; "" goes back to the best one."""
        if name == self._selected:
            return
        self._selected = name
        self.views.select(name)
        self.table.select(name)
        self._show_trial()

    def _open_pictures(self) -> None:
        """Show the pictures behind the accuracy that the page begins with: those of the best trial, on that split."""
        job = self._watch.job
        if job is not None and job.accuracy is not None:
            self.select("")
            self.views.show_evaluation(job.accuracy.split)

    def _on_evaluation(self, shown: bool) -> None:
        """Leave the evaluation the width of the card, and in a low window the height of the trials too."""
        self.best.setVisible(not shown)
        self._show_table()

    def _show_table(self) -> None:
        """Show a search's trials, unless the evaluation is shown and the window is too low for both."""
        crowded = self.views.is_evaluation and self.height() < scaled(_LOW)
        self._table_card.setVisible(isinstance(self._watch.job, TuningJob) and not crowded)

    def _on_plot_hover(self, name: str) -> None:
        row = self.trials.row_of(name) if name else -1
        self.table.light(row)

    def _on_drawer(self, opened: bool) -> None:
        self.log.setMinimumHeight(160 if opened else 0)
        self.log.setMaximumHeight(16_777_215 if opened else self.log.sizeHint().height())
        vertical = QSizePolicy.Policy.Expanding if opened else QSizePolicy.Policy.Maximum
        self.log.setSizePolicy(QSizePolicy.Policy.Expanding, vertical)
        self.log.setFrameShape(QFrame.Shape.NoFrame)
        if opened:
            heights = self._closed_heights = self.split.sizes()
            self.split.setSizes([max(220, heights[0] - 120), max(120, heights[1] - 60), max(200, heights[2])])
        elif self._closed_heights:
            # A splitter gives room back only when it is asked to.
            self.split.setSizes(self._closed_heights)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Make the card of the best trial narrower in a narrow window, in favour of the plot."""
        super().resizeEvent(event)
        self.best.setFixedWidth(248 if event.size().width() >= 760 else 220)
        self._show_table()

    # While visible ---------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        """Let the clock tick while it is seen."""
        super().showEvent(event)
        if self._watch.job is not None and not self._watch.job.status.is_final:
            self._tick.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop the clock."""
        super().hideEvent(event)
        self._tick.stop()
