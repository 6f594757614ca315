"""Rules beside real jobs of the local engine."""

import json
import time
from argparse import Namespace

import pytest

from core.cli.console import Console
from core.cli.debug import _found_again, rules
from core.debugger.outcomes import issue_counts, job_outcomes, trial_names
from core.engines.local.engine import LocalEngine
from core.jobs.contract import default_metrics
from core.jobs.ranges import CategoricalRange
from core.jobs.records import RuleOutcome
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


def test_a_remedy_is_judged_by_the_last_word_of_the_rules(workbench, manifest, capsys):
    """The watcher beside a short training has not begun when that ends."""
    hyperparameters = {"num_epochs": "6", "batch_size": "4", "learning_rate": "50"}
    every = DebuggerConfig(save_interval=2, rules={"LearningRateTooHigh": {"climb_factor": "1.9"}})
    workbench.jobs.launch(TrainingSpec("steep", {}, hyperparameters, default_metrics(), debugger=every), manifest)
    wait(workbench.engine, "steep")
    before = last_words(workbench.engine, "steep", "LearningRateTooHigh")
    assert before["LearningRateTooHigh"].status is RuleStatus.ISSUES_FOUND

    options = Namespace(job="steep", rule=[], output=None, try_remedy=True)
    assert rules(options, workbench.paths, Console(as_json=True)) == 0
    said = json.loads(capsys.readouterr().out)
    after = last_words(workbench.engine, said["trial"], said["rule"])
    assert said["found_again"] is (after[said["rule"]].status is RuleStatus.ISSUES_FOUND)
    assert {*said["also_found"], said["rule"]} >= {
        rule for rule, outcome in after.items() if outcome.status is RuleStatus.ISSUES_FOUND
    }

    (asked,) = workbench.reports.evaluated("steep", changes={"LearningRateTooHigh": {"patience": "2"}})
    assert dict(asked.parameters) == {"climb_factor": "1.9", "patience": "2"}


def last_words(engine, name, rule):
    """Return the outcomes that the watcher has recorded, once it has that of `rule` and looks no more."""
    deadline = time.monotonic() + 120
    while True:
        found = {outcome.rule: outcome for outcome in job_outcomes(engine, name)}
        if rule in found and all(outcome.status is not RuleStatus.IN_PROGRESS for outcome in found.values()):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("status", "evaluated", "found_again"),
    [
        (RuleStatus.ISSUES_FOUND, 5, True),
        (RuleStatus.NO_ISSUES_FOUND, 5, False),
        (RuleStatus.NO_ISSUES_FOUND, 0, None),
        (RuleStatus.IN_PROGRESS, 5, None),
        (RuleStatus.ERROR, 5, None),
    ],
)
def test_only_a_rule_that_looked_to_the_end_says_that_a_remedy_helped(status, evaluated, found_again):
    assert _found_again(RuleOutcome("one", "Overfit", status, 1.0, evaluated=evaluated)) is found_again


def test_a_rule_can_stop_a_job(workbench, manifest):
    hyperparameters = {"num_epochs": "1000000", "batch_size": "4", "learning_rate": "50"}
    config = DebuggerConfig(actions={"LearningRateTooHigh": "stop"})
    spec = TrainingSpec("stopped", {}, hyperparameters, default_metrics(), debugger=config)
    workbench.jobs.launch(spec, manifest)
    job = wait(workbench.engine, "stopped")
    assert job.status is JobStatus.STOPPED
    assert job.failure_reason.startswith("The rule LearningRateTooHigh found an issue: The loss climbed")
    assert job.artifact is not None
