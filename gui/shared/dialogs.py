"""The dialogs that ask for a decision, and the two that explain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.errors import UserFacingError
from core.jobs.records import Job
from core.jobs.waiting import waits_for_features
from core.translation import plural, tr
from gui.shared.basics import ButtonKind, button, label
from gui.shared.feedback import IconLabel
from gui.shared.theme import GRID, font

CloseChoice = Literal["continue", "stop", "cancel"]


@dataclass(frozen=True, slots=True)
class Option:
    """A button of a dialog: the answer it stands for, its words, its kind."""

    answer: str
    text: str
    kind: ButtonKind = "secondary"


class GrowingDialog(QDialog):
    """A dialog that grows with what is said in it; Qt's do not by themselves where sentences are wrapped."""

    def event(self, event: QEvent) -> bool:
        """Take the room that the layout asks for, as far as the screen has it: upwards, where there is none below."""
        handled = super().event(event)
        # Asked first: by another event, of its end, the dialog has gone.
        if event.type() == QEvent.Type.LayoutRequest and (box := self.layout()) is not None:
            needed = box.totalHeightForWidth(self.width())
            if self.height() < needed:
                room = self.screen().availableGeometry()
                self.resize(self.width(), min(needed, room.height()))
                below = self.frameGeometry().bottom() - room.bottom()
                if self.isVisible() and below > 0:
                    self.move(self.x(), max(room.top(), self.y() - below))
        return handled


