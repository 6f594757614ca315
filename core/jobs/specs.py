"""What is asked of an engine: frozen specs of a training job and of a tuning job, and their JSON."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from core.errors import SpecError
from core.jobs.declared import check_fields, declare, from_plain, to_plain
from core.jobs.ranges import MAX_SEARCHED, Range, combinations, range_from_json, range_to_json
from core.jobs.spec_parts import CloudResources as CloudResources
from core.jobs.spec_parts import DebuggerConfig as DebuggerConfig
from core.jobs.spec_parts import ManagedDebugger as ManagedDebugger
from core.translation import tr
from training_scripts.metrics import METRICS

MAX_JOBS = 10_000
"""The most trials that a search can have on SageMaker."""

MAX_SEARCH_S = 262_800 * 60
"""The longest search that SageMaker takes: half a year."""

LONGEST_NAME = 63
"""Letters of a training job's name that SageMaker takes."""

_JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")


class Strategy(StrEnum):
    """How the next hyperparameters are chosen, and what everything else needs to know of that.

    `help` is a sentence for the form. `learns`: from finished trials where to look next. `tries_all`: each combination,
    so ranges must be countable. `ends_poor_trials`: by a rule of its own, which excludes early stopping. How each one
    draws is in training_scripts/strategies/search.py.
    """

    help: str
    learns: bool
    tries_all: bool
    ends_poor_trials: bool

    def __new__(
        cls, name: str, help: str = "", learns: bool = False, tries_all: bool = False, ends_poor_trials: bool = False
    ) -> Self:
        """Return a member with what is known of it."""
        made = str.__new__(cls, name)
        made._value_, made.help = name, help
        made.learns, made.tries_all, made.ends_poor_trials = learns, tries_all, ends_poor_trials
        return made

    BAYESIAN = "Bayesian", tr("Learns from finished trials where to look next."), True
    RANDOM = "Random", tr("Draws every trial independently of the others.")
    HYPERBAND = "Hyperband", tr("Ends poor trials after a few epochs and tries more instead."), False, False, True
    GRID = "Grid", tr("Tries every combination."), False, True


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """A metric and the regular expression whose first group is its value in a log line (at most 500 characters).

    `maximize` says whether more is better, `per_step` whether it comes by steps and not by epochs. Metrics of our own
    script know both by their name; of another's, the goal is None until it is said.

    Raises:
        SpecError: the expression does not compile or has not exactly one group.
    """

    name: str
    regex: str
    maximize: bool | None = None
    per_step: bool | None = None

    def __post_init__(self) -> None:
        known = next((metric for metric in METRICS if metric.name == self.name), None)
        if self.maximize is None and known is not None:
            object.__setattr__(self, "maximize", known.maximize)
        if self.per_step is None:
            object.__setattr__(self, "per_step", known is not None and known.per_step)
        try:
            groups = re.compile(self.regex).groups
        except re.error as error:
            raise SpecError(
                tr("The regex of {name} cannot be read.").format(name=self.name),
                f"{error}.",
                tr("Correct it."),
                field="regex",
            ) from None
        if groups != 1 or len(self.regex) > 500:
            raise SpecError(
                tr("The regex of {name} does not say what the value is.").format(name=self.name),
                tr("It needs exactly one group and at most 500 characters; it has {groups} and {count}.").format(
                    groups=groups, count=len(self.regex)
                ),
                r"Write for instance Average loss: ([0-9\.]+).",
                field="regex",
            )


@dataclass(frozen=True, slots=True)
class Objective:
    """The metric that decides which trial is best. `metric` names one of the spec's metric definitions."""

    metric: str = "Average loss"
    maximize: bool = False


