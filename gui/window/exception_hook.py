"""Log exceptions that nothing caught, and show a dialog."""

from __future__ import annotations

import logging
import logging.handlers
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QMessageLogContext, QObject, Qt, QtMsgType, Signal, qInstallMessageHandler

log = logging.getLogger("sagehound")

_LOG_BYTES = 2_000_000


class ExceptionHook(QObject):
    """Takes `sys.excepthook` and `threading.excepthook`; the same defect is shown only once.

    Signals:
        defect(str, str): one line, and the traceback; in the UI thread.
    """

    defect = Signal(str, str)
    _caught = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[str] = set()
        self._caught.connect(self._on_caught, Qt.ConnectionType.QueuedConnection)
        self._before = (sys.excepthook, threading.excepthook)

    def install(self) -> None:
        """Handle all defects from here on."""
        self._before = (sys.excepthook, threading.excepthook)
        sys.excepthook = self.handle
        threading.excepthook = self._handle_of_thread

    def remove(self) -> None:
        """Give the hooks back."""
        sys.excepthook, threading.excepthook = self._before

    def handle(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Log an exception and tell the window; from any thread."""
        if issubclass(kind, KeyboardInterrupt):
            self._before[0](kind, error, trace)
            return
        text = "".join(traceback.format_exception(kind, error, trace))
        log.error("defect\n%s", text)
        self._caught.emit(f"{kind.__name__}: {error}", text)

    def _handle_of_thread(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            self.handle(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    def _on_caught(self, summary: str, text: str) -> None:
        # A defect in a paint event comes back with every frame; one dialog is enough.
        if text not in self._seen:
            self._seen.add(text)
            self.defect.emit(summary, text)


def start_log(folder: Path) -> logging.Handler:
    """Log to window.log in `folder`, at most 2 MB and one older file; returns the handler, to be closed at the end."""
    handler = logging.handlers.RotatingFileHandler(
        folder / "window.log", maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8", delay=True
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    qInstallMessageHandler(_on_qt_message)
    return handler


def stop_log(handler: logging.Handler) -> None:
    """Undo `start_log`."""
    qInstallMessageHandler(None)
    log.removeHandler(handler)
    handler.close()


def _on_qt_message(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    levels = {QtMsgType.QtDebugMsg: logging.DEBUG, QtMsgType.QtInfoMsg: logging.INFO}
    log.log(levels.get(kind, logging.WARNING), "qt %s", message)
