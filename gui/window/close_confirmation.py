"""Ask what to do with running jobs when the window closes."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMainWindow

from core.jobs.records import Job
from core.progress import CancelToken, OnProgress
from core.translation import tr
from core.workbench import Workbench
from gui.bridge import Bridge
from gui.feed import JobsFeed
from gui.shared.dialogs import CloseDialog


class CloseConfirmation(QObject):
    """Decides whether the window may close now, asking and stopping jobs first where that is needed."""

    def __init__(self, window: QMainWindow, workbench: Workbench, bridge: Bridge, feed: JobsFeed) -> None:
        super().__init__(window)
        self._window, self._workbench, self._bridge, self._feed = window, workbench, bridge, feed
        self._decided = False
        self.dialog: CloseDialog | None = None

    def may_close(self) -> bool:
        """Whether to close now. If not, the user is asked or jobs are stopped, and the window is closed after that."""
        running, choice = self._feed.running, self._workbench.settings.current.on_close
        if self._decided or not running or choice == "continue":
            return True
        if choice == "stop":
            self._stop(running)
        elif self.dialog is None:
            self.dialog = CloseDialog(self._window, running)
            self.dialog.ask(lambda answer: self._on_answer(answer, running))
        return False

    def decide(self) -> None:
        """Let the window close without a question, also while jobs run."""
        self._decided = True

    def _on_answer(self, answer: str, running: tuple[Job, ...]) -> None:
        dialog, self.dialog = self.dialog, None
        if answer == "cancel" or dialog is None:
            return
        if dialog.remember.isChecked():
            self._workbench.settings.change(on_close=answer)
        if answer == "stop":
            self._stop(running)
        else:
            self._close()

    def _stop(self, running: tuple[Job, ...]) -> None:
        self._window.statusBar().showMessage(tr("Stopping the jobs…"))

        def work(on_progress: OnProgress, cancel: CancelToken) -> None:
            for job in running:
                self._workbench.engine.stop(job.name)

        self._bridge.run(work, self._on_stopped)

    def _on_stopped(self, _nothing: None) -> None:
        self._close()

    def _close(self) -> None:
        self.decide()
        self._window.close()
