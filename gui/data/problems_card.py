"""What is wrong with a dataset: counts by severity, one row per problem, its files on demand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QStringListModel, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QFrame, QHBoxLayout, QListView, QPushButton, QVBoxLayout, QWidget

from core.dataset.records import Problem, Severity
from core.translation import plural, tr
from gui.shared.basics import button, label
from gui.shared.card import Card
from gui.shared.feedback import IconLabel
from gui.shared.pill import StatusPill, status_look
from gui.shared.theme import GRID, font

if TYPE_CHECKING:
    from core.dataset.gallery import Gallery


class ProblemsCard(Card):
    """All problems, the most severe first; a dataset without any says so.

    Signals:
        offer_chosen(ReadOptions): the user chose a way to read the dataset that solves a problem.
        pictures_asked(Problem): the user wants to see the pictures of a problem.
        setting_asked(str): the user wants to change this hyperparameter, which solves a problem.
    """

    offer_chosen = Signal(object)
    pictures_asked = Signal(object)
    setting_asked = Signal(str)

    def __init__(self) -> None:
        super().__init__(tr("Problems"))
        self._shown: list[QWidget] = []
        self._pills = QHBoxLayout()
        self._pills.setSpacing(4)
        self._pills.addStretch(1)
        self._rows = QVBoxLayout()
        self._rows.setSpacing(12)
        self._quiet = label("", "muted", wrap=True)
        self.body.addLayout(self._pills)
        self.body.addLayout(self._rows)
        self.add(self._quiet)
        self.set_waiting()

    def set_waiting(self) -> None:
        """Say that the check continues."""
        self._clear()
        self._quiet.setText(tr("Checking the pictures…"))
        self._quiet.show()

    def set_problems(self, problems: Sequence[Problem], gallery: Gallery | None = None) -> None:
        """Show these problems; those whose pictures a gallery has lead to them."""
        self._clear()
        self._quiet.setText(tr("None found. Every picture can be read."))
        self._quiet.setVisible(not problems)
        for severity in Severity:
            count = sum(problem.severity is severity for problem in problems)
            if count:
                pill = StatusPill(severity, _counted(severity, count))
                self._pills.insertWidget(self._pills.count() - 1, pill)
                self._shown.append(pill)
        for problem in problems:
            row = ProblemRow(problem, len(gallery.numbers(problem.paths)) if gallery is not None else 0)
            row.pictures_asked.connect(self.pictures_asked)
            row.offer_chosen.connect(self.offer_chosen)
            row.setting_asked.connect(self.setting_asked)
            self._rows.addWidget(row)
            self._shown.append(row)

    @property
    def rows(self) -> list[ProblemRow]:
        """Return the rows that are shown."""
        return [widget for widget in self._shown if isinstance(widget, ProblemRow)]

    def _clear(self) -> None:
        for widget in self._shown:
            widget.hide()
            widget.deleteLater()
        self._shown.clear()


class ProblemRow(QWidget):
    """One problem: what, what to do, and the files it is about.

    Signals:
        offer_chosen(ReadOptions): the user chose a way to read the dataset that solves the problem.
        pictures_asked(Problem): the user wants to see its pictures.
        setting_asked(str): the user wants to change this hyperparameter.
    """

    offer_chosen = Signal(object)
    pictures_asked = Signal(object)
    setting_asked = Signal(str)

    def __init__(self, problem: Problem, pictures: int = 0) -> None:
        super().__init__()
        self.problem = problem
        look = status_look(problem.severity)
        self.setAccessibleName(f"{look.word}: {problem.message} {problem.fix}")
        texts = QVBoxLayout()
        texts.setSpacing(2)
        texts.addWidget(label(problem.message, "body", wrap=True))
        if problem.fix:
            texts.addWidget(label(problem.fix, "muted", wrap=True))
        self.choices: list[QPushButton] = []
        for offer in problem.offers:
            self.choices.append(button(offer.title, kind="link"))
            self.choices[-1].clicked.connect(partial(self.offer_chosen.emit, offer.options))
        if problem.setting:
            words = tr("Change {setting}…").format(setting=problem.setting)
            self.choices.append(button(words, kind="link", tip=tr("Open this setting on the Tuning page")))
            self.choices[-1].clicked.connect(lambda: self.setting_asked.emit(problem.setting))
        if self.choices:
            flow = QHBoxLayout()
            for choice in self.choices:
                flow.addWidget(choice)
            flow.addStretch(1)
            texts.addLayout(flow)
        show = plural("Show {count:,} picture", "Show {count:,} pictures", pictures)
        self.pictures = button(show, kind="link", tip=tr("Show them in the grid"))
        self.pictures.clicked.connect(lambda: self.pictures_asked.emit(problem))
        self.pictures.setVisible(bool(pictures))
        texts.addWidget(self.pictures, 0, Qt.AlignmentFlag.AlignLeft)
        self.files: QListView | None = None
        if problem.paths:
            self.toggle = button(_show_files(problem), kind="link")
            self.toggle.setCheckable(True)
            self.toggle.toggled.connect(self._on_toggled)
            texts.addWidget(self.toggle, 0, Qt.AlignmentFlag.AlignLeft)
        self._texts = texts
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        box.addWidget(IconLabel(look.icon, 18, look.colour), 0, Qt.AlignmentFlag.AlignTop)
        box.addLayout(texts, 1)

    def _on_toggled(self, on: bool) -> None:
        self.toggle.setText(tr("Hide the files") if on else _show_files(self.problem))
        if self.files is None:
            self.files = self._make_list()
            self._texts.addWidget(self.files)
        self.files.setVisible(on)

    def _make_list(self) -> QListView:
        made = QListView()
        made.setModel(QStringListModel(list(self.problem.paths), made))
        made.setAccessibleName(tr("Files: {message}").format(message=self.problem.message))
        made.setFont(font("caption"))
        made.setFrameShape(QFrame.Shape.NoFrame)
        made.setUniformItemSizes(True)
        made.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        made.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        made.setFixedHeight(min(8, len(self.problem.paths)) * made.sizeHintForRow(0) + 8)
        return made


def _show_files(problem: Problem) -> str:
    return plural("Show {count:,} file", "Show {count:,} files", len(problem.paths))


def _counted(severity: Severity, count: int) -> str:
    match severity:
        case Severity.ERROR:
            return plural("{count:,} error", "{count:,} errors", count)
        case Severity.WARNING:
            return plural("{count:,} warning", "{count:,} warnings", count)
        case Severity.INFO:
            return plural("{count:,} note", "{count:,} notes", count)
