"""The predictor's process as it is kept: started when it is wanted, waited for with patience, asked a second time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from core.errors import Cancelled
from core.predict.child_process import ChildEnded, ChildProcess, Patience
from core.predict.protocol import Header
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from training_scripts.watchdog import Watchdog

_POLL_S = 0.1

R = TypeVar("R")


class KeptChild:
    """Holds at most one process; one that died or stands still is dropped, and replaced when it is asked for.

    Args:
        command: what to start instead of the usual process.
        log: where the process writes what libraries print.
        patience: how long to wait for it.
    """

    def __init__(self, command: Sequence[str] | None, log: Path | None, patience: Patience | None) -> None:
        self._command, self._log, self.patience = command, log, patience or Patience()
        self.now: ChildProcess | None = None
        self.closed = False

    def running(self) -> ChildProcess:
        """Return the process, started if there is none.

        Raises:
            Cancelled: it was closed.
        """
        if self.closed:
            raise Cancelled
        child = self.now  # which `close` takes away, from another thread
        if child is not None and not child.alive:
            self.drop()  # it died of something else than what is asked now
            child = None
        if child is None:
            child = self.now = ChildProcess(self._command, self._log)
            if self.closed:  # closed while it started
                self.drop()
                raise Cancelled
        return child

    def receive(
        self,
        child: ChildProcess,
        timeout: float,
        cancel: CancelToken,
        on_progress: OnProgress = ignore_progress,
        on_cancel: Callable[[], None] | None = None,
    ) -> tuple[Header, bytes]:
        """Return the answer to the oldest open request; messages of progress on the way go to `on_progress`.

        A cancel calls `on_cancel` once; the answer is awaited all the same, so that no other is mistaken for it.

        Raises:
            ChildEnded: the process ended, stands still, or did not answer in time.
            Cancelled: it was closed.
        """
        deadline = time.monotonic() + timeout
        watchdog: Watchdog | None = None
        while True:
            if on_cancel is not None and cancel.cancelled:
                on_cancel()
                on_cancel = None
            try:
                frame = child.receive(_POLL_S)
            except ChildEnded:
                self.drop()
                if self.closed:
                    raise Cancelled from None
                raise
            if frame is not None and "progress" not in frame[0]:
                return frame
            if frame is not None:
                on_progress(Progress(0, None, frame[0]["progress"]))
            elif time.monotonic() > deadline:
                self.drop()
                raise ChildEnded(tr("it did not answer for {timeout:.0f} seconds").format(timeout=timeout))
            elif watchdog is None:  # most answers come at once
                watchdog = child.watchdog(self.patience.silence_s)
            elif finding := watchdog.finding:
                self.drop()
                raise ChildEnded(tr("it {finding}").format(finding=finding), stood_still=True)

    def twice(self, ask: Callable[[], R], cancel: CancelToken, on_progress: OnProgress = ignore_progress) -> R:
        """Ask; once more, another process, where the first stands still.

        Raises:
            ChildEnded: the process ended otherwise, or stood still twice.
        """
        try:
            return ask()
        except ChildEnded as ended:
            self.drop()
            if not ended.stood_still or cancel.cancelled:
                raise
        on_progress(Progress(0, None, tr("The prediction process stood still and is started again")))
        try:
            return ask()
        except ChildEnded:
            self.drop()
            raise

    def drop(self) -> None:
        """End the process, if there is one."""
        child, self.now = self.now, None
        if child is not None:
            child.kill()
            child.end()

    def close(self) -> None:
        """End the process for good; idempotent, any thread."""
        self.closed = True
        self.drop()
