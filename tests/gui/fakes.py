"""An engine in memory with the same interface as the real ones, for shapes and floods that no test could wait for."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import Qt

from core.engine import Capabilities, Engine
from core.errors import EngineError, JobNotFound, ModelError, SpecError
from core.jobs.contract import default_metrics
from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, Scaling
from core.jobs.records import Event, EventBatch, Job, LogChunk, MetricEvent, StatusEvent, TrainingJob, TuningJob
from core.jobs.specs import Spec, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.progress import ignore_progress

PAGE = 20_000


class FakeEngine(Engine):
    """Keeps jobs, events and logs in dictionaries; `called` says what it was asked to do."""

    name = "memory"
    capabilities = Capabilities(resumes=True, grid_takes_integers=True)

    def __init__(self) -> None:
        self.called: list[tuple[str, str]] = []
        self.logs: dict[str, list[str]] = {}
        self.refuse: dict[str, EngineError] = {}
        self._jobs: dict[str, Job] = {}
        self._trials: dict[str, dict[str, TrainingJob]] = {}
        self._specs: dict[str, Spec] = {}
        self._events: list[Event] = []
        self._lock = threading.Lock()

    # What a test does ------------------------------------------------------------------------------------------

    def put(self, job: Job, spec: Spec | None = None) -> None:
        """Add or replace a job or trial, and tell of it."""
        with self._lock:
            tuning = getattr(job, "tuning_job", None)
            if tuning:
                self._trials.setdefault(tuning, {})[job.name] = job  # type: ignore[assignment]
            else:
                self._jobs[job.name] = job
            self._specs.setdefault(job.name, spec or training_spec(job.name))
            self._events.append(StatusEvent(job.name, job.status, 0.0, job.secondary_status, tuning))

    def tell(self, events: Iterable[Event]) -> None:
        """Add events."""
        with self._lock:
            self._events.extend(events)

    def remove(self, name: str) -> None:
        """Take a job away."""
        with self._lock:
            self._jobs.pop(name)

    # The interface ---------------------------------------------------------------------------------------------

    def _asked(self, what: str, name: str) -> None:
        self.called.append((what, name))
        if what in self.refuse:
            raise self.refuse[what]

    def stage(self, manifest, on_progress=ignore_progress, cancel=None) -> Mapping[str, str]:
        return {"train": "memory"}

    def start(self, spec: Spec) -> None:
        self._asked("start", spec.name)
        if spec.name in self._jobs:
            raise SpecError(f"There is a job {spec.name} already.", fix="Choose another name.", field="name")
        job = TuningJob if isinstance(spec, TuningSpec) else TrainingJob
        self.put(job(spec.name, JobStatus.IN_PROGRESS, 1.0, "Starting"), spec)

    def stop(self, name: str) -> None:
        self._asked("stop", name)

    def resume(self, name: str) -> None:
        self._asked("resume", name)

    def delete(self, name: str) -> None:
        self._asked("delete", name)
        self.remove(name)

    def keep_record(self, name: str) -> None:
        self.job(name)

    def set_note(self, name: str, text: str) -> None:
        self._asked("note", name)
        self.put(dataclasses.replace(self.job(name), note=text), self.spec(name))

    def jobs(self) -> Sequence[Job]:
        with self._lock:
            return sorted(self._jobs.values(), key=lambda job: -job.created)

    def job(self, name: str) -> Job:
        with self._lock:
            for jobs in (self._jobs, *self._trials.values()):
                if name in jobs:
                    return jobs[name]
        raise JobNotFound(f"There is no job {name}.")

    def trials(self, tuning_job: str) -> Sequence[TrainingJob]:
        with self._lock:
            return list(self._trials.get(tuning_job, {}).values())

    def spec(self, name: str) -> Spec:
        self.job(name)
        return self._specs[name]

    def events(self, since: int = 0, job: str | None = None) -> EventBatch:
        with self._lock:
            page = self._events[since : since + PAGE]
            ours = page if job is None else [e for e in page if e.job == job or e.job.startswith(f"{job}-")]
            if page and not ours:  # an empty batch means the end
                return self._after(since + len(page), job)
            return EventBatch(tuple(ours), since + len(page))

    def _after(self, since: int, job: str | None) -> EventBatch:
        rest = [e for e in self._events[since:] if e.job == job or e.job.startswith(f"{job}-")]
        return EventBatch(tuple(rest), len(self._events))

    def read_log(self, name: str, offset: int = 0) -> LogChunk:
        lines = self.logs.get(name, [])[offset : offset + 10_000]
        return LogChunk(tuple(lines), offset + len(lines))

    def fetch_artifact(self, name: str, on_progress=ignore_progress, cancel=None) -> Path:
        raise ModelError(f"{name} has no model.")


def training_spec(name: str, **hyperparameters: str) -> TrainingSpec:
    """A plain training job's spec."""
    values = {"backbone": "efficientnet_lite0", "head": "linear", "mode": "head", "num_epochs": "10"}
    return TrainingSpec(name, {}, values | hyperparameters, default_metrics(), dataset_path="/data/pets")


