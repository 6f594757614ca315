"""What an engine tells about jobs: frozen descriptions, and the events that happen to them.

Times are Unix seconds (float, UTC). A job's secondary status is a short word of SageMaker's ("Starting",
"Downloading", "Training", "Uploading", …); the local engine adds "PreparingFeatures".
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from core.engine_names import LOCAL
from core.jobs.accuracy import Accuracy
from core.jobs.status import JobStatus, RuleStatus

JobKind = Literal["training", "tuning", "watched"]


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """A training job, or a trial when `tuning_job` is set.

    `hyperparameters` are strings, as a container sees them. `metrics` holds the last value of each metric.
    `artifact` is where model.tar.gz is (a path or an s3:// address), or will be made of a head that was left alone
    (core/jobs/head_models.py); None until there is a model.
    `progress` is 0…1, or None when unknown. `note` is the user's own; `code_version` says which code ran, as
    `training_scripts.version.code_version` has it, "" when that is not known. `notices` are sentences on what happened
    that is not a failure but should be known: a process stood still, a metric could not be read. `watched`: it
    is a script of the user's own, which `sagehound watch` ran; nothing else can start it again. `weakest` is the class
    that its model recognises least often, of the split that its accuracy is of; "" where that is not known or none is.
    """

    name: str
    status: JobStatus
    created: float
    secondary_status: str = ""
    started: float | None = None
    ended: float | None = None
    failure_reason: str = ""
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    objective: float | None = None
    tuning_job: str | None = None
    dataset_version: str = ""
    artifact: str | None = None
    progress: float | None = None
    engine: str = LOCAL
    note: str = ""
    code_version: str = ""
    notices: tuple[str, ...] = ()
    watched: bool = False
    title: str = ""
    pinned: bool = False
    weakest: str = ""

    @property
    def shown_name(self) -> str:
        """Return what the user calls it, else its name."""
        return self.title or self.name

    @property
    def kind(self) -> JobKind:
        """Return "training", or "watched" for a script of the user's own."""
        return "watched" if self.watched else "training"

    @property
    def best_objective(self) -> float | None:
        """Return the objective it is judged by: its own."""
        return self.objective

    @property
    def accuracy(self) -> Accuracy | None:
        """Return how much of test it has right, else of valid."""
        return Accuracy.among(self.metrics, self.weakest)


@dataclass(frozen=True, slots=True)
class TuningJob:
    """A tuning job; `counts` says how many trials have which status, `best_trial` is a training job's name.

    `best_metrics` holds the last value of each metric of that trial, and `best_weakest` its weakest class.
    """

    name: str
    status: JobStatus
    created: float
    secondary_status: str = ""
    started: float | None = None
    ended: float | None = None
    failure_reason: str = ""
    strategy: str = ""
    objective_metric: str = ""
    maximize: bool = False
    max_jobs: int = 0
    counts: Mapping[JobStatus, int] = field(default_factory=dict)
    best_trial: str | None = None
    best_objective: float | None = None
    dataset_version: str = ""
    progress: float | None = None
    engine: str = LOCAL
    note: str = ""
    code_version: str = ""
    notices: tuple[str, ...] = ()
    best_metrics: Mapping[str, float] = field(default_factory=dict)
    title: str = ""
    pinned: bool = False
    best_weakest: str = ""

    @property
    def shown_name(self) -> str:
        """Return what the user calls it, else its name."""
        return self.title or self.name

    @property
    def kind(self) -> JobKind:
        """Return "tuning"."""
        return "tuning"

    @property
    def accuracy(self) -> Accuracy | None:
        """Return how much of test its best trial has right, else of valid."""
        return Accuracy.among(self.best_metrics, self.best_weakest)


Job = TrainingJob | TuningJob


def elapsed(job: Job) -> float | None:
    """Return seconds since a job started, until it ended; None before it started."""
    if job.started is None:
        return None
    return (time.time() if job.ended is None else job.ended) - job.started


_BEFORE_TRAINING = {"PreparingFeatures": "Features", "Starting": "Starting", "Downloading": "Downloading"}


def before_training(job: Job) -> str:
    """Return what a job does before its first trial or epoch; "" later."""
    has_trials = isinstance(job, TuningJob) and bool(job.counts)
    return "" if has_trials else _BEFORE_TRAINING.get(job.secondary_status, "")


@dataclass(frozen=True, slots=True)
class MetricEvent:
    """One value of one metric of one training job. `epoch` and `step` are set where the log line had them."""

    job: str
    name: str
    value: float
    time: float
    epoch: int | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class StatusEvent:
    """A job came into being or changed: describe it again. `tuning_job` is set for trials."""

    job: str
    status: JobStatus
    time: float
    secondary_status: str = ""
    tuning_job: str | None = None


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What one Debugger rule says of one job.

    `values` are the evidence, as (step, value, threshold) triples, newest last; `threshold` may be None.
    `meaning` and `advice` are one sentence each. `follows_from` names the rule whose finding is the cause of this one,
    which then has no advice of its own (`core.debugger.causes`). `file` and `line` say where in a script of the user's
    the cause stands, as far as that is known. `unreadable` names the damaged files among the tensors, each with why.
    `setting` is the hyperparameter of train.py that the advice is about, "" where it is about something else;
    `change` what it makes of that: a value, or `*0.1` for a tenth.
    """

    job: str
    rule: str
    status: RuleStatus
    time: float
    first_step: int | None = None
    last_step: int | None = None
    tensors: tuple[str, ...] = ()
    values: tuple[tuple[int, float, float | None], ...] = ()
    meaning: str = ""
    advice: str = ""
    details: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    triggered: int = 0
    evaluated: int = 0
    action: str = "none"
    follows_from: str = ""
    file: str = ""
    line: int | None = None
    unreadable: tuple[str, ...] = ()
    setting: str = ""
    change: str = ""


Event = MetricEvent | StatusEvent | RuleOutcome


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Events in the order they were recorded, and the cursor to pass for those after them."""

    events: tuple[Event, ...]
    cursor: int


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Whole log lines from a byte offset on, and the offset to read from next."""

    lines: tuple[str, ...]
    next_offset: int
