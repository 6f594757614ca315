"""How much of the machine a job itself uses: its process, the loader processes under it, and its fellow ranks."""

from __future__ import annotations

import os
from typing import Any

try:
    import psutil
except ImportError:
    psutil = None

_LOOK_EVERY = 10
"""Readings between two looks for new children: looking asks every process of the machine for its parent."""
_LOOK_FIRST = 1


class OwnUse:
    """Counters of the process tree of a job; where psutil cannot read one of its processes, that one is left out."""

    def __init__(self, pid: int | None = None) -> None:
        self._root = psutil.Process(pid if pid is not None else _root())
        self._processes: dict[int, Any] = {self._root.pid: self._root}
        self._spent: dict[int, float] = {}
        self._readings = 0
        self._cores = psutil.cpu_count() or 1
        self._memory = psutil.virtual_memory().total
        self.read(1.0)

    def read(self, seconds: float) -> tuple[float, float]:
        """Return the share of all cores used in the last `seconds`, and of memory now, both in percent."""
        if self._readings % _LOOK_EVERY == _LOOK_FIRST:
            self._look()
        self._readings += 1
        busy = resident = 0.0
        for pid, process in list(self._processes.items()):
            try:
                times, memory = process.cpu_times(), process.memory_info()
            except psutil.Error:
                del self._processes[pid]
                self._spent.pop(pid, None)
                continue
            spent = times.user + times.system
            busy += max(0.0, spent - self._spent.get(pid, spent))
            resident += memory.rss - getattr(memory, "shared", 0) if pid != self._root.pid else memory.rss
            self._spent[pid] = spent
        share = 100.0 * busy / max(seconds, 1e-3) / self._cores
        return min(100.0, share), min(100.0, 100.0 * max(0.0, resident) / self._memory)

    def _look(self) -> None:
        try:
            for child in self._root.children(recursive=True):
                self._processes.setdefault(child.pid, child)
        except psutil.Error:
            return


def _root() -> int:
    """Return this process, or with several ranks on this machine the one that started them all."""
    return os.getppid() if os.environ.get("LOCAL_WORLD_SIZE", "1") not in ("", "0", "1") else os.getpid()
