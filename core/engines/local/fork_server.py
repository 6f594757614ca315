"""A fork server (multiprocessing's): a fresh interpreter that imports torch once, and forks a process off per script.

Each script then starts in milliseconds instead of seconds, yet as a process that can be signalled and killed. Only
imports happen in the server: no torch operation, no thread, which a fork would not survive.

The server is a process like any other: it may be killed (where memory runs out, say) or stand still. Then it is started
again. The scripts it had forked off continue, but nothing would hear of their end: they are lost.
"""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.connection
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING

from core.engines.local.child import run_script
from core.engines.local.detached import identity_of, kill_tree
from core.paths import ROOT
from core.translation import tr
from training_scripts.forking import END_S, await_end, server_identity, start_forked
from training_scripts.processes import ProcessIdentity
from training_scripts.trial_worker import TrialWorker, serve
from training_scripts.watchdog import end_at_once

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerProcess

_SERVER_LOST = 255
"""The exit code that multiprocessing reports for a process whose server is gone."""


def start_early(runtime: Path) -> None:
    """Start the fork server that a job's options ask for: torch is being imported while the rest begins."""
    options = json.loads(runtime.read_text(encoding="utf-8"))
    if options["launching"] == "forkserver":
        ForkServer(options["preload"], options["threads"], options["silence_s"])


class ForkServer:
    """The fork server of this process, of which there is one.

    Args:
        preload: the modules that it imports beforehand.
        threads: the threads of the numeric libraries, fixed when they are loaded.
        silence_s: how long it may stand still while a script is to be started.
    """

    def __init__(self, preload: Sequence[str], threads: int, silence_s: float) -> None:
        self._silence_s = silence_s
        os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)))
        # OpenBLAS would start its threads while it is loaded, before the fork.
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        # Python 3.11 does not hand sys.path to the server before it preloads.
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["core.engines.local.child", *preload])
        forkserver.ensure_running()

    @property
    def identity(self) -> ProcessIdentity:
        """Return the server's process; it starts again, as another, when a script is to be started and it is gone."""
        return server_identity()

    def start(
        self, script: Path, arguments: Sequence[str], variables: Mapping[str, str], cwd: Path, log: Path
    ) -> ForkedScript:
        """Fork `python script arguments…` off.

        Raises:
            OSError, EOFError: the server is gone, or stood still and was ended. The next call starts another.
        """
        return self._fork(run_script, str(script), list(arguments), dict(variables), str(cwd), str(log))

    def start_worker(self) -> TrialWorker:
        """Fork a process off that does one trial after another.

        Raises:
            OSError, EOFError: as above.
        """
        return TrialWorker(partial(self._fork, serve))

    def _fork(self, work: Callable[..., None], *arguments: object) -> ForkedScript:
        process = self._context.Process(target=work, args=arguments)
        start_forked(process, self._silence_s)
        return ForkedScript(process, self.identity)


class ForkedScript:
    """A script that was forked off; see `ScriptProcess`."""

    def __init__(self, process: ForkServerProcess, server: ProcessIdentity) -> None:
        self._process, self._server = process, server
        self._exit_code: int | None = None
        self.identity = identity_of(process.pid or 0)
        self.lost = ""

    def poll(self) -> int | None:
        """See `ScriptProcess.poll`."""
        if self._exit_code is None and (code := self._process.exitcode) is not None:
            if code == _SERVER_LOST and await_end(self._server):
                self.lost = tr(
                    "was lost with the process that had started it, which was ended, perhaps for want of memory"
                )
            # A script whose server died lives on unwatched: whatever is left of it ends here.
            kill_tree(self.identity)
            self._process.close()
            self._exit_code = code
        return self._exit_code

    def terminate(self) -> None:
        """See `ScriptProcess.terminate`."""
        if self._exit_code is None:
            self._process.terminate()

    def kill(self) -> None:
        """See `ScriptProcess.kill`."""
        if self._exit_code is not None:
            return
        kill_tree(self.identity)
        if not self.identity.is_alive and not multiprocessing.connection.wait([self._process.sentinel], END_S):
            end_at_once(self._server)  # it stands still itself, and never says that the script has ended

    def waitable(self) -> int | None:
        """See `ScriptProcess.waitable`."""
        return self._process.sentinel if self._exit_code is None else None
