"""Help with labels: how sure the labels so far make it of the rest, what to label next, and what can be accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from gui.shared.basics import ElidedLabel, button
from gui.shared.feedback import IconLabel
from gui.shared.formatting import counted

if TYPE_CHECKING:
    from core.labels.suggest import Suggestions


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

    def show_state(self, unlabelled: int, classes: int, found: Suggestions | None, sure: int) -> None:
        """Say how things are: what is known of the unlabelled pictures (None: nothing yet), and how many are `sure`."""
        self.setVisible(bool(unlabelled))
        self.next.setEnabled(found is not None)
        if found is None or found.expected_accuracy is None:
            self.said.setText("Name two kinds, and the others are guessed." if classes < 2 else "Guessing the others…")
        else:
            said = f"Sure of {sure:,} of {counted(unlabelled, 'unlabelled picture')}; "
            if found.unlike:
                said += f"{found.unlike:,} look like none with a label."
            else:
                said += f"about {found.expected_accuracy:.0%} of all guesses are right."
            self.said.setText(f"{said} More labels would hardly change them." if found.enough else said)
        self.accept.setVisible(bool(sure))
        self.accept.setText(f"Accept {sure:,}" if sure else "Accept")
        self.accept.setToolTip(f"Give the {counted(sure, 'picture')} that the guess is sure of their class")
