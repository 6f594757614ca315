"""A saved model answers the same here, from its archive, and at an endpoint that has nothing but the archive's code."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training_scripts import inference, train
from training_scripts.artifact import package, read_card, unpack
from training_scripts.job import JobError

Run = Callable[..., int]
NewJob = Callable[..., Any]


@pytest.fixture(scope="module")
def trained(learnable: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished job."""
    root = tmp_path_factory.mktemp("trained")
    variables = {f"SM_CHANNEL_{split.upper()}": str(learnable / split) for split in ("train", "valid", "test")}
    variables |= {"SM_MODEL_DIR": str(root / "model"), "SM_OUTPUT_DIR": str(root / "output")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.setenv("SAGEHOUND_RUNTIME", "torch")
        assert train.main(["--num_epochs", "4", "--batch_size", "8", "--head", "linear_dropout_batchnorm"]) == 0
    return root


def judged(trained: Path) -> dict[Path, tuple[str, float]]:
    """What the job itself said of its test pictures."""
    data = trained / "output" / "data"
    root = Path(json.loads((data / "evaluation.json").read_text(encoding="utf-8"))["test"]["root"])
    with (data / "predictions_test.csv").open(encoding="utf-8", newline="") as file:
        return {root / row["path"]: (row["predicted"], float(row["probability"])) for row in csv.DictReader(file)}


def ask(model: inference.LoadedModel, body: bytes, accept: str = "application/json") -> str:
    prediction = inference.predict_fn(inference.input_fn(body, "application/x-image"), model)
    answer, kind = inference.output_fn(prediction, accept)
    assert kind == accept
    return answer


def test_answers_are_those_of_the_evaluation(trained: Path) -> None:
    model = inference.model_fn(str(trained / "model"))
    assert not model.network.training
    for file, (label, probability) in judged(trained).items():
        predictions = json.loads(ask(model, file.read_bytes()))["predictions"]
        assert predictions[0]["label"] == label
        assert predictions[0]["probability"] == pytest.approx(probability, abs=1e-4)
        assert sorted(item["label"] for item in predictions) == ["disks", "noise", "stripes"]
        values = [item["probability"] for item in predictions]
        assert values == sorted(values, reverse=True)
        assert sum(values) == pytest.approx(1, abs=1e-5)


def test_what_it_does_not_know_is_said_as_in_the_evaluation(
    trained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = inference.model_fn(str(trained / "model"))
    about = model.card["unknown"]
    assert (about["judged_on"], about["pictures"], about["coverage"]) == ("valid", 12, 0.95)
    with (trained / "output" / "data" / "predictions_test.csv").open(encoding="utf-8", newline="") as file:
        strange = [float(row["strangeness"]) for row in csv.DictReader(file)]
    bodies = [file.read_bytes() for file in judged(trained)]
    answers = json.loads(inference.output_fn(inference.predict_fn(bodies, model))[0])
    np.testing.assert_allclose([answer["strangeness"] for answer in answers], strange, atol=1e-3)
    assert [answer["unknown"] for answer in answers] == [value > about["threshold"] for value in strange]
    monkeypatch.setenv(inference.THRESHOLD, str(min(strange) - 0.1))
    assert json.loads(ask(model, bodies[0]))["unknown"] is True
    monkeypatch.setenv(inference.THRESHOLD, "99")
    assert json.loads(ask(model, bodies[0]))["unknown"] is False
    # A model of an earlier version says no word of it.
    old = shutil.copytree(trained / "model", tmp_path / "old")
    (old / "known.npz").unlink()
    card = {name: value for name, value in model.card.items() if name != "unknown"}
    (old / "model.json").write_text(json.dumps(card), encoding="utf-8")
    assert json.loads(ask(inference.model_fn(str(old)), bodies[0])).keys() == {"predictions"}


def test_the_temperature_of_the_card_is_what_answers_are_divided_by(trained: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(trained / "model", tmp_path / "model")
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    body = next(iter(judged(trained))).read_bytes()
    logs = {}
    for temperature in (1.0, 4.0):
        (folder / "model.json").write_text(json.dumps({**card, "temperature": temperature}), encoding="utf-8")
        values = inference.predict_fn(body, inference.model_fn(str(folder))).values[0]
        logs[temperature] = np.log(values) - np.log(values).mean()
    np.testing.assert_allclose(logs[1.0], 4 * logs[4.0], atol=1e-4)
    (folder / "model.json").write_text(json.dumps({**card, "temperature": 0}), encoding="utf-8")
    with pytest.raises(ValueError, match="is not a positive number"):
        inference.model_fn(str(folder))


def test_several_pictures_and_csv(trained: Path) -> None:
    model = inference.model_fn(str(trained / "model"))
    bodies = [file.read_bytes() for file in list(judged(trained))[:3]]
    together = inference.predict_fn(bodies, model)
    for body, row in zip(bodies, together.values, strict=True):
        assert np.allclose(inference.predict_fn(body, model).values[0], row, atol=1e-5)
    assert len(json.loads(inference.output_fn(together)[0])) == 3
    rows = list(csv.reader(io.StringIO(ask(model, bodies[0], "text/csv"))))
    assert [len(row) for row in rows] == [4, 4, 4]
    assert float(rows[0][2]) >= float(rows[1][2])


def test_bad_requests(trained: Path) -> None:
    with pytest.raises(ValueError, match="text/plain is not understood"):
        inference.input_fn(b"hello", "text/plain")
    assert inference.input_fn(bytearray(b"x"), "image/jpeg; q=1") == b"x"
    model = inference.model_fn(str(trained / "model"))
    with pytest.raises(inference.PictureUnreadable):
        inference.predict_fn(b"hello", model)


def test_the_archive_serves_with_its_own_code_alone(trained: Path, tmp_path: Path) -> None:
    """As in the container: the archive unpacked, `code` on the path, nothing of ours from elsewhere."""
    tar = package(trained / "model", tmp_path / "model.tar.gz")
    folder = unpack(tar, tmp_path / "served")
    file, (label, probability) = next(iter(judged(trained).items()))
    check = (
        "import json, sys\n"
        "import inference\n"
        f"model = inference.model_fn({str(folder)!r})\n"
        f"data = inference.input_fn(open({str(file)!r}, 'rb').read(), 'application/x-image')\n"
        "answer, kind = inference.output_fn(inference.predict_fn(data, model), 'application/json')\n"
        "import training_scripts\n"
        f"assert training_scripts.__file__.startswith({str(folder)!r}), training_scripts.__file__\n"
        "assert not {'timm', 'openvino', 'filelock', 'core'} & set(sys.modules)\n"
        "print(answer)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(folder / "code")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", check], env=environment, cwd=tmp_path, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    best = json.loads(done.stdout)["predictions"][0]
    assert (best["label"], best["probability"]) == (label, pytest.approx(probability, abs=1e-4))


def test_the_archive(trained: Path, tmp_path: Path) -> None:
    first = package(trained / "model", tmp_path / "a.tar.gz")
    second = package(trained / "model", tmp_path / "b.tar.gz")
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        names = tar.getnames()
        assert {"model.pth", "model.json", "code/inference.py", "code/requirements.txt"} <= set(names)
        assert "code/training_scripts/network.py" in names
        assert all(member.uid == 0 and member.uname == "" for member in tar)
        for member in tar:
            if member.name.endswith(".py"):
                file = tar.extractfile(member)
                assert file is not None
                assert b"\r" not in file.read()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "b.tar.gz"]


def test_an_archive_that_fails_half_way_leaves_nothing(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(OSError, match="No space"):
        package(trained / "model", tmp_path / "model.tar.gz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("filters", [True, False], ids=["filters", "python 3.11.2"])
def test_unpack_refuses_what_is_dangerous_or_broken(
    trained: Path, tmp_path: Path, filters: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not filters:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    evil = tmp_path / "evil.tar.gz"
    with tarfile.open(evil, "w:gz") as tar:
        member = tarfile.TarInfo("../outside.txt")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"bad"))
    whole = package(trained / "model", tmp_path / "model.tar.gz").read_bytes()
    (tmp_path / "short.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.tar.gz").write_bytes(b"no archive")
    for name in ("evil", "short", "text", "missing"):
        with pytest.raises(JobError, match="cannot be unpacked"):
            unpack(tmp_path / f"{name}.tar.gz", tmp_path / "out" / name)
    assert not (tmp_path / "out" / "outside.txt").exists()
    assert list((tmp_path / "out").iterdir()) == []


def test_unpack_replaces_what_was_there(trained: Path, tmp_path: Path) -> None:
    tar = package(trained / "model", tmp_path / "model.tar.gz")
    folder = unpack(tar, tmp_path / "m")
    (folder / "stale.txt").write_text("old")
    assert not (unpack(tar, folder) / "stale.txt").exists()
    assert read_card(folder)["head"] == "linear_dropout_batchnorm"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', "{}"])
def test_unusable_cards(text: str, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(JobError):
        read_card(tmp_path)


def test_packing_needs_no_torch(trained: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from training_scripts.inference import package; "
        f"package(Path({str(trained / 'model')!r}), Path({str(tmp_path / 'm.tar.gz')!r})); "
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(train.__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
