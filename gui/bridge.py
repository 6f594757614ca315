"""The one place where work leaves the UI thread and where its results come back.

    handle = bridge.run(work, on_done, on_error, on_progress)

`work(report, cancel)` runs in a thread of a small pool; the callbacks run in the UI thread. Nothing else in gui
starts a thread. An `emit` from a pool thread reaches every slot in the thread where it was connected, so one private
signal is enough.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import shiboken6
from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from core.errors import Cancelled, UserFacingError
from core.progress import CancelToken, Progress, Report

T = TypeVar("T")
Work = Callable[[Report, CancelToken], T]

PROGRESS_INTERVAL_MS = 50
"""A progress callback is called at most this often; the last progress is always delivered."""

SWITCH_S = 0.0005
"""Qt's calls give the interpreter's lock away and want it back: with Python's 5 ms a busy thread would hold up each."""


class Handle:
    """Some work under way. To be used in the UI thread."""

    def __init__(self, token: CancelToken) -> None:
        self._token = token
        self._finished = False

    def cancel(self) -> None:
        """Ask the work to stop. From now on none of its callbacks is called."""
        self._token.cancel()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._token.cancelled

    @property
    def active(self) -> bool:
        """Whether a callback may still come."""
        return not (self._finished or self._token.cancelled)


class Bridge(QObject):
    """Runs work in threads and delivers what comes of it in the UI thread.

    A callback that is a method of a QObject is dropped once that object is deleted. `Cancelled` is silent. A
    `UserFacingError` goes to `on_error`, or to `failed` when there is none. Any other exception goes to
    `sys.excepthook`, and `on_error` hears of it in plain words, so that no control stays busy.

    Signals:
        failed(UserFacingError): an error that nobody else takes.
    """

    failed = Signal(object)
    _ready = Signal(object)

    def __init__(self, threads: int = 6) -> None:
        super().__init__()
        sys.setswitchinterval(SWITCH_S)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bridge")
        self._pending: dict[Future[Any], Handle] = {}
        self._closed = False
        # Queued even from the UI thread itself: no callback may come before `run` has returned its handle.
        self._ready.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        work: Work[T],
        on_done: Callable[[T], None] | None = None,
        on_error: Callable[[UserFacingError], None] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Handle:
        """Run `work(report, cancel)` in a thread; the callbacks are called in the UI thread."""
        token = CancelToken()
        handle = Handle(token)
        if self._closed:
            handle.cancel()
            return handle
        report = _Throttle(self._post, handle, on_progress)
        future: Future[T] = self._pool.submit(_guarded, work, report, token)
        self._pending[future] = handle

        def finished(done: Future[T]) -> None:
            self._post(lambda: self._deliver(done, handle, on_done, on_error, report))

        future.add_done_callback(finished)
        return handle

    def close(self, timeout: float = 5.0) -> bool:
        """Cancel everything and wait for it; returns whether all of it ended within `timeout` seconds."""
        self._closed = True
        for handle in self._pending.values():
            handle.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)
        # `wait` counts a future that was cancelled before it ran as not done; `done` does not.
        ended = not wait([future for future in self._pending if not future.done()], timeout).not_done
        if ended:
            self._pool.shutdown(wait=True)
        return ended

    def _post(self, call: Callable[[], None]) -> None:
        """Call `call` in the UI thread; from any thread."""
        if not self._closed:
            self._ready.emit(call)

    @Slot(object)
    def _call(self, call: Callable[[], None]) -> None:
        if not self._closed:
            call()

    def _deliver(
        self,
        done: Future[T],
        handle: Handle,
        on_done: Callable[[T], None] | None,
        on_error: Callable[[UserFacingError], None] | None,
        report: _Throttle,
    ) -> None:
        self._pending.pop(done, None)
        if not handle.active:
            return
        report.flush()
        handle._finished = True
        error = done.exception()
        if error is None:
            if on_done is not None and _alive(on_done):
                on_done(done.result())
        elif isinstance(error, UserFacingError):
            self._deliver_error(error, on_error)
        elif not isinstance(error, Cancelled):
            self._deliver_error(_defect(error), on_error or _ignore)
            sys.excepthook(type(error), error, error.__traceback__)

    def _deliver_error(self, error: UserFacingError, on_error: Callable[[UserFacingError], None] | None) -> None:
        if on_error is None:
            self.failed.emit(error)
        elif _alive(on_error):
            on_error(error)


class _Throttle:
    """A `Report` that any thread may call as often as it likes; the UI thread hears the latest, now and then."""

    def __init__(
        self,
        post: Callable[[Callable[[], None]], None],
        handle: Handle,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._post, self._handle, self._on_progress = post, handle, on_progress
        self._lock = threading.Lock()
        self._latest: Progress | None = None
        self._waiting = False

    def __call__(self, progress: Progress) -> None:
        if self._on_progress is None:
            return
        with self._lock:
            self._latest = progress
            if self._waiting:
                return
            self._waiting = True
        self._post(self._tick)

    def flush(self) -> None:
        """Deliver the latest progress now, if it was not. In the UI thread."""
        with self._lock:
            latest, self._latest = self._latest, None
        if latest is not None and self._on_progress is not None and self._handle.active and _alive(self._on_progress):
            self._on_progress(latest)

    def _tick(self) -> None:
        self.flush()
        QTimer.singleShot(PROGRESS_INTERVAL_MS, self._open)

    def _open(self) -> None:
        with self._lock:
            self._waiting = self._latest is not None
            again = self._waiting
        if again:
            self._tick()


def _guarded(work: Work[T], report: Report, cancel: CancelToken) -> T:
    """Run `work`, but not if it was cancelled while it waited for a thread."""
    cancel.raise_if_cancelled()
    return work(report, cancel)


def _alive(callback: Callable[..., object]) -> bool:
    """Whether the object that a bound method belongs to still exists on Qt's side."""
    owner = getattr(callback, "__self__", None)
    return not isinstance(owner, QObject) or shiboken6.isValid(owner)


def _defect(error: BaseException) -> UserFacingError:
    return UserFacingError(
        "This did not work because of a defect in Sagehound.",
        f"{type(error).__name__}: {error}".rstrip(": ") + ".",
        "The details are in the log; Help > Open log folder shows it.",
    )


def _ignore(error: UserFacingError) -> None:
    """The `on_error` of work whose defect the excepthook shows."""
