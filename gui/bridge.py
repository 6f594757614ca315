"""The one place where work leaves the UI thread and where its results come back.

    handle = bridge.run(work, on_done, on_error, on_progress)

`work(on_progress, cancel)` runs in a thread of a small pool; the callbacks run in the UI thread. Nothing else in gui
starts a thread.

No closure crosses threads through Qt: a worker knows a number, puts values under it into a queue and wakes the UI
thread by a signal without arguments. Callbacks, and `work` itself, may hold widgets; they belong to the UI thread,
which drops its references only once the worker has none left. So no widget is ever destroyed by a worker.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import shiboken6
from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from core.errors import Cancelled, UserFacingError, refused
from core.progress import CancelToken, OnProgress, Progress
from core.translation import tr

_log = logging.getLogger("sagehound")

T = TypeVar("T")
Work = Callable[[OnProgress, CancelToken], T]

PROGRESS_INTERVAL_MS = 50
"""A progress callback is called at most this often; the last progress is always delivered."""

SWITCH_S = 0.0005
"""Qt's calls give the interpreter's lock away and want it back: with Python's 5 ms a busy thread would hold up each."""

_RELEASE_MS = 20


class Handle:
    """Some work under way. To be used in the UI thread."""

    def __init__(self, token: CancelToken) -> None:
        self._token = token
        self._finished = False

    def cancel(self) -> None:
        """Ask the work to stop. None of its callbacks is called any more."""
        self._token.cancel()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._token.cancelled

    @property
    def active(self) -> bool:
        """Whether a callback may still come."""
        return not (self._finished or self._token.cancelled)


@dataclass(slots=True, eq=False)
class _Run:
    """One call of `Bridge.run`. Only the UI thread holds it: its callbacks and its work may hold widgets."""

    handle: Handle
    work: Work[Any]
    on_done: Callable[[Any], None] | None
    on_error: Callable[[UserFacingError], None] | None
    on_progress: Callable[[Progress], None] | None
    progress: _LatestProgress
    future: Future[None] | None = None
    result: Any = None


