"""What is asked of an engine: frozen specs of a training job and of a tuning job, and their JSON."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from core.errors import SpecError
from core.tuning.ranges import MAX_SEARCHED, Range, combinations, range_from_json, range_to_json

_JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")


class Strategy(StrEnum):
    """How the next hyperparameters are chosen."""

    BAYESIAN = "Bayesian"
    RANDOM = "Random"
    HYPERBAND = "Hyperband"
    GRID = "Grid"


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A metric and the regular expression whose first group is its value in a log line (at most 500 characters).

    Raises:
        SpecError: the expression does not compile or has not exactly one group.
    """

    name: str
    regex: str

    def __post_init__(self) -> None:
        try:
            groups = re.compile(self.regex).groups
        except re.error as error:
            raise SpecError(
                f"The regex of {self.name} cannot be read.", f"{error}.", "Correct it.", field="regex"
            ) from None
        if groups != 1 or len(self.regex) > 500:
            raise SpecError(
                f"The regex of {self.name} does not say what the value is.",
                f"It needs exactly one group and at most 500 characters; it has {groups} and {len(self.regex)}.",
                r"Write for instance Average loss: ([0-9\.]+).",
                field="regex",
            )


@dataclass(frozen=True, slots=True)
class Objective:
    """The metric that decides which trial is best. `metric` names one of the spec's metric definitions."""

    metric: str = "Average loss"
    maximize: bool = False


@dataclass(frozen=True, slots=True)
class DebuggerConfig:
    """Which rules run in a job.

    `rules` maps a rule's name to its parameters (strings); `actions` maps it to "none", "notify" or "stop".
    `save_interval` is in training steps, None: chosen while the job runs; `save_intervals` overrides it for the
    collections losses, gradients, weights, biases, activations, inputs and predictions. `tensor_budget_mb` bounds what
    the hook saves.
    An empty `rules` with `default_rules` set means: the sensible defaults for this kind of training.
    """

    enabled: bool = True
    default_rules: bool = True
    rules: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    actions: Mapping[str, str] = field(default_factory=dict)
    save_interval: int | None = None
    save_intervals: Mapping[str, int] = field(default_factory=dict)
    tensor_budget_mb: int = 64
    profiler: bool = True


@dataclass(frozen=True, slots=True)
class ManagedDebugger:
    """AWS's own Debugger on a single training job, in an account that has it.

    `rules` maps AWS's built-in rules to their parameters (strings): AWS evaluates them on the tensors that the job
    saves. `report`: ProfilerReport runs too, on what AWS measures every `interval_ms` milliseconds.
    """

    rules: Mapping[str, Mapping[str, str]] = field(
        default_factory=lambda: {"LossNotDecreasing": {}, "Overfit": {}, "VanishingGradient": {}}
    )
    report: bool = True
    interval_ms: int = 500


@dataclass(frozen=True, slots=True)
class CloudResources:
    """Where a job runs on SageMaker; the local engine ignores it. Times in seconds, volume in GB.

    `output_kms_key` encrypts what a job leaves in S3, `volume_kms_key` its disk; "": the connection's key, where it
    has one. `encrypt_traffic` is SageMaker's encryption of what the instances of one job say to each other.
    """

    instance_type: str = "ml.m5.xlarge"
    instance_count: int = 1
    volume_gb: int = 30
    spot: bool = False
    max_wait_s: int | None = None
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    network_isolation: bool = False
    encrypt_traffic: bool = False
    output_kms_key: str = ""
    volume_kms_key: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    managed: ManagedDebugger | None = None


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """One training job.

    `channels` maps a channel's name (train, valid, test) to where its data lies: a path or an s3:// address, as
    `Engine.stage` returned it. `hyperparameters` are the arguments of training_scripts/train.py, as strings.
    """

    name: str
    channels: Mapping[str, str]
    hyperparameters: Mapping[str, str]
    metrics: tuple[MetricDefinition, ...]
    objective: Objective = field(default_factory=Objective)
    dataset_version: str = ""
    dataset_path: str = ""
    max_runtime_s: int = 24 * 3600
    debugger: DebuggerConfig = field(default_factory=DebuggerConfig)
    cloud: CloudResources | None = None

    @property
    def training(self) -> TrainingSpec:
        """Return what every trial of the job has in common: itself."""
        return self

    @property
    def ranges(self) -> tuple[Range, ...]:
        """Return what is searched: nothing."""
        return ()

    @property
    def trials(self) -> int:
        """Return how many training jobs it takes at most."""
        return 1

    @property
    def at_once(self) -> int:
        """Return how many training jobs run at once."""
        return 1

    def with_training(self, **changes: Any) -> TrainingSpec:
        """Return the same spec with some of its training's fields changed."""
        return dataclasses.replace(self, **changes)

    def __post_init__(self) -> None:
        check_job_name(self.name, 63)
        if self.objective.metric not in {metric.name for metric in self.metrics}:
            raise SpecError(
                f"The objective {self.objective.metric!r} is not among the metric definitions.",
                fix="Choose one that is, or add a definition with its regex.",
                field="objective",
            )


