"""A search ends when no better trial is to be expected, and not before."""

from __future__ import annotations

import dataclasses
import math
import random

import pytest

from core.jobs.ranges import ContinuousRange, Scaling
from core.jobs.specs import MetricDefinition, Objective, TrainingSpec, TuningSpec
from core.tuning.search_plan import search_plan
from training_scripts.strategies.convergence import MIN_TRIALS, Convergence

TRAINING = TrainingSpec("search", {}, {}, (MetricDefinition("Average loss", "loss ([0-9.]+)"),))
RANGES = (ContinuousRange("learning_rate", 1e-4, 1e-1, Scaling.LOGARITHMIC), ContinuousRange("momentum", 0.5, 0.9))


def smooth(rate: float, momentum: float) -> float:
    return (math.log10(rate) + 2.5) ** 2 * 0.1 + (momentum - 0.7) ** 2 + 0.1


def fed(trials: int, maximize: bool, noise: float = 0.0) -> Convergence:
    objective = Objective("Average loss", maximize)
    spec = TuningSpec(dataclasses.replace(TRAINING, objective=objective), RANGES, until_converged=True)
    found = Convergence(search_plan(spec))
    generator = random.Random(3)
    for place in range(trials):
        spread = 1.0 if place < trials // 2 else 0.05  # a search closes in on the best
        rate, momentum = (
            10 ** (-2.5 + spread * generator.uniform(-1.5, 1.5)),
            0.7 + spread * generator.uniform(-0.2, 0.2),
        )
        value = smooth(rate, momentum) + generator.gauss(0, noise)
        text = {"learning_rate": repr(rate), "momentum": repr(momentum)}
        found.add(text, -value if maximize else value)
    return found


@pytest.mark.parametrize("maximize", [False, True])
def test_a_search_that_has_found_the_valley_has_converged(maximize):
    assert fed(40, maximize).reached()


def test_few_trials_or_noise_say_nothing():
    few = fed(MIN_TRIALS - 1, False)
    few.add({"learning_rate": "5", "momentum": "0.7"}, 0.0)  # outside
    few.add({"learning_rate": "1e-3", "momentum": "0.7"}, float("nan"))
    assert not few.reached()
    assert not fed(40, False, noise=0.2).reached()
