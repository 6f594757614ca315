"""The main job on the command line, as a person types it: from a folder of pictures to a prediction."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from core.dataset import sample_path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 240


class CommandLine:
    """`sagehound` in a process of its own, with files of its own."""

    def __init__(self, home: Path) -> None:
        self.environment = os.environ | {
            "SAGEHOUND_HOME": str(home),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(ROOT), *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(self, *arguments: str, status: int = 0) -> str:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=TIMEOUT)
        assert process.returncode == status, err
        assert "Traceback" not in err
        return err if status else out

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of the sample dataset, few pictures of each, with the sample's own splits."""
    folder = tmp_path_factory.mktemp("data") / "my pictures"
    keep = {"train": 8, "valid": 4, "test": 4}
    classes = sorted(path.name for path in (sample_path() / "train").iterdir() if path.is_dir())[:3]
    for split, count in keep.items():
        for label in classes:
            target = folder / split / label
            target.mkdir(parents=True)
            for picture in sorted((sample_path() / split / label).iterdir())[:count]:
                shutil.copy(picture, target)
    return folder


@pytest.fixture(scope="module")
def command_line(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def tuned(command_line: CommandLine, dataset: Path) -> Any:
    """What `tune --json` says of a small real tuning job."""
    return command_line.json(
        *("tune", str(dataset), "--max-jobs", "3", "--max-parallel-jobs", "2", "--static", "num_epochs=4"),
        *("--range", "learning_rate=continuous:1e-3:3e-2:log", "batch_size=integer:4:16", "--strategy", "random"),
    )


@pytest.mark.timeout(TIMEOUT)
def test_tune_finishes_every_trial_and_names_the_best(tuned: Any) -> None:
    assert tuned["status"] == "Completed"
    assert len(tuned["trials"]) == 3
    assert {trial["status"] for trial in tuned["trials"]} == {"Completed"}
    best = min(tuned["trials"], key=lambda trial: trial["objective"])
    assert tuned["best_trial"] == best["name"]
    assert tuned["metrics"]["Average loss"] == pytest.approx(best["objective"])
    for trial in tuned["trials"]:
        assert 1e-3 <= float(trial["hyperparameters"]["learning_rate"]) <= 3e-2
        assert 4 <= int(trial["hyperparameters"]["batch_size"]) <= 16
        assert trial["hyperparameters"]["num_epochs"] == "4"
        assert Path(trial["artifact"]).exists()
        assert Path(trial["artifact"]).is_file() == (trial["name"] == best["name"])


def test_show_jobs_and_logs_tell_of_it(command_line: CommandLine, tuned: Any) -> None:
    assert [job["name"] for job in command_line.json("jobs")] == [tuned["name"]]
    assert command_line.json("show", tuned["name"]) == tuned
    best = command_line.json("show", "best")
    assert best["name"] == tuned["best_trial"]
    assert best["dataset_version"] == tuned["dataset_version"]
    log = command_line.run("logs", best["name"])
    assert log.count("Average loss: ") >= 4


def test_evaluate_and_classify_agree_with_each_other(command_line: CommandLine, tuned: Any, dataset: Path) -> None:
    evaluation = command_line.json("evaluate", "best")
    assert evaluation["count"] == 12
    there = command_line.json("evaluate", "best", str(dataset / "test"))
    assert (there["confusion"], there["interval"]) == (evaluation["confusion"], evaluation["interval"])
    assert there["loss"] == pytest.approx(evaluation["loss"], abs=1e-3)
    assert 0 <= there["brier"] <= 2
    assert 0 <= there["ece"] <= 1
    trials = [trial["name"] for trial in tuned["trials"] if trial["artifact"]]
    compared = command_line.json("compare", tuned["best_trial"], trials[0])
    assert compared["count"] == 12
    right = 0
    pictures = sorted((dataset / "test").rglob("*.*"))
    answers = command_line.json("classify", *map(str, pictures), "--top", "3")
    for picture, answer in zip(pictures, answers, strict=True):
        assert Path(answer["path"]) == picture
        assert sum(item["probability"] for item in answer["classes"]) == pytest.approx(1, abs=1e-3)
        right += answer["label"] == picture.parent.name
    assert right / 12 == pytest.approx(evaluation["accuracy"])
    assert evaluation["accuracy"] > 0.6, "three classes of pictures that ImageNet features tell apart"


def test_train_one_job_with_the_same_features(command_line: CommandLine, tuned: Any, dataset: Path) -> None:
    job = command_line.json("train", str(dataset), "--static", "num_epochs=2", "--seed", "3")
    assert job["status"] == "Completed"
    assert set(job["metrics"]) >= {"Average loss", "valid:accuracy", "train:loss"}
    assert job["dataset_version"] == tuned["dataset_version"]


def test_bad_pictures_get_one_sentence_each(command_line: CommandLine, tuned: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    for name in ("empty.jpg", "text.png", "missing.png"):
        error = command_line.run("classify", str(tmp_path / name), status=1)
        assert name in error


def test_control_c_stops_the_job_and_keeps_what_is_finished(command_line: CommandLine, dataset: Path) -> None:
    process = command_line.start(
        *("tune", str(dataset), "--name", "long-search", "--max-jobs", "200", "--max-parallel-jobs", "1", "--json"),
        *("--static", "num_epochs=3", "--range", "learning_rate=continuous:1e-3:3e-2:log", "--strategy", "random"),
    )
    deadline = time.monotonic() + TIMEOUT / 2
    while time.monotonic() < deadline:
        found = [job for job in command_line.json("jobs") if job["name"] == "long-search"]
        if found and found[0]["counts"].get("Completed", 0) >= 1:
            break
        time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT / 2)
    assert process.returncode == 1
    assert "Traceback" not in err
    job = json.loads(out)
    assert job["status"] == "Stopped"
    finished = [trial for trial in job["trials"] if trial["status"] == "Completed"]
    assert 1 <= len(finished) < 200
    assert job["best_trial"] in {trial["name"] for trial in job["trials"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tune", "DATASET", "--range", "learning_rate=1e-3"], "learning_rate"),
        (["tune", "DATASET", "--strategy", "clever"], "Bayesian"),
        (["tune", "DATASET", "--static", "num_epochs"], "NAME=VALUE"),
        (["train", "DATASET", "--static", "num_epochs=many"], "num_epochs"),
        (["train", "DATASET", "--backbone", "hal9000"], "hal9000"),
        (["classify", "x.png", "--model", "no-such-job"], "no-such-job"),
        (["show", "no-such-job"], "no-such-job"),
        (["train", "DATASET", "--objective", "valid:happiness"], "valid:happiness"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(
    command_line: CommandLine, dataset: Path, arguments: list[str], words: str
) -> None:
    arguments = [str(dataset) if argument == "DATASET" else argument for argument in arguments]
    process = command_line.start(*arguments)
    _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode in (1, 2)
    assert words in err
    assert "Traceback" not in err
