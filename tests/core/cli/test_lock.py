"""`sagehound lock`: a test folder that nothing learns from."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from core.cli.main import run
from core.jobs.records import TrainingJob
from core.jobs.specs import MetricDefinition, TrainingSpec
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import Store

LOSS = MetricDefinition("Average loss", "Average loss: ([0-9.]+)")


@pytest.fixture
def held(tmp_path, monkeypatch):
    """A folder of labelled pictures, and a home of its own."""
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path / "home"))
    for number in range(16):
        folder = tmp_path / "held" / ("light" if number % 2 else "dark")
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), (number, 10 * number, 255 * (number % 2))).save(folder / f"{number}.png")
    return tmp_path / "held"


def test_nothing_is_trained_on_a_locked_folder(held, capsys):
    assert run(["lock", str(held), "--json"]) == 0
    folder = str(held.resolve())
    assert json.loads(capsys.readouterr().out) == {"folder": folder, "locked": True, "looks": 0, "models": 0}
    assert run(["train", str(held)]) == 1
    said = capsys.readouterr().err
    assert f"{folder} is locked as a held-out test folder." in said
    assert run(["jobs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run(["lock", str(held), "--off"]) == 0
    assert "is not locked" in capsys.readouterr().out


def test_what_was_learned_from_cannot_be_held_out(held, tmp_path, capsys):
    store = Store(AppPaths(tmp_path / "home").create().database)
    spec = TrainingSpec("first", {}, {}, (LOSS,), dataset_path=str(held.resolve()))
    store.add_job(TrainingJob("first", JobStatus.COMPLETED, 1.0), spec)
    store.close()
    assert run(["lock", str(held)]) == 1
    assert "has learned from" in capsys.readouterr().err
    assert run(["lock", str(tmp_path / "nowhere")]) == 1
