"""Ctrl-C and a polite kill end the window as its cross would, without a question."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from types import FrameType

from PySide6.QtCore import QObject, QSocketNotifier


class QuitSignals(QObject):
    """Calls `quit_window` in the UI thread on SIGINT and SIGTERM, until `remove`.

    Python runs its signal handlers between two of its own instructions, and Qt's event loop may run none for a long
    time: the signal's number is written to a socket, which wakes the loop.
    """

    def __init__(self, quit_window: Callable[[], object]) -> None:
        super().__init__()
        self._quit = quit_window
        self._read, self._write = socket.socketpair()
        for end in (self._read, self._write):
            end.setblocking(False)
        self._notifier = QSocketNotifier(self._read.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._on_signal)
        self._former_fd = signal.set_wakeup_fd(self._write.fileno())
        self._former = {number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)}

    def remove(self) -> None:
        """Give the signals back."""
        self._notifier.setEnabled(False)
        signal.set_wakeup_fd(self._former_fd)
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._read.close()
        self._write.close()

    def _on_signal(self) -> None:
        received = self._read.recv(64)
        if signal.SIGINT in received or signal.SIGTERM in received:
            self._quit()


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wake-up does the work."""
