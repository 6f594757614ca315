"""Pictures that turn out to be unreadable are left out, counted, kept with the results, and never waited for."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.jobs.scraping import notice_in
from tests.training_scripts.pictures.drawn import png
from training_scripts import decoders, features, inference, sources, train
from training_scripts.data import levels_of, load_channel
from training_scripts.feature_store import read_channel
from training_scripts.job import EXIT_INTERRUPTED
from training_scripts.left_out import read_left_out
from training_scripts.weights import sha256_of

Run = Callable[..., int]
NewJob = Callable[..., Any]


@pytest.fixture
def damaged(learnable: Path, tmp_path: Path) -> Path:
    """The dataset with half a picture in train and one in test, and a pipe where a picture was."""
    data = tmp_path / "data"
    shutil.copytree(learnable, data)
    large = Image.open(data / "train" / "noise" / "noise 0.jpg").resize((400, 300))
    for split in ("train", "test"):
        file = data / split / "disks" / "disks 0.jpg"
        large.rotate(90 if split == "test" else 0).save(file, quality=90)
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2] + b"\xff\xd9")
    if hasattr(os, "mkfifo"):
        gone = data / "test" / "noise" / "noise 1.jpg"
        gone.unlink()
        os.mkfifo(gone)
    return data


def remaining(split: str) -> int:
    return 11 if split == "test" and not hasattr(os, "mkfifo") else {"test": 10, "train": 23, "valid": 12}[split]


@pytest.mark.parametrize("settings", [{}, {"features": "off"}], ids=["over features", "over pictures"])
def test_they_stand_in_the_results(
    settings: dict[str, str], damaged: Path, new_job: NewJob, in_job: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    job = new_job(**{split: damaged / split for split in ("train", "valid", "test")})
    assert in_job(train.main, job, num_epochs=1, batch_size=8, **settings) == 0
    out = capsys.readouterr().out
    notices = [sentence for line in out.splitlines() if (sentence := notice_in(line))]
    assert f"Left out of train: 1 of 24 pictures cannot be read, {remaining('train')} remain." in notices
    assert (
        f"Left out of test: {12 - remaining('test')} of 12 pictures cannot be read, {remaining('test')} remain."
        in notices
    )
    kept = read_left_out(job.data)
    half = next(picture for picture in kept["test"] if picture.path == "disks/disks 0.jpg")
    assert half.reason == "The picture is cut off: its lower part is missing."
    assert len(half.sha256) == 64
    evaluation = json.loads((job.data / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluation["test"]["count"] == remaining("test")
    assert {"path": half.path, "reason": half.reason} in evaluation["test"]["left_out"]
    assert evaluation["valid"]["left_out"] == []
    if hasattr(os, "mkfifo"):
        pipe = next(picture for picture in kept["test"] if picture.path == "noise/noise 1.jpg")
        assert pipe.reason == "The file cannot be read: it is a pipe, a socket or a device, not a file."
        assert pipe.sha256 == ""  # the fault is not in its content: it is marked nowhere


def test_a_channel_of_features_carries_them(damaged: Path, new_job: NewJob, in_job: Run, tmp_path: Path) -> None:
    job = new_job(**{split: damaged / split for split in ("train", "valid", "test")})
    for _ in range(2):  # also where the features are known already
        assert in_job(features.main, job, runtime="torch", store=tmp_path / "store", output=tmp_path / "channel") == 0
        found = read_channel(tmp_path / "channel").left_out
        assert [picture.path for picture in found["train"]] == ["disks/disks 0.jpg"]
        assert len(found["test"]) == 12 - remaining("test")


@pytest.mark.parametrize(
    ("framing", "settings"),
    [("crop", {}), ("squash", {}), ("pad", {}), ("pad", {"features": "off"})],
    ids=["crop", "squash", "pad", "pad over pictures"],
)
def test_the_framing_is_that_of_the_model(
    framing: str, settings: dict[str, str], learnable: Path, new_job: NewJob, in_job: Run
) -> None:
    """What is trained with is recorded in model.json, and its answers are those of the evaluation."""
    job = new_job(train=learnable / "valid", valid=None)
    assert in_job(train.main, job, num_epochs=1, batch_size=8, preprocessing=framing, **settings) == 0
    model = inference.model_fn(str(job.model))
    assert model.preprocessing.framing == framing
    evaluation = json.loads((job.data / "evaluation.json").read_text(encoding="utf-8"))
    root = Path(evaluation["test"]["root"])
    lines = (job.data / "predictions_test.csv").read_text(encoding="utf-8").splitlines()[1:4]
    for line in lines:
        path, _, predicted, probability = line.split(",")[:4]
        answer = inference.predict_fn((root / path).read_bytes(), model)
        best = int(answer.values[0].argmax())
        assert answer.classes[best] == predicted
        assert answer.values[0][best] == pytest.approx(float(probability), abs=2e-3)


def test_deep_pictures_have_one_scale_in_training_and_at_an_endpoint(
    tmp_path: Path, new_job: NewJob, in_job: Run
) -> None:
    """Their level is their class. From class folders, which have no manifest that says the scale."""
    random = np.random.default_rng(0)
    for split, count in (("train", 6), ("valid", 3), ("test", 3)):
        for label, level in (("low", 300), ("high", 500)):
            folder = tmp_path / "data" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                values = (level + random.normal(0, 12, (64, 64))).astype(np.uint16)
                (folder / f"{number}.png").write_bytes(png(values))
    job = new_job(**{split: tmp_path / "data" / split for split in ("train", "valid", "test")})
    scale = levels_of(load_channel(tmp_path / "data" / "train"))
    assert scale == pytest.approx((263, 537), abs=10)
    assert in_job(train.main, job, num_epochs=30, batch_size=4, learning_rate=0.01) == 0
    evaluation = json.loads((job.data / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluation["test"]["accuracy"] == 1
    model = inference.model_fn(str(job.model))
    assert model.preprocessing.levels == scale
    for label in ("low", "high"):
        answer = inference.predict_fn((tmp_path / "data" / "test" / label / "0.png").read_bytes(), model)
        assert answer.classes[int(answer.values[0].argmax())] == label


def test_a_job_does_not_take_features_of_another_framing(new_job: NewJob, in_job: Run, tmp_path: Path) -> None:
    settings = {"runtime": "torch", "store": tmp_path / "store", "output": tmp_path / "channel"}
    assert in_job(features.main, new_job(), preprocessing="squash", **settings) == 0
    assert read_channel(tmp_path / "channel").preprocessing.framing == "squash"
    job = new_job(features=tmp_path / "channel")
    assert in_job(train.main, job, num_epochs=1) == 1
    assert job.failure.startswith("The frozen features are of pictures after squash, the job asks for crop.")


@pytest.mark.parametrize("settings", [{}, {"features": "off"}], ids=["over features", "over pictures"])
def test_a_replaced_picture_is_used_as_it_is_and_a_deleted_dataset_interrupts(
    settings: dict[str, str],
    learnable: Path,
    new_job: NewJob,
    in_job: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "data"
    shutil.copytree(learnable, data)
    names = sorted(file.relative_to(data / "train").as_posix() for file in (data / "train").rglob("*.jpg"))
    pictures = [
        {"path": name, "label": int("noise" in name), "sha256": sha256_of(data / "train" / name)} for name in names
    ]
    manifest = {"format": 1, "root": str(data / "train"), "classes": ["disks", "noise"], "pictures": pictures}
    channel = tmp_path / "channel"
    channel.mkdir()
    (channel / "manifest.json").write_text(json.dumps(manifest))
    Image.new("RGB", (64, 64), "red").save(data / "train" / names[0])
    job = new_job(train=channel, valid=None, test=None)
    assert in_job(train.main, job, num_epochs=1, batch_size=8, **settings) == 0
    notices = [sentence for line in capsys.readouterr().out.splitlines() if (sentence := notice_in(line))]
    changed = f"Changed in train: 1 of {len(names)} pictures changed after the scan; they are used as they are now."
    assert notices == [changed]

    read = sources.read_file if settings else features.read_file

    def gone(file: Path) -> bytes:
        if file.name == Path(names[-1]).name:
            shutil.rmtree(data, ignore_errors=True)
        return read(file)

    monkeypatch.setattr(sources if settings else decoders, "read_file", gone)
    job = new_job(train=channel, valid=None, test=None)
    settings = settings or {"weights": "none"}  # no features are known of these weights
    assert in_job(train.main, job, num_epochs=1, batch_size=8, **settings) == EXIT_INTERRUPTED
    assert f"The dataset folder {data / 'train'} is not there any more" in job.failure
