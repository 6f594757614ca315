"""The page without an open dataset: three ways to begin, and the datasets used before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from core.store import Dataset
from core.translation import tr
from gui.shared.basics import ElidedLabel, label
from gui.shared.feedback import IconLabel
from gui.shared.theme import GRID


class ChoiceButton(QPushButton):
    """A large button: an icon, a title, and one or two sentences."""

    def __init__(self, icon_name: str, title: str, text: str, hint: str = "") -> None:
        super().__init__()
        self.setProperty("kind", "choice")
        self.setAutoDefault(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(title)
        self.setAccessibleDescription(text)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        box = QVBoxLayout(self)
        box.setContentsMargins(16, 16, 16, 16)
        box.setSpacing(GRID)
        box.addWidget(IconLabel(icon_name, 28, "accent"))
        box.addWidget(label(title, "card"))
        box.addWidget(label(text, "muted", wrap=True))
        box.addStretch(1)
        box.addWidget(label(hint, "caption"))
        for child in self.findChildren(QWidget):
            child.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)


class RecentButton(QPushButton):
    """A dataset used before."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self.path = Path(dataset.path)
        self.setProperty("kind", "ghost")
        self.setAutoDefault(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(tr("Open {path}").format(path=dataset.path))
        self.setToolTip(dataset.path)
        box = QHBoxLayout(self)
        box.setContentsMargins(10, 0, 10, 0)
        box.setSpacing(GRID)
        name = label(self.path.name or dataset.path, "strong")
        name.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        box.addWidget(IconLabel("folder", 18))
        box.addWidget(name)
        box.addWidget(ElidedLabel(str(self.path.parent), "muted"), 1)
        box.addWidget(label(dataset.version[:8], "caption"))
        for child in self.findChildren(QWidget):
            child.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)


class FirstRun(QScrollArea):
    """Where everything begins.

    Signals:
        sample_asked(): load the sample dataset.
        open_asked(): choose a folder.
        aws_asked(): read what connecting to AWS would do.
        recent_asked(Path): open a dataset used before.
    """

    sample_asked = Signal()
    open_asked = Signal()
    aws_asked = Signal()
    recent_asked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        page = QWidget()
        page.setObjectName("page")
        page.setMaximumWidth(920)
        box = QVBoxLayout(page)
        box.setContentsMargins(GRID, GRID * 4, GRID, GRID * 2)
        box.setSpacing(GRID)
        box.addStretch(1)
        box.addWidget(label(tr("From a folder of pictures to a classifier"), "title"))
        box.addWidget(
            label(
                tr(
                    "Sagehound searches hyperparameters, shows every trial as it learns, and names your pictures. "
                    "It all runs on this computer."
                ),
                "muted",
                wrap=True,
            )
        )
        box.addSpacing(GRID)
        self.sample = ChoiceButton(
            "rocket",
            tr("Try the sample"),
            tr("Public-domain drawings in a few classes, split and ready. A first search takes about a minute."),
            tr("Nothing is downloaded"),
        )
        open_key = QKeySequence("Ctrl+O").toString(QKeySequence.SequenceFormat.NativeText)
        self.open = ChoiceButton(
            "folder-open",
            tr("Open a folder"),
            tr(
                "Class folders, or pictures with labels in a CSV, COCO, Label Studio or another form, also zipped. "
                "Files stay where they are."
            ),
            tr("{open_key}, or drop it here").format(open_key=open_key),
        )
        self.aws = ChoiceButton(
            "cloud",
            tr("Connect to AWS"),
            tr("Run the same jobs on Amazon SageMaker. First you read what it does and what it costs."),
            tr("Nothing is sent until you choose to"),
        )
        self.sample.clicked.connect(self.sample_asked)
        self.open.clicked.connect(self.open_asked)
        self.aws.clicked.connect(self.aws_asked)
        ways = QHBoxLayout()
        ways.setSpacing(12)
        for way in (self.sample, self.open, self.aws):
            ways.addWidget(way, 1)
        box.addLayout(ways)
        box.addSpacing(GRID * 2)
        self._recent_title = label(tr("Recent datasets"), "card")
        box.addWidget(self._recent_title)
        self._recent = QVBoxLayout()
        self._recent.setSpacing(2)
        box.addLayout(self._recent)
        box.addStretch(2)
        outer = QWidget()
        outer.setObjectName("page")
        centred = QHBoxLayout(outer)
        centred.setContentsMargins(0, 0, 0, 0)
        centred.addStretch(1)
        centred.addWidget(page, 100)
        centred.addStretch(1)
        self.setWidget(outer)
        self.recent_buttons: list[RecentButton] = []
        self.set_recent(())

    def set_recent(self, datasets: Sequence[Dataset]) -> None:
        """Show these datasets, the latest first."""
        for old in self.recent_buttons:
            old.hide()
            old.deleteLater()
        self.recent_buttons = [RecentButton(dataset) for dataset in datasets]
        for made in self.recent_buttons:
            made.clicked.connect(lambda _checked=False, path=made.path: self.recent_asked.emit(path))
            self._recent.addWidget(made)
        self._recent_title.setVisible(bool(datasets))
