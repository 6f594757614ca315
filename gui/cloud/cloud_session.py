"""The window's connection to AWS: which engine starts jobs, whose account it is, and what it has to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from core.engine_names import LOCAL
from core.errors import UserFacingError
from core.progress import CancelToken, OnProgress
from core.workbench import Workbench
from gui.bridge import Bridge

if TYPE_CHECKING:  # the window is painted before what is known of clouds is imported
    from core.cloud.account import Check, Connection, Identity
    from core.cloud.interface import CloudProvider

NOTICE_MS = 1000
RETRY_MS = 15_000
"""After a login that has ended, AWS is asked so often whether there is a new one."""

_OnError = Callable[[UserFacingError], None]


class CloudSession(QObject):
    """Switches between the local engine and SageMaker, and remembers the choice. To be used in the UI thread.

    `engine` is the name of the engine that starts jobs; "" while it is not known.

    Signals:
        engine_changed(str): new jobs start on the engine of that name.
        switched(str): the engine was changed for another one, of that name.
        identified(Identity): whose account it is; None while that is not known.
        notice_changed(str): a sentence for the user while AWS cannot be asked, else empty.
    """

    engine_changed = Signal(str)
    switched = Signal(str)
    identified = Signal(object)
    notice_changed = Signal(str)

    def __init__(self, workbench: Workbench, bridge: Bridge, retry_ms: int = RETRY_MS) -> None:
        super().__init__()
        self._workbench, self._bridge, self.retry_ms = workbench, bridge, retry_ms
        self.identity: Identity | None = None
        self.notice = ""
        self.engine = ""
        self._timer = QTimer(self)
        self._timer.setInterval(NOTICE_MS)
        self._timer.timeout.connect(self._look_at_notice)
        self._retry = QTimer(self)
        self._retry.setSingleShot(True)
        self._retry.timeout.connect(lambda: self._ask_identity(again=True))

    @property
    def active(self) -> bool:
        """Whether new jobs start on SageMaker."""
        return self.engine not in ("", LOCAL)

    @property
    def connection(self) -> Connection:
        """Return the connection in use, else the one that worked last."""
        return self._workbench.connection

    @property
    def provider(self) -> CloudProvider:
        """Return the cloud, as far as it can be asked without a complete connection."""
        return self._workbench.provider

    def preflight(self, connection: Connection) -> Iterator[Check]:
        """Check what can be checked of a connection before it is used; blocks."""
        return self.provider.preflight(connection, self._workbench.paths)

    def start(self, on_error: _OnError) -> None:
        """Start jobs where they were started the last time."""
        if self._workbench.settings.current.engine != LOCAL:
            self._switch(self.connection, on_error)
        else:
            self._bridge.run(lambda on_progress, cancel: self._workbench.engine.name, self._on_engine)

    def use(self, connection: Connection, on_error: _OnError) -> None:
        """Start new jobs on SageMaker; `on_error` hears why that cannot be."""
        self._switch(connection, on_error)

    def use_local(self, on_error: _OnError) -> None:
        """Start new jobs on this computer; those on SageMaker are followed as before."""

        def work(on_progress: OnProgress, cancel: CancelToken) -> str:
            self._workbench.use_local()
            return self._workbench.engine.name

        self._bridge.run(work, self._on_switched, on_error)

    def stop(self) -> None:
        """Look no more."""
        self._timer.stop()
        self._retry.stop()

    def _switch(self, connection: Connection, on_error: _OnError) -> None:
        workbench = self._workbench

        def work(on_progress: OnProgress, cancel: CancelToken) -> str:
            workbench.use_cloud(connection)
            return workbench.engine.name

        def done(name: str) -> None:
            self._on_switched(name)
            self._ask_identity()

        self._bridge.run(work, done, on_error)

    def _on_switched(self, name: str) -> None:
        if name == LOCAL and self._workbench.settings.current.engine != name:
            self._workbench.settings.change(engine=name)
        self._set_identity(None)
        self._on_engine(name)
        self.switched.emit(name)

    def _on_engine(self, name: str) -> None:
        self.engine = name
        self._timer.start()
        self.engine_changed.emit(name)

    def _ask_identity(self, again: bool = False) -> None:
        """Ask AWS whose account it is, and again later while it does not say; `again`: with credentials read again."""

        def work(on_progress: OnProgress, cancel: CancelToken) -> Identity | None:
            cloud = self._workbench.cloud
            return cloud.identity(again) if cloud is not None else None

        self._bridge.run(work, self._set_identity, self._on_unknown)

    def _on_unknown(self, error: UserFacingError) -> None:
        self._set_notice(str(error))
        self._retry.start(self.retry_ms)

    def _set_identity(self, identity: Identity | None) -> None:
        self._retry.stop()
        if identity is not None:  # it has worked: the next window uses it again
            self._workbench.remember_connection()
            if self._workbench.settings.current.engine != self.engine:
                self._workbench.settings.change(engine=self.engine)
        self.identity = identity
        self.identified.emit(identity)

    def _look_at_notice(self) -> None:
        # A string in memory that the watching thread writes; nothing is asked here.
        notice = self._workbench.engine.notice
        if notice or self.identity is not None or not self.active:
            self._set_notice(notice)

    def _set_notice(self, notice: str) -> None:
        if notice != self.notice:
            self.notice = notice
            self.notice_changed.emit(notice)
