"""Which dataset each job learned from, asked for as jobs are heard of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from PySide6.QtCore import QObject, Signal

from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress
from core.workbench import Workbench
from gui.bridge import Bridge, Handle


class JobDatasets(QObject):
    """The folders that jobs learned from, as far as they are known: a job's never changes.

    Signals:
        found(): there are answers about more jobs.
    """

    found = Signal()

    def __init__(self, workbench: Workbench, bridge: Bridge, parent: QObject) -> None:
        super().__init__(parent)
        self._workbench, self._bridge = workbench, bridge
        self.folders: dict[str, str] = {}
        """By job; "" where the engine did not know."""
        self._changes: Counter[str] = Counter()
        self._asking: Handle | None = None

    def ask(self, jobs: Iterable[str], *, changed: bool = False) -> None:
        """Ask for those of these jobs that there is no answer about.

        Where something has `changed`, ask again for those that the engine did not know: a cloud may have been silent.
        """
        if self._asking is not None:
            return
        unknown = [job for job in jobs if job not in self.folders or (changed and self._is_due(job))]
        if not unknown:
            return
        find = self._workbench.jobs.datasets

        def work(on_progress: OnProgress, cancel: CancelToken) -> dict[str, str]:
            return find(unknown)

        self._asking = self._bridge.run(work, self._on_found, self._on_failed)

    def _is_due(self, job: str) -> bool:
        """Whether to ask again: at the 1st, 2nd, 4th, 8th… change, for a job of elsewhere stays unknown for ever."""
        if self.folders[job]:
            return False
        self._changes[job] += 1
        return self._changes[job].bit_count() == 1

    def _on_found(self, folders: dict[str, str]) -> None:
        self._asking = None
        self.folders |= folders
        self.found.emit()

    def _on_failed(self, _error: UserFacingError) -> None:
        """Leave them without an answer; the feed says what is wrong."""
        self._asking = None
