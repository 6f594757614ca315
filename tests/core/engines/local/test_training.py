"""The local engine with the real training script: features once, trials over them, rules beside them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import pytest

from core.engines.local.engine import LocalEngine
from core.jobs.contract import default_metrics
from core.jobs.ranges import ContinuousRange
from core.jobs.records import MetricEvent
from core.jobs.specs import DebuggerConfig, Strategy, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import Store
from training_scripts.version import VERSION


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalEngine, Store]]:
    """An engine as the application has it; its files are kept from test to test."""
    paths = AppPaths(tmp_path_factory.mktemp("home")).create()
    store = Store(paths.database)
    engine = LocalEngine(paths, store)
    yield engine, store
    engine.close()
    store.close()


def training(engine, manifest, name: str, **hyperparameters: str) -> TrainingSpec:
    return TrainingSpec(
        name,
        engine.stage(manifest),
        {"num_epochs": "4", "batch_size": "4", "seed": "0", **hyperparameters},
        default_metrics(),
        dataset_version=manifest.version,
        dataset_path=str(manifest.root),
        debugger=DebuggerConfig(enabled=True, profiler=False),
    )


@pytest.fixture(scope="module")
def tuned(real, mini_bench, manifest) -> tuple[LocalEngine, Store]:
    """After a real tuning job of three trials, two at a time."""
    engine, store = real
    spec = TuningSpec(
        training(engine, manifest, "tune"),
        (ContinuousRange("learning_rate", 1e-3, 1e-1),),
        Strategy.RANDOM,
        max_jobs=3,
        max_parallel_jobs=2,
    )
    engine.start(spec)
    mini_bench(engine).finished("tune", 180)
    return engine, store


@pytest.fixture(scope="module")
def mini_bench(manifest, bench_of):
    return lambda engine: bench_of(engine, manifest)


def test_a_real_search_completes_and_has_learnt_something(tuned):
    engine, _ = tuned
    job = engine.job("tune")
    assert job.status is JobStatus.COMPLETED, job.failure_reason
    assert job.counts == {JobStatus.COMPLETED: 3}
    best = engine.job(job.best_trial)
    assert best.metrics["test:accuracy"] == 1.0
    assert {"Average loss", "train:loss", "valid:loss", "valid:accuracy", "test:loss"} <= set(best.metrics)


def test_every_epoch_of_every_trial_was_told(tuned):
    engine, _ = tuned
    for trial in engine.trials("tune"):
        events = engine.events(job=trial.name).events
        losses = [event for event in events if isinstance(event, MetricEvent) and event.name == "valid:loss"]
        assert [event.epoch for event in losses] == [1, 2, 3, 4]


def test_features_were_computed_once_and_are_known_to_the_next_job(tuned, mini_bench, manifest):
    engine, store = tuned
    log = "\n".join(engine.read_log("tune").lines)
    assert f"features {len(manifest.pictures)}/{len(manifest.pictures)}" in log
    assert store.speeds()[f"features/efficientnet_lite0/{manifest.version}"] == 0.0
    assert store.speeds()["head/trial"] > 0
    engine.start(training(engine, manifest, "again", learning_rate="0.01"))
    assert mini_bench(engine).finished("again", 120).status is JobStatus.COMPLETED
    again = "\n".join(engine.read_log("again").lines)
    assert "known already" in again
    assert "epoch=4/4" in again


def test_the_model_unpacks_to_what_inference_needs(tuned):
    engine, _ = tuned
    folder = engine.fetch_artifact(engine.job("tune").best_trial)
    assert {"model.pth", "model.json", "code"} <= {path.name for path in folder.iterdir()}
    assert (folder / "code" / "inference.py").is_file()


def test_the_evaluation_is_kept(tuned, read_json):
    engine, _ = tuned
    trial = engine.job("tune").best_trial
    evaluation = read_json(engine.job_folder(trial) / "output" / "data" / "evaluation.json")
    assert evaluation["test"]["accuracy"] == engine.job(trial).metrics["test:accuracy"]


def test_the_job_keeps_its_spec_version_and_end_in_its_folder(tuned, read_json, manifest):
    engine, _ = tuned
    record = read_json(engine.job_folder("tune") / "job.json")
    assert record["status"] == "Completed"
    assert record["spec"]["training"]["dataset_version"] == manifest.version
    assert record["code_version"] == engine.job("tune").code_version
    assert re.fullmatch(rf"{re.escape(VERSION)}\+[0-9a-f]{{8}}", record["code_version"])
    best = engine.job("tune").best_trial
    card = read_json(engine.fetch_artifact(best) / "model.json")
    assert card["versions"]["sagehound"] == engine.job(best).code_version


def test_the_rules_of_every_trial_were_evaluated(tuned):
    engine, store = tuned
    for trial in engine.trials("tune"):
        outcomes = {outcome.rule: outcome.status for outcome in store.outcomes(trial.name)}
        assert "LossNotDecreasing" in outcomes
        assert all(outcome.job == trial.name for outcome in store.outcomes(trial.name))


def test_a_wrong_hyperparameter_fails_with_one_sentence(tuned, mini_bench, manifest):
    engine, _ = tuned
    engine.start(training(engine, manifest, "wrong", batch_size="many"))
    job = mini_bench(engine).finished("wrong", 120)
    assert job.status is JobStatus.FAILED
    assert "batch_size" in job.failure_reason
    assert "Traceback" not in job.failure_reason


def test_weights_that_are_not_there_fail_before_any_trial(tuned, mini_bench, manifest):
    engine, _ = tuned
    spec = TuningSpec(
        training(engine, manifest, "far", backbone="resnet50"), (ContinuousRange("learning_rate", 1e-3, 1e-1),)
    )
    engine.start(spec)
    job = mini_bench(engine).finished("far", 120)
    assert job.status is JobStatus.FAILED
    assert "resnet50-" in job.failure_reason
    assert engine.trials("far") == []


def test_a_plain_subprocess_trains_the_same(tuned, mini_bench, manifest):
    engine, store = tuned
    other = LocalEngine(engine._paths, store, dataclasses.replace(engine._runtime, launching="subprocess"))
    trial = engine.trials("tune")[0]
    spec = dataclasses.replace(engine.spec(trial.name), name="twin")
    other.start(spec)
    twin = mini_bench(other).finished("twin", 180)
    assert twin.metrics == trial.metrics
