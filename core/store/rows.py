"""How records are kept in the store's tables."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from core.engine_names import LOCAL
from core.jobs.records import Event, Job, MetricEvent, RuleOutcome, StatusEvent, TrainingJob, TuningJob
from core.jobs.specs import Spec, TuningSpec
from core.jobs.status import JobStatus, RuleStatus
from core.store.home_paths import HomePaths
from training_scripts.version import code_version

INTERRUPTED = "Interrupted"
"""The secondary status of what ended without being asked to, and may be resumed."""

FINAL = tuple(str(status) for status in JobStatus if status.is_final)
_COMMON = "name, status, created, secondary_status, started, ended, failure_reason"
_MORE = "dataset_version, progress, engine, note, code_version, notices"
RECORD = (
    f"{_COMMON}, kind, {_MORE}, hyperparameters, objective, tuning_job, artifact,"
    " strategy, objective_metric, maximize, max_jobs, title, pinned, weakest"
)
"""The columns of a job's record, all but the long spec. Thousands are read at once: fields are taken by their place."""

EVENT = "cursor, kind, job, tuning_job, time, name, value, epoch, step, body"
"""The columns of an event, by their place too."""


def new_record(spec: Spec, engine: str = LOCAL) -> Job:
    """Return the record of a job that begins now."""
    status, created = JobStatus.IN_PROGRESS, time.time()
    if isinstance(spec, TuningSpec):
        training = spec.training
        return TuningJob(
            spec.name,
            status,
            created,
            "Starting",
            strategy=str(spec.strategy),
            objective_metric=training.objective.metric,
            maximize=training.objective.maximize,
            max_jobs=spec.max_jobs,
            dataset_version=training.dataset_version,
            engine=engine,
            code_version=code_version(),
        )
    return TrainingJob(
        spec.name,
        status,
        created,
        "Starting",
        hyperparameters=dict(spec.hyperparameters),
        dataset_version=spec.dataset_version,
        engine=engine,
        code_version=code_version(),
        watched=bool(spec.command),
    )


@dataclass(slots=True)
class TrialSummary:
    """What a tuning job's record says of its trials. `done` counts a running one by its progress."""

    counts: dict[JobStatus, int] = field(default_factory=dict)
    done: float = 0.0
    best: tuple[str, float] | None = None
    best_metrics: Mapping[str, float] = field(default_factory=dict)
    best_weakest: str = ""

    def add(self, row: sqlite3.Row) -> None:
        """Count the trials of one status."""
        self.counts[JobStatus(row["status"])] = row["trials"]
        self.done += row["done"]


def tuning_job_of(row: sqlite3.Row, trials: TrialSummary) -> TuningJob:
    """Return a tuning job from its row (`RECORD`) and its trials."""
    name, status, created, secondary_status, started, ended, failure_reason = row[:7]
    dataset_version, progress, engine, note, code_version, notices = row[8:14]
    if trials.counts:
        progress = min(1.0, trials.done / max(1, row["max_jobs"]))
    return TuningJob(
        name,
        JobStatus(status),
        created,
        secondary_status,
        started,
        ended,
        failure_reason,
        strategy=row["strategy"],
        objective_metric=row["objective_metric"],
        maximize=bool(row["maximize"]),
        max_jobs=row["max_jobs"],
        counts=trials.counts,
        best_trial=trials.best[0] if trials.best else None,
        best_objective=trials.best[1] if trials.best else None,
        dataset_version=dataset_version,
        progress=1.0 if status == JobStatus.COMPLETED else progress,
        engine=engine,
        note=note,
        code_version=code_version,
        notices=tuple(notices.splitlines()),
        best_metrics=trials.best_metrics,
        title=row["title"],
        pinned=bool(row["pinned"]),
        best_weakest=trials.best_weakest,
    )