class Decision(QDialog):
    """A title, some sentences and a few buttons, each of which is an answer; Escape is the answer "cancel".

    Use `ask`, and read `answer` in the callback or after it has finished.
    """

    def __init__(
        self,
        parent: QWidget | None,
        title: str,
        sentences: Sequence[str],
        options: Sequence[Option],
        icon_name: str = "info",
        icon_role: str = "accent",
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setModal(True)
        self.answer = "cancel"
        self.buttons: dict[str, QPushButton] = {}
        self.texts = QVBoxLayout()
        self.texts.setSpacing(GRID)
        self.texts.addWidget(label(title, "card", wrap=True))
        for sentence in sentences:
            if sentence:
                text = label(sentence, "body", wrap=True)
                text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                self.texts.addWidget(text)
        top = QHBoxLayout()
        top.setSpacing(16)
        top.addWidget(IconLabel(icon_name, 32, icon_role), 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(self.texts, 1)
        bar = QHBoxLayout()
        bar.setSpacing(GRID)
        bar.addStretch(1)
        for option in options:
            made = button(option.text, kind=option.kind)
            made.clicked.connect(lambda _checked=False, answer=option.answer: self._on_answer(answer))
            if option.kind == "primary":
                made.setDefault(True)
                made.setFocus()
            self.buttons[option.answer] = made
            bar.addWidget(made)
        box = QVBoxLayout(self)
        box.setContentsMargins(20, 20, 20, 16)
        box.setSpacing(20)
        box.addLayout(top)
        box.addLayout(bar)
        self.setMinimumWidth(460)

    def ask(self, on_answer: Callable[[str], None] | None = None) -> Decision:
        """Show it without blocking; `on_answer` hears the answer."""

        def finished(_result: int) -> None:
            self.deleteLater()
            if on_answer is not None:
                on_answer(self.answer)

        self.finished.connect(finished)
        self.open()
        return self

    def _on_answer(self, answer: str) -> None:
        self.answer = answer
        self.accept()


class CloseDialog(Decision):
    """Asks what to do with the running jobs when the window closes; `remember` makes the answer the setting."""

    def __init__(self, parent: QWidget | None, running: Sequence[Job]) -> None:
        many = len(running) > 1
        names = ", ".join(job.name for job in running[:3])
        if not many:
            sentence = tr("It can continue without the window; open Sagehound again to see the results.")
        elif len(running) > 3:
            sentence = tr(
                "They are {names} and others. They can continue without the window; open Sagehound again to see the "
                "results."
            )
        else:
            sentence = tr(
                "They are {names}. They can continue without the window; open Sagehound again to see the results."
            )
        super().__init__(
            parent,
            plural("{name} is still running", "{count:,} jobs are still running", len(running), name=names),
            [sentence.format(names=names), waits_for_features(running)],
            [
                Option("cancel", tr("Cancel")),
                Option("stop", tr("Stop them") if many else tr("Stop it"), "danger"),
                Option("continue", tr("Let them continue") if many else tr("Let it continue"), "primary"),
            ],
            "running",
            "running",
        )
        self.remember = QCheckBox(tr("Do not ask again"))
        self.remember.setToolTip(tr("The settings can change this later"))
        self.texts.addWidget(self.remember)


def error_dialog(parent: QWidget | None, error: UserFacingError) -> Decision:
    """Show an error that has no place of its own."""
    return Decision(
        parent, error.what, [error.why, error.fix], [Option("ok", tr("Close"), "primary")], "x-circle", "failed"
    )


def defect_dialog(parent: QWidget | None, summary: str, traceback_text: str) -> Decision:
    """Show a defect of Sagehound: sorry, what it was, and the details to copy."""
    made = Decision(
        parent,
        tr("Something went wrong inside Sagehound"),
        [
            tr("Running jobs are not affected. If it happens again, please report it with the details below."),
            summary,
        ],
        [Option("copy", tr("Copy details")), Option("ok", tr("Continue"), "primary")],
        "warning",
        "warning",
    )
    details = QPlainTextEdit(traceback_text)
    details.setReadOnly(True)
    details.setFont(font("mono"))
    details.setAccessibleName(tr("Details"))
    details.setMinimumSize(560, 200)
    made.texts.addWidget(details)
    made.buttons["copy"].clicked.connect(lambda: QApplication.clipboard().setText(traceback_text))
    return made


def shortcuts_dialog(parent: QWidget | None, actions: Sequence[QAction]) -> Decision:
    """List every shortcut of the window."""
    made = Decision(parent, tr("Keyboard"), [], [Option("ok", tr("Close"), "primary")], "keyboard")
    grid = QGridLayout()
    grid.setHorizontalSpacing(24)
    grid.setVerticalSpacing(6)
    rows = [(action.text().rstrip("…"), action.shortcut()) for action in actions if not action.shortcut().isEmpty()]
    more = [
        (tr("Move between controls"), tr("Tab")),
        (tr("Move in lists, grids and tabs"), tr("Arrows")),
        (tr("Scan again"), "F5"),
        (tr("Rename a class"), "F2"),
        (tr("Undo and redo of labels"), tr("Ctrl+Z, Ctrl+Shift+Z")),
        (tr("Chosen pictures: the class with that key"), tr("1 to 9, A to Z")),
        (tr("Chosen pictures: a class by its name"), tr("Return")),
        (tr("Accept what is suggested, or for a whole row"), tr("Y, Shift+Y")),
        (tr("Leave pictures out, or put them back"), tr("Delete")),
        (tr("Take the label away"), tr("Backspace")),
        (tr("Picture large, or no longer"), tr("Space")),
        (tr("Choose up to here, one more, all"), tr("Shift+Arrows, Ctrl+Space, Ctrl+A")),
        (tr("Pictures larger or smaller"), tr("Ctrl++, Ctrl+-")),
    ]
    words = [(text, keys.toString(QKeySequence.SequenceFormat.NativeText)) for text, keys in rows] + more
    half = -(-len(words) // 2)
    for at, (text, keys) in enumerate(words):
        row, column = at % half, 2 * (at // half)
        keys_label = label(keys, "strong")
        keys_label.setAccessibleName(f"{keys}: {text}")
        grid.addWidget(keys_label, row, column)
        grid.addWidget(label(text, "muted"), row, column + 1)
    made.texts.addLayout(grid)
    return made
