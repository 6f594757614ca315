"""The large area of a job's page: curves, the search as a whole, the evaluation; one selection for all."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QTabBar, QVBoxLayout, QWidget

from core.jobs.ranges import CategoricalRange
from core.jobs.records import TuningJob
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.jobs.evaluation_card import EvaluationView
from gui.jobs.job_watch import JobWatch
from gui.jobs.search_plots import HistoryPlot, ParallelPlot, SlicePlot
from gui.jobs.trial_plot import TrialPlot
from training_scripts.arguments import DIRECT
from training_scripts.metrics import BATCH_LOSS

_TITLES = (tr("Curves"), tr("History"), tr("Parallel"), tr("Slices"), tr("Evaluation"))


class JobViews(QWidget):
    """Importing this module imports pyqtgraph: build it when a job is first shown.

    Signals:
        hovered(str): the trial under the pointer, "" for none.
        chosen(str): a trial was clicked, "" for the empty plane.
        pictures_asked(list[str], str): pictures of the evaluation of this training job, to be looked at.
        evaluation_shown(bool): another view was opened, and whether it is the evaluation.
        compare_asked(str): put another model beside this training job's.
    """

    hovered = Signal(str)
    chosen = Signal(str)
    pictures_asked = Signal(list, str)
    evaluation_shown = Signal(bool)
    compare_asked = Signal(str)

    def __init__(self, workbench: Workbench, bridge: Bridge, watch: JobWatch) -> None:
        super().__init__()
        self._watch = watch
        self.curves = TrialPlot()
        self.history, self.parallel, self.slices = HistoryPlot(), ParallelPlot(), SlicePlot()
        self.evaluation = EvaluationView(workbench, bridge)
        self.evaluation.pictures_asked.connect(self.pictures_asked)
        self.evaluation.compare_asked.connect(self.compare_asked)
        self._searches = (self.history, self.parallel, self.slices)
        self.tabs = QTabBar()
        self.tabs.setAccessibleName(tr("Views of the job"))
        self.tabs.setExpanding(False)
        self._pages = QStackedWidget()
        for title, page in zip(_TITLES, (self.curves, *self._searches, self.evaluation), strict=True):
            self.tabs.addTab(title)
            self._pages.addWidget(page)
        self.tabs.currentChanged.connect(self._pages.setCurrentIndex)
        self.tabs.currentChanged.connect(self._on_tab)
        self._chosen = False  # a view was chosen by the user, who finds it again at the next job
        for plot in (self.curves, *self._searches):
            plot.hovered.connect(self._on_hovered)
            plot.chosen.connect(self.chosen)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(6)
        box.addWidget(self.tabs)
        box.addWidget(self._pages, 1)

    def show_job(self) -> None:
        """Start over for the job that the watch follows now."""
        job, spec = self._watch.job, self._watch.spec
        if job is None or spec is None:
            return
        tuning = isinstance(job, TuningJob)
        metric, maximize, parameters = objective_and_parameters(self._watch)
        logs = {item.name: item.is_log for item in spec.ranges if not isinstance(item, CategoricalRange)}
        # A head that is fitted at once has one epoch: its steps make a curve, and a search of such heads a history.
        at_once = spec.training.hyperparameters.get("optimizer") == DIRECT
        self.curves.set_job(BATCH_LOSS if at_once else metric)
        for plot in self._searches:
            plot.set_job(metric, maximize, parameters, logs)
        for at in (1, 2, 3):
            self.tabs.setTabVisible(at, tuning)
        if (not tuning and self.tabs.currentIndex() in (1, 2, 3)) or not self._chosen:
            chosen = self._chosen
            self.tabs.setCurrentIndex(1 if tuning and at_once else 0)
            self._chosen = chosen
        self.show_curves()
        self.show_trials()

    def show_curves(self) -> None:
        """Show new metric values."""
        names = [trial.name for trial in self._watch.trials]
        self.curves.set_curves(self._watch.curves, names, self._watch.best, self._has_ended)

    def show_trials(self) -> None:
        """Show that trials changed."""
        trials, best = self._watch.trials, self._watch.best
        for plot in self._searches:
            plot.set_trials(trials, best, self._has_ended)
        self.show_curves()

    @property
    def _has_ended(self) -> bool:
        return self._watch.job is not None and self._watch.job.status.is_final

    def highlight(self, name: str) -> None:
        """Light a trial up in every view."""
        for plot in (self.curves, *self._searches):
            plot.highlight(name)

    def select(self, name: str) -> None:
        """Select a trial in every view."""
        for plot in (self.curves, *self._searches):
            plot.select(name)

    def show_evaluation(self, split: str) -> None:
        """Open the evaluation on a split."""
        self.evaluation.choose_split(split)
        self.tabs.setCurrentIndex(self._pages.indexOf(self.evaluation))

    @property
    def is_evaluation(self) -> bool:
        """Whether the evaluation is the view that is shown."""
        return self._pages.currentWidget() is self.evaluation

    def _on_tab(self) -> None:
        self._chosen = True
        self.evaluation_shown.emit(self.is_evaluation)

    def _on_hovered(self, name: str) -> None:
        self.highlight(name)
        self.hovered.emit(name)


def objective_and_parameters(watch: JobWatch) -> tuple[str, bool, tuple[str, ...]]:
    """Return the objective metric, whether it is maximized, and the searched hyperparameters of the job on view."""
    spec = watch.spec
    if spec is None:
        return tr("Objective"), False, ()
    objective = spec.training.objective
    return objective.metric, objective.maximize, tuple(item.name for item in spec.ranges)
