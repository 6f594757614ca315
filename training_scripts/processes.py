"""Which process is which: a number that goes round, and what tells its bearers apart.

A process is known by its start in ticks of the kernel since this boot, and by the boot: neither moves when the clock
is set. (psutil's `create_time` is a time of day, and does.) Elsewhere than on Linux the system itself keeps the time of
day at which a process started, which stays as it was when the clock is set.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process. `started` is opaque, and the same for as long as it lives; "" for one that was gone at once."""

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        """Whether this very process lives; its number may have gone to another since."""
        return bool(self.started) and identify(self.pid) == self


NO_PROCESS = ProcessIdentity(0, "")


def identify(pid: int, proc: Path = PROC) -> ProcessIdentity | None:
    """Return the identity of the process that has this number now; None if there is none, or only its zombie."""
    started = _started_on_linux(pid, proc) if sys.platform == "linux" else _started_elsewhere(pid)
    return ProcessIdentity(pid, started) if started else None


def _started_on_linux(pid: int, proc: Path) -> str:
    try:
        # The second field is the program's name, in brackets, and may hold anything.
        fields = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        state, ticks = fields[0], int(fields[19])
        boot = (proc / "sys" / "kernel" / "random" / "boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError, IndexError):
        return ""
    return "" if state in "ZX" else f"{boot} {ticks}"


def _started_elsewhere(pid: int) -> str:
    try:
        import psutil
    except ImportError:
        return ""
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.Error:
        return ""
