"""Which hyperparameters make the difference."""

from __future__ import annotations

import dataclasses
import random

import pytest

from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, Scaling
from core.jobs.records import TrainingJob
from core.jobs.specs import MetricDefinition, Objective, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.tuning.importance import MIN_TRIALS, importance

TRAINING = TrainingSpec("search", {}, {}, (MetricDefinition("Average loss", "loss ([0-9.]+)"),))
RANGES = (
    ContinuousRange("learning_rate", 1e-4, 1e-1, Scaling.LOGARITHMIC),
    IntegerRange("batch_size", 8, 64),
    CategoricalRange("optimizer", ("adam", "sgd")),
)


def trials(count: int, sign: float = 1.0) -> list[TrainingJob]:
    """Searches in which the optimizer is all that matters."""
    draw = random.Random(0)
    found = []
    for number in range(count):
        optimizer = draw.choice(["adam", "sgd"])
        values = {"learning_rate": repr(10 ** draw.uniform(-4, -1)), "batch_size": str(draw.randint(8, 64))}
        loss = (0.1 if optimizer == "adam" else 1.0) + draw.uniform(0, 0.01)
        hyperparameters = values | {"optimizer": optimizer}
        found.append(
            TrainingJob(f"t{number}", JobStatus.COMPLETED, 0.0, hyperparameters=hyperparameters, objective=sign * loss)
        )
    return found


@pytest.mark.parametrize("maximize", [False, True])
def test_what_makes_the_difference_leads(maximize: bool) -> None:
    spec = TuningSpec(dataclasses.replace(TRAINING, objective=Objective("Average loss", maximize)), RANGES)
    shares = importance(spec, trials(40, -1.0 if maximize else 1.0))
    assert next(iter(shares)) == "optimizer"
    assert shares["optimizer"] > 0.6
    assert sum(shares.values()) == pytest.approx(1)


def test_too_little_says_nothing() -> None:
    spec = TuningSpec(TRAINING, RANGES)
    assert importance(spec, trials(MIN_TRIALS - 1)) == {}
    assert importance(TuningSpec(TRAINING, RANGES[:1]), trials(40)) == {}
    alike = [dataclasses.replace(trial, objective=0.5) for trial in trials(40)]
    assert importance(spec, alike) == {}
    unfinished = [dataclasses.replace(trial, objective=None) for trial in trials(40)]
    assert importance(spec, unfinished) == {}
