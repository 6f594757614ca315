"""Help with labels: how sure the labels so far make it of the rest, what to label next, and what can be accepted."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from gui.shared.basics import ElidedLabel, button
from gui.shared.feedback import IconLabel
from gui.shared.formatting import counted


class HelpRow(QWidget):
    """One line; hidden while there is nothing to help with.

    Signals:
        next_asked(): show what to label next.
        accept_asked(): accept all sure guesses.
    """

    next_asked = Signal()
    accept_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.said = ElidedLabel("", "muted", Qt.TextElideMode.ElideRight)
        self.next = button("What to label next", kind="link", tip="Show the pictures whose labels would help most")
        self.next.clicked.connect(self.next_asked)
        self.accept = button("Accept", kind="link")
        self.accept.clicked.connect(self.accept_asked)
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(8)
        box.addWidget(IconLabel("lightbulb", 18, "accent"))
        box.addWidget(self.said, 1)
        box.addWidget(self.next)
        box.addWidget(self.accept)
        self.hide()

    def show_state(self, unlabelled: int, classes: int, sure: int | None) -> None:
        """Say how things are: `sure` guesses among the unlabelled; None while nothing can be guessed."""
        self.setVisible(bool(unlabelled))
        if sure is None:
            more = "Name two kinds, and the others are guessed." if classes < 2 else "Guessing the others…"
            self.said.setText(more)
        else:
            self.said.setText(f"Sure of {sure:,} of {counted(unlabelled, 'unlabelled picture')}.")
        self.accept.setVisible(bool(sure))
        self.accept.setText(f"Accept {sure:,}" if sure else "Accept")
        self.accept.setToolTip(f"Give the {counted(sure or 0, 'picture')} that the guess is sure of their class")
