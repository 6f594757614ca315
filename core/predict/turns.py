"""Whose turn it is with a process that answers one request after another, in the order in which they were sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from core.progress import CancelToken

_POLL_S = 0.1

T = TypeVar("T")


class Turns:
    """Calls have the process one after another; a call may send while the one before still waits for its answers."""

    def __init__(self) -> None:
        self._sending = threading.Lock()
        self._receiving = threading.Lock()  # taken while `_sending` is held: answers come in the order of requests

    @contextmanager
    def take(self, cancel: CancelToken, send_ahead: Callable[[], T | None] = lambda: None) -> Iterator[T | None]:
        """Wait for a turn, and yield what `send_ahead` has returned.

        It is called while the call before still receives, and may send one request; None says that it did not. The
        process is then this call's alone; otherwise the next call may send while this one receives.

        Raises:
            Cancelled: through `cancel`, unless a request was sent: its answer must be taken, whatever happens.
        """
        with ExitStack() as held:
            _acquire(self._sending, cancel)
            let_send = held.enter_context(_released(self._sending))
            cancel.raise_if_cancelled()
            sent = send_ahead()
            _acquire(self._receiving, cancel if sent is None else CancelToken())
            held.enter_context(_released(self._receiving))
            if sent is not None:
                let_send()
            yield sent


def _acquire(lock: threading.Lock, cancel: CancelToken) -> None:
    while not lock.acquire(timeout=_POLL_S):
        cancel.raise_if_cancelled()


@contextmanager
def _released(lock: threading.Lock) -> Iterator[Callable[[], None]]:
    """Release a lock that is held at the end, or when the function that it yields is called."""
    once = [lock]
    try:
        yield lambda: once.pop().release()
    finally:
        if once:
            lock.release()
