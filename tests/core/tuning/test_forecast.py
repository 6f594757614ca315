"""Forecasts and warnings, from plain values."""

from __future__ import annotations

import dataclasses

import pytest

from core.jobs.ranges import CategoricalRange, ContinuousRange, IntegerRange, Scaling
from core.jobs.specs import CloudResources, MetricDefinition, Objective, Strategy, TrainingSpec, TuningSpec
from core.tuning.forecast import FIRST_ESTIMATES, START_UP_S, forecast, forecast_from, trial_speeds
from core.tuning.presets import PRESETS

COUNTS = {"cat": {"train": 70, "valid": 15, "test": 15}, "dog": {"train": 30, "valid": 10, "test": 10}}
RATE = ContinuousRange("learning_rate", 1e-4, 1e-1)
SPEEDS = {
    "features/efficientnet_lite0": 0.01,
    "head/epoch": 1e-4,
    "head/trial": 1.0,
    "fine_tune/trial": 2.0,
    "fine_tune/resnet18/all": 0.1,
}


def training(**hyperparameters: str) -> TrainingSpec:
    metrics = (MetricDefinition("Average loss", "Average loss: ([0-9.]+)"),)
    return TrainingSpec("tune", {}, {"num_epochs": "10", **hyperparameters}, metrics)


def tuning(*ranges, hyperparameters: dict[str, str] | None = None, **changes) -> TuningSpec:
    fixed = {name: value for name, value in (hyperparameters or {}).items()}
    return TuningSpec(training(**fixed), ranges or (RATE,), **{"max_jobs": 20, "max_parallel_jobs": 2, **changes})


def fields(spec, counts=COUNTS, cores: int = 2) -> list[str]:
    return [warning.field for warning in forecast_from(spec, counts, "v1", SPEEDS, cores).warnings]


def test_a_head_search_is_features_and_then_trials():
    found = forecast_from(tuning(), COUNTS, "v1", SPEEDS, cores=2)
    assert found.features_seconds == pytest.approx(150 * 0.01)
    assert found.seconds == pytest.approx(START_UP_S + 1.5 + 10 * (1.0 + 10 * 100 * 1e-4))
    assert found.basis == "measured"
    assert found.trials == 20
    assert found.combinations is None


def test_features_that_are_there_cost_nothing():
    found = forecast_from(tuning(), COUNTS, "v1", {**SPEEDS, "features/efficientnet_lite0/v1": 0.0}, cores=2)
    assert found.features_seconds == 0
    assert found.basis == "measured"


def test_without_measurements_it_is_an_estimate():
    found = forecast_from(tuning(), COUNTS, "v1", {}, cores=2)
    assert found.basis == "estimated"
    assert found.features_seconds == pytest.approx(150 * FIRST_ESTIMATES["features/efficientnet_lite0"])


def test_fine_tuning_shares_the_cores():
    spec = tuning(hyperparameters={"mode": "fine_tune", "backbone": "resnet18", "unfreeze": "all"}, max_jobs=4)
    two = forecast_from(spec, COUNTS, "v1", SPEEDS, cores=2)
    assert two.features_seconds == 0
    assert two.seconds == pytest.approx(START_UP_S + 2 * (2.0 + 10 * 100 * 0.1))
    eight = forecast_from(spec, COUNTS, "v1", SPEEDS, cores=8)
    assert eight.seconds < two.seconds / 3


def test_fine_tuning_takes_longer_than_a_head():
    head = forecast_from(tuning(), COUNTS, "v1", {}, cores=2)
    deep = forecast_from(tuning(hyperparameters={"mode": "fine_tune"}), COUNTS, "v1", {}, cores=2)
    assert deep.seconds > 3 * head.seconds


def test_backbones_that_are_searched_each_need_features():
    ranges = (CategoricalRange("backbone", ("efficientnet_lite0", "resnet18")), RATE)
    found = forecast_from(tuning(*ranges), COUNTS, "v1", SPEEDS, cores=2)
    assert found.features_seconds == pytest.approx(150 * (0.01 + FIRST_ESTIMATES["features/resnet18"]))
    assert found.basis == "estimated"


def test_searched_epochs_count_by_their_mean():
    ranges = (IntegerRange("num_epochs", 100, 300), RATE)
    spec = TuningSpec(dataclasses.replace(training(), hyperparameters={}), ranges, max_jobs=1, max_parallel_jobs=1)
    found = forecast_from(spec, COUNTS, "v1", SPEEDS, cores=2)
    assert found.seconds == pytest.approx(START_UP_S + 1.5 + 1.0 + 200 * 100 * 1e-4)


def test_a_grid_runs_no_more_trials_than_it_has_combinations():
    found = forecast_from(
        tuning(CategoricalRange("optimizer", ("adam", "sgd")), strategy=Strategy.GRID), COUNTS, "v1", SPEEDS, 2
    )
    assert (found.combinations, found.trials) == (2, 2)
    assert "max_jobs" in [warning.field for warning in found.warnings]


def test_a_single_training_job_has_a_forecast_too():
    found = forecast_from(training(), COUNTS, "v1", SPEEDS, cores=2)
    assert (found.trials, found.combinations) == (1, None)
    assert found.seconds == pytest.approx(START_UP_S + 1.5 + 1.1)


