"""Starts scripts: forked off a server that has imported torch, in a worker that is there, or as plain subprocesses."""

from __future__ import annotations

import logging
import multiprocessing.connection
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from core.engines.local.detached import identity_of, kill_tree
from core.engines.local.job_runtime import StartMethod
from core.python import script_command
from training_scripts.processes import ProcessIdentity
from training_scripts.trial_worker import TrialRequest, TrialWorker
from training_scripts.watchdog import SILENCE_S

if TYPE_CHECKING:
    from core.engines.local.fork_server import ForkServer

_TRIES = 2
_TICK_S = 0.05
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


class ScriptLauncher:
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
        self._idle: list[TrialWorker] = []
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

    def start_trial(
        self, script: Path, arguments: Sequence[str], variables: Mapping[str, str], cwd: Path, log: Path
    ) -> ScriptProcess:
        """Run our train.py over frozen features, in a worker that another trial has left or in a new one."""
        for _ in range(0 if self._server is None else _TRIES):
            assert self._server is not None
            try:
                worker = self._idle.pop() if self._idle else self._server.start_worker()
                return _WorkerTrial(worker, TrialRequest(arguments, variables, str(cwd), str(log)), self._idle)
            except (OSError, EOFError) as error:
                _logger.warning("no worker took the trial: %r", error)
        return self.start(script, arguments, variables, cwd, log)

    def close(self) -> None:
        """Let the workers end that have nothing to do."""
        while self._idle:
            self._idle.pop().close()


def wait_for_any(processes: Iterable[ScriptProcess], seconds: float) -> None:
    """Sleep until one of the processes ends, or the time is over."""
    ready = [descriptor for process in processes if (descriptor := process.waitable()) is not None]
    if ready:
        multiprocessing.connection.wait(ready, seconds)
    else:
        time.sleep(seconds)


class _WorkerTrial:
    """One trial in a worker, which goes back to `idle` with its end."""

    def __init__(self, worker: TrialWorker, request: TrialRequest, idle: list[TrialWorker]) -> None:
        self._worker, self._idle = worker, idle
        self._process = cast(ScriptProcess, worker.process)
        self._exit_code: int | None = None
        self.identity = self._process.identity
        self.lost = ""
        worker.begin(request)

    def poll(self) -> int | None:
        if self._exit_code is None:
            try:
                self._exit_code = self._worker.poll()
                if self._exit_code is not None:
                    self._idle.append(self._worker)
            except EOFError:
                self._exit_code = self._ended_with_its_worker()
        return self._exit_code

    def _ended_with_its_worker(self) -> int:
        self._worker.close()
        while (code := self._process.poll()) is None:
            wait_for_any([self._process], _TICK_S)
            self._process.kill()
        self.lost = self._process.lost
        return code

    def terminate(self) -> None:
        if self._exit_code is None:
            self._process.terminate()

    def kill(self) -> None:
        if self._exit_code is None:
            self._process.kill()

    def waitable(self) -> int | None:
        return None if self._exit_code is not None else self._worker.fileno()


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
