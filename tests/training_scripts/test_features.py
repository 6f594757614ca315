"""Frozen features: computed once per picture, on whatever runtime, whatever happens in between."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock

from core.jobs.scraping import notice_in
from training_scripts import extraction, features, inference, runtime, train
from training_scripts.backbones import BACKBONES
from training_scripts.data import load_channels
from training_scripts.extraction import converted_backbone
from training_scripts.feature_store import FeatureSet, read_channel
from training_scripts.network import build_backbone, normalise
from training_scripts.preprocess import pixels
from training_scripts.weights import find, sha256_of

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., int]
NewJob = Callable[..., Any]


def values(found: FeatureSet) -> np.ndarray:
    return np.array(found.matrix[found.rows])


@pytest.fixture(scope="module")
def expected(learnable: Path) -> dict[str, np.ndarray]:
    """The features of the plain network under torch."""
    backbone = build_backbone("efficientnet_lite0", find("efficientnet_lite0", "default")).eval()
    preprocessing = BACKBONES["efficientnet_lite0"].preprocessing
    found = {}
    for split, samples in load_channels({s: learnable / s for s in ("train", "valid", "test")}).items():
        batch = torch.from_numpy(np.stack([pixels(samples.file(i), preprocessing) for i in range(len(samples))]))
        with torch.inference_mode():
            found[split] = backbone(normalise(batch, preprocessing)).numpy()
    return found


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_features_are_those_of_the_plain_network(
    name: str, new_job: NewJob, in_job: Run, tmp_path: Path, expected: dict[str, np.ndarray]
) -> None:
    """Within 1e-4 of the largest feature: float32 sums in another order."""
    job = new_job()
    assert in_job(features.main, job, runtime=name, store=tmp_path / "store", output=tmp_path / "channel") == 0
    channel = read_channel(tmp_path / "channel")
    assert channel.classes == ("disks", "noise", "stripes")
    for split, found in channel.sets.items():
        assert runtime.agrees(values(found), expected[split])
    assert json.loads((tmp_path / "channel/features.json").read_text())["runtime"].startswith(name)
    assert set(torch.load(channel.backbone_state, weights_only=True)) == set(
        build_backbone("efficientnet_lite0").state_dict()
    )


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_features_of_views_are_their_mean_here_and_in_the_model(
    name: str, new_job: NewJob, in_job: Run, tmp_path: Path
) -> None:
    """The features, the job's own evaluation and the loaded model see the same squares."""
    job = new_job(valid=None)
    channel = tmp_path / "channel"
    assert in_job(features.main, job, runtime=name, views=3, store=tmp_path / "store", output=channel) == 0
    read = read_channel(channel)
    preprocessing = read.preprocessing
    assert preprocessing.views == 3
    backbone = build_backbone("efficientnet_lite0", find("efficientnet_lite0", "default")).eval()
    test = read.sets["test"]
    file = Path(test.root) / test.paths[0]
    with torch.inference_mode():
        views = backbone(normalise(torch.from_numpy(pixels(file, preprocessing)), preprocessing))
    assert runtime.agrees(values(test)[0], views.mean(dim=0).numpy())
    job.channels["features"] = channel
    assert in_job(train.main, job, views=1) == 1
    assert "have views 3, the job asks for 1" in job.failure
    assert in_job(train.main, job, views=3, num_epochs=2) == 0
    rows = csv.DictReader((job.data / "predictions_test.csv").read_text(encoding="utf-8").splitlines())
    expected = next(float(row["probability"]) for row in rows if row["path"] == test.paths[0])
    answer = inference.predict_fn(file.read_bytes(), inference.model_fn(str(job.model)))
    assert answer.values.max() == pytest.approx(expected, abs=1e-4)
    state, found = backbone.state_dict(), partial(converted_backbone, tmp_path / "store", "efficientnet_lite0")
    assert (found(preprocessing, state) is not None) == (name == "openvino")
    assert (found(replace(preprocessing, views=6), state) is not None) == (name == "openvino"), "it takes one view"
    assert found(replace(preprocessing, size=160), state) is None
    assert found(preprocessing, state | {(last := list(state)[-2]): state[last] + 1e-6}) is None


def test_equal_views_are_computed_once() -> None:
    """Of a square picture most views are the same one."""
    asked = []

    def forward(squares: np.ndarray) -> np.ndarray:
        asked.append(len(squares))
        return squares.reshape(len(squares), -1).astype(np.float32)

    random = np.random.default_rng(0)
    first, second = random.integers(0, 256, (2, 6, 2, 2, 3), dtype=np.uint8)
    first[3:] = first[0]
    found = extraction._features(forward, [first, second])
    assert asked == [3 + 6]
    assert np.allclose(found, np.stack([first, second]).reshape(2, 6, -1).mean(axis=1))


