"""The field that filters a list: Escape empties it, Return and Down go to the list."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QLineEdit, QToolButton, QWidget

from core.translation import tr
from gui.shared.icons import icon


class SearchField(QLineEdit):
    """What is typed filters `results`, which takes the focus when the typing is done."""

    def __init__(self, name: str, placeholder: str = "") -> None:
        super().__init__()
        self.results: QWidget | None = None
        self.setPlaceholderText(placeholder or name)
        self.setAccessibleName(name)
        self.setClearButtonEnabled(True)
        self.addAction(icon("search", "muted"), QLineEdit.ActionPosition.LeadingPosition)
        for part in self.findChildren(QToolButton):
            part.setAccessibleName(tr("Empty the field") if part.defaultAction() is None else name)

    def event(self, event: QEvent) -> bool:
        """Keep Escape while something is typed: no shortcut of the page gets it."""
        overrides = event.type() == QEvent.Type.ShortcutOverride and bool(self.text())
        if overrides and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape empties the field; Return, Enter and Down go to what was found."""
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Down) and self.results is not None:
            self.results.setFocus()
        else:
            super().keyPressEvent(event)
