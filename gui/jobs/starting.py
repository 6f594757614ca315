"""What is being started: a row for each, with how far it is and a way to stop it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.errors import UserFacingError
from gui.bridge import Bridge, Work
from gui.shared.feedback import ProgressRow

T = TypeVar("T")


class Starting(QWidget):
    """Does what may have much to read before a job begins, several side by side, each once at a time."""

    def __init__(self, bridge: Bridge, on_error: Callable[[UserFacingError], None]) -> None:
        super().__init__()
        self._bridge, self._on_error = bridge, on_error
        self.rows: dict[str, ProgressRow] = {}
        self._box = QVBoxLayout(self)
        self._box.setContentsMargins(0, 0, 0, 0)
        self.hide()

    def start(self, message: str, work: Work[T], on_done: Callable[[T], None]) -> None:
        """Do some work; `message` says of which job and what, and while it is shown it is not done once more."""
        if message in self.rows:
            return
        row = self.rows[message] = ProgressRow()
        self._box.addWidget(row)
        row.start(message)
        self.show()

        def end() -> None:
            row.finish()
            row.deleteLater()
            del self.rows[message]
            self.setVisible(bool(self.rows))

        def done(result: T) -> None:
            end()
            on_done(result)

        def failed(error: UserFacingError) -> None:
            end()
            self._on_error(error)

        def cancel() -> None:
            handle.cancel()
            end()

        handle = self._bridge.run(work, done, failed, row.update_progress)
        row.cancelled.connect(cancel)
