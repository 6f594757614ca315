"""Which trials of a search make an ensemble, and what the job of their mean is asked for."""

from __future__ import annotations

import json

import pytest

from core.errors import SpecError
from core.jobs.ranges import ContinuousRange
from core.jobs.records import TrainingJob
from core.jobs.specs import MetricDefinition, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.tuning.ensemble import ensemble_spec

LOSS = MetricDefinition("Average loss", "Average loss: ([0-9.]+)")
FIXED = {"backbone": "efficientnet_lite0", "optimizer": "lbfgs", "folds": "5"}
SPEC = TuningSpec(TrainingSpec("search", {}, FIXED, (LOSS,)), (ContinuousRange("weight_decay", 1e-4, 1.0),))


def _trial(number: int, objective: float | None, **settings: str) -> TrainingJob:
    status = JobStatus.COMPLETED if objective is not None else JobStatus.FAILED
    asked = {**FIXED, "weight_decay": f"0.{number}", **settings}
    return TrainingJob(f"search-{number:03d}", status, 1.0, objective=objective, hyperparameters=asked)


def test_the_best_over_the_same_features_are_taken() -> None:
    trials = [
        _trial(1, 0.5),
        _trial(2, 0.1),
        _trial(3, None),
        _trial(4, 0.2, backbone="efficientnet_lite2"),
        _trial(5, 0.3),
        _trial(6, 0.4),
    ]
    found = ensemble_spec(SPEC, trials, 3)
    assert found.hyperparameters["weight_decay"] == "0.2"
    assert found.hyperparameters["backbone"] == "efficientnet_lite0"
    assert json.loads(found.hyperparameters["members"]) == [{"weight_decay": f"0.{n}"} for n in (2, 5, 6)]
    assert found.name.startswith("search-mean-of-3-")
    long = ensemble_spec(SPEC.with_training(name="x" * 32), trials, 2)
    assert len(long.name) <= 63


def test_without_two_there_is_no_mean() -> None:
    lone = _trial(1, 0.5)
    for trials in ([], [lone], [lone, _trial(2, 0.6, views="3")], [_trial(1, 0.5, mode="fine_tune"), lone]):
        with pytest.raises(SpecError, match="no two finished trials"):
            ensemble_spec(SPEC, trials, 3)
    with pytest.raises(SpecError, match="two heads or more"):
        ensemble_spec(SPEC, [lone, _trial(2, 0.6)], 1)
