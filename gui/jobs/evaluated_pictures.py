"""The pictures behind an evaluation's numbers: all mistakes, a class, a confused pair, or a cell of the table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QComboBox, QListView, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from core.predict.evaluate import EvaluatedPicture, Evaluation
from core.predict.neighbours import TrainingPicture
from core.predict.records import percent
from core.progress import CancelToken, OnProgress
from gui.bridge import Bridge
from gui.shared import formatting
from gui.shared.basics import label
from gui.shared.nearest_strip import NearestStrip
from gui.shared.thumbnails import Thumbnails

EDGE = 72
MOST = 300
"""Pictures that are listed; of more the surest mistakes come first."""
_LISTED_PAIRS = 50
FindNearest = Callable[[str, Path, CancelToken], Sequence[TrainingPicture]]
"""From a job and a picture's file to the nearest training pictures; run in the bridge's threads."""
_PICTURE = Qt.ItemDataRole.UserRole + 1


@dataclass(frozen=True, slots=True)
class _File:
    """A picture's file, and a key that changes with its content."""

    path: str
    sha256: str


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

    def __init__(self, bridge: Bridge, cache_dir: Path, find_nearest: FindNearest) -> None:
        super().__init__()
        self._bridge, self._find_nearest = bridge, find_nearest
        self._evaluation: Evaluation | None = None
        self._listed: tuple[EvaluatedPicture, ...] = ()
        self._files: dict[str, _File] = {}
        self._thumbnails = Thumbnails(bridge, cache_dir)
        self._thumbnails.ready.connect(self._set_icons)
        self.choice = QComboBox()
        self.choice.setAccessibleName("Which pictures are shown")
        self.choice.currentIndexChanged.connect(self._on_choice)
        self.caption = label("", "caption", wrap=True)
        self.list = QListWidget()
        self.list.setAccessibleName("Pictures of the evaluation")
        self.list.setIconSize(QSize(EDGE, EDGE))
        self.list.setUniformItemSizes(True)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.itemActivated.connect(self._on_activated)
        self.list.currentRowChanged.connect(self._on_current)
        self.nearest = NearestStrip(bridge, cache_dir)
        self.nearest.activated.connect(self.activated)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 0, 0, 0)
        column.addWidget(self.choice)
        column.addWidget(self.caption)
        column.addWidget(self.list, 1)
        column.addWidget(self.nearest)

    def show_evaluation(self, evaluation: Evaluation) -> None:
        """List the mistakes of another evaluation."""
        self._evaluation = evaluation
        self._thumbnails.set_root(evaluation.root or Path())
        self._files.clear()
        self.choice.blockSignals(True)
        self.choice.clear()
        for choice in choices(evaluation):
            self.choice.addItem(choice.words, choice)
        self.choice.blockSignals(False)
        self._on_choice()

    def show_cell(self, label_: str, predicted: str) -> None:
        """List the pictures of one class that got a certain answer."""
        words = f"{label_}, recognised" if label_ == predicted else f"{label_} taken for {predicted}"
        self._choose(_Choice(words, label_, predicted))

    def show_sureness(self, low: float, high: float) -> None:
        """List the pictures whose answer was so sure (0…1): above `low`, up to `high`."""
        self._choose(_Choice(f"{100 * low:.0f} to {100 * high:.0f} % sure", between=(low, high)))

    def show_stranger(self, strangeness: float) -> None:
        """List the pictures that are stranger than this, the strangest first."""
        self._choose(_Choice(f"Stranger than {strangeness:.2f}", stranger=strangeness))

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
        self.list.clear()
        self.nearest.clear()
        for picture in self._listed:
            unknown = ", unknown" if self._evaluation.is_unknown(picture) else ""
            sure = f"{percent(picture.probability)}{unknown}"
            item = QListWidgetItem(f"{picture.label} → {picture.predicted}\n{sure}")
            item.setData(_PICTURE, picture.path)
            item.setToolTip(picture.path)
            said = f"{picture.path}: {picture.label}, taken for {picture.predicted} with {sure}"
            if picture.right:
                said = f"{picture.path}: {picture.label}, recognised with {sure}"
            item.setData(Qt.ItemDataRole.AccessibleTextRole, said)
            self.list.addItem(item)
        first = "surest" if choice.stranger is None else "strangest"
        more = f", the {first} {MOST} are shown" if len(found) > MOST else ""
        count = formatting.counted(len(found), "picture")
        nothing = "No picture." if self._evaluation.wrong else "No picture is wrong."
        if not self._evaluation.pictures:
            nothing = "The job kept no list of its pictures."
        self.caption.setText(f"{count}{more}" if found else nothing)
        self._find_files()

    def _find_files(self) -> None:
        """Ask which files there are; their size and time are the key of their thumbnail."""
        root, paths = self._thumbnails.root, [p.path for p in self._listed if p.path not in self._files]

        def work(on_progress: OnProgress, cancel: CancelToken) -> list[_File]:
            return _files(root, paths)

        self._bridge.run(work, self._on_files)

    def _on_files(self, files: Sequence[_File]) -> None:
        self._files |= {file.path: file for file in files}
        self._set_icons()

    def _set_icons(self) -> None:
        for row in range(self.list.count()):
            item = self.list.item(row)
            file = self._files.get(item.data(_PICTURE))
            if file is not None and item.icon().isNull() and (pixmap := self._thumbnails.pixmap(file)) is not None:
                item.setIcon(QIcon(pixmap))

    def _on_current(self, row: int) -> None:
        """Look for what made the model answer so."""
        if self._evaluation is None or not 0 <= row < len(self._listed):
            return
        job, file, find = self._evaluation.job, self._thumbnails.root / self._listed[row].path, self._find_nearest
        self.nearest.ask(lambda cancel: find(job, file, cancel))

    def _on_activated(self, item: QListWidgetItem) -> None:
        row, root = self.list.row(item), self._thumbnails.root
        self.activated.emit([str(root / picture.path) for picture in self._listed[row:]])


def choices(evaluation: Evaluation) -> list[_Choice]:
    """Return what there is to look at: all mistakes, the classes that are missed most, the pairs confused most."""
    found = [_Choice(f"All mistakes ({len(evaluation.wrong)})")]
    missed = [
        (score.support - evaluation.confusion[place][place], score)
        for place, score in enumerate(evaluation.per_class)
        if score.recall is not None and score.recall < 1
    ]
    for count, score in sorted(missed, key=lambda pair: pair[1].recall or 0.0):
        found.append(_Choice(f"{score.label}: {count} of {score.support} missed", score.label))
    for label_, predicted, count in evaluation.confusions[:_LISTED_PAIRS]:
        found.append(_Choice(f"{label_} taken for {predicted} ({count})", label_, predicted))
    return found


def _files(root: Path, paths: Sequence[str]) -> list[_File]:
    files = []
    for path in paths:
        try:
            status = (root / path).stat()
        except OSError:
            continue
        key = f"{root / path}|{status.st_size}|{status.st_mtime_ns}"
        files.append(_File(path, hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()))
    return files
