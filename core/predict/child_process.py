"""The predictor process as a handle: starts it, talks frames with it, says in words how it ended."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from core.errors import SagehoundError
from core.predict.protocol import Header, ProtocolError, read_frame, write_frame
from core.python import script_command

WORKER = Path(__file__).resolve().parent / "worker.py"
_NO_WINDOW = 0x08000000  # CREATE_NO_WINDOW: no console flashes up on Windows
_END_WAIT_S = 2.0


class ChildEnded(SagehoundError):
    """The process is gone, or was ended because it did not answer. `how` says so in a clause: "it was killed by …"."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class ChildProcess:
    """One predictor process. Used by one thread at a time, except `kill`, which any thread may call.

    The process ends by itself when its standard input closes, so it never outlives this one, however this one ends.
    """

    def __init__(self, command: Sequence[str] | None = None, log: Path | None = None) -> None:
        with contextlib.ExitStack() as stack:
            errors: IO[bytes] | int = subprocess.DEVNULL
            if log is not None:
                log.parent.mkdir(parents=True, exist_ok=True)
                errors = stack.enter_context(log.open("wb"))
            self._process = subprocess.Popen(
                list(command or script_command(WORKER)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                creationflags=_NO_WINDOW if os.name == "nt" else 0,
            )
        self._frames: queue.SimpleQueue[tuple[Header, bytes] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="predictor-reader", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def send(self, header: Header, payload: bytes = b"") -> None:
        """Send one request.

        Raises:
            ChildEnded: the process is gone.
        """
        assert self._process.stdin is not None
        try:
            write_frame(self._process.stdin, header, payload)
        except (OSError, ValueError):
            raise ChildEnded(self.end()) from None

    def receive(self, timeout: float) -> tuple[Header, bytes] | None:
        """The next frame, or None when none came within `timeout` seconds.

        Raises:
            ChildEnded: the process is gone.
        """
        try:
            frame = self._frames.get(timeout=timeout)
        except queue.Empty:
            if self.alive:
                return None
            # The pipe may stay open where a library left a process of its own behind.
            frame = None
        if frame is None:
            raise ChildEnded(self.end())
        return frame

    def kill(self) -> None:
        """End the process at once; whoever waits in `receive` gets `ChildEnded`."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def end(self) -> str:
        """Close the pipes, wait for the process, kill it if it does not end; returns in words how it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()
        try:
            status = self._process.wait(_END_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join(_END_WAIT_S)
        if not self._reader.is_alive():  # else the pipe is still read, and closing it would wait for that
            self._process.stdout.close()
        return _in_words(status)

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while (frame := read_frame(self._process.stdout)) is not None:
                self._frames.put(frame)
        except (OSError, ValueError, ProtocolError):
            self.kill()
        self._frames.put(None)


def _in_words(status: int) -> str:
    if status >= 0:
        return f"it ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    memory = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return f"it was ended by {name}{memory}"
