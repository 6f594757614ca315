"""Two models side by side: whether one is better by more than luck, on which pictures, by which settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QSplitter,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from core.errors import UserFacingError
from core.jobs.records import MetricEvent
from core.models.choices import ModelChoice
from core.predict.compare import Comparison, Disagreement
from core.progress import CancelToken, OnProgress
from core.translation import plural, tr
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.jobs.metric_series import Curves
from gui.jobs.picture_list import ListedPicture, PictureList
from gui.jobs.trial_plot import TrialPlot
from gui.shared.basics import button, label
from gui.shared.feedback import ProgressRow

_SPLITS = ("valid", "test")


@dataclass(frozen=True, slots=True)
class _Found:
    """What there is to show; `metrics` are both models' values, `root` is the folder of the pictures' paths."""

    comparison: Comparison
    metrics: tuple[MetricEvent, ...]
    root: Path


class CompareDialog(QDialog):
    """Chooses two models and compares them.

    Signals:
        pictures_asked(list[str], str): a picture was activated: all that are listed, from it on, as full paths, and the
            model that gets them wrong.
    """

    pictures_asked = Signal(list, str)

    def __init__(self, parent: QWidget | None, workbench: Workbench, bridge: Bridge, first: str = "") -> None:
        super().__init__(parent)
        self._workbench, self._bridge = workbench, bridge
        self._asking: Handle | None = None
        self.setWindowTitle(tr("Compare two models"))
        self.resize(1000, 680)
        self.first, self.second = QComboBox(), QComboBox()
        for box, name in ((self.first, tr("First model")), (self.second, tr("Second model"))):
            box.setAccessibleName(name)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.currentIndexChanged.connect(self._ask)
        self.sentence = label("", "strong", wrap=True)
        self.progress = ProgressRow()
        self.progress.cancelled.connect(self._cancel)
        self._make_parts()
        self._lay_out()

        def offer(choices: Sequence[ModelChoice]) -> None:
            self._offer(choices, first)

        self._bridge.run(lambda on_progress, cancel: workbench.models.choices(), offer, self._on_error)

    def _make_parts(self) -> None:
        self._splits = QButtonGroup(self)
        for at, split in enumerate(_SPLITS):
            choice = button(split.capitalize(), kind="ghost", tip=tr("The {split} pictures").format(split=split))
            choice.setCheckable(True)
            choice.setChecked(split == "test")
            self._splits.addButton(choice, at)
        self._splits.idClicked.connect(lambda _: self._ask())
        self.plot = TrialPlot()
        self.settings = QTableWidget(0, 3)
        self.settings.setAccessibleName(tr("Settings that differ"))
        self.settings.verticalHeader().hide()
        self.settings.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.settings.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.settings.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.pictures = PictureList(
            self._bridge, self._workbench.paths.thumbnails, tr("Pictures that only one gets right")
        )
        self.pictures.opened.connect(self._on_pictures)
        self.which = QComboBox()
        self.which.setAccessibleName(tr("Which pictures are shown"))
        self.which.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.which.setMinimumContentsLength(20)
        self.which.currentIndexChanged.connect(self._list)
        self.agreed = label("", "caption", wrap=True)
        self._found: _Found | None = None

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        for number, model in enumerate((self.first, self.second), 1):
            top.addWidget(label(str(number), "strong"))  # as in the legend of the curves
            top.addWidget(model, 1)
        for choice in self._splits.buttons():
            top.addWidget(choice)
        left = QSplitter(Qt.Orientation.Vertical)
        left.addWidget(self.plot)
        left.addWidget(self.settings)
        left.setSizes([380, 180])
        self._right = QWidget()
        column = QVBoxLayout(self._right)
        column.setContentsMargins(8, 0, 0, 0)
        column.addWidget(self.which)
        column.addWidget(self.pictures, 1)
        column.addWidget(self.agreed)
        self._body = QSplitter(Qt.Orientation.Horizontal)
        self._body.setChildrenCollapsible(False)
        self._body.addWidget(left)
        self._body.addWidget(self._right)
        self._body.setSizes([600, 380])
        box = QVBoxLayout(self)
        box.addLayout(top)
        box.addWidget(self.progress)
        box.addWidget(self.sentence)
        box.addWidget(self._body, 1)
        box.addStretch(0)
        self._body.hide()

    def _offer(self, choices: Sequence[ModelChoice], first: str) -> None:
        for box in (self.first, self.second):
            box.blockSignals(True)
            for choice in choices:
                box.addItem(f"★ {choice.title}" if choice.best else choice.title, choice.job)
                box.setItemData(box.count() - 1, choice.job, Qt.ItemDataRole.ToolTipRole)
        names = [choice.job for choice in choices]
        at = names.index(first) if first in names else 0
        self.first.setCurrentIndex(at)
        self.second.setCurrentIndex(_other(choices, at))
        for box in (self.first, self.second):
            box.blockSignals(False)
        if len(names) < 2:
            self._say(tr("There is one model only. Train another, then compare."))
            return
        self._ask()

    def _ask(self) -> None:
        self._cancel()
        first, second = self.first.currentData(), self.second.currentData()
        if not first or not second or first == second:
            self._say(tr("Choose two models."))
            return
        split, workbench = _SPLITS[max(0, self._splits.checkedId())], self._workbench

        def work(on_progress: OnProgress, cancel: CancelToken) -> _Found:
            found = workbench.evaluations.compare(first, second, split, on_progress, cancel)
            root = workbench.evaluations.of_job(first, split, on_progress, cancel).root or Path()
            values = (*workbench.store.metrics(first), *workbench.store.metrics(second))
            return _Found(found, values, root)

        self.progress.start(tr("Comparing"))
        self._asking = self._bridge.run(work, self._show, self._on_error, self.progress.update_progress)

    def _cancel(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
        self.progress.finish()

    def _on_error(self, error: UserFacingError) -> None:
        self._cancel()
        self._say(str(error))

    def _say(self, words: str) -> None:
        self.sentence.setText(words)
        self._body.hide()

    def _show(self, found: _Found) -> None:
        self._cancel()
        self._found, comparison = found, found.comparison
        self.sentence.setText(comparison.sentence)
        curves = Curves()
        curves.add(found.metrics)
        self.plot.set_job("valid:loss")
        self.plot.set_curves(curves, (comparison.first, comparison.second), "", ended=True)
        self.settings.setRowCount(len(comparison.settings))
        self.settings.setHorizontalHeaderLabels([tr("Setting"), "1", "2"])
        for row, (name, values) in enumerate(comparison.settings.items()):
            for column, text in enumerate((name, *values)):
                item = QTableWidgetItem(text or "–")
                item.setToolTip(text)
                self.settings.setItem(row, column, item)
        self.which.blockSignals(True)
        self.which.clear()
        self.which.addItem(tr("{count} that only the first gets right").format(count=comparison.only_first), True)
        self.which.addItem(tr("{count} that only the second gets right").format(count=comparison.only_second), False)
        self.which.setCurrentIndex(int(comparison.only_second > comparison.only_first))
        self.which.blockSignals(False)
        self._right.setVisible(bool(comparison.count))  # without common pictures there is nothing to list
        self._body.show()
        self._list()

    def _on_pictures(self, paths: list[str]) -> None:
        if self._found is not None:  # what is listed, also while another comparison is asked for
            both = self._found.comparison
            self.pictures_asked.emit(paths, both.second if self.which.currentData() else both.first)

    def _list(self) -> None:
        if self._found is None or self.which.currentIndex() < 0:
            return
        wanted = bool(self.which.currentData())
        listed = [one for one in self._found.comparison.disagreements if one.first_right is wanted]
        self.pictures.show_pictures(self._found.root, [_listed(one) for one in listed])
        both = self._found.comparison
        agreed = plural(
            "Both are right about {count:,} picture and wrong about {wrong:,}.",
            "Both are right about {count:,} pictures and wrong about {wrong:,}.",
            both.both_right,
            wrong=both.both_wrong,
        )
        self.agreed.setText(agreed)


def _other(choices: Sequence[ModelChoice], at: int) -> int:
    """Return which model to put beside one at first: the newest that learned from the same pictures."""
    others = [place for place in range(len(choices)) if place != at]
    same = [place for place in others if choices[place].dataset_version == choices[at].dataset_version]
    return next(iter(same or others), at)


def _listed(one: Disagreement) -> ListedPicture:
    return ListedPicture(one.path, f"{one.label}\n{one.first} | {one.second}")
