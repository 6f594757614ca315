"""Two processes on one machine compute what one does, and torchrun is started where there is something to divide."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from training_scripts import train
from training_scripts.distributed import World, first_host, torchrun
from training_scripts.metrics import METRIC_DEFINITIONS

NewJob = Callable[..., Any]


@pytest.fixture
def seven(learnable: Path, tmp_path: Path) -> Path:
    """A channel with seven pictures, one of them unreadable: shares of unequal size."""
    broken = tmp_path / "data" / "broken.jpg"
    broken.parent.mkdir()
    broken.write_bytes(b"no picture")
    names = [
        (learnable / "train" / label / f"{label} {n}.jpg", i)
        for i, label in enumerate(("disks", "noise"))
        for n in range(3)
    ]
    pictures = [{"path": str(file), "label": label} for file, label in names] + [{"path": str(broken), "label": 0}]
    folder = tmp_path / "seven"
    folder.mkdir()
    data = {"format": 1, "root": str(tmp_path), "classes": ["disks", "noise"], "pictures": pictures}
    (folder / "manifest.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def run(job: Any, processes: int, *arguments: str) -> str:
    """What the first of these processes prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    started = []
    for rank in range(processes):
        places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
        environment = {**os.environ, **job.environment(), **shared, **{name: str(v) for name, v in places.items()}}
        command = [sys.executable, train.__file__, *arguments]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=job.root))
    said = [process.communicate(timeout=240)[0] for process in started]
    assert [process.returncode for process in started] == [0] * processes
    assert not any("epoch=" in text for text in said[1:])
    return said[0]


def test_two_processes_equal_one(seven: Path, new_job: NewJob) -> None:
    """Losses and weights, within what sums in another order change in float32 (1e-4 of a loss)."""
    settings = {"mode": "fine_tune", "optimizer": "sgd", "learning_rate": 0.01, "batch_size": 3, "num_epochs": 1}
    settings |= {"augmentation": "light", "log_interval": 1, "checkpoint_seconds": 0}
    arguments = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
    found, states = [], []
    for processes in (1, 2):
        job = new_job(train=seven, valid=seven, test=None)
        said = run(job, processes, *arguments)
        found.append({name: [float(v) for v in re.findall(regex, said)] for name, regex in METRIC_DEFINITIONS.items()})
        states.append(torch.load(job.model / "model.pth", weights_only=True))
        evaluation = json.loads((job.data / "evaluation.json").read_text(encoding="utf-8"))
        assert evaluation["valid"]["count"] == 6
    assert len(found[0]["train:batch_loss"]) == 2
    for name, values in found[0].items():
        assert found[1][name] == pytest.approx(values, rel=1e-4, abs=1e-5), name
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-3, atol=1e-4)


def test_torchrun_starts_where_there_is_something_to_divide() -> None:
    local = {"SM_HOSTS": '["algo-1"]', "SM_CURRENT_HOST": "algo-1", "SM_NUM_GPUS": "0"}
    assert torchrun("train.py", [], local) is None
    assert torchrun("train.py", [], {}) is None
    assert torchrun("train.py", [], {**local, "SM_NUM_GPUS": "4", "WORLD_SIZE": "4"}) is None
    gpus = torchrun("train.py", ["--num_epochs", "3"], {**local, "SM_NUM_GPUS": "4"})
    assert gpus is not None
    assert "--nproc-per-node=4" in gpus
    assert gpus[-2:] == ["--num_epochs", "3"]
    hosts = {"SM_HOSTS": '["algo-2", "algo-1"]', "SM_CURRENT_HOST": "algo-2", "SM_NUM_GPUS": "0"}
    command = torchrun("train.py", [], hosts)
    assert command is not None
    assert {"--nnodes=2", "--node-rank=1", "--master-addr=algo-1", "--nproc-per-node=1"} <= set(command)
    assert not first_host(hosts)
    assert first_host(local)
    assert first_host({})


def test_world() -> None:
    assert World.from_environment({}) == World()
    places = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    assert World.from_environment(places) == World(3, 4, 1, 2)
    assert World().gather("x") == ["x"]
    assert World().from_first("x") == "x"
