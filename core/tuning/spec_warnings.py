"""What is worth saying before a search starts: legal, but probably not what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, Range, Scaling, combinations
from core.jobs.specs import Spec, TrainingSpec, TuningSpec
from core.translation import plural, tr
from core.tuning.search_plan import longest_training
from core.tuning.wanted_features import choices, over_features
from training_scripts.arguments import DIRECT
from training_scripts.strategies.convergence import MIN_TRIALS
from training_scripts.strategies.search import LEAST_LAG
from training_scripts.strategies.stop_rules import MIN_CURVES

TRIALS_PER_RANGE = 3
_GPU = re.compile(r"ml\.[gp]\d")
_SCALES_BY_FACTORS = ("learning_rate", "weight_decay")

Counts = Mapping[str, Mapping[str, int]]
"""Pictures per class and split, as `Manifest.counts` gives them."""


@dataclass(frozen=True, slots=True)
class SpecWarning:
    """A warning: `field` is the spec's field or the hyperparameter it is about, the others are one sentence each."""

    field: str
    message: str
    fix: str

    @property
    def text(self) -> str:
        """Return both sentences."""
        return f"{self.message} {self.fix}".strip()


def spec_warnings(spec: Spec, counts: Counts | None, cores: int) -> tuple[SpecWarning, ...]:
    """Return everything worth saying about a spec; `counts` is None while no dataset is chosen."""
    found: list[SpecWarning] = []
    if isinstance(spec, TuningSpec):
        found += _of_search(spec)
        if spec.training.cloud is None:  # on SageMaker every trial has machines of its own
            found += _of_cores(spec, cores)
        for item in spec.ranges:
            found += _of_scale(item)
    found += _of_machines(spec)
    if counts is not None:
        found += _of_data(spec, counts)
    return tuple(found)


def _of_search(spec: TuningSpec) -> Iterator[SpecWarning]:
    if spec.training.objective.metric.startswith("test:"):
        yield SpecWarning(
            "objective",
            tr(
                "The search is judged by {metric}: its best trial fits the test pictures partly by "
                "luck, and none are left for an honest test."
            ).format(metric=spec.training.objective.metric),
            tr("Judge by Average loss or valid:accuracy, and evaluate the best trial on test once."),
        )
    total = combinations(spec.ranges)
    if spec.strategy.tries_all and total is not None and spec.max_jobs > total:
        yield SpecWarning(
            "max_jobs",
            tr("The grid has only {total} combinations.").format(total=total),
            tr("{total} trials will run.").format(total=total),
        )
    if spec.strategy.tries_all and total is not None and spec.max_jobs < total:
        yield SpecWarning(
            "max_jobs",
            tr("{max_jobs} trials cover a part of the grid of {total:,} combinations.").format(
                max_jobs=spec.max_jobs, total=total
            ),
            tr("Allow more trials, or make the grid coarser."),
        )
    if spec.strategy.learns and spec.max_jobs < TRIALS_PER_RANGE * len(spec.ranges):
        yield SpecWarning(
            "max_jobs",
            plural(
                "{count:,} trial says little of what is searched.",
                "{count:,} trials say little of what is searched.",
                spec.max_jobs,
            ),
            tr("Allow {trials_per_range} or more, or search fewer hyperparameters.").format(
                trials_per_range=TRIALS_PER_RANGE * len(spec.ranges)
            ),
        )
    if spec.early_stopping and spec.max_jobs <= (known := MIN_CURVES + LEAST_LAG):
        yield SpecWarning(
            "early_stopping",
            tr(
                "Early stopping compares with {min_curves} trials, and not with the last "
                "{least_lag}: it cannot act here."
            ).format(min_curves=MIN_CURVES, least_lag=LEAST_LAG),
            tr("Allow more than {known} trials, or turn it off.").format(known=known),
        )
    if spec.strategy.learns and 1 < spec.max_jobs <= spec.max_parallel_jobs:
        yield SpecWarning(
            "max_parallel_jobs",
            tr("All trials start at once, so a Bayesian search has nothing to learn from: it is a random one."),
            tr("Lower the parallel jobs, or allow more trials."),
        )
    if spec.until_converged and spec.max_jobs <= MIN_TRIALS and spec.training.cloud is None:
        yield SpecWarning(
            "until_converged",
            tr("Whether a search has converged shows after {min_trials} trials, so it cannot end this one.").format(
                min_trials=MIN_TRIALS
            ),
            tr("Allow more than {min_trials} trials, or leave it out.").format(min_trials=MIN_TRIALS),
        )
    epochs = longest_training(spec)
    if spec.strategy.ends_poor_trials and epochs is not None and epochs < 3:
        yield SpecWarning(
            "num_epochs",
            tr("Hyperband has nothing to cut short in {epochs} epochs.").format(epochs=epochs),
            tr("Allow 9, or take Bayesian."),
        )


