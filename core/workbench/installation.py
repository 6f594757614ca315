"""One installation of Sagehound: where its files are, what it remembers, and the engine that jobs start on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING

from core.engine import Engine
from core.errors import JobNotFound, UserFacingError
from core.paths import AppPaths
from core.settings import SettingsFile

if TYPE_CHECKING:
    from core.cloud.account import Connection
    from core.cloud.interface import Cloud, CloudProvider


class Installation:
    """The files, the settings and the store of one installation, and the engine in use.

    Args:
        paths: where files are kept.
        engine: the engine to use; the embedded local engine when None.
    """

    def __init__(self, paths: AppPaths, engine: Engine | None = None) -> None:
        from core.store import Store

        self.paths = paths.create()
        self.settings = SettingsFile(paths.settings)
        self.store = Store(paths.database)
        self._engine = engine
        self._engine_lock = threading.Lock()
        self._connection: Connection | None = None

    @property
    def engine(self) -> Engine:
        """Return the engine in use; the local one is made when first asked for: a window is painted before that."""
        with self._engine_lock:
            if self._engine is None:
                self._engine = self._default_engine()
            return self._engine

    def close(self) -> None:
        """Release the engine and the store; jobs continue."""
        if self._engine is not None:
            self._engine.close()
        self.store.close()

    @cached_property
    def provider(self) -> CloudProvider:
        """Return the cloud that jobs can be started on."""
        from core.engines.clouds import cloud_provider

        return cloud_provider()

    def use_cloud(self, connection: Connection) -> Cloud:
        """Start jobs on the cloud; those of this machine are looked after as before.

        Raises:
            EngineError: bucket or role are not chosen.
        """
        from core.engines.local.engine import LocalEngine
        from core.engines.routing import RoutingEngine

        cloud = self.provider.open(connection, self.paths, self.store)
        self._connection = connection
        with self._engine_lock:
            before, local = self._engine, LocalEngine(self.paths, self.store)
            self._engine = RoutingEngine(cloud, [local], self.store)
        if before is not None:
            before.close()
        return cloud

    @property
    def connection(self) -> Connection:
        """Return the connection in use, else the one that worked last."""
        from core.cloud.account import Connection

        return self._connection or Connection.recall(self.settings)

    def remember_connection(self) -> None:
        """Use the connection in use the next time too, where no other is named: it has worked."""
        if self._connection is not None:
            self._connection.remember(self.settings)

    @contextmanager
    def found_again(self, job: str) -> Iterator[None]:
        """Remember the connection in use before a job is created with it, which must be followed although we end.

        Where no job comes of it, the connection before is the one to use again: this one may not work.
        """
        from core.cloud.account import Connection

        if self._connection is None or not self.engine.capabilities.costs_money:
            yield
            return
        before = Connection.recall(self.settings)
        self.remember_connection()
        try:
            yield
        except BaseException:  # Ctrl-C too
            with suppress(UserFacingError):
                self._forget_connection_without(job, before)
            raise

    def _forget_connection_without(self, job: str, before: Connection) -> None:
        try:
            self.store.job(job)  # it is there, or may be
        except JobNotFound:
            before.remember(self.settings)

    def use_local(self) -> None:
        """Start jobs on this machine; those on a cloud are followed where a connection is known."""
        with self._engine_lock:
            before, self._engine = self._engine, self._default_engine()
        if before is not None:
            before.close()

    @property
    def cloud(self) -> Cloud | None:
        """Return the cloud's engine, where new jobs start or old ones are followed; None without a connection."""
        from core.cloud.interface import Cloud
        from core.engines.routing import RoutingEngine

        engine: Engine | None = self.engine
        if isinstance(engine, RoutingEngine):
            engine = engine.engine(self.provider.name)
        return engine if isinstance(engine, Cloud) else None

    def _default_engine(self) -> Engine:
        """Return the engine of this machine, which follows the jobs on a cloud too where a connection is known."""
        from core.cloud.account import Connection
        from core.engines.local.engine import LocalEngine

        local, connection = LocalEngine(self.paths, self.store), Connection.recall(self.settings)
        if not connection.is_complete:
            return local
        from core.engines.routing import RoutingEngine

        return RoutingEngine(local, [self.provider.open(connection, self.paths, self.store)], self.store)
