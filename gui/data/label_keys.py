"""What keys mean for the chosen pictures, in the grid and in the map alike."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent

_COMMANDS = {
    Qt.Key.Key_Delete: "leave_out",
    Qt.Key.Key_Backspace: "unlabel",
    Qt.Key.Key_Return: "label",
    Qt.Key.Key_Enter: "label",
    Qt.Key.Key_Escape: "escape",
}


def command_of(event: QKeyEvent) -> str:
    """Return "leave_out", "unlabel", "label", "undo", "redo" or "escape", whichever a key asks for; else ""."""
    if event.key() == Qt.Key.Key_Z and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
        return "redo" if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else "undo"
    return _COMMANDS.get(Qt.Key(event.key()), "")


def typed_by(event: QKeyEvent) -> str:
    """Return the letter or digit that a class may have as its key, in upper case with Shift; else ""."""
    modifiers = event.modifiers()
    if modifiers & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
        return ""
    text = event.text()
    if not text.isalnum():
        return ""
    return text.upper() if modifiers & Qt.KeyboardModifier.ShiftModifier else text.lower()
