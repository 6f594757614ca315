"""A clock for what is compared later: it cannot be set."""

from __future__ import annotations

import time


class SteadyClock:
    """Unix seconds, as they were when it was made, and what has passed since."""

    def __init__(self) -> None:
        self._began = time.time() - time.monotonic()

    def __call__(self) -> float:
        """Return the seconds now."""
        return self._began + time.monotonic()
