"""How work tells how far it is, and how it is asked to stop.

Work in core is a pure function that takes a `OnProgress` and a `CancelToken`. It calls `on_progress` as it goes (from
whatever thread it runs in) and `cancel.raise_if_cancelled()` between its steps. After a cancel no result is delivered.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import Cancelled


@dataclass(frozen=True, slots=True)
class Progress:
    """How far some work is. `total` is None while it is not known; `unit` is a plural noun or "bytes"."""

    done: int
    total: int | None
    message: str
    unit: str = "items"


OnProgress = Callable[[Progress], None]


def ignore_progress(progress: Progress) -> None:
    """Do nothing: the `OnProgress` of callers that do not watch."""


class CancelToken:
    """A request to stop, shared by who asks and who works. Thread-safe."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next step."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work was asked to stop."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep, but wake at once on cancel; returns `cancelled`."""
        return self._event.wait(seconds)

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` if the work was asked to stop."""
        if self._event.is_set():
            raise Cancelled
