"""The container contract: folders, files, variables, arguments, reasons."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import SpecError
from core.jobs.contract import (
    JobFolder,
    check_metrics,
    default_metrics,
    environment,
    failure_reason,
    hyperparameter_arguments,
    inherited_environment,
    write_configuration,
)
from core.jobs.specs import MetricDefinition, Objective, TrainingSpec
from training_scripts.job import JobFolders

SCRIPT = Path("scripts") / "train.py"


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(tmp_path / "job").create()


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{1,20}", fullmatch=True)
values = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=40).filter(lambda t: not t.startswith("-"))


@given(st.dictionaries(names, values, max_size=8))
def test_any_hyperparameters_arrive_through_argparse(hyperparameters):
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    for name in hyperparameters:
        parser.add_argument(f"--{name}", dest=name)
    read, unknown = parser.parse_known_args(hyperparameter_arguments(hyperparameters))
    assert vars(read) == hyperparameters
    assert unknown == []


def test_the_scripts_read_the_folders_they_are_given(folder):
    channels = {"train": "/data/train", "features": "/features"}
    variables = environment("job-1", folder, SCRIPT, {"a": "1"}, channels, cores=3)
    seen = JobFolders.from_environment(variables)
    assert seen.channels == {"train": Path("/data/train"), "features": Path("/features")}
    assert (seen.model, seen.output, seen.output_data) == (folder.model, folder.output, folder.output_data)
    assert seen.checkpoints == folder.checkpoints
    assert seen.monitored == folder.output


def test_under_the_checkpoints_that_trials_share_lies_nothing_but_checkpoints(folder):
    variables = environment("job-1", folder, SCRIPT, {}, {}, cores=1)
    trial = JobFolders.from_environment({**variables, "SAGEHOUND_SYNCED": "trials"})
    assert trial.checkpoints == folder.checkpoints / "job-1"
    assert trial.monitored == folder.output_data / "monitored"
    alone = JobFolders.from_environment({**variables, "SAGEHOUND_SYNCED": "job"})
    assert alone.monitored == folder.checkpoints / "job-1" / "output"  # to be seen while it runs


def test_the_variables_of_a_container_are_there(folder):
    variables = environment("job-1", folder, SCRIPT, {"learning_rate": "0.1"}, {"train": "/d"}, cores=2, gpus=1)
    assert json.loads(variables["SM_HPS"]) == {"learning_rate": "0.1"}
    assert json.loads(variables["SM_CHANNELS"]) == ["train"]
    assert json.loads(variables["SM_USER_ARGS"]) == ["--learning_rate", "0.1"]
    assert json.loads(variables["SM_HOSTS"]) == [variables["SM_CURRENT_HOST"]]
    assert variables["SM_HP_LEARNING_RATE"] == "0.1"
    assert variables["TRAINING_JOB_NAME"] == "job-1"
    assert (variables["SM_NUM_CPUS"], variables["SM_NUM_GPUS"]) == ("2", "1")
    assert variables["OMP_NUM_THREADS"] == "2"
    assert all(isinstance(value, str) for value in variables.values())


def test_configuration_files_are_sagemakers(folder):
    write_configuration(folder, {"a": "1"}, {"train": "/d"})
    read = {path.name: json.loads(path.read_text()) for path in folder.configuration.iterdir()}
    assert read["hyperparameters.json"] == {"a": "1"}
    assert read["inputdataconfig.json"]["train"]["TrainingInputMode"] == "File"
    assert read["resourceconfig.json"]["hosts"] == ["algo-1"]


def test_a_job_does_not_inherit_another_jobs_variables():
    machine = {"PATH": "/bin", "SM_MODEL_DIR": "/other", "TRAINING_JOB_NAME": "other", "AWS_SECRET_ACCESS_KEY": "s"}
    assert inherited_environment(machine) == {"PATH": "/bin"}


def test_the_written_reason_counts_first_and_is_cut(folder):
    folder.log.write_text("ValueError: from the log\n")
    folder.failure.write_text("  The pictures are gone.\n" + "x" * 5000, encoding="utf-8")
    reason = failure_reason(folder, 1)
    assert reason.startswith("The pictures are gone.")
    assert len(reason) == 1024


def test_the_reason_of_many_bytes_is_cut_by_characters(folder):
    folder.failure.write_text("ü" * 3000, encoding="utf-8")
    assert failure_reason(folder, 1) == "ü" * 1024


def test_the_last_exception_in_the_log_is_a_reason(folder):
    folder.log.write_text("fine\nTraceback (most recent call last):\n  File x\nfoo.BarError: no bar\nbye\n")
    assert failure_reason(folder, 1).endswith("foo.BarError: no bar")


@pytest.mark.parametrize(("code", "words"), [(-9, "SIGKILL"), (-11, "SIGSEGV"), (3, "status 3"), (None, "gone")])
def test_an_ending_without_words_is_described(folder, code, words):
    assert words in failure_reason(folder, code)


def spec(metrics: tuple[MetricDefinition, ...]) -> TrainingSpec:
    return TrainingSpec("job-1", {}, {}, metrics, Objective(metrics[0].name))


def test_the_metrics_of_the_script_pass_the_check():
    check_metrics(spec(default_metrics()))


@pytest.mark.parametrize("regex", [r"Average losss: ([0-9.]+)", r"Average (loss)", r"epoch=(\d+/\d+)"])
def test_a_metric_that_finds_nothing_is_refused(regex):
    with pytest.raises(SpecError) as caught:
        check_metrics(spec((MetricDefinition("Average loss", regex),)))
    assert caught.value.field == "regex"
    assert caught.value.why


@pytest.mark.parametrize("name", ["valid:count", "valid:right", "test:count"])
def test_a_metric_whose_values_would_be_taken_for_counts_is_refused(name):
    with pytest.raises(SpecError, match=f"cannot be called {name}"):
        check_metrics(spec((*default_metrics(), MetricDefinition(name, r"test_loss=([0-9.]+)"))))


def test_a_request_to_stop_carries_its_reason(folder):
    assert not folder.stop_request.exists()
    folder.request_stop("The rule Overfit found an issue.")
    assert folder.stop_request.read_text(encoding="utf-8") == "The rule Overfit found an issue."


def test_a_job_folder_is_frozen(folder):
    with pytest.raises(dataclasses.FrozenInstanceError):
        folder.root = Path("/elsewhere")  # type: ignore[misc]
