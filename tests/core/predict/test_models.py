from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.jobs.records import Job, TrainingJob, TuningJob
from core.jobs.status import JobStatus
from core.predict.models import available_models, best_model


class Jobs:
    """The part of an engine that says which jobs there are, newest first."""

    def __init__(self, *jobs: Job, trials: Sequence[TrainingJob] = ()) -> None:
        self._jobs, self._trials = jobs, trials

    def jobs(self) -> Sequence[Job]:
        return self._jobs

    def trials(self, tuning_job: str) -> Sequence[TrainingJob]:
        return [trial for trial in self._trials if trial.tuning_job == tuning_job]

    def job(self, name: str) -> Job:
        return next(job for job in (*self._jobs, *self._trials) if job.name == name)


def training(name: str, status: JobStatus = JobStatus.COMPLETED, artifact: str | None = "model", **more) -> TrainingJob:
    return TrainingJob(name, status, 1.0, artifact=artifact, hyperparameters={"backbone": "resnet18"}, **more)


def tuning(name: str, best: str | None) -> TuningJob:
    return TuningJob(name, JobStatus.COMPLETED, 1.0, best_trial=best, objective_metric="Average loss")


TRIALS = (
    training("new-001", tuning_job="new", objective=0.5),
    training("new-002", tuning_job="new", objective=0.2),
    training("new-003", JobStatus.FAILED, None, tuning_job="new"),
    training("old-001", tuning_job="old"),
)


def test_the_best_is_the_best_trial_of_the_latest_tuning_job_whatever_was_trained_since():
    engine = Jobs(training("single"), tuning("new", "new-002"), tuning("old", "old-001"), trials=TRIALS)
    best = best_model(engine)
    assert best is not None
    assert (best.job, best.tuning_job, best.best, best.objective) == ("new-002", "new", True, 0.2)
    assert (best.objective_metric, best.backbone) == ("Average loss", "resnet18")


def test_a_tuning_job_without_a_finished_trial_is_passed_over():
    engine = Jobs(tuning("newest", None), tuning("old", "old-001"), trials=TRIALS)
    best = best_model(engine)
    assert best is not None
    assert best.job == "old-001"


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.STOPPED])
def test_without_a_tuning_job_it_is_the_latest_training_job_with_a_model(status):
    engine = Jobs(
        training("running", JobStatus.IN_PROGRESS), training("failed", JobStatus.FAILED), training("x", status)
    )
    best = best_model(engine)
    assert best is not None
    assert best.job == "x"


def test_no_model_is_none():
    assert best_model(Jobs()) is None
    assert best_model(Jobs(training("stopped", JobStatus.STOPPED, None))) is None


def test_all_models_are_offered_the_best_trial_first():
    engine = Jobs(training("single"), tuning("new", "new-002"), tuning("old", "old-001"), trials=TRIALS)
    assert [choice.job for choice in available_models(engine)] == ["single", "new-002", "new-001", "old-001"]
    assert [choice.best for choice in available_models(engine)] == [False, True, False, True]
    assert [choice.job for choice in available_models(engine, limit=2)] == ["single", "new-002"]