@dataclass(frozen=True, slots=True)
class TuningSpec:
    """One tuning job: `training` is what every trial gets besides the hyperparameters drawn from `ranges`.

    `warm_start` names earlier tuning jobs whose finished trials inform the search.
    What ends the search before `max_jobs`: `target`, once the objective is at least that good; `patience`, after so
    many trials without a better one; `max_search_s`, after so many seconds, with the trials that run then;
    `until_converged`, when no better trial is to be expected. None or False: not that.
    """

    training: TrainingSpec
    ranges: tuple[Range, ...]
    strategy: Strategy = Strategy.BAYESIAN
    max_jobs: int = 10
    max_parallel_jobs: int = 2
    early_stopping: bool = False
    seed: int = 0
    warm_start: tuple[str, ...] = ()
    target: float | None = None
    patience: int | None = None
    max_search_s: int | None = None
    until_converged: bool = False

    def __post_init__(self) -> None:
        check_job_name(self.name, 32)
        names = [item.name for item in self.ranges]
        if not names:
            raise SpecError("There is no range to search.", fix="Add one, or train a single job.", field="ranges")
        if len(names) > MAX_SEARCHED:
            raise SpecError(f"{len(names)} ranges are too many.", fix=f"Keep {MAX_SEARCHED}.", field="ranges")
        for name in names:
            if names.count(name) > 1:
                raise SpecError(f"{name} has two ranges.", fix="Remove one.", field=name)
            if name in self.training.hyperparameters:
                raise SpecError(f"{name} has a range and a fixed value.", fix="Keep one of the two.", field=name)
        if self.max_jobs < 1 or self.max_parallel_jobs < 1:
            raise SpecError("A tuning job needs at least one trial, and one at a time.", field="max_jobs")
        for value, field_name in ((self.patience, "patience"), (self.max_search_s, "max_search_s")):
            if value is not None and value < 1:
                raise SpecError(f"A search cannot end after {value}.", fix="Give 1 or more.", field=field_name)

    @property
    def name(self) -> str:
        """Return the tuning job's name."""
        return self.training.name

    @property
    def trials(self) -> int:
        """Return how many trials it takes at most; a grid has no more than its combinations."""
        total = combinations(self.ranges) if self.strategy is Strategy.GRID else None
        return self.max_jobs if total is None else min(self.max_jobs, total)

    @property
    def at_once(self) -> int:
        """Return how many trials run at once."""
        return min(self.max_parallel_jobs, self.trials)

    def with_training(self, **changes: Any) -> TuningSpec:
        """Return the same spec with some of its training's fields changed."""
        return dataclasses.replace(self, training=dataclasses.replace(self.training, **changes))


Spec = TrainingSpec | TuningSpec


def check_job_name(name: str, longest: int) -> None:
    """Raise `SpecError` unless SageMaker takes `name`, which is at most `longest` characters."""
    if len(name) > longest or not _JOB_NAME.fullmatch(name):
        raise SpecError(
            f"{name!r} cannot be a job's name.",
            f"A name is letters, digits and single hyphens between them, at most {longest} characters.",
            "Choose another.",
            field="name",
        )


def spec_to_json(spec: Spec) -> dict[str, Any]:
    """A spec as plain JSON, read back by `spec_from_json`."""
    if isinstance(spec, TrainingSpec):
        return {"kind": "training", **_plain(spec)}
    data = {"kind": "tuning", **_plain(spec), "training": spec_to_json(spec.training)}
    data["ranges"] = [range_to_json(item) for item in spec.ranges]
    return data


def spec_from_json(data: Mapping[str, Any]) -> Spec:
    """The inverse of `spec_to_json`."""
    values = {key: value for key, value in data.items() if key != "kind"}
    if data["kind"] == "training":
        values["metrics"] = tuple(MetricDefinition(**item) for item in values["metrics"])
        values["objective"] = Objective(**values["objective"])
        values["debugger"] = DebuggerConfig(**values["debugger"])
        if values["cloud"] is not None:
            cloud = dict(values["cloud"])
            if key := cloud.pop("kms_key", ""):  # specs of earlier versions had one for both
                cloud |= {"output_kms_key": key, "volume_kms_key": key}
            for key in ("subnets", "security_groups"):
                cloud[key] = tuple(cloud[key])
            if (managed := cloud.get("managed")) is not None:
                cloud["managed"] = ManagedDebugger(**managed)
            values["cloud"] = CloudResources(**cloud)
        return TrainingSpec(**values)
    training = spec_from_json(values["training"])
    assert isinstance(training, TrainingSpec)
    values["training"] = training
    values["ranges"] = tuple(range_from_json(item) for item in values["ranges"])
    values["strategy"] = Strategy(values["strategy"])
    values["warm_start"] = tuple(values["warm_start"])
    return TuningSpec(**values)


def _plain(value: Any) -> Any:
    """Dataclasses, mappings and tuples as JSON's own kinds (`dataclasses.asdict` deep-copies and keeps tuples)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, StrEnum) else value
