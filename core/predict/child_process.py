"""The predictor process as a handle: starts it, talks frames with it, says in words how it ended."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.errors import SagehoundError
from core.paths import ROOT
from core.predict.protocol import Header, ProtocolError, read_frame, write_frame
from core.python import child_environment, script_command
from core.translation import tr
from training_scripts.processes import ProcessIdentity, identify
from training_scripts.watchdog import Watchdog

WORKER = ROOT / "core" / "models" / "worker.py"
_NO_WINDOW = 0x08000000  # CREATE_NO_WINDOW: no console flashes up on Windows
_END_WAIT_S = 2.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the process may take, in seconds.

    `load_s` for a model and `answer_s` for an answer, however busy it is; `silence_s` without computing anything.
    """

    load_s: float = 300.0
    answer_s: float = 120.0
    silence_s: float = 60.0


class ChildEnded(SagehoundError):
    """The process is gone, or was ended because it did not answer. `how` says so in a clause: "it was killed by …".

    `stood_still`: it was not what it was asked that ended it, so it may be asked again.
    """

    def __init__(self, how: str, stood_still: bool = False) -> None:
        super().__init__(how)
        self.how, self.stood_still = how, stood_still


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
                env=child_environment(),
                creationflags=_NO_WINDOW if os.name == "nt" else 0,
            )
        # Written by a thread: a process that stands still does not read, and writing to it would take for ever.
        self._outbox: queue.SimpleQueue[tuple[Header, bytes] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="predictor-writer", daemon=True)
        self._writer.start()
        self._frames: queue.SimpleQueue[tuple[Header, bytes] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="predictor-reader", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Return the process's number."""
        return self._process.pid

    def watchdog(self, silence_s: float) -> Watchdog:
        """Return what tells whether the process stands still."""
        return Watchdog(identify(self.pid) or ProcessIdentity(self.pid, ""), silence_s)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def send(self, header: Header, payload: bytes = b"") -> None:
        """Send one request; returns at once.

        Raises:
            ChildEnded: the process is gone.
        """
        if not self.alive:
            raise ChildEnded(self.end())
        self._outbox.put((header, payload))

    def receive(self, timeout: float) -> tuple[Header, bytes] | None:
        """Return the next frame, or None when none came within `timeout` seconds.

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
        """End the process at once; who waits in `receive` gets `ChildEnded`."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def end(self) -> str:
        """Close the pipes, wait for the process, kill it if it does not end; returns in words how it ended."""
        assert self._process.stdout is not None
        self._outbox.put(None)
        try:
            status = self._process.wait(_END_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._writer.join(_END_WAIT_S)
        self._reader.join(_END_WAIT_S)
        if not self._reader.is_alive():  # else the pipe is still read, and closing it would wait for that
            self._process.stdout.close()
        return _in_words(status)

    def _write(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError, ProtocolError), self._process.stdin as stdin:
            while (frame := self._outbox.get()) is not None:
                write_frame(stdin, *frame)

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
        return tr("it ended with status {status}").format(status=status)
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    said = (
        tr("it was ended by {name}, perhaps for want of memory") if name == "SIGKILL" else tr("it was ended by {name}")
    )
    return said.format(name=name)
