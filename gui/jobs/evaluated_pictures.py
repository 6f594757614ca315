"""The pictures behind an evaluation's numbers: all mistakes, a class, a confused pair, or a cell of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QMenu,
    QVBoxLayout,
    QWidget,
)

from core.errors import UserFacingError
from core.jobs.accuracy import percent
from core.predict.evaluate import EvaluatedPicture, Evaluation
from core.predict.training_neighbours import TrainingPicture
from core.progress import CancelToken
from core.translation import plural, tr
from gui.bridge import Bridge
from gui.jobs.label_mending import LabelMending, Mended
from gui.jobs.picture_list import ListedPicture, PictureList
from gui.shared.basics import button, icon_button, label
from gui.shared.nearest_strip import NearestStrip
from gui.shared.theme import scaled

MOST = 300
"""Pictures that are listed; of more the surest mistakes come first."""
_LISTED_PAIRS = 50
_LONG = 24
"""Letters of two names that do not fit on one line."""
FindNearest = Callable[[str, Path, CancelToken], Sequence[TrainingPicture]]
"""From a job and a picture's file to the nearest training pictures; run in the bridge's threads."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """One entry of the box: its words, and the true and the predicted class ("" for any) of the pictures it shows.

    With `between` it shows the answers that were so sure, right or wrong: above the one, up to the other. With
    `stranger` it shows all pictures that are stranger than that, the strangest first.
    """

    words: str
    label: str = ""
    predicted: str = ""
    between: tuple[float, float] | None = None
    stranger: float | None = None

    def has(self, picture: EvaluatedPicture) -> bool:
        """Whether the entry shows this picture."""
        if self.stranger is not None:
            return picture.strangeness is not None and picture.strangeness > self.stranger
        if self.between is not None:
            low, high = self.between
            return low < picture.probability <= high
        if self.predicted:
            return picture.label == self.label and picture.predicted == self.predicted
        return not picture.right and self.label in ("", picture.label)

    def order(self, picture: EvaluatedPicture) -> float:
        """Return what the entry sorts its pictures by."""
        return -(picture.strangeness or 0.0) if self.stranger is not None else -picture.probability


class EvaluatedPictures(QWidget):
    """Thumbnails with what each picture is, what the model said, and how sure it was; the surest mistakes first.

    Signals:
        activated(list[str]): a picture was activated: all that are listed, from it on, as full paths.
    """

    activated = Signal(list)

    def __init__(self, bridge: Bridge, cache_dir: Path, find_nearest: FindNearest, mending: LabelMending) -> None:
        super().__init__()
        self._bridge, self._find_nearest, self._mending = bridge, find_nearest, mending
        self._mended: dict[str, str] = {}
        self._evaluation: Evaluation | None = None
        self._listed: tuple[EvaluatedPicture, ...] = ()
        self.choice = QComboBox()
        self.choice.setAccessibleName(tr("Which pictures are shown"))
        self.choice.currentIndexChanged.connect(self._on_choice)
        self.caption = label("", "caption", wrap=True)
        mending.mended.connect(self._on_mended)
        mending.undone.connect(self._on_undone)
        mending.failed.connect(self._on_not_mended)
        self.list = PictureList(bridge, cache_dir, tr("Pictures of the evaluation"))
        self.list.opened.connect(self.activated)
        self.list.currentRowChanged.connect(self._on_current)
        self.nearest = NearestStrip(bridge, cache_dir, upright=True)
        self.nearest.activated.connect(self.activated)
        column = QVBoxLayout()
        column.addWidget(self.choice)
        column.addWidget(self.caption)
        column.addWidget(self.list, 1)
        column.addLayout(self._make_tools())
        self.setMinimumWidth(scaled(340))
        box = QHBoxLayout(self)
        box.setContentsMargins(8, 0, 0, 0)
        box.addLayout(column, 1)
        box.addWidget(self.nearest)

    def _make_tools(self) -> QHBoxLayout:
        self.relabel = button(
            tr("Relabel"), kind="ghost", tip=tr("Say what the picture shows; the next training follows")
        )
        self._classes = QMenu(self.relabel)
        self.relabel.setMenu(self._classes)
        self.leave_out = button(
            tr("Leave out"), kind="ghost", tip=tr("Leave the picture out of training and measuring")
        )
        self.leave_out.setProperty("dense", True)
        self.leave_out.clicked.connect(self._on_leave_out)
        self.undo = icon_button("undo", tr("Take the last change of a label back"), shortcut="Ctrl+Z")
        self.undo.clicked.connect(lambda: self._mending.undo())
        keys = QShortcut(QKeySequence.StandardKey.Undo, self, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
        keys.activated.connect(self._mending.undo)
        delete = QShortcut(QKeySequence.StandardKey.Delete, self.list, context=Qt.ShortcutContext.WidgetShortcut)
        delete.activated.connect(self._on_leave_out)
        self._enable_tools()
        tools = QHBoxLayout()
        tools.setSpacing(4)
        for widget in (self.relabel, self.leave_out, self.undo):
            tools.addWidget(widget)
        tools.addStretch(1)
        return tools

    def show_evaluation(self, evaluation: Evaluation) -> None:
        """List the mistakes of another evaluation."""
        self._evaluation = evaluation
        self._mended.clear()
        self._classes.clear()
        for name in evaluation.classes:
            action = self._classes.addAction(name.replace("&", "&&"))
            action.triggered.connect(partial(self._on_relabel, name))
        self.choice.blockSignals(True)
        self.choice.clear()
        for choice in choices(evaluation):
            self.choice.addItem(choice.words, choice)
        self.choice.blockSignals(False)
        self._on_choice()

    def update_evaluation(self, evaluation: Evaluation) -> None:
        """Take the same evaluation after its threshold was moved; what is listed stays."""
        self._evaluation = evaluation
        for row, picture in enumerate(self._listed):
            self.list.say(row, self._words(picture))

    def show_cell(self, label_: str, predicted: str) -> None:
        """List the pictures of one class that got a certain answer."""
        words = tr("{label}, recognised") if label_ == predicted else tr("{label} taken for {predicted}")
        self._choose(_Choice(words.format(label=label_, predicted=predicted), label_, predicted))

    def show_class(self, label_: str) -> None:
        """List the pictures of a class that got another answer; of one that got none, those that it is right about."""
        if self._evaluation is None:
            return
        missed = _Choice("", label_)
        if any(map(missed.has, self._evaluation.pictures)):
            self._choose(missed)
        else:
            self.show_cell(label_, label_)

    def show_sureness(self, low: float, high: float) -> None:
        """List the pictures whose answer was so sure (0…1): above `low`, up to `high`."""
        words = tr("{low:.0f} to {high:.0f} % sure").format(low=100 * low, high=100 * high)
        self._choose(_Choice(words, between=(low, high)))

    def show_stranger(self, strangeness: float) -> None:
        """List the pictures that are stranger than this, the strangest first."""
        words = tr("Stranger than {value:.2f}").format(value=strangeness)
        self._choose(_Choice(words, stranger=strangeness))

    def _choose(self, choice: _Choice) -> None:
        for number in range(self.choice.count()):
            found = self.choice.itemData(number)
            if replace(found, words="") == replace(choice, words=""):
                self.choice.setCurrentIndex(number)
                return
        self.choice.addItem(choice.words, choice)
        self.choice.setCurrentIndex(self.choice.count() - 1)

    def _on_choice(self) -> None:
        choice = self.choice.currentData()
        if self._evaluation is None or choice is None:
            return
        found = sorted(filter(choice.has, self._evaluation.pictures), key=choice.order)
        self._listed = tuple(found[:MOST])
        self.nearest.clear()
        self.list.show_pictures(self._root, [self._words(picture) for picture in self._listed])
        self._enable_tools()
        self.caption.setText(self._caption(choice, len(found)))

    def _caption(self, choice: _Choice, count: int) -> str:
        """Return how many pictures are of a choice, and which of them are shown."""
        assert self._evaluation is not None
        if not self._evaluation.pictures:
            return tr("The job kept no list of its pictures.")
        if not count:
            return tr("No picture.") if self._evaluation.wrong else tr("No picture is wrong.")
        if count <= MOST:
            return plural("{count:,} picture", "{count:,} pictures", count)
        if choice.stranger is None:
            sentence = tr("{count:,} pictures, the surest {most:,} are shown")
        else:
            sentence = tr("{count:,} pictures, the strangest {most:,} are shown")
        return sentence.format(count=count, most=MOST)

    def _words(self, picture: EvaluatedPicture) -> ListedPicture:
        """Return what a picture is, what the model said, and what was changed since."""
        parts = [percent(picture.probability)]
        if self._evaluation is not None and self._evaluation.is_unknown(picture):
            parts.append(tr("unknown"))
        if picture.path in self._mended:
            parts.append(self._mended[picture.path])
        sure = ", ".join(parts)
        said = tr("recognised with {sure}") if picture.right else tr("taken for {predicted} with {sure}")
        said = said.format(predicted=picture.predicted, sure=sure)
        end = "\n" if len(picture.label) + len(picture.predicted) > _LONG else " "  # each on a line elides by itself
        words = f"{picture.label}{end}→ {picture.predicted}\n{sure}"
        return ListedPicture(picture.path, words, f"{picture.path}: {picture.label}, {said}")

    def _on_relabel(self, name: str, _checked: bool = False) -> None:
        if (picture := self._current) is not None:
            self._mending.label(self._root, picture.path, name)

    def _on_leave_out(self) -> None:
        if (picture := self._current) is not None:
            self._mending.leave_out(self._root, picture.path)

    def _on_mended(self, mended: Mended) -> None:
        self._mended[mended.path] = mended.words
        self._say_again(mended.path, tr("{summary}. The next training follows it.").format(summary=mended.summary))

    def _on_undone(self, path: str, summary: str) -> None:
        self._mended.pop(path, None)
        self._say_again(path, f"{summary}.")

    def _on_not_mended(self, error: UserFacingError) -> None:
        self.caption.setText(str(error))

    def _say_again(self, path: str, words: str) -> None:
        for row, picture in enumerate(self._listed):
            if picture.path == path:
                self.list.say(row, self._words(picture))
        self.caption.setText(words)
        self._enable_tools()

    @property
    def _root(self) -> Path:
        return (self._evaluation.root if self._evaluation is not None else None) or Path()

    @property
    def _current(self) -> EvaluatedPicture | None:
        row = self.list.currentRow()
        return self._listed[row] if 0 <= row < len(self._listed) else None

    def _enable_tools(self) -> None:
        for widget in (self.relabel, self.leave_out):
            widget.setEnabled(self.list.currentRow() >= 0)
        self.undo.setEnabled(self._mending.can_undo)

    def _on_current(self, row: int) -> None:
        """Look for what made the model answer so."""
        self._enable_tools()
        if self._evaluation is None or not 0 <= row < len(self._listed):
            return
        job, file, find = self._evaluation.job, self._root / self._listed[row].path, self._find_nearest
        self.nearest.ask(lambda cancel: find(job, file, cancel))


def choices(evaluation: Evaluation) -> list[_Choice]:
    """Return what there is to look at: all mistakes, the classes that are missed most, the pairs confused most."""
    found = [_Choice(tr("All mistakes ({count})").format(count=len(evaluation.wrong)))]
    missed = [
        (score.support - evaluation.confusion[place][place], score)
        for place, score in enumerate(evaluation.per_class)
        if score.recall is not None and score.recall < 1
    ]
    for count, score in sorted(missed, key=lambda pair: pair[1].recall or 0.0):
        words = tr("{label}: {count} of {total} missed")
        found.append(_Choice(words.format(label=score.label, count=count, total=score.support), score.label))
    for label_, predicted, count in evaluation.confusions[:_LISTED_PAIRS]:
        words = tr("{label} taken for {predicted} ({count})").format(label=label_, predicted=predicted, count=count)
        found.append(_Choice(words, label_, predicted))
    return found
