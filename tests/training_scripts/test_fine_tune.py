"""A job that trains the network too: the last block or all of it, with augmentation."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training_scripts.printed import losses, metric
from training_scripts import running, train
from training_scripts.network import build_backbone
from training_scripts.weights import Weights, find

Run = Callable[..., int]


NewJob = Callable[..., Any]


@pytest.fixture
def few(learnable: Path, tmp_path: Path) -> Path:
    """A channel with two train pictures of each class, for what is slow."""
    classes = ["disks", "noise", "stripes"]
    pictures = [{"path": f"{name}/{name} {n}.jpg", "label": i} for i, name in enumerate(classes) for n in (0, 1)]
    data = {"format": 1, "root": str(learnable / "train"), "classes": classes, "pictures": pictures}
    folder = tmp_path / "few"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("unfreeze", "head", "augmentation"),
    [("last_block", "linear", "light"), ("all", "linear_dropout_batchnorm", "strong")],
)
def test_fine_tuning_moves_what_it_may(
    unfreeze: str, head: str, augmentation: str, few: Path, new_job: NewJob, in_job: Run
) -> None:
    job = new_job(train=few, valid=None, test=None)
    settings = {"mode": "fine_tune", "unfreeze": unfreeze, "head": head, "augmentation": augmentation}
    settings["fit_head"] = "false"
    assert in_job(train.main, job, num_epochs=1, batch_size=3, learning_rate=1e-3, **settings) == 0
    before = build_backbone("efficientnet_lite0", find("efficientnet_lite0", "default")).state_dict()
    after = torch.load(job.model / "model.pth", weights_only=True)
    moved = {name for name in before if not torch.equal(before[name], after[f"backbone.{name}"])}
    assert "conv_head.weight" in moved
    assert ("conv_stem.weight" in moved) == (unfreeze == "all")
    assert not any("running_" in name for name in moved), "batch norm keeps its pretrained statistics"


def test_an_untrained_network_can_be_trained(few: Path, new_job: NewJob, in_job: Run) -> None:
    job = new_job(train=few, valid=None, test=None)
    settings = {"mode": "fine_tune", "unfreeze": "all", "weights": "none", "num_epochs": 1, "batch_size": 6}
    assert in_job(train.main, job, **settings) == 0
    state = torch.load(job.model / "model.pth", weights_only=True)
    assert not torch.equal(state["backbone.bn_stem.running_mean"], torch.zeros(32))
    start = build_backbone("efficientnet_lite0", Weights(None, "")).state_dict()
    assert not torch.equal(start["conv_stem.weight"], state["backbone.conv_stem.weight"])


def test_fine_tuning_learns(few: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str]) -> None:
    job = new_job(train=few, valid=few, test=None)
    settings = {"mode": "fine_tune", "learning_rate": 2e-3, "batch_size": 6, "fit_head": False}
    assert in_job(train.main, job, num_epochs=3, **settings) == 0
    found = losses(capsys.readouterr().out)
    assert found["valid:loss"][-1] < 0.7 * found["train:loss"][0]


def test_fine_tuning_is_no_worse_than_the_head_that_it_starts_from(
    few: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Steps as large as these ruin the network; what is kept is what it started from."""
    job = new_job(train=few, valid=few, test=None)
    settings = {"mode": "fine_tune", "learning_rate": 1.0, "backbone_rate": 1.0, "batch_size": 6, "calibrate": False}
    assert in_job(train.main, job, num_epochs=2, **settings) == 0
    said = capsys.readouterr().out
    assert re.findall(r"epoch=(\d)/2 Average", said) == ["0", "1", "2"]
    first, *later = metric(said, "valid:loss")
    assert min(later) > first
    evaluation = json.loads((job.data / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluation["valid"]["loss"] == pytest.approx(first, abs=1e-5)
    assert evaluation["valid"]["accuracy"] == 1.0
    assert json.loads((job.model / "model.json").read_text(encoding="utf-8"))["best_epoch"] == 0
    rates = [float(rate) for rate in re.findall(r"learning_rate=([\d.]+)", said)]
    assert rates == [1.0, 0.5], "the schedule brings the steps down"


def test_mixed_precision_on_the_cpu_learns_alike(
    few: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses of fine_tune in bfloat16 are those of float32 within 3 %, and they are not the same numbers."""
    monkeypatch.setattr(running, "has_bfloat16", lambda: True)  # where it is not, torch computes it slowly
    settings = {"mode": "fine_tune", "backbone": "resnet18", "weights": "none", "batch_size": 3, "optimizer": "sgd"}
    found = []
    for amp in (True, False):
        job = new_job(train=few, valid=None, test=None)
        assert in_job(train.main, job, num_epochs=1, learning_rate=1e-3, amp=amp, **settings) == 0
        found.append(metric(capsys.readouterr().out, "train:loss"))
    assert found[0] != found[1]
    assert found[0] == pytest.approx(found[1], rel=0.03)


def test_unreadable_pictures_cost_only_themselves(
    new_job: NewJob, in_job: Run, tmp_path: Path, learnable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(learnable, data)
    for split in ("train", "valid"):
        victim = sorted((data / split / "noise").iterdir())[0]
        victim.write_bytes(victim.read_bytes()[:200])
    job = new_job(train=data / "train", valid=data / "valid", test=None)
    assert in_job(train.main, job, features="off", num_epochs=1, batch_size=8) == 0
    told = capsys.readouterr().err
    assert told.count("Left out of train: noise/noise 0.jpg") == 1
    assert told.count("Left out of valid: noise/noise 0.jpg") == 1
    assert json.loads((job.data / "evaluation.json").read_text())["valid"]["count"] == 11
