"""Processes that outlive their parent: start, recognise, end."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from core.paths import ROOT

# Runs a module's main from wherever Sagehound lies: a checkout, site-packages, any working directory.
_BOOTSTRAP = (
    "import sys; sys.path[0] = sys.argv[1]; from importlib import import_module;"
    "sys.exit(import_module(sys.argv[2]).main(*sys.argv[3:]))"
)
_CREATED_TOLERANCE_S = 2.0  # the clock may be set between two looks

_started: dict[int, subprocess.Popen[bytes]] = {}


def start_detached(module: str, arguments: Sequence[str], log: Path, cwd: Path) -> int:
    """Start `module.main(*arguments)` as a process of its own session, writing to `log`; returns its id."""
    command = [sys.executable, "-c", _BOOTSTRAP, str(ROOT), module, *arguments]
    options: dict[str, object] = {"start_new_session": True}
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        options = {"creationflags": flags}
    with log.open("ab") as output:
        process = subprocess.Popen(  # type: ignore[call-overload]
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd, close_fds=True, **options
        )
    _started[process.pid] = process
    return int(process.pid)


def reap() -> None:
    """Collect the ended processes that this one started, so that none stays behind as a zombie."""
    for pid in [pid for pid, process in list(_started.items()) if process.poll() is not None]:
        _started.pop(pid, None)


@atexit.register
def _let_go() -> None:
    """Python warns of child processes that are still running at its end; these are meant to be."""
    for process in _started.values():
        process.returncode = process.returncode or 0


def created(pid: int) -> float | None:
    """When a process was created (Unix seconds); None if there is none, or only its zombie."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def is_alive(pid: int, created_at: float) -> bool:
    """Whether this very process lives; its number may have gone to another since."""
    now = created(pid)
    return now is not None and abs(now - created_at) < _CREATED_TOLERANCE_S


def kill_tree(pid: int) -> None:
    """Kill a process, its group if it leads one, and its descendants, at once."""
    victims: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        victims = [process, *process.children(recursive=True)]
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
    for victim in victims:
        with contextlib.suppress(psutil.Error):
            victim.kill()
    psutil.wait_procs(victims, timeout=5)
