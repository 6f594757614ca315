"""Follows one job: describes it, reads its history, and keeps both current from the feed."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, QTimer, Signal

from core.engine import Engine
from core.errors import UserFacingError
from core.jobs.records import Event, Job, MetricEvent, RuleOutcome, StatusEvent, TrainingJob, TuningJob
from core.jobs.specs import Spec
from core.jobs.status import RuleStatus
from core.progress import CancelToken, OnProgress
from core.workbench import Workbench
from gui.bridge import Bridge, Handle
from gui.feed import JobsFeed
from gui.jobs.metric_series import Curves

DESCRIBE_MS = 400
"""Jobs that changed are described again at most this often."""
EVENTS_AT_ONCE = 500
"""Events are taken over in parts that leave the event loop its turn (a few milliseconds each)."""
_MANY, _FEW = 40, 200
HISTORY_AFTER_MS = 50
"""So long after the trials their values are read: the page is painted first, reading would hold it up."""
HISTORY_FIRST = 50
"""A search with more trials is shown before the values of their metrics have been read."""


@dataclass(slots=True)
class _Loaded:
    job: Job
    spec: Spec
    trials: tuple[TrainingJob, ...]
    history: _History | None


@dataclass(slots=True)
class _History:
    curves: Curves = field(default_factory=Curves)
    outcomes: list[RuleOutcome] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Described:
    job: Job
    trials: tuple[TrainingJob, ...]


class JobWatch(QObject):
    """One job as it is now. Everything heavy happens in the bridge's threads; the rest is kept small.

    Signals:
        loaded(): another job is shown; `job`, `spec`, `trials` are its own.
        history_loaded(): `curves` and `outcomes` are whole; for a long search somewhat after `loaded`.
        job_changed(): `job` was described again.
        trials_changed(tuple[TrainingJob, ...]): new and changed trials.
        curves_changed(): there are new metric values.
        issues_changed(str, int): so many rules find an issue in that job or trial.
        failed(UserFacingError): the job cannot be described.
    """

    loaded = Signal()
    history_loaded = Signal()
    job_changed = Signal()
    trials_changed = Signal(tuple)
    curves_changed = Signal()
    issues_changed = Signal(str, int)
    failed = Signal(object)

    def __init__(self, workbench: Workbench, bridge: Bridge, feed: JobsFeed, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workbench, self._bridge, self.history_first = workbench, bridge, HISTORY_FIRST
        self._loading: Handle | None = None
        self._describing: Handle | None = None
        self._reset()
        self._describe = self._timer(DESCRIBE_MS, self._on_describe)
        self._read = self._timer(HISTORY_AFTER_MS, self._on_read)
        feed.events.connect(self._on_events)

    def _timer(self, milliseconds: int, slot: object) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(slot)
        return timer

    def _reset(self) -> None:
        self.name = ""
        self.job: Job | None = None
        self.spec: Spec | None = None
        self.curves = Curves()
        self._has_history = False
        self._trials: dict[str, TrainingJob] = {}
        self._early: list[Event] = []
        self._waiting: deque[Event] = deque()
        self._dirty: set[str] = set()
        self._outcomes: dict[str, dict[str, RuleStatus]] = {}
        self._new_values = False

    # What is known ---------------------------------------------------------------------------------------------

    @property
    def trials(self) -> Sequence[TrainingJob]:
        """Return the trials of a tuning job, in the order they were started; a training job is its own only one."""
        return tuple(self._trials.values())

    def trial(self, name: str) -> TrainingJob | None:
        """Return a trial by name."""
        return self._trials.get(name)

    @property
    def best(self) -> str:
        """Return the name of the best trial so far, "" when there is none; a training job is its own best."""
        if isinstance(self.job, TuningJob):
            return self.job.best_trial or ""
        return self.job.name if self.job is not None else ""

    def outcomes(self) -> dict[tuple[str, str], RuleStatus]:
        """Return what each rule says now, by (job or trial, rule)."""
        return {(job, rule): status for job, rules in self._outcomes.items() for rule, status in rules.items()}

    def issues(self, name: str) -> int:
        """Return how many rules find an issue in a job or trial."""
        return sum(status is RuleStatus.ISSUES_FOUND for status in self._outcomes.get(name, {}).values())

    # Following -------------------------------------------------------------------------------------------------

    def watch(self, name: str) -> None:
        """Follow another job; "" follows none."""
        if name == self.name:
            return
        self._cancel()
        self._reset()
        self.name = name
        if name:
            self._load()

    def reload(self) -> None:
        """Describe the job and read its history again, as after a resume."""
        name = self.name
        self._cancel()
        self._reset()
        self.name = name
        if name:
            self._load()

    def _cancel(self) -> None:
        for handle in (self._loading, self._describing):
            if handle is not None:
                handle.cancel()
        self._loading = self._describing = None
        for timer in (self._describe, self._read):
            timer.stop()

    def _load(self) -> None:
        engine, name = self._workbench.engine, self.name

        def work(on_progress: OnProgress, cancel: CancelToken) -> _Loaded:
            return load(engine, name, cancel, self.history_first)

        self._loading = self._bridge.run(work, self._on_loaded, self._on_failed)

    def _on_loaded(self, loaded: _Loaded) -> None:
        self._loading = None
        self.job, self.spec = loaded.job, loaded.spec
        self._trials = {trial.name: trial for trial in loaded.trials}
        if loaded.history is not None:
            self.curves = loaded.history.curves
        self.loaded.emit()
        if loaded.history is not None:
            self._on_history(loaded.history)
        else:
            self._read.start()

    def _on_read(self) -> None:
        engine, name = self._workbench.engine, self.name

        def work(on_progress: OnProgress, cancel: CancelToken) -> _History:
            return read_history(engine, name, cancel)

        self._loading = self._bridge.run(work, self._on_history, self._on_failed)

    def _on_history(self, history: _History) -> None:
        self._loading = None
        known, self.curves = self.curves, history.curves
        self._take_outcomes(history.outcomes)
        if known is not history.curves:
            self.curves_changed.emit()
        for name in self._outcomes:
            self.issues_changed.emit(name, self.issues(name))
        self._resume_live()
        self.history_loaded.emit()

    def _resume_live(self) -> None:
        """Take over what came in between; what comes later is taken as it comes."""
        self._has_history = True
        self._waiting.extend(self._early)
        self._early = []
        self._process_batch()

    def _on_failed(self, error: UserFacingError) -> None:
        self._loading = self._describing = None
        if self.job is None:
            self._reset()  # nothing is followed; choosing the job again tries again
        elif not self._has_history:
            self._resume_live()
        self.failed.emit(error)

    def _on_events(self, events: tuple[Event, ...]) -> None:
        if not self.name:
            return
        if not self._has_history:
            self._early += [event for event in events if self._concerns(event)]
        else:
            self._waiting.extend(events)
            self._process_batch()

    def _process_batch(self) -> None:
        """Take over a part of what waits; the rest after the event loop had its turn, then views hear of it."""
        part = [self._waiting.popleft() for _ in range(min(EVENTS_AT_ONCE, len(self._waiting)))]
        self._take([event for event in part if self._concerns(event)])
        if self._waiting:
            QTimer.singleShot(0, self, self._process_batch)
        elif self._new_values:
            self._new_values = False
            self.curves_changed.emit()

    def _concerns(self, event: Event) -> bool:
        if event.job == self.name or event.job in self._trials:
            return True
        if isinstance(event, StatusEvent) and event.tuning_job is not None:
            return event.tuning_job == self.name
        return re.fullmatch(re.escape(self.name) + r"-\d{3,}-[0-9a-f]{8}", event.job) is not None

    def _take(self, events: Sequence[Event]) -> None:
        if not events:
            return
        metrics = [event for event in events if isinstance(event, MetricEvent)]
        if metrics:
            self.curves.add(metrics)
            self._new_values = True
        for name in self._take_outcomes([event for event in events if isinstance(event, RuleOutcome)]):
            self.issues_changed.emit(name, self.issues(name))
        self._dirty.update(event.job for event in events)
        if not self._describe.isActive() and self._describing is None:
            self._describe.start()

    def _take_outcomes(self, outcomes: Sequence[RuleOutcome]) -> set[str]:
        for outcome in outcomes:
            self._outcomes.setdefault(outcome.job, {})[outcome.rule] = outcome.status
        return {outcome.job for outcome in outcomes}

    def _on_describe(self) -> None:
        engine, name = self._workbench.engine, self.name
        wanted, self._dirty = tuple(self._dirty - {name}), set()
        known = dict(self._trials)

        def work(on_progress: OnProgress, cancel: CancelToken) -> _Described:
            return describe(engine, name, wanted, known)

        self._describing = self._bridge.run(work, self._on_described, self._on_failed)

    def _on_described(self, described: _Described) -> None:
        self._describing = None
        changed = [trial for trial in described.trials if self._trials.get(trial.name) != trial]
        self.job = described.job
        if isinstance(described.job, TrainingJob):
            self._trials = {described.job.name: described.job}
        # Trials that are described one by one may come in any order; names carry the order they were started in.
        unknown = sorted((trial for trial in changed if trial.name not in self._trials), key=lambda trial: trial.name)
        known = [trial for trial in changed if trial.name in self._trials]
        self._trials.update({trial.name: trial for trial in (*known, *unknown)})
        if changed:
            self.trials_changed.emit((*known, *unknown))
        self.job_changed.emit()
        if self._dirty:
            self._describe.start()


def load(engine: Engine, name: str, cancel: CancelToken, history_first: int = HISTORY_FIRST) -> _Loaded:
    """Describe a job; its history too, unless that takes longer than anyone should wait for the rest."""
    job = engine.job(name)
    trials = tuple(engine.trials(name)) if isinstance(job, TuningJob) else (job,)
    history = read_history(engine, name, cancel) if len(trials) <= history_first else None
    return _Loaded(job, engine.spec(name), trials, history)


def read_history(engine: Engine, name: str, cancel: CancelToken) -> _History:
    """Return all values and rule outcomes of a job and its trials so far."""
    history, cursor = _History(Curves(engine.spec(name).training.step_metrics)), 0
    while True:
        cancel.raise_if_cancelled()
        batch = engine.events(cursor, name)
        if not batch.events:
            return history
        cursor = batch.cursor
        history.curves.add(event for event in batch.events if isinstance(event, MetricEvent))
        history.outcomes += [event for event in batch.events if isinstance(event, RuleOutcome)]


def describe(engine: Engine, name: str, changed: Sequence[str], known: Mapping[str, TrainingJob]) -> _Described:
    """Describe a job and those of its trials that changed; all of them when they are many.

    All, too, where those known would contradict the job: events that are still on their way are ahead in it.
    """
    job = engine.job(name)
    if isinstance(job, TrainingJob):
        return _Described(job, (job,))
    if len(changed) > _MANY:
        return _Described(job, tuple(engine.trials(name)))
    found = (engine.job(trial) for trial in changed)
    described = {trial.name: trial for trial in found if isinstance(trial, TrainingJob)}
    counts = Counter(trial.status for trial in {**known, **described}.values())
    if len(known) <= _FEW and counts != Counter(job.counts):
        return _Described(job, tuple(engine.trials(name)))
    return _Described(job, tuple(described.values()))