def _of_cores(spec: TuningSpec, cores: int) -> Iterator[SpecWarning]:
    parallel = spec.max_parallel_jobs
    if parallel > cores:
        yield SpecWarning(
            "max_parallel_jobs",
            plural(
                "{parallel} trials at once share {count} core, which makes none faster.",
                "{parallel} trials at once share {count} cores, which makes none faster.",
                cores,
                parallel=parallel,
            ),
            f"Take {cores}.",
        )


def _of_machines(spec: Spec) -> Iterator[SpecWarning]:
    cloud = spec.training.cloud
    if cloud is not None and _GPU.match(cloud.instance_type) and all(map(over_features, choices(spec))):
        yield SpecWarning(
            "instance_type",
            tr("A head over frozen features makes no use of the GPU of {instance_type}.").format(
                instance_type=cloud.instance_type
            ),
            tr("Take a small CPU type, for instance ml.m5.xlarge."),
        )


def _of_scale(item: Range) -> Iterator[SpecWarning]:
    if isinstance(item, CategoricalRange) or item.name not in _SCALES_BY_FACTORS:
        return
    if item.low <= 0 < item.high and item.scaling in (Scaling.AUTO, Scaling.LINEAR):
        yield SpecWarning(
            item.name,
            tr("{name} starts at 0, where a logarithmic scale cannot: small values are hardly ever tried.").format(
                name=item.name
            ),
            tr("Start at {high:g} and take the Logarithmic scale.").format(high=item.high / 1000),
        )
    elif item.low > 0 and not item.is_log and item.high / item.low >= 100 and item.scaling is Scaling.LINEAR:
        yield SpecWarning(
            item.name,
            tr("On a linear scale nine of ten trials take {name} above {high:g}.").format(
                name=item.name, high=item.high / 10
            ),
            tr("Take the Logarithmic scale."),
        )


def _of_data(spec: Spec, counts: Counts) -> Iterator[SpecWarning]:
    train = {label: splits.get("train", 0) for label, splits in counts.items()}
    at_once = spec.training.hyperparameters.get("optimizer") == DIRECT  # all pictures are one batch
    largest, smallest = 0 if at_once else largest_batch(spec), min(train.values(), default=0)
    if largest > sum(train.values()):
        yield SpecWarning(
            "batch_size",
            tr("A batch of {largest} is larger than the {values} train pictures: an epoch is one step.").format(
                largest=largest, values=sum(train.values())
            ),
            tr("Take a smaller batch."),
        )
    elif largest > smallest > 0:
        label = min(train, key=lambda name: train[name])
        yield SpecWarning(
            "batch_size",
            tr("A batch of {largest} is larger than the class {label}, which has {smallest} train pictures.").format(
                largest=largest, label=label, smallest=smallest
            ),
            tr("Take a smaller batch, or add pictures of it."),
        )
    if not any(splits.get("valid", 0) for splits in counts.values()) and _judged_by_valid(spec.training):
        yield SpecWarning(
            "objective",
            tr("There are no valid pictures, so trials are judged by how well they learn the train pictures by heart."),
            tr("Set some aside in Data."),
        )


def largest_batch(spec: Spec) -> int:
    """Return the largest batch size a job may use; train.py's default where no one says."""
    for item in spec.ranges:
        if item.name == "batch_size":
            return int(highest(item))
    try:
        return int(float(spec.training.hyperparameters.get("batch_size", "32")))
    except ValueError:
        return 32


def highest(item: Range) -> float:
    """Return the largest number a range holds; 0 where it holds none."""
    match item:
        case IntegerRange() | ContinuousRange():
            return item.high
        case CategoricalRange():
            return max((float(value) for value in item.values if _is_number(value)), default=0.0)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _judged_by_valid(training: TrainingSpec) -> bool:
    return training.objective.metric == "Average loss" or training.objective.metric.startswith("valid:")
