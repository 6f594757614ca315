"""A whole search as one training job on the stand-in cloud."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from importlib.metadata import version

import pytest

from core.engines.local.engine import LocalEngine
from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.jobs.training_source import training_source
from core.engines.sagemaker.timing import Timing
from core.engines.sagemaker.tracking.packed import PackedFollower
from core.errors import EngineError, SpecError
from core.jobs.ranges import CategoricalRange, ContinuousRange
from core.jobs.specs import CloudResources, DebuggerConfig, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import Store
from core.store.rows import new_record
from core.tuning.presets import DEFAULT_METRICS
from core.workbench import Workbench
from tests.cloud.storage import unpack
from tests.cloud.training import JobFaults
from training_scripts.packed.lines import TrialRecord, read_line

RANGES = (ContinuousRange("learning_rate", 1e-3, 1e-1), CategoricalRange("optimizer", ("adam", "sgd")))


@pytest.fixture
def engine(cloud, aws, workspace, paths, store):
    cloud.forget()
    engine = SageMakerEngine(paths, store, aws, workspace, timing=Timing(0.2, 0.3, login=0.3))
    yield engine
    engine.close()
    cloud.forget()


def search(name, channels, manifest, max_jobs=6, packed=True, **changes):
    hyperparameters = {"backbone": "efficientnet_lite0", "mode": "head", "num_epochs": "3", "weights": "default"}
    hyperparameters |= changes.pop("hyperparameters", {})
    training = TrainingSpec(
        name,
        channels,
        {**hyperparameters, "seed": "3"},
        DEFAULT_METRICS,
        dataset_version=manifest.version,
        cloud=CloudResources(),
        debugger=changes.pop("debugger", DebuggerConfig(enabled=False, profiler=False)),
    )
    return TuningSpec(training, RANGES, max_jobs=max_jobs, seed=7, packed=packed, **changes)


def finished(engine, name, seconds=200):
    deadline = time.monotonic() + seconds
    while not (job := engine.job(name)).status.is_final:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job


def results(engine, name):
    return [(trial.hyperparameters, trial.objective, trial.status) for trial in engine.trials(name)]


@pytest.mark.long
def test_it_is_one_job_and_finds_what_the_local_engine_finds(engine, manifest, cloud, paths, store, tmp_path):
    spec = search("packed", engine.stage(manifest), manifest, debugger=DebuggerConfig())
    engine.start(spec)
    job = finished(engine, "packed")
    assert (job.status, job.failure_reason, job.counts) == (JobStatus.COMPLETED, "", {JobStatus.COMPLETED: 6})
    asked = {name for name in cloud.calls if name.startswith("sagemaker:Create")}
    assert {name: cloud.calls[name] for name in asked} == {"sagemaker:CreateTrainingJob": 1}
    (request,) = cloud.asked("CreateTrainingJob")
    assert {item["ChannelName"] for item in request["InputDataConfig"]} >= {"train", "valid", "weights", "search"}

    here = AppPaths(tmp_path / "here").create()
    local = LocalEngine(here, Store(here.database))
    local.start(dataclasses.replace(search("packed", local.stage(manifest), manifest), packed=False))
    assert finished(local, "packed").best_objective == job.best_objective
    assert results(local, "packed") == results(engine, "packed")
    best = engine.job(job.best_trial)
    assert [event.value for event in store.metrics(best.name, "Average loss")] == [
        event.value for event in local._store.metrics(finished(local, "packed").best_trial, "Average loss")
    ]

    assert {outcome.rule for outcome in store.outcomes(best.name)} >= {"Overfit", "VanishingGradient"}
    assert engine.read_log(best.name).lines[1].startswith("epoch=1/3 Average loss")
    assert list((engine.job_folder(best.name) / "output" / "tensors").rglob("*.tfevents"))
    bench = Workbench(paths, engine)
    bench.data.remember(manifest)
    assert bench.evaluations.of_job(best.name).accuracy == 1.0
    bench.close()
    model = engine.fetch_artifact(best.name)
    assert (model / "model.pth").is_file()
    assert (paths.jobs / best.name / "model.tar.gz").is_file(), "what is deployed"
    bill = engine.bill("packed")
    assert bill.billable_seconds > 0
    assert bill.usd == pytest.approx(engine.spent("packed"))


def test_a_spot_machine_that_is_taken_away_costs_the_trial_in_flight_alone(
    engine, manifest, cloud, aws, workspace, store, tmp_path
):
    cloud.training.plan("spot", JobFaults("taken", after_lines=800, reclaim=True))
    spec = search("spot", engine.stage(manifest), manifest, max_jobs=5, hyperparameters={"num_epochs": "200"})
    engine.start(spec.with_training(cloud=CloudResources(spot=True, max_wait_s=2 * spec.training.max_runtime_s)))
    job = finished(engine, "spot")
    assert (job.status, job.failure_reason, job.counts) == (JobStatus.COMPLETED, "", {JobStatus.COMPLETED: 5})
    said = engine.read_log("spot").lines
    # What was not in S3 yet when the machine went is done again; what was there is not.
    at = next(at for at, line in enumerate(said) if "had ended before; the search continues" in line)
    known = [read_line(line).record.number for line in said[at - int(said[at].split()[0]) : at]]
    for number in known:
        assert sum(line.startswith(f"trial {number:03d} | epoch=1/") for line in said) == 1
    for trial in engine.trials("spot"):
        assert [event.epoch for event in store.metrics(trial.name, "Average loss")] == list(range(1, 201))

    there = AppPaths(tmp_path / "there").create()
    other = SageMakerEngine(there, Store(there.database), aws, workspace, timing=Timing(0.2, 0.3, login=0.3))
    other.adopt("spot")
    assert finished(other, "spot").best_trial == job.best_trial
    assert results(other, "spot") == results(engine, "spot")
    other.close()


def refused_to_stop_a_trial(engine, search):
    """Try to stop a trial that runs; whether it was refused, for it may have ended meanwhile."""
    for trial in engine.trials(search):
        try:
            engine.stop(trial.name)
        except EngineError as error:
            return "runs in one job with the other trials" in str(error)
    return False


def test_a_stop_keeps_what_is_finished(engine, manifest):
    spec = search("stopped", engine.stage(manifest), manifest, max_jobs=40, hyperparameters={"num_epochs": "200"})
    engine.start(spec)
    deadline = time.monotonic() + 120
    while engine.job("stopped").counts.get(JobStatus.COMPLETED, 0) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    while not refused_to_stop_a_trial(engine, "stopped"):  # between two trials none runs
        assert time.monotonic() < deadline
    engine.stop("stopped")
    job = finished(engine, "stopped")
    assert job.status is JobStatus.STOPPED
    assert job.counts[JobStatus.COMPLETED] >= 2
    assert set(job.counts) <= {JobStatus.COMPLETED, JobStatus.STOPPED}
    assert (engine.fetch_artifact(job.best_trial) / "model.pth").is_file()


def test_a_trial_that_comes_back_under_another_name_stops_nothing(store, paths, manifest):
    spec = search("lost", {}, manifest)
    store.add_job(new_record(spec, "sagemaker"), spec)
    follower = PackedFollower(spec, store, None, paths.jobs)
    gone, back = (TrialRecord(f"lost-001-{name}", 1, {"optimizer": "sgd"}, started=1.0) for name in ("gone", "back"))
    follower.apply(gone)
    follower.apply(dataclasses.replace(back, status="Completed", secondary_status="Completed", objective=0.5))
    assert store.job(back.name).objective == 0.5
    follower.end(JobStatus.COMPLETED, "It ran when its search ended.")
    assert {trial.name: trial.status for trial in store.trials("lost")} == {
        gone.name: JobStatus.STOPPED,
        back.name: JobStatus.COMPLETED,
    }


def test_where_nothing_can_be_installed_optuna_comes_along(tmp_path):
    online, offline = training_source().with_search(), training_source().offline().with_search()
    assert f"optuna=={version('optuna')}" in online.files["requirements.txt"].decode()
    assert not any(name.startswith("offline/") for name in online.files)
    assert "requirements.txt" not in offline.files
    unpack(offline.archive, tmp_path)
    code = f"import sys; sys.path = [{str(tmp_path / 'offline')!r}, *sys.path]; import optuna; print(optuna.__file__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("change", "field"),
    [(CloudResources(instance_count=2), "instance_count"), (CloudResources(max_wait_s=9), "max_wait_s")],
)
def test_what_one_job_cannot_do_is_refused_before_anything_is_sent(change, field, engine, manifest, cloud):
    spec = search("refused", {"train": "s3://bucket/train"}, manifest)
    with pytest.raises(SpecError) as caught:
        engine.start(spec.with_training(cloud=change))
    assert caught.value.field == field
    assert not cloud.asked("CreateTrainingJob")
