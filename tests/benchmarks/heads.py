"""What the benchmarks of heads share: searches and jobs over cached features, and a plain torch loop beside them.

Seconds by the clock say little on a busy machine. So the plain loop runs in the same minute, and the processor time of
all of a job's processes is held against its processor time: that ratio holds whatever else the machine does.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from core.paths import ROOT

PICTURES, ROWS, DIM, CLASSES, EPOCHS, BATCH = 2000, 1400, 1280, 10, 10, 32
"""The dataset, what is trained on of it, and what every head is trained with."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took: seconds by the clock, and processor seconds of it and all that it left running."""

    wall: float
    cpu: float


def tune(home: Path, pictures: Path, trials: int, *words: str) -> Cost:
    """Run a search of so many linear heads, two at a time, over the features that are there."""
    return _sagehound(home, "tune", str(pictures), *_SEARCH, "--max-jobs", str(trials), *words)


def train(home: Path, pictures: Path) -> Cost:
    """Train one linear head over the features that are there."""
    return _sagehound(home, "train", str(pictures), *_FIXED)


def plain_loop(runs: int = 3) -> Cost:
    """Train one head as a notebook would, over a tensor in memory, on one thread; the mean of several runs."""
    import torch

    torch.set_num_threads(1)
    inputs, labels = torch.randn(ROWS, DIM), torch.randint(0, CLASSES, (ROWS,))

    def loop() -> None:
        head = torch.nn.Linear(DIM, CLASSES)
        optimizer = torch.optim.Adam(head.parameters(), lr=5e-3)
        for _ in range(EPOCHS):
            for rows in torch.randperm(ROWS).split(BATCH):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(head(inputs[rows]), labels[rows]).backward()
                optimizer.step()

    loop()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(runs):
        loop()
    return Cost((time.perf_counter() - wall) / runs, (time.process_time() - cpu) / runs)


def cost_of(command: list[str], variables: dict[str, str] | None = None) -> Cost:
    """Run a command; what it leaves behind is waited for, as the supervisor of a job, and counts as processor time."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans become this process's children
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=os.environ | (variables or {}), capture_output=True, text=True, check=False)
    wall = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


_FIXED = (
    *("--mode", "head", "--head", "linear", "--seed", "1"),
    *("--static", f"num_epochs={EPOCHS}", "--static", f"batch_size={BATCH}"),
)
_SEARCH = (
    *_FIXED,
    *("--max-parallel-jobs", "2", "--strategy", "Bayesian", "--range", "learning_rate=continuous:1e-4:3e-2:log"),
)


def _sagehound(home: Path, *words: str) -> Cost:
    command = [sys.executable, str(ROOT / "__main__.py"), *words, "--json"]
    return cost_of(command, {"SAGEHOUND_HOME": str(home)})