def test_without_a_dataset_there_is_no_time():
    found = forecast_from(tuning(), None, "", SPEEDS, cores=2)
    assert found.seconds is None


def test_what_a_trial_teaches_is_what_the_forecast_uses():
    hyperparameters = {"mode": "fine_tune", "backbone": "resnet18", "unfreeze": "all"}
    speeds = trial_speeds(hyperparameters, [4.0] * 10, 43.0, pictures=100, cores=2)
    spec = tuning(hyperparameters=hyperparameters, max_jobs=1, max_parallel_jobs=1)
    found = forecast_from(spec, COUNTS, "v1", speeds, cores=2)
    assert found.basis == "measured"
    assert found.seconds == pytest.approx(START_UP_S + 43.0)


def test_a_trial_without_epochs_teaches_nothing():
    assert trial_speeds({}, [], 1.0, 100, 2) == {}
    assert trial_speeds({}, [1.0], 1.0, 0, 2) == {}


def test_a_sensible_search_is_not_nagged_about():
    spec = tuning(RATE, hyperparameters={"batch_size": "16"})
    assert fields(spec) == []


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (tuning(max_jobs=2, max_parallel_jobs=2), "max_parallel_jobs"),
        (tuning(max_parallel_jobs=8), "max_parallel_jobs"),
        (tuning(ContinuousRange("learning_rate", 0.0, 0.1)), "learning_rate"),
        (tuning(ContinuousRange("learning_rate", 1e-5, 0.1, Scaling.LINEAR)), "learning_rate"),
        (tuning(hyperparameters={"batch_size": "64"}), "batch_size"),
        (tuning(IntegerRange("batch_size", 8, 512)), "batch_size"),
        (tuning(CategoricalRange("batch_size", ("8", "512"))), "batch_size"),
        (tuning(RATE, IntegerRange("a", 1, 2), IntegerRange("b", 1, 2), max_jobs=5), "max_jobs"),
        (tuning(early_stopping=True, max_jobs=5), "early_stopping"),
        (tuning(strategy=Strategy.HYPERBAND, hyperparameters={"num_epochs": "2"}), "num_epochs"),
        (tuning(CategoricalRange("a", ("1", "2", "3")), strategy=Strategy.GRID, max_jobs=2), "max_jobs"),
    ],
)
def test_what_is_probably_not_meant_is_said(spec, field):
    assert field in fields(spec)
    for warning in forecast_from(spec, COUNTS, "v1", SPEEDS, 2).warnings:
        assert warning.message.endswith(".")
        assert warning.fix.endswith(".")


@pytest.mark.parametrize("metric", ["test:accuracy", "test:loss"])
def test_a_search_on_the_test_pictures_is_said(metric):
    defined = (MetricDefinition(metric, "test=([0-9.]+)"), *training().metrics)
    spec = tuning(RATE, hyperparameters={"batch_size": "16"})
    judged = spec.with_training(metrics=defined, objective=Objective(metric))
    assert fields(judged) == ["objective"]
    assert fields(judged.with_training(objective=Objective("Average loss"))) == []


def test_missing_valid_pictures_are_said():
    counts = {label: {"train": 50, "valid": 0, "test": 0} for label in ("cat", "dog")}
    assert "objective" in fields(tuning(), counts)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.slug)
def test_every_preset_is_a_valid_search_that_gets_a_forecast(preset, tmp_path):
    from core.store import Store

    base = TrainingSpec("tune", {}, preset.hyperparameters, preset.metrics, preset.objective)
    spec = TuningSpec(
        base, preset.ranges, preset.strategy, preset.max_jobs, preset.max_parallel_jobs, preset.early_stopping
    )
    assert forecast_from(spec, COUNTS, "v1", {}, 2).seconds > START_UP_S
    store = Store(tmp_path / "store.sqlite3")
    try:
        assert forecast(spec, None, store).seconds is None
    finally:
        store.close()


def test_the_notebook_preset_is_the_notebooks_search():
    notebook = next(preset for preset in PRESETS if preset.slug == "resnet-18-notebook")
    assert set(notebook.ranges) == {
        IntegerRange("batch_size", 32, 128),
        ContinuousRange("learning_rate", 1e-4, 5e-2),
        IntegerRange("num_epochs", 5, 15),
    }
    assert notebook.hyperparameters["backbone"] == "resnet18"
    assert notebook.hyperparameters["head"] == "linear_dropout_batchnorm"
    assert (notebook.objective.metric, notebook.objective.maximize) == ("Average loss", False)
    assert {m.name: m.regex for m in notebook.metrics}["Average loss"] == r"Average loss: ([0-9\.]+)"


def test_what_is_said_of_machines_on_sagemaker():
    def on(instance_type: str, **hyperparameters: str) -> TuningSpec:
        spec = tuning(max_parallel_jobs=8, hyperparameters={"batch_size": "8", **hyperparameters})
        return dataclasses.replace(
            spec, training=dataclasses.replace(spec.training, cloud=CloudResources(instance_type))
        )

    assert "max_parallel_jobs" in fields(tuning(max_parallel_jobs=8))
    assert fields(on("ml.m5.xlarge")) == []  # each trial has a machine of its own
    assert fields(on("ml.g5.xlarge")) == ["instance_type"]
    assert fields(on("ml.g5.xlarge", mode="fine_tune")) == []
