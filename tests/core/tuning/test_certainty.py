"""How sure the choice of a best trial is."""

from __future__ import annotations

import math

import numpy as np

from core.jobs.records import TrainingJob, TuningJob
from core.jobs.status import JobStatus
from core.tuning.certainty import certainty
from core.tuning.likeness import smoothed


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
    assert "The other trial does not come as close" in ahead.text


def test_without_a_spread_nothing_is_said() -> None:
    assert certainty(_job("Average loss"), [_trial(0, 0.3)]) is None
    assert certainty(TuningJob("t", JobStatus.COMPLETED, 1.0), []) is None


def _searched(rate: float, objective: float) -> TrainingJob:
    return TrainingJob(
        f"t-{rate:g}", JobStatus.COMPLETED, 1.0, objective=objective, hyperparameters={"learning_rate": str(rate)}
    )


def test_a_lucky_trial_among_bad_ones_is_not_the_surer_choice() -> None:
    rates = [10**power for power in np.linspace(-4, -1, 13)]
    losses = [0.9, 0.8, 0.7, 0.6, 0.50, 0.41, 0.40, 0.405, 0.50, 0.6, 0.39, 0.8, 0.9]  # one of them by luck alone
    trials = [_searched(rate, loss) for rate, loss in zip(rates, losses, strict=True)]
    job = TuningJob("t", JobStatus.COMPLETED, 1.0, best_trial=trials[10].name, objective_metric="Average loss")
    found = certainty(job, trials)
    assert found is not None
    assert found.surer == trials[6].name
    assert found.alike >= 2
    assert "the surer choice" in found.text
    assert "by luck." in found.text


def test_the_spread_of_luck_is_found_and_few_trials_say_nothing() -> None:
    random = np.random.default_rng(0)
    rates = random.uniform(0, 1, 400)
    noisy = (rates - 0.5) ** 2 + random.normal(0, 0.05, 400)
    settings = [{"learning_rate": str(rate), "optimizer": "adam"} for rate in rates]
    for sign in (1, -1):
        found = smoothed(settings, list(sign * noisy), maximize=sign < 0)
        assert found is not None
        assert 0.03 < found[1] < 0.07
        best = (sign * found[0]).argmin()
        assert abs(rates[best] - 0.5) < 0.1
    assert smoothed(settings[:7], list(noisy[:7]), maximize=False) is None


def test_other_words_are_no_neighbours() -> None:
    settings = [{"head": "linear"}] * 4 + [{"head": "mlp"}] * 4
    found = smoothed(settings, [0.1, 0.2, 0.1, 0.2, 0.5, 0.6, 0.5, 0.6], maximize=False)
    assert found is not None
    np.testing.assert_allclose(found[0][:4], 0.15)
