"""Help with labels: how sure the labels so far make it of the rest, what to label next, and what can be accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from core.translation import plural, tr
from gui.shared.basics import ElidedLabel, button
from gui.shared.feedback import IconLabel

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
        self.next = button(
            tr("What to label next"), kind="link", tip=tr("Show the pictures whose labels would help most")
        )
        self.next.clicked.connect(self.next_asked)
        self.accept = button(tr("Accept"), kind="link")
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
            self.said.setText(
                tr("Name two kinds, and the others are guessed.") if classes < 2 else tr("Guessing the others…")
            )
        else:
            said = [
                plural(
                    "Sure of {sure:,} of {count:,} unlabelled picture.",
                    "Sure of {sure:,} of {count:,} unlabelled pictures.",
                    unlabelled,
                    sure=sure,
                )
            ]
            if found.unlike:
                said.append(
                    plural(
                        "{count:,} looks like none with a label.",
                        "{count:,} look like none with a label.",
                        found.unlike,
                    )
                )
            else:
                said.append(tr("About {share:.0%} of all guesses are right.").format(share=found.expected_accuracy))
            if found.enough:
                said.append(tr("More labels would hardly change them."))
            self.said.setText(" ".join(said))
        self.accept.setVisible(bool(sure))
        self.accept.setText(tr("Accept {count:,}").format(count=sure) if sure else tr("Accept"))
        self.accept.setToolTip(
            plural(
                "Give the {count:,} picture that the guess is sure of its class",
                "Give the {count:,} pictures that the guess is sure of their class",
                sure,
            )
        )
