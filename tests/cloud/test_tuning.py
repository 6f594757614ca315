"""Tuning jobs on the stand-in: they search, and their trials are ordinary training jobs."""

from __future__ import annotations

import re

import pytest
from botocore.exceptions import ClientError

CONTINUOUS = {"Name": "x", "MinValue": "0.001", "MaxValue": "0.9", "ScalingType": "Logarithmic"}


def tuning(aws, name, ranges=None, strategy="Random", jobs=3, parallel=2, static=None, **changes):
    request = aws.training("unused")
    own = {**request.pop("HyperParameters"), **(static or {})}
    request.pop("TrainingJobName")
    limits = {"MaxParallelTrainingJobs": parallel}
    if strategy != "Grid":
        limits["MaxNumberOfTrainingJobs"] = jobs
    config = {
        "Strategy": strategy,
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ResourceLimits": limits,
        "ParameterRanges": ranges or {"ContinuousParameterRanges": [CONTINUOUS]},
        **changes,
    }
    return {
        "HyperParameterTuningJobName": f"{aws.prefix}-{name}",
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": {"StaticHyperParameters": own, **request},
    }


@pytest.fixture
def searched(aws, until):
    """Waits for a tuning job's end; returns its description and its trials."""

    def wait(name):
        client, whole = aws.client("sagemaker"), f"{aws.prefix}-{name}"
        ask = lambda: client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=whole)  # noqa: E731
        job = until(ask, lambda job: job["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped"))
        rows = client.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=whole, SortBy="FinalObjectiveMetricValue", SortOrder="Ascending"
        )
        return job, rows["TrainingJobSummaries"]

    return wait


def test_a_search_of_three_trials(aws, searched):
    client = aws.client("sagemaker")
    client.create_hyper_parameter_tuning_job(**tuning(aws, "search"))
    job, trials = searched("search")
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Completed"] == job["ObjectiveStatusCounters"]["Succeeded"] == 3
    values = [trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for trial in trials]
    assert values == sorted(values)
    assert len(set(values)) == 3
    assert job["BestTrainingJob"]["TrainingJobName"] == trials[0]["TrainingJobName"]
    expected = {f"{aws.prefix}-search-00{number}" for number in (1, 2, 3)}
    assert {trial["TrainingJobName"][:-9] for trial in trials} == expected
    assert all(re.fullmatch(r".*-[0-9a-f]{8}", trial["TrainingJobName"]) for trial in trials)
    child = client.describe_training_job(TrainingJobName=trials[0]["TrainingJobName"])
    assert child["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    x = float(child["HyperParameters"]["x"])
    assert 0.001 <= x <= 0.9
    assert values[0] == pytest.approx((x - 0.3) ** 2 + 1 / 3, abs=1e-5)
    listed = client.list_hyper_parameter_tuning_jobs(NameContains=aws.prefix)["HyperParameterTuningJobSummaries"]
    assert [(item["Strategy"], item["HyperParameterTuningJobStatus"]) for item in listed] == [("Random", "Completed")]


def test_grid_is_the_product_of_the_categories(aws, searched):
    ranges = {
        "CategoricalParameterRanges": [
            {"Name": "x", "Values": ["0.1", "0.3"]},
            {"Name": "epochs", "Values": ["2", "4"]},
        ]
    }
    aws.client("sagemaker").create_hyper_parameter_tuning_job(**tuning(aws, "grid", ranges, "Grid", parallel=4))
    _, trials = searched("grid")
    tuned = {(trial["TunedHyperParameters"]["x"], trial["TunedHyperParameters"]["epochs"]) for trial in trials}
    assert tuned == {("0.1", "2"), ("0.1", "4"), ("0.3", "2"), ("0.3", "4")}
    assert trials[0]["TunedHyperParameters"] == {"x": "0.3", "epochs": "4"}


def test_early_stopping_ends_a_hopeless_trial(aws, searched):
    ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["0.3", "0.31", "9"]}]}
    slow = {"epochs": "12", "sleep": "0.1"}
    request = tuning(aws, "early", ranges, "Grid", parallel=1, static=slow, TrainingJobEarlyStoppingType="Auto")
    aws.client("sagemaker").create_hyper_parameter_tuning_job(**request)
    job, trials = searched("early")
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    states = {trial["TunedHyperParameters"]["x"]: trial["TrainingJobStatus"] for trial in trials}
    assert states == {"0.3": "Completed", "0.31": "Completed", "9": "Stopped"}


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ({"TargetObjectiveMetricValue": 0.5}, 2),
        ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, 5),
    ],
)
def test_completion_criteria_and_warm_start_are_taken(criterion, expected, aws, searched):
    ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["2", "0.3", "3", "4", "5", "6"]}]}
    request = tuning(aws, "enough", ranges, "Grid", parallel=1, TuningJobCompletionCriteria=criterion)
    parents = [{"HyperParameterTuningJobName": "earlier"}]
    request["WarmStartConfig"] = {"ParentHyperParameterTuningJobs": parents, "WarmStartType": "TransferLearning"}
    aws.client("sagemaker").create_hyper_parameter_tuning_job(**request)
    job, trials = searched("enough")
    assert (job["HyperParameterTuningJobStatus"], len(trials)) == ("Completed", expected)
    assert job["BestTrainingJob"]["TunedHyperParameters"] == {"x": "0.3"}
    assert job["WarmStartConfig"]["WarmStartType"] == "TransferLearning"


def test_stopping_stops_the_trials(aws, searched, until):
    client = aws.client("sagemaker")
    request = tuning(aws, "long", static={"epochs": "500", "sleep": "0.1"})
    client.create_hyper_parameter_tuning_job(**request)
    name = request["HyperParameterTuningJobName"]
    list_trials = client.list_training_jobs_for_hyper_parameter_tuning_job
    until(
        lambda: list_trials(HyperParameterTuningJobName=name), lambda answer: len(answer["TrainingJobSummaries"]) == 2
    )
    client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    job, _ = searched("long")
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    trials = list_trials(HyperParameterTuningJobName=name)["TrainingJobSummaries"]
    assert {trial["TrainingJobStatus"] for trial in trials} == {"Stopped"}


def test_a_search_without_a_success_fails(aws, searched):
    request = tuning(aws, "lost", jobs=8, parallel=1, static={"fail": "no"})
    aws.client("sagemaker").create_hyper_parameter_tuning_job(**request)
    job, trials = searched("lost")
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert "No training job succeeded" in job["FailureReason"]
    assert (job["TrainingJobStatusCounters"]["NonRetryableError"], trials) == (5, [])


def test_what_aws_refuses_is_refused(aws, searched):
    client = aws.client("sagemaker")
    client.create_hyper_parameter_tuning_job(**tuning(aws, "once", jobs=1, parallel=1))
    with pytest.raises(ClientError, match="ResourceInUse"):
        client.create_hyper_parameter_tuning_job(**tuning(aws, "once"))
    with pytest.raises(ClientError, match="categorical parameters only"):
        client.create_hyper_parameter_tuning_job(**tuning(aws, "grid", strategy="Grid"))
    with pytest.raises(ClientError, match="must be Off"):
        client.create_hyper_parameter_tuning_job(
            **tuning(aws, "band", strategy="Hyperband", TrainingJobEarlyStoppingType="Auto")
        )
    with pytest.raises(ClientError, match="has length 33"):
        client.create_hyper_parameter_tuning_job(**tuning(aws, "n" * (33 - len(aws.prefix) - 1)))
    searched("once")
    name = f"{aws.prefix}-once"
    client.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
