"""A process of its own for what has to be done on AWS while neither a window nor a command runs.

A job that waits for its frozen features is to be created, one that has a limit of cost is to be stopped at it, an
endpoint is to be deleted at the end of its life. The process ends when nothing of the kind is left, or AWS could not be
asked for a day, and a reboot ends it too: the next use of Sagehound starts it again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from core.cloud.account import Connection
from core.engines.local.detached import start_detached
from core.engines.sagemaker.provider import open_engine
from core.errors import StoreError
from core.paths import AppPaths
from core.store import Store

LOG = "aws-background.log"
_MODULE = "core.engines.sagemaker.tracking.background"
_LOOK_EVERY_S = 5.0
_PATIENCE_S = 24 * 3600.0
_logger = logging.getLogger(__name__)


def starter(paths: AppPaths, connection: Connection) -> Callable[[], None]:
    """Return what starts the process for the jobs of a connection, unless it runs."""

    def start() -> None:
        lock = _lock(paths, connection)
        try:
            with lock.acquire(timeout=0):
                pass
        except Timeout:
            return
        arguments = [str(paths.home), json.dumps(asdict(connection))]
        start_detached(_MODULE, arguments, paths.logs / LOG, paths.home, with_secrets=True)  # it speaks to AWS

    return start


def main(home: str, connection: str) -> int:
    """Do what has to be done for the installation at `home`, and end."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    paths, chosen = AppPaths(Path(home)), Connection(**json.loads(connection))
    return attend(paths, chosen)


def attend(
    paths: AppPaths, connection: Connection, every_s: float = _LOOK_EVERY_S, patience_s: float = _PATIENCE_S
) -> int:
    """Follow the jobs of a connection until nothing is left that no one else would do, or AWS is silent too long."""
    store = Store(paths.database)
    engine = open_engine(connection, paths, store, background=False)
    try:
        while engine.has_duties():
            # What adds a duty writes it down before it looks at the lock, so one that comes last is seen here.
            with _lock(paths, connection).acquire(timeout=0):
                answered = time.monotonic()
                while paths.database.exists() and engine.has_duties():
                    engine.jobs()  # starts the watching, should it have ended
                    time.sleep(every_s)
                    if not engine.notice:
                        answered = time.monotonic()
                    elif time.monotonic() - answered > patience_s:
                        _logger.warning("given up: %s", engine.notice)
                        return 0
            if not paths.database.exists():
                break
    except Timeout:
        pass  # another one is at it
    except StoreError as error:
        _logger.warning("%s", error)  # the installation is gone
    finally:
        engine.close()
        store.close()
    return 0


def _lock(paths: AppPaths, connection: Connection) -> FileLock:
    name = hashlib.sha256(json.dumps([connection.profile, connection.region]).encode()).hexdigest()[:8]
    return FileLock(paths.home / f"aws-background-{name}.lock")
