"""The real training script on the stand-in: features computed once, trials that read them, what comes back."""

from __future__ import annotations

import dataclasses
import io
import tarfile
import time

import pytest

from core.debugger.evaluate_rules import open_trial
from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.timing import Timing
from core.jobs.ranges import CategoricalRange, ContinuousRange
from core.jobs.records import RuleOutcome
from core.jobs.specs import CloudResources, DebuggerConfig, ManagedDebugger, Strategy, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.tuning.presets import DEFAULT_METRICS
from core.workbench import Workbench

RANGES = (ContinuousRange("learning_rate", 1e-3, 1e-1),)


@pytest.fixture
def engine(cloud, aws, workspace, paths, store):
    cloud.forget()
    engine = SageMakerEngine(paths, store, aws, workspace, timing=Timing(0.2, 0.3, login=0.3))
    yield engine
    engine.close()
    cloud.forget()


def training(engine, manifest, name, **changes):
    hyperparameters = {"backbone": "efficientnet_lite0", "mode": "head", "num_epochs": "3", "weights": "default"}
    return TrainingSpec(
        name,
        engine.stage(manifest),
        {**hyperparameters, **changes.pop("hyperparameters", {})},
        DEFAULT_METRICS,
        dataset_version=manifest.version,
        **{"debugger": DebuggerConfig(enabled=False, profiler=False), **changes},
    )


def finished(engine, name, seconds=150):
    deadline = time.monotonic() + seconds
    while not (job := engine.job(name)).status.is_final:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job


def requirements(cloud, request):
    """Whether the container is told to install something."""
    (code,) = (item for item in request["InputDataConfig"] if item["ChannelName"] == "code")
    place = code["DataSource"]["S3DataSource"]["S3Uri"]
    with tarfile.open(fileobj=io.BytesIO(cloud.storage.read(f"{place}sourcedir.tar.gz"))) as tar:
        return "requirements.txt" in tar.getnames()


@pytest.mark.parametrize(
    "closed",
    [CloudResources(network_isolation=True), CloudResources(subnets=("subnet-0a",), security_groups=("sg-0b",))],
    ids=["isolated", "in a VPC"],
)
def test_a_job_without_a_network_fetches_and_installs_nothing(closed, engine, manifest, cloud):
    engine.start(training(engine, manifest, "closed", cloud=closed))
    job = finished(engine, "closed")
    assert (job.status, job.failure_reason) == (JobStatus.COMPLETED, "")
    requests = cloud.asked("CreateTrainingJob")
    assert [request["TrainingJobName"] for request in requests] == ["closed-features", "closed"]
    assert not any(requirements(cloud, request) for request in requests)


@pytest.mark.long
def test_a_search_computes_its_features_once_and_the_next_one_not_at_all(engine, manifest, cloud, paths, store):
    spec = TuningSpec(training(engine, manifest, "search"), RANGES, Strategy.RANDOM, max_jobs=2)
    engine.start(spec)
    assert engine.job("search").secondary_status == "PreparingFeatures"
    job = finished(engine, "search")
    assert (job.status, job.counts) == (JobStatus.COMPLETED, {JobStatus.COMPLETED: 2})
    names = [request["TrainingJobName"] for request in cloud.asked("CreateTrainingJob")]
    assert names == ["search-features"]
    request = cloud.asked("CreateHyperParameterTuningJob")[0]["TrainingJobDefinition"]
    assert [channel["ChannelName"] for channel in request["InputDataConfig"]] == ["features", "code"]
    assert requirements(cloud, cloud.asked("CreateTrainingJob")[0])
    assert not requirements(cloud, request), "a trial over features needs nothing that AWS's image does not have"
    assert engine.differences("search") == ()
    assert any("features 32/32" in line for line in engine.read_log("search").lines)

    debugged = DebuggerConfig()
    managed = CloudResources(managed=ManagedDebugger())
    again = training(engine, manifest, "again", debugger=debugged, hyperparameters={"num_epochs": "6"}, cloud=managed)
    engine.start(again)
    assert finished(engine, "again").status is JobStatus.COMPLETED
    assert [request["TrainingJobName"] for request in cloud.asked("CreateTrainingJob")] == ["search-features", "again"]
    outcomes = {event.rule for event in engine.events(job="again").events if isinstance(event, RuleOutcome)}
    assert {"Overfit", "VanishingGradient"} <= outcomes
    folder = engine.job_folder("again")
    assert list((folder / "output" / "tensors").rglob("*.tfevents"))
    assert list((folder / "output" / "profiler").rglob("*"))
    # AWS's own Debugger finds in its place what the job's hook saved.
    tensors = open_trial(f"{engine.workspace.uri('jobs')}/again/debug-output")
    assert tensors.steps() == open_trial(folder).steps()
    assert tensors.tensor_names(collection="losses")
    assert tensors.tensor_names(collection="gradients")
    assert (folder / "output" / "data" / "evaluation.json").is_file()
    bench = Workbench(paths, engine)
    bench.data.remember(manifest)
    assert bench.evaluations.of_job("again").accuracy == 1.0
    bench.close()


def test_trials_of_several_backbones_read_the_pictures(engine, manifest):
    spec = training(engine, manifest, "search")
    ranges = (CategoricalRange("backbone", ("efficientnet_lite0", "resnet18")),)
    fixed = {key: value for key, value in spec.hyperparameters.items() if key != "backbone"}
    tuning = TuningSpec(dataclasses.replace(spec, hyperparameters=fixed), ranges)
    assert engine._creator.features_key(tuning) == ""
    fine = training(engine, manifest, "fine", hyperparameters={"mode": "fine_tune"})
    assert engine._creator.features_key(fine) == ""
    head = engine._creator.features_key(spec)
    assert head
    other = dataclasses.replace(spec, dataset_version="other")
    assert engine._creator.features_key(other) != head
    untrained = training(engine, manifest, "u", hyperparameters={"weights": "none"})
    assert engine._creator.features_key(untrained) != head


def test_stopping_while_features_are_computed_starts_nothing_more(engine, manifest, cloud):
    engine.start(training(engine, manifest, "one"))
    engine.stop("one")
    assert engine.job("one").status is JobStatus.STOPPING
    job = finished(engine, "one", 60)
    assert job.status is JobStatus.STOPPED
    assert [request["TrainingJobName"] for request in cloud.asked("CreateTrainingJob")] == ["one-features"]


def test_features_that_cannot_be_computed_fail_the_job_with_the_reason(engine, manifest, monkeypatch):
    spec = training(engine, manifest, "one", hyperparameters={"seed": "not a number", "weights": "none"})
    engine.start(spec)
    job = finished(engine, "one", 60)
    assert job.status is JobStatus.FAILED
    assert "frozen features could not be computed" in job.failure_reason
    assert "seed" in job.failure_reason
