"""Which changes of labels undo may take back here: those of this process, and those from before it."""

from __future__ import annotations

import threading

from core.labels.events import LabelEvent


class LabelSession:
    """What a process has done to labels, whichever part of it did so. Thread-safe.

    While several windows and commands change a dataset, each takes back its own changes. What was there when the
    process first read a dataset is as if it were its own, so undo has no end and outlives a restart.
    """

    def __init__(self) -> None:
        self._own: set[str] = set()
        self._first: dict[str, int] = {}
        self._lock = threading.Lock()

    def opened(self, dataset: str, last: int) -> None:
        """Note the last event that a dataset had when it was read; only the first time counts."""
        with self._lock:
            self._first.setdefault(dataset, last)

    def forget(self, dataset: str) -> None:
        """Let a dataset be read as for the first time: what it has by then is as if it were ours."""
        with self._lock:
            self._first.pop(dataset, None)

    def add(self, action: str) -> None:
        """Note an action of this process."""
        with self._lock:
            self._own.add(action)

    def is_own(self, action: str) -> bool:
        """Whether this process did it."""
        with self._lock:
            return action in self._own

    def is_others(self, dataset: str, event: LabelEvent) -> bool:
        """Whether another process did this, after this one had read the dataset."""
        with self._lock:
            first = self._first.get(dataset)
            return first is not None and event.number > first and event.action not in self._own