def training_job_of(row: sqlite3.Row, metrics: Mapping[str, float], places: HomePaths) -> TrainingJob:
    """Return a training job from its row (`RECORD`) and the last values of its metrics."""
    name, status, created, secondary_status, started, ended, failure_reason = row[:7]
    dataset_version, progress, engine, note, code_version, notices = row[8:14]
    hyperparameters, objective, tuning_job, artifact = row[14:18]
    return TrainingJob(
        name,
        JobStatus(status),
        created,
        secondary_status,
        started,
        ended,
        failure_reason,
        json.loads(hyperparameters),
        metrics,
        objective,
        tuning_job,
        dataset_version,
        artifact and places.found(artifact),
        progress,
        engine,
        note,
        code_version,
        tuple(notices.splitlines()),
        row["kind"] == "watched",
        row["title"],
        bool(row["pinned"]),
        row["weakest"],
    )


def add_status_event(connection: sqlite3.Connection, name: str) -> None:
    """Record that a job changed."""
    connection.execute(
        "INSERT INTO events (kind, job, tuning_job, time, name, body)"
        " SELECT 'status', name, tuning_job, ?, status, secondary_status FROM jobs WHERE name = ?",
        (time.time(), name),
    )


def add_events(connection: sqlite3.Connection, events: Iterable[MetricEvent | RuleOutcome]) -> None:
    """Record metric values and rule outcomes, and the latest of each."""
    tuning_job = "(SELECT tuning_job FROM jobs WHERE name = ?1)"
    for event in events:
        if isinstance(event, MetricEvent):
            value = to_column(event.value)
            connection.execute(
                "INSERT INTO events (kind, job, tuning_job, time, name, value, epoch, step)"
                f" VALUES ('metric', ?1, {tuning_job}, ?2, ?3, ?4, ?5, ?6)",
                (event.job, event.time, event.name, value, event.epoch, event.step),
            )
            connection.execute("INSERT OR REPLACE INTO latest_metrics VALUES (?, ?, ?)", (event.job, event.name, value))
        else:
            body = json.dumps(asdict(event))
            connection.execute(
                "INSERT INTO events (kind, job, tuning_job, time, name, body)"
                f" VALUES ('rule', ?1, {tuning_job}, ?2, ?3, ?4)",
                (event.job, event.time, event.rule, body),
            )
            connection.execute(
                "INSERT OR REPLACE INTO rules VALUES (?, ?, ?, ?)", (event.job, event.rule, event.time, body)
            )


def event_of(row: sqlite3.Row) -> Event:
    """Return an event from its row (`EVENT`)."""
    _, kind, job, tuning_job, moment, name, value, epoch, step, body = row
    if kind == "metric":
        return MetricEvent(job, name, from_column(value), moment, epoch, step)
    if kind == "rule":
        return outcome_of(body)
    return StatusEvent(job, JobStatus(name), moment, body, tuning_job)


def outcome_of(body: str) -> RuleOutcome:
    """Return a rule outcome from its column."""
    return outcome_from_json(json.loads(body))


def outcome_from_json(data: Mapping[str, Any]) -> RuleOutcome:
    """Return a rule outcome from its JSON, as the store and the jobs' log lines have it; unknown keys are ignored.

    Raises:
        KeyError, TypeError, ValueError: it is not one.
    """
    values = {key: data[key] for key in RuleOutcome.__slots__ if key in data}
    values["status"] = RuleStatus(values["status"])
    values["tensors"] = tuple(values.get("tensors", ()))
    values["unreadable"] = tuple(values.get("unreadable", ()))
    values["values"] = tuple((step, value, threshold) for step, value, threshold in values.get("values", ()))
    return RuleOutcome(**values)


def to_column(value: Any) -> Any:
    """Return it as SQLite keeps it: it has no NaN and would refuse one in silence, NULL stands for it."""
    if isinstance(value, float) and math.isnan(value):
        return None
    return str(value) if isinstance(value, JobStatus) else value


def from_column(value: float | None) -> float:
    """Return the inverse of `to_column` for a number."""
    return math.nan if value is None else value
