"""How sure the choice of a best trial is."""

from __future__ import annotations

import math

from core.jobs.records import TrainingJob, TuningJob
from core.jobs.status import JobStatus
from core.tuning.certainty import certainty


def _trial(number: int, objective: float | None, **metrics: float) -> TrainingJob:
    named = {name.replace("_", ":", 1): value for name, value in metrics.items()}
    return TrainingJob(f"t-{number}", JobStatus.COMPLETED, 1.0, objective=objective, metrics=named)


def _job(metric: str, maximize: bool = False) -> TuningJob:
    return TuningJob("t", JobStatus.COMPLETED, 1.0, best_trial="t-0", objective_metric=metric, maximize=maximize)


def test_trials_within_one_standard_error_are_counted() -> None:
    best = _trial(0, 0.30, cv_loss_error=0.02, cv_accuracy=0.94, cv_accuracy_error=0.013)
    trials = [best, _trial(1, 0.31), _trial(2, 0.319), _trial(3, 0.33), _trial(4, None), _trial(5, math.nan)]
    found = certainty(_job("cv:loss"), trials)
    assert found is not None
    assert (found.alike, found.others, found.error) == (2, 3, 0.02)
    assert "right on 94.0% ± 1.3%" in found.text
    assert "2 of the 3 other trials are as good within it" in found.text


def test_more_may_be_better() -> None:
    trials = [_trial(0, 0.94, cv_accuracy_error=0.01), _trial(1, 0.935), _trial(2, 0.92), _trial(3, 0.9)]
    found = certainty(_job("cv:accuracy", maximize=True), trials)
    assert found is not None
    assert (found.alike, found.others) == (1, 3)


def test_alone_and_unrivalled() -> None:
    best = _trial(0, 0.30, cv_loss_error=0.02)
    alone, ahead = certainty(_job("cv:loss"), [best]), certainty(_job("cv:loss"), [best, _trial(1, 0.5)])
    assert alone is not None
    assert ahead is not None
    assert alone.text.endswith("(one standard error).")
    assert "None of the 1 other trials comes as close" in ahead.text


def test_without_a_spread_nothing_is_said() -> None:
    assert certainty(_job("Average loss"), [_trial(0, 0.3)]) is None
    assert certainty(TuningJob("t", JobStatus.COMPLETED, 1.0), []) is None
