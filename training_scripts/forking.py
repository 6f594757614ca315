"""Processes that are forked off a server which has imported what they need: they start in milliseconds."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver as server
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from training_scripts.processes import NO_PROCESS, ProcessIdentity, identify
from training_scripts.watchdog import Watchdog, end_at_once

END_S = 2.0
"""How long a process that is ended may take until it counts as ended."""
_TICK_S = 0.02


def forkserver(*preload: str) -> ForkServerContext:
    """Return the context of the fork server, which imports the modules `preload` and computes on one thread."""
    # Python 3.11 does not hand sys.path to the server before it imports.
    root = str(Path(__file__).resolve().parent.parent)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def server_identity() -> ProcessIdentity:
    """Return the fork server of this process; it starts again, as another, when it is gone and asked for a process."""
    pid: int | None = getattr(server._forkserver, "_forkserver_pid", None)
    return NO_PROCESS if pid is None else identify(pid) or ProcessIdentity(pid, "")


def start_forked(process: BaseProcess, silence_s: float) -> None:
    """Start a process of the fork server.

    Raises:
        OSError, EOFError: the server is gone, or stood still and was ended. The next call starts another.
    """
    before = server_identity()
    try:
        with _watched_server(silence_s):
            process.start()
    except (OSError, EOFError):
        await_end(before)
        raise


def await_end(process: ProcessIdentity) -> bool:
    """Whether a process ends within a moment: its pipes close shortly before it counts as ended."""
    deadline = time.monotonic() + END_S
    while process.is_alive:
        if time.monotonic() > deadline:
            return False
        time.sleep(_TICK_S)
    return True


@contextmanager
def _watched_server(silence_s: float) -> Iterator[None]:
    """End the fork server where it stands still: to ask it for a process is to wait for its answer, without a limit."""
    over = threading.Event()

    def watch() -> None:
        watched = server_identity()
        watchdog = Watchdog(watched, silence_s)
        while not over.wait(silence_s / 20):
            if server_identity() != watched:
                watched = server_identity()
                watchdog = Watchdog(watched, silence_s)
            elif watchdog.finding:
                end_at_once(watched)

    thread = threading.Thread(target=watch, name="fork-server-watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def end_with_parent() -> None:
    """End this process when the one that asked for it is gone, whatever it waits for."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
