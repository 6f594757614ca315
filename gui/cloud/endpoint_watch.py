"""The endpoints of the account, looked at now and then: they cost money for as long as they are there."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from core.engine import Endpoint
from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress, Progress
from core.workbench import Workbench
from gui.bridge import Bridge, Handle

QUIET_MS = 60_000
BUSY_MS = 5_000
"""While one of them is being created, updated or deleted, or is being watched."""


class EndpointWatch(QObject):
    """Lists the endpoints, and deletes those of ours whose life is over.

    Signals:
        changed(tuple[Endpoint, ...]): the endpoints of the region, ours first.
        expired(str): an endpoint was deleted, because its lifetime was over or it had waited for that.
        failed(UserFacingError): they could not be listed; once, until they can again.
    """

    changed = Signal(tuple)
    expired = Signal(str)
    failed = Signal(object)

    def __init__(self, workbench: Workbench, bridge: Bridge) -> None:
        super().__init__()
        self._workbench, self._bridge = workbench, bridge
        self._asking: Handle | None = None
        self._in_trouble = False
        self.endpoints: tuple[Endpoint, ...] = ()
        self.watched = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.look)

    @property
    def ours(self) -> tuple[Endpoint, ...]:
        """Return those that Sagehound made and that are not being deleted."""
        return tuple(item for item in self.endpoints if item.ours and item.status != "Deleting")

    def look(self) -> None:
        """Look now, and from then on now and then; without a connection to AWS there is nothing to look at."""
        self._timer.stop()
        if self._asking is not None:
            self._asking.cancel()

        def work(on_progress: OnProgress, cancel: CancelToken) -> tuple[list[str], tuple[Endpoint, ...]] | None:
            cloud = self._workbench.cloud
            if cloud is None:
                return None
            return cloud.serving.run_due(), tuple(cloud.endpoints())

        self._asking = self._bridge.run(work, self._on_answer, self._on_error)

    def stop(self) -> None:
        """Look no more."""
        self._timer.stop()
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def delete(
        self,
        names: tuple[str, ...],
        on_done: Callable[[], None],
        on_error: Callable[..., None],
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        """Delete endpoints with their configurations and models.

        One that AWS does not release yet is deleted later; with `on_progress` that is waited for, and reported.
        """
        from core.cloud.hosting import PATIENCE_S, EndpointBusy

        wait_s = 0.0 if on_progress is None else PATIENCE_S

        def work(on_progress: OnProgress, cancel: CancelToken) -> None:
            cloud = self._workbench.cloud
            for name in names if cloud is not None else ():
                try:
                    cloud.serving.delete(name, False, on_progress, cancel, wait_s)  # type: ignore[union-attr]
                except EndpointBusy:
                    if wait_s:
                        raise  # the caller waits for the deletion, and shows why it does not happen

        def done(_nothing: None) -> None:
            self.look()
            on_done()

        def failed(error: UserFacingError) -> None:
            self.look()
            on_error(error)

        self._bridge.run(work, done, failed, on_progress)

    def keep(self, name: str) -> None:
        """Do not delete an endpoint after all whose deletion waits for AWS."""

        def work(on_progress: OnProgress, cancel: CancelToken) -> None:
            cloud = self._workbench.cloud
            if cloud is not None:
                cloud.serving.keep(name)

        self._bridge.run(work, lambda _nothing: self.look())

    def read_log(self, name: str, on_done: Callable[[tuple[str, ...]], None], on_error: Callable[..., None]) -> Handle:
        """Return the last lines of an endpoint's log."""

        def work(on_progress: OnProgress, cancel: CancelToken) -> tuple[str, ...]:
            cloud = self._workbench.cloud
            return cloud.serving.log(name) if cloud is not None else ()

        return self._bridge.run(work, on_done, on_error)

    def _on_answer(self, answer: tuple[list[str], tuple[Endpoint, ...]] | None) -> None:
        self._asking, self._in_trouble = None, False
        gone, found = answer or ([], ())
        if found != self.endpoints:
            self.endpoints = found
            self.changed.emit(found)
        for name in gone:
            self.expired.emit(name)
        if answer is not None:
            moving = any(item.ours and item.status not in ("InService", "Failed") for item in found)
            self._timer.start(BUSY_MS if moving or self.watched else QUIET_MS)

    def _on_error(self, error: UserFacingError) -> None:
        self._asking = None
        if not self._in_trouble:
            self._in_trouble = True
            self.failed.emit(error)
        self._timer.start(QUIET_MS)
