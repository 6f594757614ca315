"""How many requests run at once: found out while they run, and taken back when the other side is overloaded."""

from __future__ import annotations

import threading
import time

_MEASURE_S = 1.0
_BETTER = 1.05
_WORSE = 0.80


class Gate:
    """Lets at most `limit` threads through, between `low` and `high`, and moves the limit by what it gains.

    Every second the rate since the last move is compared with that before it: more threads that brought more are
    followed by more of them, those that brought nothing are taken back. Throttling halves the limit.
    """

    def __init__(self, low: int = 2, start: int = 8, high: int = 32) -> None:
        self.low, self.high, self.limit = low, high, start
        self._inside = 0
        self._condition = threading.Condition()
        self._since, self._done, self._rate, self._step = time.monotonic(), 0.0, 0.0, 4

    def enter(self, patience: float = 0.5) -> bool:
        """Wait to be let through; False when that took longer than `patience` seconds."""
        with self._condition:
            if not self._condition.wait_for(lambda: self._inside < self.limit, patience):
                return False
            self._inside += 1
            return True

    def leave(self, work: float = 0.0, throttled: bool = False) -> None:
        """Come out again, having done `work`; `throttled`: the other side asked for less."""
        with self._condition:
            self._inside -= 1
            self._done += work
            if throttled:
                self.limit, self._step = max(self.low, self.limit // 2), 1
                self._restart(0.0)
            elif time.monotonic() - self._since >= _MEASURE_S:
                self._move()
            self._condition.notify_all()

    def _move(self) -> None:
        rate = self._done / (time.monotonic() - self._since)
        if rate > self._rate * _BETTER:
            self.limit = min(self.high, self.limit + self._step)
        elif rate < self._rate * _WORSE:
            self.limit = max(self.low, self.limit - self._step)
        self._restart(rate)

    def _restart(self, rate: float) -> None:
        self._since, self._done, self._rate = time.monotonic(), 0.0, rate
