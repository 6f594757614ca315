"""Jobs that Sagehound did not start."""

from __future__ import annotations

import time

import pytest

from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.timing import Timing
from core.engines.sagemaker.tracking.adopt import training_spec, tuning_spec
from core.errors import JobNotFound, SpecError
from core.jobs.ranges import CategoricalRange, ContinuousRange
from core.jobs.records import MetricEvent
from core.jobs.specs import Strategy
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import Store


@pytest.fixture
def elsewhere(sagemaker_mini, tmp_path, aws, workspace):
    """Another computer, with the same account."""
    home = AppPaths(tmp_path / "elsewhere").create()
    store = Store(home.database)
    engine = SageMakerEngine(home, store, aws, workspace, timing=Timing(0.1, 0.3, login=0.3))
    yield engine
    engine.close()
    store.close()


def finished(engine, name, seconds=60):
    deadline = time.monotonic() + seconds
    while not (job := engine.job(name)).status.is_final:
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    return job


def test_a_tuning_job_is_adopted_with_trials_curves_logs_and_models(sagemaker_mini, elsewhere):
    spec = sagemaker_mini.tuning("search", max_jobs=2, training={"hyperparameters": {"num_epochs": "4"}})
    sagemaker_mini.engine.start(spec)
    sagemaker_mini.finished("search")
    listed = elsewhere.account_jobs()
    assert [(item.name, item.kind, item.status, item.known) for item in listed] == [
        ("search", "tuning", "Completed", False)
    ]
    elsewhere.adopt("search")
    job, there = finished(elsewhere, "search"), sagemaker_mini.engine.job("search")
    assert (job.status, job.counts, job.best_trial) == (there.status, there.counts, there.best_trial)
    assert (
        there.created - 1 <= job.created <= there.created + 120
    )  # ours is when it was asked for, theirs when AWS had it
    for trial in elsewhere.trials("search"):
        events = elsewhere.events(job=trial.name).events
        losses = [e.epoch for e in events if isinstance(e, MetricEvent) and e.name == "Average loss"]
        assert losses == [1, 2, 3, 4]
        assert elsewhere.read_log(trial.name).lines == sagemaker_mini.engine.read_log(trial.name).lines
        assert (elsewhere.fetch_artifact(trial.name) / "model.json").is_file()
    adopted = elsewhere.spec("search")
    assert adopted.ranges == spec.ranges
    assert (adopted.max_jobs, adopted.training.objective) == (2, spec.training.objective)
    assert adopted.training.dataset_version == spec.training.dataset_version
    assert elsewhere.account_jobs()[0].known
    with pytest.raises(SpecError):
        elsewhere.adopt("search")


def test_a_running_job_is_adopted_and_followed_to_its_end(sagemaker_mini, elsewhere):
    sagemaker_mini.engine.start(sagemaker_mini.training("one", hyperparameters={"num_epochs": "30", "sleep": "0.05"}))
    elsewhere.adopt("one")
    assert finished(elsewhere, "one").status is JobStatus.COMPLETED
    assert elsewhere.spec("one").hyperparameters == {"num_epochs": "30", "sleep": "0.05"}


def test_a_trial_comes_with_its_tuning_job_and_nobody_is_not_found(sagemaker_mini, elsewhere):
    sagemaker_mini.engine.start(sagemaker_mini.tuning("search", max_jobs=1))
    sagemaker_mini.finished("search")
    (trial,) = sagemaker_mini.engine.trials("search")
    with pytest.raises(SpecError, match="Adopt search"):
        elsewhere.adopt(trial.name)
    with pytest.raises(JobNotFound):
        elsewhere.adopt("nobody")
    assert elsewhere.jobs() == []


def test_what_others_ask_for_is_understood():
    training = training_spec(
        "theirs",
        {
            "HyperParameters": {"epochs": "3", "sagemaker_program": '"train.py"', "name": '"quoted"'},
            "AlgorithmSpecification": {
                "MetricDefinitions": [
                    {"Name": "validation:accuracy", "Regex": "acc=([0-9.]+)"},
                    {"Name": "two groups", "Regex": "(a)(b)"},
                ]
            },
        },
    )
    assert training.hyperparameters == {"epochs": "3", "name": "quoted"}
    assert [metric.name for metric in training.metrics] == ["validation:accuracy"]
    assert (training.objective.metric, training.objective.maximize) == ("validation:accuracy", True)
    tuning = tuning_spec(
        "theirs",
        {
            "HyperParameterTuningJobConfig": {
                "Strategy": "Random",
                "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "hidden"},
                "ResourceLimits": {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 3},
                "ParameterRanges": {
                    "ContinuousParameterRanges": [{"Name": "lr", "MinValue": "1e-4", "MaxValue": "0.1"}],
                    "CategoricalParameterRanges": [{"Name": "opt", "Values": ["a", "b"]}],
                },
            },
            "TrainingJobDefinition": {"StaticHyperParameters": {"epochs": "3"}, "AlgorithmSpecification": {}},
        },
    )
    assert tuning.strategy is Strategy.RANDOM
    assert tuning.ranges == (CategoricalRange("opt", ("a", "b")), ContinuousRange("lr", 1e-4, 0.1))
    assert (tuning.training.objective.metric, tuning.training.objective.maximize) == ("hidden", True)
