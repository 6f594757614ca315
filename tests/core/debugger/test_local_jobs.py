"""Rules beside real jobs of the local engine."""

import time

import pytest

from core.debugger.outcomes import issue_counts, job_outcomes, trial_names
from core.engines.local.engine import LocalEngine
from core.jobs.contract import default_metrics
from core.jobs.ranges import CategoricalRange
from core.jobs.specs import DebuggerConfig, Strategy, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus, RuleStatus
from core.paths import AppPaths
from core.workbench import Workbench


@pytest.fixture(scope="module")
def workbench(tmp_path_factory):
    made = Workbench(AppPaths(tmp_path_factory.mktemp("home")))
    yield made
    made.close()


@pytest.fixture(scope="module")
def manifest(workbench, tmp_path_factory):
    import numpy as np
    from PIL import Image

    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for at, label in enumerate(("dark", "grey", "light")):
        for number in range(16):
            file = root / label / f"{number}.png"
            file.parent.mkdir(exist_ok=True)
            noise = random.integers(0, 60, (64, 64, 3), np.uint8)
            Image.fromarray(noise + np.uint8(90 * at)).save(file)
    return workbench.data.split(workbench.data.scan(root))


def wait(engine, name):
    deadline = time.monotonic() + 240
    try:
        while not (job := engine.job(name)).status.is_final:
            assert time.monotonic() < deadline, job
            time.sleep(0.1)
    except AssertionError:
        engine.stop(name)
        raise
    return job


def test_a_search_says_which_trials_went_wrong(workbench, manifest):
    engine = workbench.engine
    assert isinstance(engine, LocalEngine)
    # Which steps are saved must not hang on how busy the machine is.
    every = DebuggerConfig(save_interval=2)
    training = TrainingSpec("rates", {}, {"num_epochs": "6", "batch_size": "4"}, default_metrics(), debugger=every)
    ranges = (CategoricalRange("learning_rate", ("0.003", "50")),)
    workbench.jobs.launch(TuningSpec(training, ranges, Strategy.GRID, max_jobs=2), manifest)
    assert wait(engine, "rates").status is JobStatus.COMPLETED
    rates = {name: engine.job(name).hyperparameters["learning_rate"] for name in trial_names(engine, "rates")}
    bad = next(name for name, rate in rates.items() if rate == "50")
    good = next(name for name, rate in rates.items() if rate != "50")
    found = {outcome.rule: outcome for outcome in job_outcomes(engine, bad)}
    assert found["LearningRateTooHigh"].status is RuleStatus.ISSUES_FOUND
    assert "instead of 50" in found["LearningRateTooHigh"].advice
    assert {outcome.status for outcome in job_outcomes(engine, good)} == {RuleStatus.NO_ISSUES_FOUND}
    assert issue_counts(engine, "rates")[good] == 0 < issue_counts(engine, "rates")[bad]


def test_a_rule_can_stop_a_job(workbench, manifest):
    hyperparameters = {"num_epochs": "1000000", "batch_size": "4", "learning_rate": "50"}
    config = DebuggerConfig(actions={"LearningRateTooHigh": "stop"})
    spec = TrainingSpec("stopped", {}, hyperparameters, default_metrics(), debugger=config)
    workbench.jobs.launch(spec, manifest)
    job = wait(workbench.engine, "stopped")
    assert job.status is JobStatus.STOPPED
    assert job.failure_reason.startswith("The rule LearningRateTooHigh found an issue: The loss climbed")
    assert job.artifact is not None
