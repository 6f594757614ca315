"""Below the grid: how many pictures are chosen, and what can be done with them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QStringListModel, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QCompleter, QHBoxLayout, QLineEdit, QWidget

from core.translation import plural, tr
from gui.shared.basics import ElidedLabel, button, icon_button

_CLOSING_MS = 100
"""Until the list of a completer has closed; it takes the focus back to its field as it does."""


class ClassField(QLineEdit):
    """Takes the name of a class, an old one or a new one.

    Signals:
        named(str): Return was pressed on a name.
        left(): the field was left without one.
    """

    named = Signal(str)
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setPlaceholderText(tr("Class, old or new"))
        self.setAccessibleName(tr("Class for the chosen pictures"))
        self.setToolTip(tr("Type a class and press Return: the chosen pictures are in it, and a new class is made"))
        self._names = QStringListModel(self)
        completer = QCompleter(self._names, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.activated.connect(self._on_named)
        self.setCompleter(completer)

    def set_classes(self, classes: Sequence[str]) -> None:
        """Offer these classes."""
        if self._names.stringList() != list(classes):
            self._names.setStringList(list(classes))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take the name on Return, leave on Escape."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.text().strip():
            self._on_named(self.text())
        elif event.key() == Qt.Key.Key_Escape:
            self.clear()
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def _on_named(self, name: str) -> None:
        if name.strip():
            self.named.emit(name.strip())
        self.clear()  # what is typed next is another name
        # The completer writes its choice into the field after this, and its list gives the focus back as it closes.
        QTimer.singleShot(_CLOSING_MS, self, lambda: self._leave(name))

    def _leave(self, name: str) -> None:
        if (popup := self.completer().popup()) is not None:
            popup.hide()
        if self.text() == name:
            self.clear()
        self.left.emit()


class LabelBar(QWidget):
    """What can be done with the chosen pictures, undo and redo.

    Signals:
        undo_asked(), redo_asked(), leave_out_asked(), put_back_asked().
    """

    undo_asked = Signal()
    redo_asked = Signal()
    leave_out_asked = Signal()
    put_back_asked = Signal()
    accept_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.said = ElidedLabel("", "muted", Qt.TextElideMode.ElideRight)
        self.field = ClassField()
        self.field.setMinimumWidth(120)
        self.field.setMaximumWidth(220)
        self.accept = button(
            tr("Accept"), icon_name="check", tip=tr("Give the chosen pictures the class suggested (Y)")
        )
        self.accept.clicked.connect(self.accept_asked)
        self.leave_out = button(
            tr("Leave out"), tip=tr("No training sees the chosen pictures; their files stay (Delete)")
        )
        self.leave_out.clicked.connect(self.leave_out_asked)
        self.put_back = button(tr("Put back"), tip=tr("Trainings see the chosen pictures again"))
        self.put_back.clicked.connect(self.put_back_asked)
        self.undo = icon_button("undo", tr("Undo"), shortcut="Ctrl+Z")
        self.undo.clicked.connect(self.undo_asked)
        self.redo = icon_button("redo", tr("Redo"), shortcut="Ctrl+Shift+Z")
        self.redo.clicked.connect(self.redo_asked)
        box = QHBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(8)
        box.addWidget(self.said, 1)
        for widget in (self.field, self.accept, self.leave_out, self.put_back, self.undo, self.redo):
            box.addWidget(widget)
        self.accept.hide()
        self.put_back.hide()
        self.show_chosen(0, "")
        self.set_history("", "")

    def show_chosen(
        self, count: int, otherwise: str, *, unseen: int = 0, left_out: bool = False, suggested: bool = False
    ) -> None:
        """Say how many pictures are chosen, and how many of them unseen, or something else while there are none."""
        said = plural("{count:,} chosen", "{count:,} chosen", count) if count else otherwise
        if unseen:
            said = tr("{count:,} chosen, {unseen:,} hidden").format(count=count, unseen=unseen)
        self.said.setText(said)
        for widget in (self.field, self.leave_out, self.put_back):
            widget.setEnabled(bool(count))
        self.leave_out.setVisible(not left_out)
        self.put_back.setVisible(left_out)
        self.accept.setVisible(suggested)

    def set_history(self, undo: str, redo: str) -> None:
        """Say what undo and redo would do; "" for nothing."""
        for widget, word, keys, what in (
            (self.undo, tr("Undo"), "Ctrl+Z", undo),
            (self.redo, tr("Redo"), "Ctrl+Shift+Z", redo),
        ):
            widget.setEnabled(bool(what))
            name = f"{word}: {what}" if what else word
            widget.setToolTip(f"{name} ({keys})")
            widget.setAccessibleName(name)
