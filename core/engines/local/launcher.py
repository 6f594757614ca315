"""Starts scripts as processes: forked off a server that has imported torch already, or as plain subprocesses.

A fork server (multiprocessing's) is a fresh interpreter that imports the preloaded modules once and runs nothing; each
script then starts in milliseconds instead of seconds, yet as a process that can be signalled and killed. Only imports
happen in the server: no torch operation, no thread, which a fork would not survive.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.engines.local.child import run_script
from core.engines.local.processes import identity_of, kill_tree
from core.engines.local.runtime import Launching
from core.paths import ROOT
from training_scripts.processes import ProcessIdentity

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess


class ScriptProcess(Protocol):
    """A script that runs or ran."""

    identity: ProcessIdentity

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""

    def terminate(self) -> None:
        """Ask it to save its model and end."""

    def kill(self) -> None:
        """End it and its helpers at once."""

    def waitable(self) -> int | None:
        """A descriptor that becomes ready when it ends, where there is one."""


class Launcher:
    """Starts the scripts of one job.

    Args:
        launching: which way.
        preload: the modules that the fork server imports beforehand.
        threads: the threads of the numeric libraries, fixed when they are loaded.
    """

    def __init__(self, launching: Launching, preload: Sequence[str] = (), threads: int = 1) -> None:
        self._launching = launching
        if launching == "forkserver":
            from multiprocessing.forkserver import ensure_running

            os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)))
            # OpenBLAS would start its threads while it is loaded, before the fork.
            os.environ["OPENBLAS_NUM_THREADS"] = "1"
            # Python 3.11 does not hand sys.path to the server before it preloads.
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
            self._context = multiprocessing.get_context("forkserver")
            self._context.set_forkserver_preload(["core.engines.local.child", *preload])
            ensure_running()

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
        if fresh or self._launching == "subprocess":
            return _Subprocess(script, arguments, variables, cwd, log)
        process = self._context.Process(
            target=run_script, args=(str(script), list(arguments), dict(variables), str(cwd), str(log))
        )
        process.start()
        return _Forked(process)


def wait_for_any(processes: Iterable[ScriptProcess], seconds: float) -> None:
    """Sleep until one of the processes ends, or the time is over."""
    ready = [descriptor for process in processes if (descriptor := process.waitable()) is not None]
    if ready:
        multiprocessing.connection.wait(ready, seconds)
    else:
        time.sleep(seconds)


class _Forked:
    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self._exit_code: int | None = None
        self.identity = identity_of(process.pid or 0)

    def poll(self) -> int | None:
        if self._exit_code is None and (code := self._process.exitcode) is not None:
            # If the fork server died, the script may live on unwatched: whatever is left of it ends here.
            kill_tree(self.identity)
            self._process.close()
            self._exit_code = code
        return self._exit_code

    def terminate(self) -> None:
        if self._exit_code is None:
            self._process.terminate()

    def kill(self) -> None:
        if self._exit_code is None:
            kill_tree(self.identity)

    def waitable(self) -> int | None:
        return self._process.sentinel if self._exit_code is None else None


class _Subprocess:
    def __init__(
        self, script: Path, arguments: Sequence[str], variables: Mapping[str, str], cwd: Path, log: Path
    ) -> None:
        command = [sys.executable, str(script), *arguments]
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

    def poll(self) -> int | None:
        return self._process.poll()

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        kill_tree(self.identity)

    def waitable(self) -> int | None:
        return None
