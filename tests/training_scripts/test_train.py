"""train.py under SageMaker's contract: real trainings of seconds on a tiny dataset."""

from __future__ import annotations

import csv
import functools
import json
import os
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training_scripts.printed import losses, metric
from training_scripts import inference, saving, train
from training_scripts.checkpoints import Checkpoints, Progress
from training_scripts.job import FAILURE_REASON_LENGTH
from training_scripts.metrics import begin_line

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


def test_a_job_from_end_to_end(
    channel: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str], learnable: Path
) -> None:
    job = new_job(features=channel)
    assert in_job(train.main, job, num_epochs=6, batch_size=8, log_interval=2) == 0
    said = capsys.readouterr().out
    lines = [line for line in said.splitlines() if line.startswith("epoch=")]
    assert [line.split()[0] for line in lines] == [f"epoch={n}/6" for n in range(1, 7)]
    assert len(metric(said, "Average loss")) == 6
    assert metric(said, "train:loss")[-1] < 0.5 * metric(said, "train:loss")[0]
    assert [line.split()[0] for line in said.splitlines() if line.startswith("step=")] == [
        f"step={n}" for n in range(2, 19, 2)
    ]
    card = json.loads((job.model / "model.json").read_text(encoding="utf-8"))
    assert card["classes"] == ["disks", "noise", "stripes"]
    assert card["training_job"] == "a-job"
    assert card["best_loss"] == pytest.approx(min(metric(said, "valid:loss")), abs=1e-6)
    assert "lowest valid loss" in card["kept"]
    evaluation = json.loads((job.data / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluation["classes"] == card["classes"]
    for split in ("valid", "test"):
        found = evaluation[split]
        assert found["count"] == 12
        assert np.sum(found["confusion"]) == 12
        assert found["accuracy"] == pytest.approx(np.trace(found["confusion"]) / 12)
        assert [item["support"] for item in found["per_class"]] == [4, 4, 4]
        with (job.data / f"predictions_{split}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert np.mean([row["label"] == row["predicted"] for row in rows]) == pytest.approx(found["accuracy"])
        assert all((Path(found["root"]) / row["path"]).is_file() for row in rows)
    assert card["temperature"] != 1.0
    assert evaluation["valid"]["loss"] < card["best_loss"], "the temperature was set by the valid pictures"
    assert metric(said, "test:accuracy") == [pytest.approx(evaluation["test"]["accuracy"], abs=1e-6)]
    assert evaluation["test"]["accuracy"] > 0.8
    assert json.loads((job.data / "args.json").read_text())["batch_size"] == 8
    assert not (job.root / "output" / "failure").exists()
    assert not list(job.root.rglob(".*"))


def test_a_head_is_fitted_at_once_and_judged_by_what_it_has_not_learned(
    channel: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    said, evaluations, cards = [], [], []
    for fixed in ({"seed": 1}, {"seed": 2, "refit": "true"}):
        job = new_job(features=channel)
        asked = {"optimizer": "lbfgs", "weight_decay": 1e-2, "folds": 4, **fixed}
        assert in_job(train.main, job, **asked) == 0
        said.append(capsys.readouterr().out)
        evaluations.append(json.loads((job.data / "evaluation.json").read_text(encoding="utf-8")))
        cards.append(json.loads((job.model / "model.json").read_text(encoding="utf-8")))
    once, again = (metric(text, "valid:loss") for text in said)
    assert once == again, "nothing is drawn, so no seed changes anything"
    assert len(metric(said[0], "Average loss")) == 1
    assert metric(said[0], "cv:accuracy")[0] > 0.8
    assert 0 < metric(said[0], "cv:loss_error")[0] < metric(said[0], "cv:loss")[0]
    plain, refitted = evaluations
    assert plain["test"]["accuracy"] > 0.8
    assert not plain["valid"]["note"]
    assert refitted["valid"]["loss"] == plain["valid"]["loss"], "judged before the refit"
    assert "has learned the valid pictures too" in refitted["valid"]["note"]
    assert refitted["test"]["loss"] != plain["test"]["loss"]
    assert not refitted["test"]["note"]
    assert [card["refit"] for card in cards] == [False, True]
    assert cards[0]["temperature"] == cards[1]["temperature"] != 1.0


def test_class_weights_change_what_is_learned_and_not_what_is_judged(
    channel: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """The classes here are as many each: weighted or not, the numbers are the same."""
    found = []
    for power in (0, 1):
        assert in_job(train.main, new_job(features=channel), num_epochs=2, batch_size=24, class_weights=power) == 0
        found.append(losses(capsys.readouterr().out))
    for name, values in found[0].items():
        assert found[1][name] == pytest.approx(values, abs=1e-4)


@pytest.mark.parametrize("synced", ["trials", ""])
def test_a_job_on_sagemaker_that_is_ended_without_a_word_leaves_its_best_model(
    synced: str, channel: Path, new_job: NewJob, in_job: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS's toolkit passes no SIGTERM on; here the job breaks in its fourth epoch."""

    def broken(epoch: int, *rest: Any) -> str:
        if epoch == 4:
            raise RuntimeError("the machine is gone")
        return f"epoch={epoch}"

    monkeypatch.setenv("SAGEHOUND_SYNCED", synced)
    monkeypatch.setattr(train, "BestSoFar", functools.partial(saving.BestSoFar, every_s=0.0))
    monkeypatch.setattr(train, "epoch_line", broken)
    job = new_job(features=channel)
    assert in_job(train.main, job, num_epochs=6, batch_size=8) == 1
    if not synced:
        assert not list(job.model.iterdir())
        return
    card = json.loads((job.model / "model.json").read_text(encoding="utf-8"))
    assert (card["best_epoch"], card["epochs"]) == (3, 3)
    assert inference.model_fn(str(job.model)) is not None


def test_the_first_model_is_saved_at_once_and_a_better_one_now_and_then(tmp_path: Path) -> None:
    saved, now = list[int](), [100.0]
    keeper = saving.BestSoFar(tmp_path, Namespace(), None, every_s=10, clock=lambda: now[0])  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saving, "save_model", lambda *arguments: saved.append(arguments[3].best_epoch))
        for seconds, best in ((0, 1), (9, 2), (2, 2), (9, 3), (20, 2)):  # after so many seconds more
            now[0] += seconds
            keeper.keep(Progress(best_epoch=best))
    assert saved == [1, 2]


@pytest.mark.parametrize(("head", "batch_size"), [("linear", 4), ("linear_dropout_batchnorm", 6)])
def test_features_give_the_losses_of_the_frozen_network(
    head: str, batch_size: int, few: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every epoch's loss and accuracy, from one seed: over features, and over pictures through the frozen network.

    The features differ by up to 1e-5 of their size (float32 sums in another order, by another runtime); over three
    epochs a head with a moderate step size amplifies that little: 1e-3 of the loss is allowed. (Batch norm over only
    two pictures would not do: after dropout their difference, by which it divides, can be next to nothing.)
    """
    settings = {"num_epochs": 3, "batch_size": batch_size, "head": head, "seed": 5}
    settings |= {"optimizer": "sgd", "learning_rate": 0.02}
    found = []
    for choice in ("auto", "off"):
        job = new_job(train=few, valid=few, test=None)
        assert in_job(train.main, job, features=choice, **settings) == 0
        said = capsys.readouterr().out
        assert ("features 6/6" in said) == (choice == "auto")
        found.append(losses(said))
    for name, values in found[0].items():
        assert found[1][name] == pytest.approx(values, rel=1e-3), name
    assert len(found[0]["train:loss"]) == 3


def test_without_a_features_channel_they_are_computed_in_the_job(
    channel: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for job in (new_job(features=channel), new_job()):
        assert in_job(train.main, job, num_epochs=2) == 0
        said.append(capsys.readouterr().out)
    assert "features 48/48" in said[1]
    assert losses(said[0])["valid:loss"] == pytest.approx(losses(said[1])["valid:loss"], rel=1e-3)


def test_a_head_job_imports_neither_torchvision_nor_timm_nor_openvino(channel: Path, new_job: NewJob) -> None:
    """A trial starts seconds sooner without them."""
    check = (
        "import runpy, sys\n"
        f"sys.argv = ['train.py', '--num_epochs', '1']\n"
        f"try: runpy.run_path({train.__file__!r}, run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "assert not {'torchvision', 'timm', 'openvino'} & set(sys.modules)\n"
    )
    job = new_job(features=channel)
    environment = {**os.environ, **job.environment()}
    subprocess.run([sys.executable, "-c", check], env=environment, check=True, timeout=120, cwd=job.root)


@pytest.mark.parametrize("batch_size", [2, 23, 24, 1000])
def test_a_last_batch_of_one_does_not_break_batch_norm(
    batch_size: int, channel: Path, new_job: NewJob, in_job: Run
) -> None:
    job = new_job(features=channel)
    settings = {"num_epochs": 1, "batch_size": batch_size, "head": "linear_dropout_batchnorm"}
    assert in_job(train.main, job, **settings) == 0


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_optimizers_learn(
    optimizer: str, channel: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    job = new_job(features=channel)
    settings = {"optimizer": optimizer, "weight_decay": 0.01, "label_smoothing": 0.1, "learning_rate": 0.01}
    settings["calibrate"] = False
    assert in_job(train.main, job, num_epochs=4, **settings) == 0
    found = losses(capsys.readouterr().out)
    assert found["valid:loss"][-1] < found["valid:loss"][0]
    evaluation = json.loads((job.data / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluation["valid"]["loss"] == pytest.approx(min(found["valid:loss"]), abs=1e-6), "evaluation never smooths"


def test_same_seed_same_numbers(
    channel: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(seed: int) -> dict[str, list[float]]:
        settings = {"head": "linear_dropout_batchnorm", "num_epochs": 2, "batch_size": 8, "seed": seed}
        assert in_job(train.main, new_job(features=channel), **settings) == 0
        return losses(capsys.readouterr().out)

    assert run(1) == run(1)
    assert run(1) != run(2)


@pytest.mark.parametrize("missing", [("valid",), ("test",), ("valid", "test")])
def test_missing_splits(
    missing: tuple[str, ...], new_job: NewJob, in_job: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = new_job(**dict.fromkeys(missing))
    assert in_job(train.main, job, num_epochs=2) == 0
    said = capsys.readouterr().out
    assert len(metric(said, "Average loss")) == 2
    assert len(metric(said, "valid:loss")) == (0 if "valid" in missing else 2)
    if "valid" in missing:
        assert metric(said, "Average loss") == metric(said, "train:loss")
    evaluation = json.loads((job.data / "evaluation.json").read_text(encoding="utf-8"))
    for split in ("valid", "test"):
        assert (evaluation[split] is None) == (split in missing)


def test_divergence_is_reported_not_raised(
    channel: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    job = new_job(features=channel)
    assert in_job(train.main, job, num_epochs=3, optimizer="sgd", learning_rate=1e38, log_interval=1) == 0
    said = capsys.readouterr().out
    assert "train_loss=nan" in said or "train_loss=inf" in said
    assert len([line for line in said.splitlines() if line.startswith("epoch=")]) == 3
    evaluation = json.loads((job.data / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluation["valid"]["count"] == 12


def test_patience(channel: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str]) -> None:
    job = new_job(features=channel)
    settings = {"optimizer": "sgd", "learning_rate": 50, "momentum": 0, "patience": 2}
    assert in_job(train.main, job, num_epochs=100, **settings) == 0
    said = capsys.readouterr().out
    assert "ended by patience" in said
    valid = metric(said, "valid:loss")
    assert len(valid) == int(np.nanargmin(valid)) + 1 + 2
    judged = json.loads((job.data / "evaluation.json").read_text(encoding="utf-8"))["valid"]
    right = int(np.trace(judged["confusion"]))
    assert f"\nvalid_count=12 valid_right={right} weakest=" in said  # of the epoch that is kept


@pytest.mark.parametrize(
    ("hyperparameters", "words"),
    [
        ({"learning_rate": "fast"}, "learning_rate is 'fast', which is not a number."),
        ({"backbone": "resnet18"}, "The pretrained weights of ResNet-18 (resnet18-f37072fd.pth) are not on this"),
        ({"backbone": "resnet50", "weights": "none", "features": "auto"}, "The frozen features are of efficientnet_l"),
    ],
)
def test_failures_in_a_sentence(
    hyperparameters: dict[str, str], words: str, channel: Path, new_job: NewJob, in_job: Run
) -> None:
    job = new_job(**({"features": channel} if "weights" in hyperparameters else {}))
    assert in_job(train.main, job, **hyperparameters) == 1
    assert job.failure.startswith(words)
    assert job.failure.strip().count("\n") == 0
    assert not (job.model / "model.json").exists()


def test_a_defect_leaves_its_traceback(
    channel: Path, new_job: NewJob, in_job: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("something " * 200)

    monkeypatch.setattr(train, "train_one_epoch", broken)
    job = new_job(features=channel)
    assert in_job(train.main, job) == 1
    reason = job.failure[:FAILURE_REASON_LENGTH]
    assert reason.startswith("ZeroDivisionError: something")
    assert "in broken" in reason


def test_sigterm_saves_the_model_and_ends_well(channel: Path, new_job: NewJob) -> None:
    job = new_job(features=channel)
    command = [sys.executable, train.__file__, "--num_epochs", "1000000", "--log_interval", "0"]
    environment = {**os.environ, **job.environment(), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=job.root)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == begin_line(0) + "\n"
        assert process.stdout.readline().startswith("epoch=1/1000000")
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[0]
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Asked to stop" in said or "epoch=" in said
    assert json.loads((job.model / "model.json").read_text())["best_epoch"] >= 1
    assert json.loads((job.data / "evaluation.json").read_text())["test"]["count"] == 12


def test_a_restarted_job_goes_on_as_if_nothing_was(
    channel: Path, new_job: NewJob, in_job: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"num_epochs": 5, "head": "linear_dropout_batchnorm", "batch_size": 8, "checkpoint_seconds": 0}
    assert in_job(train.main, new_job(features=channel), **settings) == 0
    whole = losses(capsys.readouterr().out)
    job = new_job(features=channel)
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", saves_then_dies)
        assert in_job(train.main, job, **settings) == 1
    assert len(metric(capsys.readouterr().out, "valid:loss")) == 3
    assert in_job(train.main, job, **settings) == 0
    said = capsys.readouterr().out
    assert "Going on after epoch 3" in said
    assert losses(said) == {name: values[3:] if len(values) == 5 else values for name, values in whole.items()}
    assert not list((job.root / "checkpoints").iterdir()), "a finished job needs no checkpoint"


def saves_then_dies(self: Checkpoints, progress: Any, save: Callable[..., None] = Checkpoints.save) -> None:
    save(self, progress)
    if progress.epoch == 3:
        raise RuntimeError("the machine is gone")


def test_a_checkpoint_of_another_job_is_not_used(
    channel: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = new_job(features=channel)
    monkeypatch.setattr(Checkpoints, "clear", lambda self: None)
    assert in_job(train.main, job, num_epochs=2, checkpoint_seconds=0) == 0
    capsys.readouterr()
    assert in_job(train.main, job, num_epochs=2, checkpoint_seconds=0, learning_rate=0.1) == 0
    said = capsys.readouterr().out
    assert "of other hyperparameters" in said
    assert len(metric(said, "valid:loss")) == 2
    (job.root / "checkpoints" / "checkpoint.pth").write_bytes(b"torn")
    assert in_job(train.main, job, num_epochs=2) == 0
    assert "cannot be read" in capsys.readouterr().out