ATTACHED = "attached"
"""Stands among the hyperparameters of a training that asked by itself to be watched, from within its process."""


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """One training job.

    `channels` maps a channel's name (train, valid, test) to where its data is: a path or an s3:// address, as
    `Engine.stage` returned it. `hyperparameters` are the arguments of training_scripts/train.py, as strings.
    `dataset_bytes` is the size of the pictures together, 0 where it is not known. `command` is that of a script of the
    user's own that `sagehound watch` ran; every other job runs train.py.
    """

    name: str
    channels: Mapping[str, str]
    hyperparameters: Mapping[str, str]
    metrics: tuple[MetricDefinition, ...]
    objective: Objective = field(default_factory=Objective)
    dataset_version: str = ""
    dataset_path: str = ""
    dataset_bytes: int = 0
    max_runtime_s: int = declare(
        24 * 3600,
        tr("Longest run"),
        tr("longest run of one training job; one that takes longer is ended (on SageMaker 3600 unless given)"),
        option="--max-runtime",
        metavar="SECONDS",
        low=1,
        high=28 * 24 * 3600,
        suffix=" s",
    )
    debugger: DebuggerConfig = field(default_factory=DebuggerConfig)
    cloud: CloudResources | None = None
    command: tuple[str, ...] = ()

    @property
    def training(self) -> TrainingSpec:
        """Return what every trial of the job has in common: itself."""
        return self

    @property
    def step_metrics(self) -> frozenset[str]:
        """Return the names of the metrics that come by steps, not by epochs."""
        return frozenset(metric.name for metric in self.metrics if metric.per_step)

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
        check_job_name(self.name, LONGEST_NAME)
        check_fields(self)
        names = [metric.name for metric in self.metrics]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise SpecError(
                tr("The metric {twice} is defined twice.").format(twice=twice), fix=tr("Remove one."), field="metrics"
            )
        if self.objective.metric not in {metric.name for metric in self.metrics}:
            raise SpecError(
                tr("The objective {metric!r} is not among the metric definitions.").format(
                    metric=self.objective.metric
                ),
                fix=tr("Choose one that is, or add a definition with its regex."),
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
    strategy: Strategy = declare(
        Strategy.BAYESIAN,
        "Strategy",
        ", ".join(Strategy),
        option="--strategy",
        metavar="NAME",
        capability="strategies",
    )
    max_jobs: int = declare(
        10, tr("Trials"), tr("how many training jobs at most"), option="--max-jobs", metavar="N", low=1, high=MAX_JOBS
    )
    max_parallel_jobs: int = declare(
        2,
        tr("At once"),
        tr("how many of them at the same time"),
        option="--max-parallel-jobs",
        metavar="N",
        low=1,
        capability="max_parallel_jobs",
    )
    early_stopping: bool = declare(
        False,
        tr("End poor trials early"),
        tr("end a trial whose metric is worse than the median of the others at that epoch"),
        option="--early-stopping",
    )
    seed: int = declare(
        0, tr("Seed"), tr("the same seed gives the same search and the same training"), low=0, high=2**31 - 1
    )
    warm_start: tuple[str, ...] = declare(
        (),
        tr("Learn from"),
        tr("an earlier tuning job whose trials inform the search, 5 of them at most"),
        option="--warm-start",
        metavar="JOB",
        capability="warm_start",
    )
    target: float | None = declare(
        None,
        tr("Stop at"),
        tr("the search ends once the objective is as good as this"),
        option="--target",
        metavar="VALUE",
    )
    patience: int | None = declare(
        None,
        tr("Patience"),
        tr("the search ends after so many trials without a better one"),
        option="--patience",
        metavar="N",
        low=1,
        high=MAX_JOBS,
    )
    max_search_s: int | None = declare(
        None,
        tr("Longest search"),
        tr("the search ends after so long, with the trials that run then"),
        option="--max-search-time",
        metavar="SECONDS",
        low=1,
        high=MAX_SEARCH_S,
        suffix=" s",
    )
    until_converged: bool = declare(
        False,
        tr("End when converged"),
        tr("the search ends when its finished trials say that no better one is to be expected"),
        option="--until-converged",
    )

    packed: bool = declare(
        False,
        tr("As one job"),
        tr("on SageMaker: run all trials in one training job, whose longest run is that of the search"),
        option="--packed",
        capability="packs",
    )

    def __post_init__(self) -> None:
        check_job_name(self.name, 32)
        check_fields(self)
        names = [item.name for item in self.ranges]
        if not names:
            raise SpecError(
                tr("There is no range to search."), fix=tr("Add one, or train a single job."), field="ranges"
            )
        if len(names) > MAX_SEARCHED:
            raise SpecError(
                tr("{names} ranges are too many.").format(names=len(names)), fix=f"Keep {MAX_SEARCHED}.", field="ranges"
            )
        for name in names:
            if names.count(name) > 1:
                raise SpecError(tr("{name} has two ranges.").format(name=name), fix=tr("Remove one."), field=name)
            if name in self.training.hyperparameters:
                raise SpecError(
                    tr("{name} has a range and a fixed value.").format(name=name),
                    fix=tr("Keep one of the two."),
                    field=name,
                )

    @property
    def name(self) -> str:
        """Return the tuning job's name."""
        return self.training.name

    @property
    def trials(self) -> int:
        """Return how many trials it takes at most; a grid has no more than its combinations."""
        total = combinations(self.ranges) if self.strategy.tries_all else None
        return self.max_jobs if total is None else min(self.max_jobs, total)

    @property
    def at_once(self) -> int:
        """Return how many trials run at once."""
        return min(self.max_parallel_jobs, self.trials)

    def with_training(self, **changes: Any) -> TuningSpec:
        """Return the same spec with some of its training's fields changed."""
        return dataclasses.replace(self, training=dataclasses.replace(self.training, **changes))


Spec = TrainingSpec | TuningSpec


def is_job_name(name: str) -> bool:
    """Whether SageMaker takes a name, as far as its characters go."""
    return _JOB_NAME.fullmatch(name) is not None


def check_job_name(name: str, longest: int) -> None:
    """Raise `SpecError` unless SageMaker takes `name`, which is at most `longest` characters."""
    if len(name) > longest or not is_job_name(name):
        raise SpecError(
            tr("{name!r} cannot be a job's name.").format(name=name),
            tr("A name is letters, digits and single hyphens between them, at most {longest} characters.").format(
                longest=longest
            ),
            tr("Choose another."),
            field="name",
        )


def spec_to_json(spec: Spec) -> dict[str, Any]:
    """Return a spec as plain JSON, read back by `spec_from_json`."""
    plain: dict[str, Any] = {"kind": "training" if isinstance(spec, TrainingSpec) else "tuning"}
    plain |= to_plain(spec, lambda value: range_to_json(value) if isinstance(value, Range) else value)
    if isinstance(spec, TuningSpec):
        plain["training"] = {"kind": "training", **plain["training"]}
    return plain


def spec_from_json(data: Mapping[str, Any]) -> Spec:
    """Return what `spec_to_json` made plain as a spec."""
    training = data["training"] if data["kind"] == "tuning" else data
    if cloud := training.get("cloud"):
        if key := cloud.get("kms_key", ""):  # specs of earlier versions had one for both
            cloud = {**cloud, "output_kms_key": key, "volume_kms_key": key}
        training = {**training, "cloud": cloud}
    special = {Range: range_from_json}
    made: Spec
    if data["kind"] == "training":
        made = from_plain(TrainingSpec, training, special)
    else:
        made = from_plain(TuningSpec, {**data, "training": training}, special)
    return made
