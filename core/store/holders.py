"""Who holds the locks of files: a process that stands still with one is ended, so that others go on."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Collection
from pathlib import Path

import psutil

from core.paths import ROOT
from training_scripts.processes import ProcessIdentity, identify
from training_scripts.watchdog import Watchdog, end_at_once

_LOCKS = Path("/proc/locks")
_END_S, _TICK_S = 5.0, 0.02
_logger = logging.getLogger(__name__)


def end_stuck_holders(files: Collection[Path], silence_s: float) -> bool:
    """End the processes of Sagehound that hold a lock of one of `files` and do nothing; whether there was one.

    What such a process had begun to write is rolled back by SQLite. Waits for `silence_s` seconds of nothing, less
    where the lock is given back. Only Linux says who holds a lock: elsewhere this does nothing.
    """
    watchdogs = {holder: Watchdog(holder, silence_s) for holder in _holders(files)}
    deadline = time.monotonic() + 3 * silence_s
    while watchdogs and time.monotonic() < deadline:
        for holder, watchdog in watchdogs.items():
            if watchdog.finding and not _waits_for_a_disk(holder):
                _logger.warning("Process %d %s with the database and is ended.", holder.pid, watchdog.finding)
                end_at_once(holder)
                gone = time.monotonic() + _END_S
                while holder.is_alive and time.monotonic() < gone:
                    time.sleep(_TICK_S)
                return True
        time.sleep(silence_s / 20)
        holding = _holders(files)
        watchdogs = {holder: watchdog for holder, watchdog in watchdogs.items() if holder in holding}
    return False


def _holders(files: Collection[Path]) -> set[ProcessIdentity]:
    """Return the other processes that hold a lock for writing."""
    try:
        lines = _LOCKS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    paths = {os.path.realpath(file) for file in files}
    inodes = set()
    for path in paths:
        with contextlib.suppress(OSError):
            inodes.add(str(os.stat(path).st_ino))
    found = set()
    for line in lines:
        match line.split():
            # 1: POSIX ADVISORY WRITE 4711 08:01:1234567 120 120; behind "->" are those that wait.
            case [_, _, _, "WRITE", pid, place, *_] if place.rpartition(":")[2] in inodes and pid != str(os.getpid()):
                # Inode numbers repeat from one file system to the next.
                with contextlib.suppress(psutil.Error, ValueError):
                    process = psutil.Process(int(pid))
                    if _is_ours(process) and paths & {file.path for file in process.open_files()}:
                        found.add(identify(process.pid))
    return {holder for holder in found if holder is not None}


def _is_ours(process: psutil.Process) -> bool:
    """Whether it is Sagehound: someone may look into the database with another program, and take his time."""
    names = ("sagehound", "sagehound.exe", "__main__.py")
    program, *words = process.cmdline()  # the program may be a Python that lies with us, and do something else
    return any(os.path.basename(word) in names for word in (program, *words)) or any(
        str(ROOT) in word for word in words
    )


def _waits_for_a_disk(process: ProcessIdentity) -> bool:
    """Whether the system has it wait, which is not its fault."""
    with contextlib.suppress(psutil.Error):
        return bool(psutil.Process(process.pid).status() == psutil.STATUS_DISK_SLEEP)
    return False