@dataclass(slots=True)
class _LatestProgress:
    """The latest progress of some work: set by its worker, taken by the UI thread."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    value: Progress | None = None
    waiting: bool = False
    """Whether the UI thread was woken for it, or shows progress too often to be woken again yet."""

    def set(self, value: Progress) -> bool:
        """Keep `value`; returns whether the UI thread has to be woken."""
        with self.lock:
            self.value = value
            wake, self.waiting = not self.waiting, True
        return wake

    def take(self) -> Progress | None:
        """Return the latest progress that was not taken yet."""
        with self.lock:
            value, self.value = self.value, None
        return value

    def reopen(self) -> bool:
        """Let the worker wake the UI thread again; returns whether progress came meanwhile."""
        with self.lock:
            self.waiting = self.value is not None
            return self.waiting


class Bridge(QObject):
    """Runs work in threads and delivers what comes of it in the UI thread.

    A callback that is a method of a QObject is dropped once that object is deleted. `Cancelled` is silent. A
    `UserFacingError`, or what the system refused, goes to `on_error`, or to `failed` when there is none. Any other
    exception goes to `sys.excepthook`, and `on_error` hears of it in plain words, so that no control stays busy.

    Signals:
        failed(UserFacingError): an error without an `on_error`.
    """

    failed = Signal(object)
    _woken = Signal()

    def __init__(self, threads: int = 6) -> None:
        super().__init__()
        sys.setswitchinterval(SWITCH_S)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bridge")
        self._numbers = count()
        self._runs: dict[int, _Run] = {}
        self._delivered: list[_Run] = []
        self._arrived: SimpleQueue[tuple[int, _Outcome | None]] = SimpleQueue()
        self._waking = threading.Lock()
        self._closed = False
        # Queued even from the UI thread itself: no callback may come before `run` has returned its handle.
        self._woken.connect(self._take_arrived, Qt.ConnectionType.QueuedConnection)
        self._releasing = QTimer(self)
        self._releasing.setInterval(_RELEASE_MS)
        self._releasing.timeout.connect(self._release)

    @property
    def idle(self) -> bool:
        """Whether no work is under way."""
        return not self._runs

    def run(
        self,
        work: Work[T],
        on_done: Callable[[T], None] | None = None,
        on_error: Callable[[UserFacingError], None] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Handle:
        """Run `work(on_progress, cancel)` in a thread; the callbacks are called in the UI thread."""
        token = CancelToken()
        handle = Handle(token)
        if self._closed:
            handle.cancel()
            return handle
        number, progress = next(self._numbers), _LatestProgress()
        run = self._runs[number] = _Run(handle, work, on_done, on_error, on_progress, progress)
        worker = _Worker(number, [work], token, progress if on_progress is not None else None, self._put)
        run.future = self._pool.submit(worker.execute)
        return handle

    def close(self, timeout: float = 5.0) -> bool:
        """Cancel everything and wait for it; returns whether all of it ended within `timeout` seconds."""
        with self._waking:
            self._closed = True
        futures = [run.future for run in (*self._runs.values(), *self._delivered) if run.future is not None]
        for run in self._runs.values():
            run.handle.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)
        # `wait` counts a future that was cancelled before it ran as not done; `done` does not.
        ended = not wait([future for future in futures if not future.done()], timeout).not_done
        if ended:
            self._pool.shutdown(wait=True)
            self._runs.clear()
            self._release()
        self._releasing.stop()
        return ended

    def _put(self, number: int, outcome: _Outcome | None) -> None:
        """Say that there is progress, or an outcome, of a run; from any thread."""
        self._arrived.put((number, outcome))
        with self._waking:
            if not self._closed:
                self._woken.emit()

    @Slot()
    def _take_arrived(self) -> None:
        while not self._closed:
            try:
                number, outcome = self._arrived.get_nowait()
            except Empty:
                return
            if outcome is None:
                self._tick(number)
            else:
                self._deliver(number, outcome)

    def _deliver(self, number: int, outcome: _Outcome) -> None:
        run = self._runs.pop(number)
        run.result = outcome
        self._delivered.append(run)
        self._releasing.start()
        if not run.handle.active:
            return
        self._show_progress(run)
        run.handle._finished = True
        error = outcome.error
        if error is None:
            if run.on_done is not None and _alive(run.on_done):
                run.on_done(outcome.value)
        elif isinstance(error, UserFacingError):
            self._deliver_error(error, run.on_error)
        elif isinstance(error, OSError):
            _log.error("the system refused", exc_info=error)
            self._deliver_error(refused(error), run.on_error)
        elif not isinstance(error, Cancelled):
            self._deliver_error(_defect(error), run.on_error or _ignore)
            sys.excepthook(type(error), error, error.__traceback__)

    def _deliver_error(self, error: UserFacingError, on_error: Callable[[UserFacingError], None] | None) -> None:
        if on_error is None:
            self.failed.emit(error)
        elif _alive(on_error):
            on_error(error)

    def _release(self) -> None:
        """Drop the runs whose worker holds nothing of them any more."""
        self._delivered = [run for run in self._delivered if run.future is not None and not run.future.done()]
        if not self._delivered:
            self._releasing.stop()

    def _tick(self, number: int) -> None:
        run = self._runs.get(number)
        if run is not None:
            self._show_progress(run)
            QTimer.singleShot(PROGRESS_INTERVAL_MS, self, lambda: self._reopen(number))

    def _reopen(self, number: int) -> None:
        run = self._runs.get(number)
        if run is not None and run.progress.reopen():
            self._tick(number)

    def _show_progress(self, run: _Run) -> None:
        latest = run.progress.take()
        if latest is not None and run.on_progress is not None and run.handle.active and _alive(run.on_progress):
            run.on_progress(latest)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of some work: its value, or the exception that ended it."""

    value: Any
    error: BaseException | None


@dataclass(slots=True)
class _Worker:
    """What a thread knows of a run. It takes the work out of `box`, so that the pool keeps no reference to it."""

    number: int
    box: list[Work[Any]]
    token: CancelToken
    progress: _LatestProgress | None
    put: Callable[[int, _Outcome | None], None]

    def execute(self) -> None:
        """Run the work, unless it was cancelled while it waited for a thread, and hand over what came of it.

        The future of this call is done after the thread has left it, with every reference to work, value and error.
        """
        try:
            self.token.raise_if_cancelled()
            outcome = _Outcome(self.box.pop()(self.report, self.token), None)
        except BaseException as error:
            outcome = _Outcome(None, error)
        self.put(self.number, outcome)

    def report(self, progress: Progress) -> None:
        """Keep the latest progress; the UI thread shows it, now and then."""
        if self.progress is not None and self.progress.set(progress):
            self.put(self.number, None)


def _alive(callback: Callable[..., object]) -> bool:
    """Whether the object that a bound method belongs to still exists on Qt's side."""
    owner = getattr(callback, "__self__", None)
    return not isinstance(owner, QObject) or shiboken6.isValid(owner)


def _defect(error: BaseException) -> UserFacingError:
    return UserFacingError(
        tr("This did not work because of a defect in Sagehound."),
        f"{type(error).__name__}: {error}".rstrip(": ") + ".",
        tr("The details are in the log; Help > Open log folder shows it."),
    )


def _ignore(error: UserFacingError) -> None:
    """Take the error of work whose defect the excepthook shows."""
