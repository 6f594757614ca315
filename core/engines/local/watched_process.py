"""The process that a watched training runs in: a script that was started, or a process that was there before."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

_POLL_S = 0.25
GRACE_S = 30.0
"""How long what is asked to end may take to save what it has, the script as well as what a shell leaves."""


class Trained(Protocol):
    """The process that trains, as far as it has to be known: what `subprocess.Popen` has of it."""

    returncode: int

    def poll(self) -> int | None:
        """Return its exit status once it has ended."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises subprocess.TimeoutExpired."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""


class Script(subprocess.Popen[bytes]):
    """The script. Asked to end, it ends with the processes that it started: a shell or a launcher may leave them."""

    _left: Sequence[Any] = ()

    def terminate(self) -> None:
        """Ask it to end."""
        self._left = self._descendants()
        super().terminate()

    def kill(self) -> None:
        """End it."""
        self._left = [*self._left, *self._descendants()]
        super().kill()

    def end_rest(self) -> None:
        """End what is left of a script that was asked to end, and has."""
        if not self._left:
            return
        import psutil

        for process in self._left:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        for process in psutil.wait_procs(self._left, timeout=GRACE_S)[1]:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def _descendants(self) -> Sequence[Any]:
        import psutil

        try:
            return list(psutil.Process(self.pid).children(recursive=True))
        except psutil.Error:
            return ()


class AttachedProcess:
    """A process that is not a child of this one. Asked to end it hears Ctrl-C, which a notebook survives."""

    returncode = 0

    def __init__(self, pid: int, closed: Path) -> None:
        from core.engines.local.detached import identity_of

        self._process, self._closed = identity_of(pid), closed

    def poll(self) -> int | None:
        """Return 0 where it said that it has trained, 1 where it is gone."""
        if self._closed.exists():
            return 0
        if self._process.is_alive:
            return None
        self.returncode = 1
        return 1

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        end = math.inf if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() >= end:
                raise subprocess.TimeoutExpired("", timeout or 0)
            time.sleep(min(_POLL_S, max(0.0, end - time.monotonic())))
        return code

    def terminate(self) -> None:
        """Interrupt it."""
        if self._process.is_alive:
            os.kill(self._process.pid, signal.SIGINT)

    kill = terminate


class _Forwarded:
    process: subprocess.Popen[bytes] | None = None


@contextlib.contextmanager
def signals_for_script() -> Iterator[_Forwarded]:
    """Leave Ctrl-C to the script, which hears it too, and hand on a request to end."""
    forwarded = _Forwarded()

    def hand_on(number: int, frame: object) -> None:
        if forwarded.process is not None and forwarded.process.poll() is None:
            forwarded.process.send_signal(number)

    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before: Mapping[int, Any] = {number: signal.signal(number, hand_on) for number in numbers}
    interrupted = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield forwarded
    finally:
        signal.signal(signal.SIGINT, interrupted)
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_for(process: Trained, seconds: float) -> None:
    """Wait until it ends, for so long at most."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
