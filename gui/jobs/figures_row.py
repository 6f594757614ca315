"""Four figures with their captions, on one line: the plot has the room."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy

from gui.shared.basics import ElidedLabel, button, label
from gui.shared.card import Card
from gui.shared.formatting import NONE
from gui.shared.theme import GRID, font


class FiguresRow(Card):
    """A line of figures, each after its caption. The first and the last caption give way where there is little room.

    Signals:
        opened(): the first figure, which may lead to what is behind it, was pressed.
    """

    opened = Signal()

    def __init__(self, captions: Sequence[str], tip: str) -> None:
        """`tip` says where the first figure leads to."""
        super().__init__(padding=6)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        self._link = button(NONE, kind="link", tip=tip)
        self._link.setFont(font("card"))
        self._link.setProperty("fontRole", "card")
        self._link.setEnabled(False)
        self._link.clicked.connect(self.opened)
        self._values: list[QLabel | QPushButton] = []
        self._captions: list[ElidedLabel] = []
        for at, caption in enumerate(captions):
            if at:
                row.addSpacing(2 * GRID)
            text = ElidedLabel(caption, "caption", Qt.TextElideMode.ElideRight)
            value: QLabel | QPushButton = label(NONE, "card") if at else self._link
            value.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
            if 0 < at < len(captions) - 1:
                text.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
            row.addWidget(text)
            row.addWidget(value)
            self._values.append(value)
            self._captions.append(text)
        row.addStretch(1)
        self.body.addLayout(row)

    def set_figure(self, at: int, value: str, caption: str = "") -> None:
        """Change one figure, and perhaps its caption."""
        if self._values[at].text() != value:
            self._values[at].setText(value)
        if caption and self._captions[at].text() != caption:
            self._captions[at].setText(caption)
        self._values[at].setAccessibleName(f"{self._captions[at].text()}: {value}")

    def set_leads(self, leads: bool) -> None:
        """Say whether something is behind the first figure."""
        self._link.setEnabled(leads)

    def figure(self, at: int) -> str:
        """Return what is shown."""
        return self._values[at].text()
