"""The container contract: what a training script finds around it, here as in a SageMaker container.

A job's folder is shaped like /opt/ml (drawn in ARCHITECTURE.md). Hyperparameters come as `--name value`, everything
else as SM_* variables (the set of sagemaker-training's ENVIRONMENT_VARIABLES.md), metrics leave through the log, the
reason of a failure through output/failure.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import SpecError
from core.jobs.scraping import RegexTest, Scraped, Scraper, scrape, test_regex
from core.jobs.specs import MetricDefinition, TrainingSpec
from core.python import child_environment
from core.translation import tr
from training_scripts.job import EXIT_INTERRUPTED, hyperparameter_arguments
from training_scripts.metrics import COUNT_METRICS

__all__ = [
    "JobFolder",
    "RegexTest",
    "Scraped",
    "Scraper",
    "check_metrics",
    "environment",
    "failure_reason",
    "hyperparameter_arguments",
    "outside_cause",
    "scrape",
    "test_regex",
    "write_configuration",
]

MAX_REASON = 1024
"""Characters of a failure reason, as in DescribeTrainingJob."""

_HOST = "algo-1"
_LOG_TAIL_BYTES = 16_384
_HARDLY_ANY_ROOM = 1 << 20
_EXCEPTION = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning|Unavailable|Unreadable)\b"
)


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The paths inside one job's folder."""

    root: Path

    @property
    def configuration(self) -> Path:
        """Return where hyperparameters.json and its likes are."""
        return self.root / "input" / "config"

    @property
    def data(self) -> Path:
        """Return the channels that have no folder of their own elsewhere."""
        return self.root / "input" / "data"

    @property
    def model(self) -> Path:
        """Return what becomes model.tar.gz."""
        return self.root / "model"

    @property
    def output(self) -> Path:
        """Return everything else a job leaves behind."""
        return self.root / "output"

    @property
    def output_data(self) -> Path:
        """Return the evaluation and other results."""
        return self.output / "data"

    @property
    def failure(self) -> Path:
        """Return the file with the reason of a failure."""
        return self.output / "failure"

    @property
    def rules(self) -> Path:
        """Return outcomes of Debugger rules, one JSON file each."""
        return self.output / "rules"

    @property
    def checkpoints(self) -> Path:
        """Return what a restarted job continues from."""
        return self.root / "checkpoints"

    @property
    def log(self) -> Path:
        """Return stdout and stderr."""
        return self.root / "log.txt"

    @property
    def artifact(self) -> Path:
        """Return the model artifact."""
        return self.root / "model.tar.gz"

    @property
    def stop_request(self) -> Path:
        """Return a file that asks for this job to be stopped; its text, if any, is the reason."""
        return self.root / "stop"

    def create(self) -> JobFolder:
        """Make the folders that are missing. Returns itself."""
        for folder in (self.configuration, self.data, self.model, self.output_data, self.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
        return self

    def request_stop(self, reason: str = "") -> None:
        """Ask what runs this job to stop it."""
        self.stop_request.write_text(reason, encoding="utf-8")


def write_configuration(folder: JobFolder, hyperparameters: Mapping[str, str], channels: Mapping[str, str]) -> None:
    """Write input/config/*.json as SageMaker does."""
    for name, data in (
        ("hyperparameters", dict(hyperparameters)),
        ("inputdataconfig", _input_data_config(channels)),
        ("resourceconfig", _RESOURCE_CONFIG),
    ):
        text = json.dumps(data, indent=1)
        (folder.configuration / f"{name}.json").write_text(text, encoding="utf-8", newline="\n")


def environment(
    name: str,
    folder: JobFolder,
    script: Path,
    hyperparameters: Mapping[str, str],
    channels: Mapping[str, str],
    cores: int,
    gpus: int = 0,
) -> dict[str, str]:
    """Return the variables a training script sees, besides those of the machine.

    `channels` maps a channel's name to its folder. Cores bound the threads of the numeric libraries, so that trials
    side by side do not fight for them.
    """
    threads = str(max(1, cores))
    return {
        **_folder_variables(folder, script),
        **_HOST_VARIABLES,
        "TRAINING_JOB_NAME": name,
        "SM_USER_ARGS": json.dumps(hyperparameter_arguments(hyperparameters)),
        "SM_HPS": json.dumps(dict(hyperparameters)),
        "SM_CHANNELS": json.dumps(sorted(channels)),
        "SM_INPUT_DATA_CONFIG": json.dumps(_input_data_config(channels)),
        "SM_NUM_CPUS": threads,
        "SM_NUM_GPUS": str(gpus),
        **{f"SM_CHANNEL_{_shell_name(channel)}": path for channel, path in channels.items()},
        **{f"SM_HP_{_shell_name(key)}": value for key, value in hyperparameters.items()},
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads),
    }