def test_stores_that_frame_pictures_alike_or_not_share_one_converted_network(
    new_job: NewJob, in_job: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by its file: a network that is there twice takes the disk of one."""
    monkeypatch.setattr(runtime, "has_gpu", lambda: False)
    job, store = new_job(valid=None, test=None), tmp_path / "store"
    assert in_job(features.main, job, store=store, output=tmp_path / "one") == 0
    monkeypatch.setattr(runtime, "convert", lambda *_: pytest.fail("converted again"))
    settings = {"views": 3, "preprocessing": "squash", "store": store, "output": tmp_path / "three"}
    assert in_job(features.main, job, **settings) == 0
    first, second = store.glob("efficientnet_lite0-*/forward.bin")
    assert first.samefile(second)
    assert len(list(store.glob("*/features.f32"))) == 2
    first.write_bytes(b"damaged")  # of both, as it is one file
    monkeypatch.undo()
    settings |= {"views": 6, "output": tmp_path / "six"}
    assert in_job(features.main, job, **settings) == 0
    assert len(read_channel(tmp_path / "six").sets["train"].labels) == 24


def test_a_store_that_goes_away_while_its_network_is_compared_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "resnet18-0").mkdir()
    monkeypatch.setattr(extraction, "is_whole", lambda *_: True)  # as it was a moment ago
    assert converted_backbone(tmp_path, "resnet18", BACKBONES["resnet18"].preprocessing, {}) is None
    assert "resnet18-0 is not used" in capsys.readouterr().out


def test_only_new_pictures_are_computed(
    new_job: NewJob, in_job: Run, tmp_path: Path, learnable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(learnable, data)
    taken = next((data / "train" / "disks").iterdir())
    aside = tmp_path / taken.name
    shutil.move(taken, aside)
    job = new_job(**{split: data / split for split in ("train", "valid", "test")})
    settings = {"runtime": "torch", "store": tmp_path / "store", "output": tmp_path / "channel"}
    assert in_job(features.main, job, **settings) == 0
    assert "features 47/47 (" in capsys.readouterr().out
    before = values(read_channel(tmp_path / "channel").sets["valid"])
    shutil.move(aside, taken)
    shutil.copy(taken, data / "train" / "disks" / "the same again.jpg")
    assert in_job(features.main, job, **settings) == 0
    assert "features 1/1 (" in capsys.readouterr().out
    channel = read_channel(tmp_path / "channel")
    assert len(channel.sets["train"].labels) == 25
    assert len(channel.sets["train"].matrix) == 48
    assert np.array_equal(values(channel.sets["valid"]), before)
    assert in_job(features.main, job, **settings) == 0
    assert "all of them are known" in capsys.readouterr().out


def test_a_known_dataset_needs_no_torch(new_job: NewJob, in_job: Run, tmp_path: Path) -> None:
    job = new_job()
    settings = ["--store", str(tmp_path / "store"), "--output", str(tmp_path / "channel")]
    assert in_job(features.main, job, store=settings[1], output=settings[3]) == 0
    script = Path(features.__file__)
    check = (
        "import runpy, sys\n"
        f"sys.argv = ['features.py', *{settings!r}]\n"
        f"try: runpy.run_path({str(script)!r}, run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "assert not {'torch', 'torchvision', 'timm', 'openvino'} & set(sys.modules)\n"
    )
    environment = {**os.environ, **job.environment()}
    subprocess.run([sys.executable, "-c", check], env=environment, check=True, timeout=60, cwd=tmp_path)


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_unreadable_and_changed_pictures(
    name: str, new_job: NewJob, in_job: Run, tmp_path: Path, learnable: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be read is left out and said; what changed since the scan is taken as it is now."""
    data = tmp_path / "data"
    shutil.copytree(learnable, data)
    files = sorted((data / "train" / "disks").iterdir())
    pictures: list[dict[str, object]] = [
        {"path": f"disks/{file.name}", "label": 0, "sha256": sha256_of(file)} for file in files
    ]
    pictures[0]["sha256"] = "ab" * 32
    pictures += [{"path": "noise/noise 0.jpg", "label": 1}, {"path": "noise/gone.jpg", "label": 1}]
    files[1].write_bytes(files[1].read_bytes()[:300])
    manifest = {"format": 1, "root": str(data / "train"), "classes": ["disks", "noise"], "pictures": pictures}
    (tmp_path / "channel-in").mkdir()
    (tmp_path / "channel-in" / "manifest.json").write_text(json.dumps(manifest))
    job = new_job(train=tmp_path / "channel-in", valid=None, test=None)
    assert in_job(features.main, job, runtime=name, store=tmp_path / "store", output=tmp_path / "channel") == 0
    train = read_channel(tmp_path / "channel").sets["train"]
    assert len(train.labels) == len(files) - 1 + 1
    assert f"disks/{files[1].name}" not in train.paths
    out, told = capsys.readouterr()
    changed = f"Changed in train: 1 of {len(files) + 1} pictures changed after the scan; they are used as they are now."
    assert [notice_in(line) for line in out.splitlines() if line.startswith("Changed")] == [changed]
    assert f"Left out of train: disks/{files[1].name}: The picture is" in told
    assert "Left out of train: noise/gone.jpg" in told
    backbone = build_backbone("efficientnet_lite0", find("efficientnet_lite0", "default")).eval()
    preprocessing = BACKBONES["efficientnet_lite0"].preprocessing
    with torch.inference_mode():
        first = backbone(normalise(torch.from_numpy(pixels(files[0], preprocessing)[None]), preprocessing)).numpy()
    assert runtime.agrees(values(train)[:1], first)


def test_a_resnet_is_computed_in_bfloat16_where_the_processor_does(
    new_job: NewJob, in_job: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, learnable: Path
) -> None:
    """Within 1 % of the largest feature, and a classifier over them names the same classes; float32 if asked for."""
    monkeypatch.setattr(runtime, "has_gpu", lambda: False)
    monkeypatch.setattr(runtime, "has_bfloat16", lambda: True)  # without it OpenVINO takes float32
    spec, weights = BACKBONES["resnet18"], find("resnet18", "none", seed=3)
    samples = load_channels({"train": learnable / "valid"})["train"]
    batch = torch.from_numpy(np.stack([pixels(samples.file(i), spec.preprocessing) for i in range(len(samples))]))
    with torch.inference_mode():
        plain = build_backbone("resnet18", weights).eval()(normalise(batch, spec.preprocessing)).numpy()
    job = new_job(train=learnable / "valid", valid=None, test=None)
    settings = {"backbone": "resnet18", "weights": "none", "seed": 3, "store": tmp_path / "store"}
    for asked, told, tolerance in (("auto", "bf16", runtime.BFLOAT16_TOLERANCE), ("openvino", "f32", 1e-4)):
        monkeypatch.setenv(runtime.VARIABLE, asked)
        assert in_job(features.main, job, output=tmp_path / asked, **settings) == 0
        assert json.loads((tmp_path / asked / "features.json").read_text())["runtime"].endswith(told)
        found = values(read_channel(tmp_path / asked).sets["train"])
        assert runtime.agrees(found, plain, tolerance)
        nearest = [int(np.linalg.norm(plain - row, axis=1).argmin()) for row in found]
        assert nearest == list(range(len(plain))), "every picture is still told from every other"
    monkeypatch.setattr(runtime, "BFLOAT16_TOLERANCE", 0.0)
    assert in_job(features.main, job, runtime="openvino-bf16", store=tmp_path / "other", output=tmp_path / "c") == 1
    assert (
        job.failure.strip()
        == "openvino-bf16 does not compute EfficientNet-Lite0 as torch does: leave the runtime at auto."
    )


def test_openvino_that_disagrees_is_not_used(
    new_job: NewJob, in_job: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, np.ndarray]
) -> None:
    monkeypatch.setattr(runtime, "agrees", lambda *_: False)
    monkeypatch.setattr(runtime, "has_gpu", lambda: False)
    job = new_job()
    for _ in range(2):  # the second time it is known and not tried again
        assert in_job(features.main, job, store=tmp_path / "store", output=tmp_path / "channel") == 0
        monkeypatch.setattr(runtime, "convert", lambda *_: pytest.fail("tried again"))
    about = json.loads((tmp_path / "channel/features.json").read_text())
    assert about["runtime"].startswith("torch")
    assert np.allclose(values(read_channel(tmp_path / "channel").sets["train"]), expected["train"], atol=1e-4)


