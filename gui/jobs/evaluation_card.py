"""How a trial's model does on valid and test: accuracy, per class, and the confusion matrix as a heat table."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from core.errors import UserFacingError
from core.models.threshold import Threshold
from core.predict.evaluate import Evaluation
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.jobs.confusion_model import ConfusionModel
from gui.jobs.confusion_table import ConfusionTable
from gui.jobs.coverage_view import CoverageView
from gui.jobs.evaluated_pictures import EvaluatedPictures
from gui.jobs.label_mending import LabelMending
from gui.jobs.reliability_plot import ReliabilityPlot
from gui.shared.basics import button, label
from gui.shared.feedback import ProgressRow

_SPLITS = ("valid", "test")
_SHARES, _LEAST_PICTURES = (490, 360), 280
NO_MODEL_YET = tr("There is no model to evaluate yet. It comes at the end of the training.")
NO_MODEL = tr("This training ended without a model, so there is nothing to evaluate.")
HEAT_HINT = tr("Rows are the true classes, columns the answers; point at a cell for names, click for pictures.")


class EvaluationView(QWidget):
    """Evaluation of one training job; asks for it only while it can be seen.

    Signals:
        pictures_asked(list[str], str): a picture of a cell was activated: all that are listed, from it on (below the
            dataset's folder where the evaluation does not know that), and the training job whose evaluation it is.
        compare_asked(str): put another model beside this training job's.
    """

    pictures_asked = Signal(list, str)
    compare_asked = Signal(str)

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__()
        self._workbench, self._bridge = workbench, bridge
        self._job, self._ready, self._ended = "", False, False
        self._asking: Handle | None = None
        self._shown: tuple[str, str] = ("", "")
        self._evaluation: Evaluation | None = None
        self._model = ConfusionModel(self)
        self._make_top()
        self._make_body()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(6)
        box.addLayout(self._top)
        box.addWidget(self.progress)
        box.addWidget(self.message)
        box.addWidget(self.summary)
        box.addWidget(self.figures)
        box.addWidget(self._split, 1)
        box.addStretch(0)
        self._show_message(tr("No model to evaluate yet."))

    def _make_top(self) -> None:
        self._top = QHBoxLayout()
        self._top.setSpacing(8)
        self._buttons = QButtonGroup(self)
        for split in _SPLITS:
            choice = button(split.capitalize(), kind="ghost", tip=tr("The {split} pictures").format(split=split))
            choice.setCheckable(True)
            choice.setChecked(split == "test")
            self._buttons.addButton(choice, _SPLITS.index(split))
            self._top.addWidget(choice)
        self._buttons.idClicked.connect(lambda _: self._ask())
        self.summary = label("", "strong", wrap=True)
        self._top.addStretch(1)
        self.compare = button(tr("Compare…"), kind="ghost", tip=tr("Put another model beside this one"))
        self.compare.clicked.connect(lambda: self.compare_asked.emit(self._job))
        self._top.addWidget(self.compare)
        self.sureness = button(
            tr("Sureness"), kind="ghost", tip=tr("How often the answers are right by how sure they are")
        )
        self.unknown = button(
            tr("Unknown"), kind="ghost", tip=tr("From when on a picture is one that the model does not know")
        )
        for view in (self.sureness, self.unknown):
            view.setCheckable(True)
            view.toggled.connect(self._on_view)
            self._top.addWidget(view)
        for tool in (*self._buttons.buttons(), self.compare, self.sureness, self.unknown):
            tool.setProperty("dense", True)
        self.progress = ProgressRow()
        self.progress.cancelled.connect(self._on_cancel)
        self.message = label("", "muted", wrap=True)
        self.figures = label("", "caption", wrap=True)

    def _make_body(self) -> None:
        self.table = ConfusionTable(self._model)
        self.table.selectionModel().currentChanged.connect(self._on_cell)
        self.table.verticalHeader().sectionClicked.connect(self._on_class)
        mending = LabelMending(self._workbench, self._bridge)
        paths, find_nearest = self._workbench.paths, self._workbench.models.nearest_to
        self.pictures = EvaluatedPictures(self._bridge, paths.thumbnails, find_nearest, mending)
        self.pictures.activated.connect(self._on_pictures)
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.setChildrenCollapsible(False)
        self.reliability = ReliabilityPlot()
        self.reliability.chosen.connect(self._on_bin)
        self._views = QStackedWidget()
        matrix = QWidget()
        self.heat_hint = label(HEAT_HINT, "caption", wrap=True)
        box = QVBoxLayout(matrix)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addWidget(self.table, 1)
        box.addWidget(self.heat_hint)
        self._views.addWidget(matrix)
        self._views.addWidget(self.reliability)
        self.coverage = CoverageView()
        self.coverage.keep_asked.connect(self._move_threshold)
        self.coverage.undo_asked.connect(lambda: self._move_threshold(None))
        self.coverage.pictures_asked.connect(self.pictures.show_stranger)
        self._views.addWidget(self.coverage)
        self._split.addWidget(self._views)
        self._split.addWidget(self.pictures)
        self._split.setStretchFactor(0, 1)
        self._split.setSizes(list(_SHARES))
        self._moved = False
        self._split.splitterMoved.connect(self._on_moved)

    # What is shown ---------------------------------------------------------------------------------------------

    def show_job(self, job: str, ready: bool, ended: bool = False) -> None:
        """Show the evaluation of a training job; `ready` once it has a model, `ended` when none will come any more."""
        if (job, ready, ended) == (self._job, self._ready, self._ended):
            return
        self._job, self._ready, self._ended = job, ready, ended
        self._shown = ("", "")
        if self.isVisible():
            self._ask()

    def choose_split(self, split: str) -> None:
        """Show how it does on a split."""
        self._buttons.button(_SPLITS.index(split)).setChecked(True)
        if self.isVisible():
            self._ask()

    def showEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        """Ask now that somebody looks."""
        super().showEvent(event)
        self._ask()

    def _wanted(self) -> tuple[str, str]:
        return self._job, _SPLITS[max(0, self._buttons.checkedId())]

    def _ask(self) -> None:
        if self._shown == self._wanted():
            return
        self._cancel()
        if not self._job or not self._ready:
            self._show_message(NO_MODEL if self._ended else NO_MODEL_YET)
            return
        self._shown = job, split = self._wanted()
        workbench = self._workbench

        def work(on_progress: OnProgress, cancel: CancelToken) -> Evaluation:
            return workbench.evaluations.of_job(job, split, on_progress, cancel)

        self.message.hide()
        self.progress.start(tr("Evaluating on {split}").format(split=split))
        self._asking = self._bridge.run(work, self._on_done, self._on_error, self.progress.update_progress)

    def _cancel(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        self.progress.finish()

    def _on_cancel(self) -> None:
        self._cancel()
        self._show_message(tr("The evaluation was cancelled. Choose a split to start it again."))
        self._shown = ("", "")

    def _on_error(self, error: UserFacingError) -> None:
        self._asking = None
        self.progress.finish()
        self._show_message(str(error))

    def _show_message(self, text: str) -> None:
        self.summary.setText("")
        self.summary.hide()
        self.figures.hide()
        self.message.setText(text)
        self.message.show()
        self._split.hide()

    def _on_done(self, evaluation: Evaluation) -> None:
        self._asking = None
        self.progress.finish()
        self.message.hide()
        self._split.show()
        self._evaluation = evaluation
        note = [tr("These numbers are {note}.").format(note=evaluation.note)] if evaluation.note else []
        self.summary.setText("\n".join([evaluation.sentence, *note]))
        self.summary.show()
        self._show_figures(evaluation)
        self._model.set_evaluation(evaluation)
        self.table.fit(evaluation.classes)
        if not self._moved:
            self._share_width(self.table.whole_width)
        self.heat_hint.setVisible(self.table.is_heat_map)
        self.reliability.show_bins(evaluation.reliability)
        self.pictures.show_evaluation(evaluation)

    def _show_figures(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self.figures.setText(evaluation.figures)
        self.figures.show()
        self.coverage.show_evaluation(evaluation)

    def _on_view(self, shown: bool) -> None:
        """Show one of the views in place of the table, or none."""
        if shown:
            other = self.unknown if self.sender() is self.sureness else self.sureness
            other.setChecked(False)
        self._views.setCurrentIndex(1 if self.sureness.isChecked() else 2 if self.unknown.isChecked() else 0)

    def _move_threshold(self, value: float | None) -> None:
        """Keep another threshold in the model, or (None) take the last change back."""
        found, workbench = self._evaluation, self._workbench
        if found is None:
            return

        def work(on_progress: OnProgress, cancel: CancelToken) -> Threshold:
            return workbench.evaluations.move_threshold(found.job, value)

        def done(threshold: Threshold) -> None:
            if self._evaluation is found:
                now = replace(found, threshold=threshold)
                self._show_figures(now)
                self.pictures.update_evaluation(now)

        self._bridge.run(work, done, self._on_error)

    def _share_width(self, needed: int) -> None:
        """Give the table the width that shows it whole, as far as the pictures beside it keep room enough."""
        total = sum(self._split.sizes())
        usual = total * _SHARES[0] // sum(_SHARES)
        table = max(usual, min(needed, total - _LEAST_PICTURES))
        self._split.setSizes([table, total - table])

    def _on_moved(self) -> None:
        """Leave the widths to the user from now on."""
        self._moved = True

    def _on_pictures(self, paths: list[str]) -> None:
        if self._evaluation is not None:  # what is listed, also while another job's is asked for
            self.pictures_asked.emit(paths, self._evaluation.job)

    def _on_bin(self, place: int) -> None:
        if self._evaluation is not None:
            found = self._evaluation.reliability[place]
            self.pictures.show_sureness(found.low, found.high)

    def _on_class(self, row: int) -> None:
        if self._evaluation is not None:
            self.pictures.show_class(self._evaluation.classes[row])

    def _on_cell(self, current: QModelIndex) -> None:
        if self._evaluation is None or not current.isValid():
            return
        classes = self._evaluation.classes
        if current.column() == len(classes):  # its recall
            self.pictures.show_class(classes[current.row()])
        else:
            self.pictures.show_cell(classes[current.row()], classes[current.column()])
