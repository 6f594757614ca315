"""Four figures side by side, large, with captions."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from gui.shared.basics import ElidedLabel, label
from gui.shared.card import Card
from gui.shared.formatting import NONE
from gui.shared.theme import GRID, scaled


class FiguresRow(QWidget):
    """A card for each figure; a figure that changes moves nothing."""

    def __init__(self, captions: Sequence[str]) -> None:
        super().__init__()
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        self._values: list[ElidedLabel] = []
        self._captions = []
        for caption in captions:
            card = Card(padding=8)
            value = ElidedLabel(NONE, "title")
            value.setFixedHeight(scaled(26))
            text = label(caption, "caption")
            column = QVBoxLayout()
            column.setSpacing(0)
            column.addWidget(text)
            column.addWidget(value)
            card.body.addLayout(column)
            box.addWidget(card, 1)
            self._values.append(value)
            self._captions.append(text)

    def set_figure(self, at: int, value: str, caption: str = "") -> None:
        """Change one figure, and perhaps its caption."""
        if self._values[at].text() != value:
            self._values[at].setText(value)
        if caption and self._captions[at].text() != caption:
            self._captions[at].setText(caption)
        self._values[at].setAccessibleName(f"{self._captions[at].text()}: {value}")

    def figure(self, at: int) -> str:
        """Return what is shown."""
        return self._values[at].text()
