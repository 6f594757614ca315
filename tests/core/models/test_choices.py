from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from core.dataset.manifest import Entry, Manifest
from core.jobs.contract import default_metrics
from core.jobs.records import Job, TrainingJob, TuningJob
from core.jobs.specs import TrainingSpec
from core.jobs.status import JobStatus
from core.models.choices import available_models, best_model


class Jobs:
    """The part of an engine that says which jobs there are, newest first."""

    def __init__(self, *jobs: Job, trials: Sequence[TrainingJob] = ()) -> None:
        self._jobs, self._trials = jobs, trials
        self.folders: dict[str, str] = {}

    def jobs(self) -> Sequence[Job]:
        return self._jobs

    def trials(self, tuning_job: str) -> Sequence[TrainingJob]:
        return [trial for trial in self._trials if trial.tuning_job == tuning_job]

    def spec(self, name: str) -> TrainingSpec:
        folder = self.folders.get(name, "")
        return TrainingSpec(name, {}, {}, default_metrics(), dataset_path=folder)

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


def on(dataset: str, name: str, best: str, value: float, **more) -> TuningJob:
    metric = {"objective_metric": "valid:accuracy", "maximize": True} | more
    return TuningJob(
        name, JobStatus.COMPLETED, 1.0, best_trial=best, best_objective=value, dataset_version=dataset, **metric
    )


def dataset(version: str, folder: str = "/elsewhere") -> Manifest:
    made = Manifest.build(Path(folder), ("a",), [Entry("a/1.jpg", 0, "train", "00")])
    return dataclasses.replace(made, version=version)


def test_the_best_of_a_dataset_is_the_best_of_its_searches_not_the_newest():
    trials = [training(f"t{number}", objective=0.1) for number in range(4)]
    engine = Jobs(
        on("birds", "other", "t0", 0.99),
        on("pets", "newest", "t1", 0.04),
        on("pets", "good", "t2", 0.95),
        on("pets", "another-metric", "t3", 0.001, objective_metric="Average loss", maximize=False),
        trials=trials,
    )
    found = [best_model(engine, dataset(name)) for name in ("pets", "birds", "cars")]
    assert [(choice.job, choice.dataset_version) for choice in found] == [
        ("t2", "pets"),
        ("t0", "birds"),
        ("t0", "birds"),
    ]
    assert best_model(engine).job == "t0"


def test_searches_judged_differently_are_compared_by_a_metric_that_all_have():
    trials = [training("t1", metrics={"valid:accuracy": 0.04}), training("t2", metrics={"valid:accuracy": 0.95})]
    by_loss = {"objective_metric": "Average loss", "maximize": False}
    for newest in (on("pets", "newest", "t1", 0.04), on("pets", "newest", "t1", 3.0, objective_metric="cv:loss")):
        engine = Jobs(newest, on("pets", "good", "t2", 0.2, **by_loss), trials=trials)
        assert best_model(engine, dataset("pets")).job == "t2"


def test_the_best_training_job_of_a_dataset_is_not_the_newest():
    jobs = [training(name, objective=loss, dataset_version="pets") for name, loss in (("x", 3.2), ("y", 0.3))]
    engine = Jobs(training("z", objective=0.1, dataset_version="birds"), *jobs)
    assert best_model(engine, dataset("pets")).job == "y"


def test_another_version_of_the_same_folder_comes_before_other_datasets():
    trials = [training("t0"), training("t1")]
    engine = Jobs(on("birds", "other", "t0", 0.99), on("pets-before", "good", "t1", 0.95), trials=trials)
    engine.folders = {"other": "/data/birds", "good": "/data/pets"}
    assert best_model(engine, dataset("pets-now", "/data/pets")).job == "t1"


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


def test_models_are_called_what_the_user_calls_their_jobs():
    trial = training("my-birds-001-fe34971a", tuning_job="my-birds")
    renamed = training("my-birds-002-00000000", tuning_job="my-birds", title="The wide one")
    search = dataclasses.replace(tuning("my-birds", trial.name), title="My birds / v1")
    engine = Jobs(training("a-b", title="A b!"), search, trials=[trial, renamed])
    assert [choice.title for choice in available_models(engine)] == ["A b!", "My birds / v1, trial 1", "The wide one"]


def test_no_model_is_none():
    assert best_model(Jobs()) is None
    assert best_model(Jobs(training("stopped", JobStatus.STOPPED, None))) is None


def test_all_models_are_offered_the_best_trial_first():
    engine = Jobs(training("single"), tuning("new", "new-002"), tuning("old", "old-001"), trials=TRIALS)
    assert [choice.job for choice in available_models(engine)] == ["single", "new-002", "new-001", "old-001"]
    assert [choice.best for choice in available_models(engine)] == [False, True, False, True]
    assert [choice.job for choice in available_models(engine, limit=2)] == ["single", "new-002"]


def test_of_one_folder_all_models_are_offered_however_many_newer_ones_others_have():
    engine = Jobs(training("newest"), training("newer"), tuning("new", "new-002"), training("single"), trials=TRIALS)
    engine.folders = {"single": "here", "new": "here"}
    assert [choice.job for choice in available_models(engine, 2, "here")] == ["new-002", "new-001"]
    assert [choice.job for choice in available_models(engine, 3, "here")] == ["new-002", "new-001", "single"]