def test_a_stop_keeps_what_was_computed(
    new_job: NewJob, in_job: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = new_job()
    settings = {"runtime": "torch", "store": tmp_path / "store", "output": tmp_path / "channel"}
    with monkeypatch.context() as patch:
        patch.setattr(features.StopRequest, "listen", lambda self: setattr(self, "requested", True) or self)
        assert in_job(features.main, job, **settings) == 0
    assert "are kept" in capsys.readouterr().out
    assert not (tmp_path / "channel" / "features.json").exists()
    assert in_job(features.main, job, **settings) == 0
    assert "features 47/47" in capsys.readouterr().out


def test_two_jobs_at_once_compute_each_picture_once(new_job: NewJob, tmp_path: Path) -> None:
    processes = []
    for number in range(2):
        job = new_job()
        command = [sys.executable, features.__file__, "--store", str(tmp_path / "store"), "--runtime", "openvino"]
        command += ["--output", str(tmp_path / f"channel{number}")]
        environment = {**os.environ, **job.environment()}
        processes.append(subprocess.Popen(command, env=environment, cwd=tmp_path))
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    first, second = (read_channel(tmp_path / f"channel{number}") for number in range(2))
    assert len(first.sets["train"].matrix) == len(second.sets["train"].matrix) == 48
    assert np.array_equal(values(first.sets["test"]), values(second.sets["test"]))


def test_a_lock_left_by_a_dead_process_is_none(new_job: NewJob, in_job: Run, tmp_path: Path) -> None:
    weights, preprocessing = find("efficientnet_lite0", "default"), BACKBONES["efficientnet_lite0"].preprocessing
    folder = tmp_path / "store" / features.store_key("efficientnet_lite0", preprocessing, weights, "torch")
    folder.mkdir(parents=True)
    lock = FileLock(folder / "lock")
    code = f"import os; from filelock import FileLock; FileLock({str(folder / 'lock')!r}).acquire(); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 9
    assert not lock.is_locked
    assert in_job(features.main, new_job(), runtime="torch", store=tmp_path / "store", output=tmp_path / "channel") == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_lock_is_taken_from_a_process_that_stands_still(
    new_job: NewJob, in_job: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Others waited for it without end."""
    weights, preprocessing = find("efficientnet_lite0", "default"), BACKBONES["efficientnet_lite0"].preprocessing
    key = features.store_key("efficientnet_lite0", preprocessing, weights, "torch")
    code = (
        "import sys\nfrom pathlib import Path\nfrom training_scripts import features\n"
        "with features._locked(Path(sys.argv[1]), features.StopRequest(), 1.0):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    settings = {"runtime": "torch", "store": tmp_path / "store", "output": tmp_path / "channel"}
    command = [sys.executable, "-c", code, str(tmp_path / "store" / key)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGSTOP)
        assert in_job(features.main, new_job(), patience_s=1.0, **settings) == 0
        assert holder.wait(30) == -signal.SIGKILL
    said = capfd.readouterr().out
    assert "Waiting for another job" in said
    assert "That job stood still for 1 seconds and was ended." in said


def test_failures_are_told_in_a_sentence(new_job: NewJob, in_job: Run, tmp_path: Path) -> None:
    job = new_job()
    assert in_job(features.main, job, backbone="resnet18", output=tmp_path / "channel") == 1
    assert job.failure.startswith("The pretrained weights of ResNet-18")
    empty = new_job(train=tmp_path)
    assert in_job(features.main, empty, output=tmp_path / "channel") == 1
    assert empty.failure.startswith("There are no pictures to train on")


def test_store_keys_tell_all_that_matters_apart() -> None:
    lite0, untrained = find("efficientnet_lite0", "default"), find("efficientnet_lite0", "none", seed=1)
    usual = BACKBONES["efficientnet_lite0"].preprocessing
    keys = {
        features.store_key("efficientnet_lite0", usual, lite0, "torch"),
        features.store_key("efficientnet_lite0", usual, lite0, "openvino"),
        features.store_key("efficientnet_lite0", usual, untrained, "torch"),
        features.store_key("efficientnet_lite0", usual, find("efficientnet_lite0", "none", seed=2), "torch"),
        features.store_key("efficientnet_lite0", replace(usual, framing="squash"), lite0, "torch"),
        features.store_key("efficientnet_lite0", replace(usual, framing="pad"), lite0, "torch"),
        features.store_key("efficientnet_lite0", replace(usual, levels=(0, 4095)), lite0, "torch"),
        features.store_key("resnet18", BACKBONES["resnet18"].preprocessing, find("resnet18", "none", seed=1), "torch"),
    }
    assert len(keys) == 8
    assert features.store_key("efficientnet_lite0", usual, lite0, "torch") in keys
