"""A note edited in place: a line that looks like text until it is clicked."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent
from PySide6.QtWidgets import QLineEdit

from gui.shared.icons import icon

MOST = 2000
"""Characters of a note."""


class NoteField(QLineEdit):
    """The user's note on one job or trial; kept when the focus leaves, Escape takes the typing back.

    Signals:
        note_changed(str, str): the job's or trial's name, and the note that was typed.
    """

    note_changed = Signal(str, str)

    def __init__(self, placeholder: str, name: str) -> None:
        super().__init__()
        self._job = self._kept = ""
        self._before: str | None = None
        self.setObjectName("note")
        self.setPlaceholderText(placeholder)
        self.setAccessibleName(name)
        self.setMaxLength(MOST)
        self.addAction(icon("edit", "muted"), QLineEdit.ActionPosition.LeadingPosition)
        self.editingFinished.connect(self.commit)
        self.textChanged.connect(self.setToolTip)

    def show_note(self, job: str, note: str) -> None:
        """Show the note of a job; what is being typed for the same job stays, for another one it is kept first."""
        if job != self._job:
            self.commit()
        elif note in (self._kept, self._before) or self.isModified():
            # `_before`: a description from before the note was kept, which is on its way.
            self._before = None if note == self._kept else self._before
            return
        self._job, self._kept, self._before = job, note, None
        self.setText(note)
        self.setCursorPosition(0)

    def commit(self) -> None:
        """Tell what was typed, if it is another note than before."""
        text = self.text().strip()
        if self.isModified() and text != self._kept and self._job:
            self._before, self._kept = self._kept, text
            self.note_changed.emit(self._job, text)
        self.setModified(False)

    def event(self, event: QEvent) -> bool:
        """Keep Escape while something is typed: no shortcut of the page gets it."""
        overrides = event.type() == QEvent.Type.ShortcutOverride and self.isModified()
        if overrides and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape takes back what was typed; Return keeps it and lets go."""
        if event.key() == Qt.Key.Key_Escape and self.isModified():
            self.setText(self._kept)
            return
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.clearFocus()

    def hideEvent(self, event: QHideEvent) -> None:
        """Keep what was typed: another page is shown, or the window ends."""
        super().hideEvent(event)
        self.commit()
