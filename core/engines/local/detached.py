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

from core.python import child_environment, module_command
from training_scripts.processes import ProcessIdentity, identify

_started: dict[int, subprocess.Popen[bytes]] = {}


def this_process() -> ProcessIdentity:
    """Return the identity of the process that asks."""
    return identity_of(os.getpid())


def identity_of(pid: int) -> ProcessIdentity:
    """Return the identity of a process that was started just now, and may be gone again."""
    return identify(pid) or ProcessIdentity(pid, "")


def start_detached(
    module: str, arguments: Sequence[str], log: Path, cwd: Path, with_secrets: bool = False
) -> ProcessIdentity:
    """Start `module.main(*arguments)` as a process of its own session that writes to `log`.

    `with_secrets`: it sees the credentials of this process's environment.
    """
    command = module_command(module, *arguments)
    options: dict[str, object] = {"start_new_session": True}
    environment = None if with_secrets else child_environment()
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        options = {"creationflags": flags}
    with log.open("ab") as output:
        process = subprocess.Popen(  # type: ignore[call-overload]
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env=environment,
            close_fds=True,
            **options,
        )
    _started[process.pid] = process
    return identity_of(process.pid)


def reap() -> None:
    """Collect the ended processes that this one started, so that none stays behind as a zombie."""
    for pid in [pid for pid, process in list(_started.items()) if process.poll() is not None]:
        _started.pop(pid, None)


@atexit.register
def _let_go() -> None:
    """Keep Python from warning of child processes that still run at its end; these are meant to."""
    for process in _started.values():
        process.returncode = process.returncode or 0


def kill_tree(process: ProcessIdentity) -> None:
    """Kill a process, if it lives, with its descendants; and its group if it led one, whose members may outlive it."""
    if process.pid <= 0:  # stands for the group of the process that asks
        return
    victims: list[psutil.Process] = []
    if process.is_alive:
        with contextlib.suppress(psutil.Error):
            leader = psutil.Process(process.pid)
            victims = [leader, *leader.children(recursive=True)]
    if hasattr(os, "killpg") and identify(process.pid) in (None, process):
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    for victim in victims:
        with contextlib.suppress(psutil.Error):
            victim.kill()
    psutil.wait_procs(victims, timeout=5)