def inherited_environment(machine: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the machine's variables that a job may see: no secrets, and none of another job's SM_*."""
    return {
        key: value for key, value in child_environment(machine).items() if not key.startswith(("SM_", "TRAINING_JOB_"))
    }


def failure_reason(folder: JobFolder, exit_code: int | None = None, since: int = 0) -> str:
    """Return why a job failed, in at most 1,024 characters; `since` is where in its log its last run begins.

    That is what the script wrote to output/failure, else the exception that ended it, else its last words, else how
    its process ended.
    """
    try:
        written = folder.failure.read_bytes()[: 4 * MAX_REASON].decode("utf-8", "replace").strip()
    except OSError:
        written = ""
    if written:
        return written[:MAX_REASON]
    ending = describe_exit(exit_code)
    if exit_code is not None and exit_code < 0:
        return ending  # a killed process did not say why
    lines = [line.strip() for line in _log_tail(folder.log, since) if line.strip()]
    exceptions = [line for line in lines if _EXCEPTION.match(line)]
    last = exceptions[-1] if exceptions else lines[-1] if lines else ""
    return tr("{ending} Its last words: {last}").format(ending=ending, last=last)[:MAX_REASON] if last else ending


def outside_cause(folder: JobFolder, exit_code: int | None, since: int = 0) -> str:
    """Return what outside of it kept a script from continuing, "" where it failed by itself (`since`: as above).

    Our own scripts say so by their exit status; of any script, a disk that is full is believed.
    """
    reason = failure_reason(folder, exit_code, since)
    if exit_code == EXIT_INTERRUPTED and folder.failure.is_file():
        return reason
    if os.strerror(errno.ENOSPC) in reason or shutil.disk_usage(folder.root).free < _HARDLY_ANY_ROOM:
        return tr("The disk is full ({root}). {reason}").format(root=folder.root, reason=reason)
    return reason if exit_code == EXIT_INTERRUPTED else ""


def describe_exit(exit_code: int | None) -> str:
    """Return how a process ended, in one sentence."""
    if exit_code is None:
        return tr("The training script's process is gone; how is not known.")
    if exit_code >= 0:
        return tr("The training script ended with exit status {exit_code}.").format(exit_code=exit_code)
    number = -exit_code
    known = {item.value: item.name for item in signal.Signals}
    said = (
        tr("The training script's process was killed by signal {number} ({name}). Perhaps memory ran out.")
        if known.get(number) == "SIGKILL"
        else tr("The training script's process was killed by signal {number} ({name}).")
    )
    return said.format(number=number, name=known.get(number, "unknown"))


def check_metrics(spec: TrainingSpec, sample_lines: Sequence[str] | None = None) -> None:
    """See to it that every metric of a spec finds a number in the script's output.

    Args:
        spec: the job that is about to start.
        sample_lines: real lines of the script; those of training_scripts/train.py when None.

    Raises:
        SpecError: one does not, and the sentence says which and shows the line that comes closest; or one has a name
            under which counts of pictures are kept.
    """
    if taken := next((metric.name for metric in spec.metrics if metric.name in COUNT_METRICS), ""):
        raise SpecError(
            tr("A metric cannot be called {name}: how many pictures an accuracy is of is kept under that name.").format(
                name=taken
            ),
            fix=tr("Give it another name."),
            field="metrics",
        )
    lines = tuple(sample_lines) if sample_lines is not None else sample_output()
    for definition in spec.metrics:
        tests = [test_regex(definition, line) for line in lines]
        if any(test.matched for test in tests):
            continue
        closest = next((test.problem for test in tests if test.span or "seconds" in test.problem), "")
        raise SpecError(
            tr("The regex of {name} finds no value in what the training script prints.").format(name=definition.name),
            closest or tr("{regex} matches no part of: {lines}").format(regex=definition.regex, lines=lines[0]),
            tr("Correct the regex, or remove the metric."),
            field="regex",
        )


def sample_output() -> tuple[str, ...]:
    """Return lines as training_scripts/train.py prints them: an epoch, a batch, a cross-validation, the final test."""
    from training_scripts.metrics import cv_line, epoch_line, step_line, test_line

    return (
        epoch_line(3, 10, (0.2345, 0.91), (0.1234, 0.9312), 0.003, 0.41),
        step_line(120, 3, 0.123456),
        cv_line(5, (0.1345, 0.021), (0.9284, 0.015)),
        test_line(0.1456, 0.925, 60, "cat"),
    )


def default_metrics() -> tuple[MetricDefinition, ...]:
    """Return the metrics that training_scripts/train.py prints."""
    from training_scripts.metrics import METRIC_DEFINITIONS

    return tuple(MetricDefinition(name, expression) for name, expression in METRIC_DEFINITIONS.items())


_RESOURCE_CONFIG: dict[str, Any] = {
    "current_host": _HOST,
    "current_instance_type": "local",
    "current_group_name": "homogeneousCluster",
    "hosts": [_HOST],
    "instance_groups": [
        {"instance_group_name": "homogeneousCluster", "instance_type": "local", "hosts": [_HOST]},
    ],
    "network_interface_name": "lo",
}


_HOST_VARIABLES = {
    "SM_HOSTS": json.dumps([_HOST]),
    "SM_CURRENT_HOST": _HOST,
    "SM_CURRENT_INSTANCE_TYPE": "local",
    "SM_CURRENT_HOST_RANK": "0",
    "SM_HOST_COUNT": "1",
    "SM_MASTER_ADDR": "127.0.0.1",
    "SM_MASTER_PORT": "7777",
    "SM_NETWORK_INTERFACE_NAME": "lo",
    "SM_RESOURCE_CONFIG": json.dumps(_RESOURCE_CONFIG),
    "SM_LOG_LEVEL": "20",
    "SM_NUM_NEURONS": "0",
    "PYTHONUNBUFFERED": "1",
    "PYTHONIOENCODING": "utf-8",
    "PYTHONUTF8": "1",
}


def _folder_variables(folder: JobFolder, script: Path) -> dict[str, str]:
    return {
        "SM_BASE_DIR": str(folder.root),
        "SM_MODEL_DIR": str(folder.model),
        "SM_INPUT_DIR": str(folder.root / "input"),
        "SM_INPUT_CONFIG_DIR": str(folder.configuration),
        "SM_INPUT_DATA_DIR": str(folder.data),
        "SM_OUTPUT_DIR": str(folder.output),
        "SM_OUTPUT_DATA_DIR": str(folder.output_data),
        "SM_OUTPUT_INTERMEDIATE_DIR": str(folder.output / "intermediate"),
        "SM_OUTPUT_FAILURE": str(folder.failure),
        "SM_CHECKPOINT_DIR": str(folder.checkpoints),
        "SM_MODULE_DIR": str(script.parent),
        "SM_MODULE_NAME": script.stem,
        "SM_SOURCE_DIR": str(script.parent),
        "SM_ENTRY_SCRIPT": script.name,
        "SM_USER_ENTRY_POINT": script.name,
    }


def _input_data_config(channels: Mapping[str, str]) -> dict[str, dict[str, str]]:
    entry = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    return {name: dict(entry) for name in channels}


def _shell_name(name: str) -> str:
    return re.sub(r"\W", "_", name).upper()


def _log_tail(log: Path, since: int) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(since, file.tell() - _LOG_TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
