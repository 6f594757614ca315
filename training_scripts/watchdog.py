"""Whether a process still does something, by what it says and what it computes."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from training_scripts.processes import ProcessIdentity

try:
    import psutil
except ImportError:  # not in every container: then only what a process says counts, and for longer
    psutil = None

SILENCE_S = 180.0
"""How long a process may neither say nor compute anything."""
WORDLESS_S = 1800.0
"""How long one that computes features may compute without a word."""
IDLE_SHARE = 0.02
"""A process that uses less of a core counts as idle. A job's sampler, which lives on when its training hangs, takes a
few thousandths; one of 32 trials on a core gets more."""
WAITING_SHARE = 0.5
"""A process that uses, or waits for, more of a core than this is at work, however little it gets of a busy machine."""
OTHERS_S = 1800.0
"""How long a process waits for those of other machines; an evaluation or a checkpoint of one may take that long."""
_LOOKS = 20


class Watchdog:
    """Watches one process and its descendants.

    A sign of life is that `output` is written to or touched, computing time, or waiting for a core of a busy machine.
    Time counts only while someone looks: a machine that slept, or a watcher that was held up itself, makes no process
    late.

    Args:
        process: whom to watch.
        silence_s: how long it may give no sign of life.
        output: a file that changes while it works, its log for instance.
        wordless_s: how long it may compute without a word.
        clock: seconds that cannot be set.
    """

    def __init__(
        self,
        process: ProcessIdentity,
        silence_s: float = SILENCE_S,
        output: Path | None = None,
        wordless_s: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._process, self._output, self._clock = process, output, clock
        # Where computing cannot be seen, a long epoch without a word is no standstill.
        self._limits = (silence_s if psutil is not None else max(silence_s, WORDLESS_S), wordless_s)
        self._every = silence_s / _LOOKS
        self._state = self._written()
        self._computed, self._wanted = self._core_s()
        self._looked = clock()
        self._silent = self._wordless = 0.0

    @property
    def finding(self) -> str:
        """Say what is wrong with it, behind "it"; "" while nothing is. Cheap: most calls look at the clock alone."""
        elapsed = self._clock() - self._looked
        if elapsed >= self._every:
            self._looked += elapsed
            self._look(min(elapsed, 2 * self._every))
        if self._silent >= self._limits[0]:
            return f"stood still for {in_words(self._limits[0])}"
        if self._wordless >= self._limits[1]:
            return f"computed for {in_words(self._limits[1])} without getting any further"
        return ""

    def _look(self, elapsed: float) -> None:
        self._silent += elapsed
        self._wordless += elapsed
        if (state := self._written()) != self._state:
            self._state = state
            self._silent = self._wordless = 0.0
            return
        computed, wanted = self._core_s()
        if (
            computed - self._computed >= IDLE_SHARE * self._silent
            or wanted - self._wanted >= WAITING_SHARE * self._silent
        ):
            self._computed, self._wanted, self._silent = computed, wanted, 0.0
        # What ended took its time along.
        self._computed, self._wanted = min(self._computed, computed), min(self._wanted, wanted)

    def _written(self) -> tuple[int, int]:
        with contextlib.suppress(OSError):
            if self._output is not None:
                found = self._output.stat()
                return found.st_size, found.st_mtime_ns
        return 0, 0

    def _core_s(self) -> tuple[float, float]:
        """Return for how long the process and its descendants have used a core, and used or waited for one."""
        if psutil is None or not self._process.is_alive:
            return 0.0, 0.0
        used = waited = 0.0
        with contextlib.suppress(psutil.Error):
            leader = psutil.Process(self._process.pid)
            for process in (leader, *leader.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    times = process.cpu_times()
                    used += times.user + times.system
                    waited += waited_s(process.pid)
        return used, used + waited


def waited_s(pid: int) -> float:
    """Return for how long the threads of a process have waited for a core; 0 where the system does not tell."""
    waited, threads = 0, Path(f"/proc/{pid}/task")
    with contextlib.suppress(OSError):  # it may end meanwhile, and so may each of its threads
        for thread in os.listdir(threads):
            with contextlib.suppress(OSError, ValueError, IndexError):
                waited += int((threads / thread / "schedstat").read_text(encoding="ascii").split()[1])
    return waited / 1e9


class Heartbeat:
    """Touches a file now and then, for a watchdog of a process that neither computes nor says much.

    Args:
        file: what the watchdog looks at.
        every_s: how often at most.
    """

    def __init__(self, file: Path, every_s: float) -> None:
        self._file, self._every_s = file, every_s
        self._last = -math.inf

    def beat(self) -> None:
        """Show that this process lives, as far as its main loop is concerned."""
        if time.monotonic() - self._last >= self._every_s:
            self._last = time.monotonic()
            with contextlib.suppress(OSError):
                os.utime(self._file)


def end_at_once(process: ProcessIdentity) -> None:
    """Kill a process, if it still is the one that was meant."""
    if process.is_alive:
        with contextlib.suppress(OSError):
            os.kill(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def end_with_descendants(process: ProcessIdentity) -> None:
    """Kill a process and all that it has started, also what has a session of its own, as torchrun's workers have."""
    started = []
    if psutil is not None and process.is_alive:
        with contextlib.suppress(psutil.Error):
            started = psutil.Process(process.pid).children(recursive=True)
    end_at_once(process)
    for other in started:
        with contextlib.suppress(psutil.Error):
            other.kill()


def in_words(seconds: float) -> str:
    """Return a length of time, for sentences."""
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
