"""`sagehound scan`, `train` and `tune` up to the start of a job: what is said first, and what stops it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import core.cli.launch
from core.cli.main import run
from core.dataset.manifest import Manifest
from core.debugger.choice import keep_config
from core.jobs.contract import default_metrics
from core.jobs.specs import DebuggerConfig, Spec, TrainingSpec
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store.rows import new_record
from core.workbench import Workbench
from training_scripts.artifact import package

MakeDataset = Callable[..., Path]


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    def make(**counts: int) -> Path:
        random = np.random.default_rng(0)
        for folder, count in counts.items():
            (tmp_path / "pets" / folder).mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 255, (16, 24, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pets" / folder / f"{number}.jpg")
        return tmp_path / "pets"

    return make


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Spec, Manifest]]:
    """What would have been started; a home of its own."""
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))
    jobs: list[tuple[Spec, Manifest]] = []

    def start(workbench: Any, spec: Spec, manifest: Manifest, *rest: Any, **options: Any) -> int:
        jobs.append((spec, manifest))
        return 0

    monkeypatch.setattr(core.cli.launch, "start_and_wait", start)
    return jobs


def test_a_job_can_be_called_anything(make_dataset: MakeDataset, started: list[Any]) -> None:
    root = make_dataset(cat=20, dog=20)
    for title, name in (("Brûlée, no. 2!", "Brulee-no-2"), ("pets-2", "pets-2")):
        assert run(["train", str(root), "--name", title]) == 0
        assert started[-1][0].name == name
    assert run(["tune", str(root), "--name", "花"]) == 0
    assert started[-1][0].name.startswith("pets-")


@pytest.mark.parametrize("command", ["train", "tune"])
def test_errors_of_the_scan_stop_a_job_unless_told_otherwise(
    make_dataset: MakeDataset, started: list[Any], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    root = make_dataset(cat=20, dog=20)
    shutil.copy(root / "cat" / "0.jpg", root / "dog" / "same.jpg")
    assert run([command, str(root)]) == 1
    assert not started
    said = capsys.readouterr().err
    assert "Nothing was started, because 1 error was found" in said
    assert "2 files are the same pictures in more than one class." in said
    assert "--despite-errors" in said
    assert run([command, str(root), "--despite-errors"]) == 0
    ((_, manifest),) = started
    assert len(manifest.pictures) == 39
    said = capsys.readouterr().err
    assert "ERROR  2 files are the same pictures" in said
    assert "2 files are left out, because the same pictures are in more than one class." in said


@pytest.mark.parametrize(("preprocessing", "warned"), [("crop", True), ("squash", False), ("pad", False)])
def test_ends_that_the_network_does_see_are_no_warning(
    make_dataset: MakeDataset,
    started: list[Any],
    capsys: pytest.CaptureFixture[str],
    preprocessing: str,
    warned: bool,
) -> None:
    root = make_dataset(cat=20, dog=20)
    for picture in root.rglob("*.jpg"):
        with Image.open(picture) as opened:
            opened.resize((160, 40)).save(picture)
    assert run(["train", str(root), "--preprocessing", preprocessing]) == 0
    assert ("does not see their ends" in capsys.readouterr().err) == warned


def test_warnings_and_what_the_split_decided_are_said(
    make_dataset: MakeDataset, started: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_dataset(**{"train/cat": 20, "train/dog": 8, "test": 3})
    assert run(["train", str(root)]) == 0
    said = capsys.readouterr().err
    assert "3 pictures have no class and are left out." in said
    assert "WARNING  1 class has fewer than 20 pictures to learn from: dog (8)." in said
    assert "The folder has no test pictures, so 4 were taken out of train for it." in said
    assert run(["scan", str(root), "--json"]) == 0
    notices = json.loads(capsys.readouterr().out)["notices"]
    assert notices[1] == "The folder has no test pictures, so 4 were taken out of train for it."
    assert run(["scan", str(root)]) == 0
    assert notices[1] in capsys.readouterr().out


def test_the_inner_folders_as_classes(make_dataset: MakeDataset, started: list[Any]) -> None:
    root = make_dataset(**{"round/disc": 20, "round/grid": 20, "sharp/bars": 20})
    assert run(["train", str(root), "--class-folders", "inner"]) == 0
    ((_, manifest),) = started
    assert manifest.classes == ("bars", "disc", "grid")
    assert manifest.options.class_folders == "inner"


def test_splits_without_class_folders_are_never_trained_on(
    make_dataset: MakeDataset, started: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_dataset(train=20, test=8)
    assert run(["train", str(root), "--despite-errors"]) == 1
    assert not started
    assert "is not understood" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--static", "learning_rat=0.1"],
        ["tune", "--range", "learning_rat=continuous:0.001:0.1"],
        ["tune", "--engine", "sagemaker", "--static", "learning_rat=0.1"],
    ],
)
def test_a_mistyped_hyperparameter_starts_nothing(
    make_dataset: MakeDataset, started: list[Any], capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    root = make_dataset(cat=20, dog=20)
    assert run([*arguments[:1], str(root), *arguments[1:]]) == 1
    assert not started
    said = capsys.readouterr().err
    assert "The training script has no hyperparameter learning_rat: did you mean learning_rate?" in said


def test_the_warnings_of_the_window_are_said(
    make_dataset: MakeDataset, started: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_dataset(cat=20, dog=20)
    assert run(["tune", str(root), "--objective", "test:accuracy", "--range", "batch_size=integer:8:64"]) == 0
    ((spec, manifest),) = started
    workbench = Workbench(AppPaths.default())
    warnings = workbench.jobs.forecast(spec, manifest).warnings
    workbench.close()
    assert {warning.field for warning in warnings} == {"objective", "batch_size"}
    said = capsys.readouterr().err
    for warning in warnings:
        assert f"WARNING  {warning.text}" in said
    assert warnings[0].text.startswith("The search is judged by test:accuracy")


def test_rules_that_the_window_kept_are_not_taken(make_dataset: MakeDataset, started: list[Any]) -> None:
    root = make_dataset(cat=20, dog=20)
    workbench = Workbench(AppPaths.default())
    keep_config(workbench.settings, "/another/dataset", DebuggerConfig(actions={"Overfit": "stop"}))
    workbench.close()
    assert run(["train", str(root)]) == 0
    ((spec, _),) = started
    assert spec.training.debugger == DebuggerConfig()


def test_best_is_said_with_its_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))
    spec = TrainingSpec("birds-1", {}, {}, default_metrics(), dataset_path="/data/birds")
    workbench = Workbench(AppPaths.default())
    workbench.store.add_job(new_record(spec), spec)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}", encoding="utf-8")
    artifact = tmp_path / "model.tar.gz"
    package(tmp_path / "model", artifact)
    workbench.store.update_job("birds-1", status=JobStatus.COMPLETED, artifact=str(artifact))
    workbench.close()
    assert run(["classify", str(tmp_path / "pet.jpg")]) == 1
    assert "best is birds-1, the latest training job, trained on /data/birds." in capsys.readouterr().err
