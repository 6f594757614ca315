"""A control of a form with its caption above and what is wrong with it below."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.errors import UserFacingError
from gui.shared.basics import label, set_invalid


class Field(QWidget):
    """Caption, control, and a line for a hint or an error."""

    def __init__(self, caption: str, control: QWidget, hint: str = "") -> None:
        super().__init__()
        self.control = control
        control.setAccessibleName(caption)
        if not control.toolTip():
            control.setToolTip(hint)
        control.setAccessibleDescription(hint)
        title = label(caption, "caption")
        title.setBuddy(control)
        self._problem = label(role="error", wrap=True)
        self._problem.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._problem.hide()
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(3)
        for widget in (title, control, self._problem):
            box.addWidget(widget)

    def show_error(self, error: UserFacingError | None) -> None:
        """Mark the control and say why; None clears."""
        set_invalid(self.control, error is not None)
        self._problem.setText(str(error) if error is not None else "")
        self._problem.setVisible(error is not None)

    @property
    def problem(self) -> str:
        """What is said to be wrong, "" for nothing."""
        return self._problem.text()
