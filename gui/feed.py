"""What happens to jobs, as Qt signals: one poll of the engine that every tab listens to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal

from core.engine import Engine
from core.errors import UserFacingError
from core.jobs.records import Event, Job, StatusEvent
from core.progress import CancelToken, OnProgress
from gui.bridge import Bridge, Handle


@dataclass(frozen=True, slots=True)
class FeedTiming:
    """Milliseconds between two polls: while jobs run, while none does, and after one that failed."""

    busy_ms: int = 250
    idle_ms: int = 2000
    retry_ms: int = 5000


@dataclass(frozen=True, slots=True)
class _Poll:
    events: tuple[Event, ...]
    cursor: int
    jobs: tuple[Job, ...] | None


class JobsFeed(QObject):
    """Polls the engine's events through the bridge, 4 times a second while jobs run and slower while none does.

    What happened before the feed was started is not repeated: a view describes jobs and reads their history itself.

    Signals:
        events(tuple[Event, ...]): what is new, in the order it was recorded; never empty.
        jobs_changed(tuple[Job, ...]): tuning jobs and single training jobs, newest first; at first, and
            after any status event.
        trouble(UserFacingError): the engine cannot be asked; once, until it can again.
    """

    events = Signal(tuple)
    jobs_changed = Signal(tuple)
    trouble = Signal(object)

    def __init__(self, engine: Callable[[], Engine], bridge: Bridge, timing: FeedTiming = FeedTiming()) -> None:
        super().__init__()
        self._engine, self._bridge, self.timing = engine, bridge, timing
        self._cursor: int | None = None
        self._jobs: tuple[Job, ...] | None = None
        self._asking: Handle | None = None
        self._refresh_again = self._ask_jobs = False
        self._in_trouble = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._ask)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Return the jobs as last heard of, newest first."""
        return self._jobs or ()

    @property
    def known(self) -> bool:
        """Whether the engine has answered: only then does no job mean that there is none."""
        return self._jobs is not None

    @property
    def running(self) -> tuple[Job, ...]:
        """Return those that are not final."""
        return tuple(job for job in self.jobs if not job.status.is_final)

    def start(self) -> None:
        """Begin to poll."""
        self._ask()

    def stop(self) -> None:
        """Poll no more; what is on its way is not delivered."""
        self._timer.stop()
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def restart(self) -> None:
        """Begin again, after the engine was changed for another."""
        self.stop()
        self._cursor = None
        self._jobs = None
        self._ask()

    def refresh(self) -> None:
        """Ask at once, for the jobs too: something was just started, stopped or deleted."""
        self._ask_jobs = True
        if self._asking is not None:
            self._refresh_again = True
        else:
            self._ask()

    def _ask(self) -> None:
        self._timer.stop()
        # A running job's progress changes without a status event; a deleted job leaves none.
        cursor, with_jobs = self._cursor, bool(self.running) or self._ask_jobs
        self._ask_jobs = False

        def work(on_progress: OnProgress, cancel: CancelToken) -> _Poll:
            return _poll(self._engine(), cursor, with_jobs)

        self._asking = self._bridge.run(work, self._on_answer, self._on_error)

    def _on_answer(self, answer: _Poll) -> None:
        self._asking = None
        self._in_trouble = False
        self._cursor = answer.cursor
        changed = answer.jobs is not None and answer.jobs != self._jobs
        if answer.jobs is not None:
            self._jobs = answer.jobs
        if answer.events:
            self.events.emit(answer.events)
        if changed:
            self.jobs_changed.emit(self.jobs)
        self._next(self.timing.busy_ms if self.running or answer.events else self.timing.idle_ms)

    def _on_error(self, error: UserFacingError) -> None:
        self._asking = None
        self._ask_jobs = True
        if not self._in_trouble:
            self._in_trouble = True
            self.trouble.emit(error)
        self._next(self.timing.retry_ms)

    def _next(self, delay: int) -> None:
        if self._refresh_again:
            self._refresh_again, delay = False, 0
        self._timer.start(delay)


def _poll(engine: Engine, cursor: int | None, with_jobs: bool) -> _Poll:
    """Ask for what is new; the first time, only find out where "new" begins."""
    if cursor is None:
        # The cursor first: what happens between the two calls is reported, rather than lost.
        latest = engine.latest_cursor()
        jobs: Sequence[Job] = engine.jobs()
        return _Poll((), latest, tuple(jobs))
    batch = engine.events(cursor)
    ask_jobs = with_jobs or any(isinstance(event, StatusEvent) for event in batch.events)
    return _Poll(batch.events, batch.cursor, tuple(engine.jobs()) if ask_jobs else None)
