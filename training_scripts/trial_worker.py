"""A process that does one trial after another over frozen features: it holds torch and the features.

Each trial runs as `python train.py …` would run it, with variables, folder and log of its own. What it prints, leaves
and fails of is its own too; a trial that crashes takes its worker along, and no other trial.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Protocol

from training_scripts.processes import ProcessIdentity


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """One run of train.py: its arguments, all of its variables, the folder it runs in, and its log."""

    arguments: Sequence[str]
    variables: Mapping[str, str]
    cwd: str
    log: str


class WorkerProcess(Protocol):
    """The process of a worker, as far as its owner needs it."""

    identity: ProcessIdentity

    def terminate(self) -> None:
        """Ask the trial in flight to save its model and end."""

    def kill(self) -> None:
        """End it at once, and the trial in flight with it."""


class TrialWorker:
    """A worker as seen from the process that owns it; it ends when this is closed, or its owner ends.

    Args:
        start: starts a process that calls `serve` with the connection it is given.
    """

    def __init__(self, start: Callable[[Connection], WorkerProcess]) -> None:
        self._here, there = multiprocessing.Pipe()
        try:
            self.process = start(there)
        finally:
            there.close()

    def begin(self, request: TrialRequest) -> None:
        """Begin a trial; one at a time.

        Raises:
            OSError: the worker is gone.
        """
        self._here.send(request)

    def poll(self) -> int | None:
        """Return the exit status of the trial that ended; None while it runs.

        Raises:
            EOFError: the worker is gone.
        """
        try:
            return int(self._here.recv()) if self._here.poll() else None
        except OSError as error:
            raise EOFError from error

    def fileno(self) -> int:
        """Return a descriptor that becomes ready when the trial ends."""
        return self._here.fileno()

    def close(self) -> None:
        """Let the worker end, after the trial in flight if there is one."""
        self._here.close()


def serve(requests: Connection) -> None:
    """Do trial after trial, as they are asked for, until the other end is closed."""
    from training_scripts import train
    from training_scripts.feature_store import read_channel

    if hasattr(os, "setsid"):
        os.setsid()  # a group of its own, so that its helpers can be ended with it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    read = lru_cache(4)(read_channel)
    gc.collect()
    gc.freeze()  # what is imported stays: the collector need not look at it again and again
    while True:
        _rest()
        try:
            request: TrialRequest = requests.recv()
        except (EOFError, OSError):
            return
        _become(request)
        try:
            status = train.main(request.arguments, read)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        requests.send(status)


def _rest() -> None:
    """Wait between trials: a request to stop that came too late concerns none, and nothing is printed anywhere."""
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    _print_to(os.open(os.devnull, os.O_WRONLY))


def _become(request: TrialRequest) -> None:
    os.environ.clear()
    os.environ.update(request.variables)
    os.chdir(request.cwd)
    _print_to(os.open(request.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644))
    for text in (sys.stdout, sys.stderr):
        text.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


def _print_to(output: int) -> None:
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
