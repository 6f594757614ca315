"""Starts scripts as processes: forked off a server that has imported torch already, or as plain subprocesses."""

from __future__ import annotations

import logging
import multiprocessing.connection
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.engines.local.processes import identity_of, kill_tree
from core.engines.local.runtime import StartMethod
from core.python import script_command
from training_scripts.processes import ProcessIdentity
from training_scripts.watchdog import SILENCE_S

if TYPE_CHECKING:
    from core.engines.local.fork_server import ForkServer

_TRIES = 2
_logger = logging.getLogger(__name__)


class ScriptProcess(Protocol):
    """A script that runs or ran."""

    identity: ProcessIdentity
    lost: str
    """Why its exit status says nothing of the script, behind "it"; "" where it does."""

    def poll(self) -> int | None:
        """Return the exit status, negative for a signal; None while it runs."""

    def terminate(self) -> None:
        """Ask it to save its model and end."""

    def kill(self) -> None:
        """End it and its helpers at once."""

    def waitable(self) -> int | None:
        """Return a descriptor that becomes ready when it ends, where there is one."""


class Launcher:
    """Starts the scripts of one job.

    Args:
        launching: which way.
        preload: the modules that the fork server imports beforehand.
        threads: the threads of the numeric libraries, fixed when they are loaded.
        silence_s: how long the fork server may stand still.
    """

    def __init__(
        self, launching: StartMethod, preload: Sequence[str] = (), threads: int = 1, silence_s: float = SILENCE_S
    ) -> None:
        self._server: ForkServer | None = None
        if launching == "forkserver":
            from core.engines.local.fork_server import ForkServer  # Windows has none

            self._server = ForkServer(preload, threads, silence_s)

    def start(
        self,
        script: Path,
        arguments: Sequence[str],
        variables: Mapping[str, str],
        cwd: Path,
        log: Path,
        fresh: bool = False,
    ) -> ScriptProcess:
        """Start `python script arguments…` in `cwd`, its output appended to `log`.

        `fresh`: in a new interpreter, for a script that need not wait for the fork server or wants other threads.
        """
        for _ in range(0 if fresh or self._server is None else _TRIES):
            assert self._server is not None
            try:
                return self._server.start(script, arguments, variables, cwd, log)
            except (OSError, EOFError) as error:
                _logger.warning("the fork server started no script: %r", error)
        return _Subprocess(script, arguments, variables, cwd, log)


def wait_for_any(processes: Iterable[ScriptProcess], seconds: float) -> None:
    """Sleep until one of the processes ends, or the time is over."""
    ready = [descriptor for process in processes if (descriptor := process.waitable()) is not None]
    if ready:
        multiprocessing.connection.wait(ready, seconds)
    else:
        time.sleep(seconds)


class _Subprocess:
    def __init__(
        self, script: Path, arguments: Sequence[str], variables: Mapping[str, str], cwd: Path, log: Path
    ) -> None:
        command = script_command(script, *arguments)
        with log.open("ab") as output:
            if sys.platform == "win32":
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=cwd,
                    env=dict(variables),
                    creationflags=subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW,
                )
            else:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=cwd,
                    env=dict(variables),
                    start_new_session=True,
                )
        self.identity = identity_of(self._process.pid)
        self.lost = ""

    def poll(self) -> int | None:
        return self._process.poll()

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        kill_tree(self.identity)

    def waitable(self) -> int | None:
        return None
