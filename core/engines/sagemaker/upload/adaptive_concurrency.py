"""How many requests run at once: found out while they run, and taken back when the other side is overloaded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_ROUND_S = 0.05
_MEASURE_S = 0.25
_BETTER = 1.05
_WORSE = 0.80


class AdaptiveConcurrency:
    """Lets at most `limit` threads through, between `low` and `high`, and moves the limit by what it gains.

    The rate is compared with that before the last move. The limit doubles as long as that brings more; the doubling
    that brought nothing is taken back. From then on it moves in small steps, four times a second, as TCP does.
    Throttling halves the limit. A doubling is judged when twice as many requests have ended as may run at once: those
    that came before it are through by then, however far away the other side is.
    """

    def __init__(
        self, low: int = 2, start: int = 8, high: int = 256, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.low, self.high, self.limit = low, high, start
        self._inside = 0
        self._condition = threading.Condition()
        self._clock = clock
        self._since, self._done, self._ended, self._rate = clock(), 0.0, 0, 0.0
        self._step, self._doubling, self._before = 4, True, start

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
            self._ended += 1
            if throttled:
                self.limit, self._step, self._doubling = max(self.low, self.limit // 2), 1, False
                self._restart(0.0)
            elif self._judged():
                self._move()
            # As many as can come in: waking all for one place costs more than the requests.
            self._condition.notify(max(0, self.limit - self._inside))

    def _judged(self) -> bool:
        passed = self._clock() - self._since
        if self._doubling:
            return passed >= _ROUND_S and self._ended >= 2 * self.limit
        return passed >= _MEASURE_S

    def _move(self) -> None:
        rate = self._done / (self._clock() - self._since)
        if rate > self._rate * _BETTER:
            self._before = self.limit
            self.limit = min(self.high, self.limit * 2 if self._doubling else self.limit + self._step)
        elif self._doubling:
            self.limit, self._doubling = self._before, False
        elif rate < self._rate * _WORSE:
            self.limit = max(self.low, self.limit - self._step)
        self._restart(rate)

    def _restart(self, rate: float) -> None:
        self._since, self._done, self._ended, self._rate = self._clock(), 0.0, 0, rate