def tuning_spec(name: str, max_jobs: int = 20) -> TuningSpec:
    """A search over a learning rate, a batch size and an optimizer."""
    ranges = (
        ContinuousRange("learning_rate", 1e-4, 5e-2, Scaling.LOGARITHMIC),
        IntegerRange("batch_size", 16, 128),
        CategoricalRange("optimizer", ("adam", "sgd")),
    )
    return TuningSpec(training_spec(name), ranges, max_jobs=max_jobs)


def add_search(
    engine: FakeEngine,
    name: str = "pets",
    trials: int = 5,
    epochs: int = 4,
    running: int = 0,
    created: float = 100.0,
    **changes: object,
) -> TuningJob:
    """Put a search with its trials and their curves; trial n ends at the loss 1/n, so the last finished one is best."""
    counts: dict[JobStatus, int] = {}
    best: TrainingJob | None = None
    for number in range(1, trials + 1):
        done = number <= trials - running
        status = JobStatus.COMPLETED if done else JobStatus.IN_PROGRESS
        counts[status] = counts.get(status, 0) + 1
        trial = make_trial(name, number, status, 1.0 / number if done else None)
        best = trial if done else best
        engine.put(trial, training_spec(trial.name, **trial.hyperparameters))
        engine.tell(curve_of(trial.name, number, epochs))
        engine.logs[trial.name] = [f"epoch={epoch}/{epochs} Average loss: 0.5" for epoch in range(1, epochs + 1)]
    values = {
        "status": JobStatus.IN_PROGRESS if running else JobStatus.COMPLETED,
        "max_jobs": trials,
        "counts": counts,
        "best_trial": best.name if best else None,
        "best_objective": best.objective if best else None,
        "started": 100.0,
        "ended": None if running else 130.0,
        "strategy": "Bayesian",
        "objective_metric": "Average loss",
    }
    job = TuningJob(name=name, created=created, **(values | changes))  # type: ignore[arg-type]
    engine.put(job, tuning_spec(name, max(1, job.max_jobs)))
    return job


def make_trial(job: str, number: int, status: JobStatus, objective: float | None) -> TrainingJob:
    """A trial with hyperparameters that depend on its number."""
    return TrainingJob(
        f"{job}-{number:03d}-{number:08x}",
        status,
        float(number),
        started=100.0,
        ended=103.5 if status.is_final else None,
        hyperparameters={
            "learning_rate": repr(1e-4 * number),
            "batch_size": str(16 + number % 100),
            "optimizer": "adam" if number % 2 else "sgd",
        },
        metrics={} if objective is None else {"Average loss": objective},
        objective=objective,
        tuning_job=job,
        artifact="model.tar.gz" if status is JobStatus.COMPLETED else None,
    )


def curve_of(trial: str, number: int, epochs: int) -> list[MetricEvent]:
    """A falling train and valid loss."""
    events = []
    for epoch in range(1, epochs + 1):
        value = 1.0 / number + math.exp(-epoch)
        for metric, factor in (("Average loss", 1.0), ("valid:loss", 1.0), ("train:loss", 0.8)):
            events.append(MetricEvent(trial, metric, factor * value, 0.0, epoch=epoch))
    return events


def press(qtbot, button) -> None:
    """Click a button."""
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def start_jobs(tab, feed, qtbot, name: str = "pets"):
    """Start the feed of a Jobs tab and wait until a job's page is there; returns the page."""
    feed.start()
    qtbot.waitUntil(lambda: tab.watch.job is not None and tab.watch.job.name == name, timeout=10_000)
    return tab.detail


def type_into(qtbot, editor, text: str) -> None:
    """Replace a field's text by typing."""
    editor.setFocus()
    editor.selectAll()
    qtbot.keyClicks(editor, text)


def row_of(tab, name: str):
    """The row of the ranges table for a hyperparameter."""
    return next(row for row in tab.ranges.rows() if row.draft().name == name)
