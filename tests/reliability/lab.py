"""A home to do harm to: searches of a script in miniature, what they are known to have finished, and an audit."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from core.dataset import Manifest, scan, split
from core.engines.local.engine import LocalEngine
from core.engines.local.job_runtime import Runtime
from core.jobs.ranges import ContinuousRange
from core.jobs.records import TuningJob
from core.jobs.specs import DebuggerConfig, MetricDefinition, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import Store
from training_scripts.artifact import unpack

LOSS = MetricDefinition("Average loss", r"Average loss: ([0-9\.]+)")
WAIT_S = 180.0

# Saves a model of some size, so that writing it takes a while, and results beside it.
SCRIPT = """
import argparse, json, os, pathlib, random, time
parser = argparse.ArgumentParser()
for name, kind, default in (("x", float, 0.0), ("num_epochs", int, 3), ("sleep", float, 0.02), ("size", int, 300_000)):
    parser.add_argument("--" + name, type=kind, default=default)
args, _ = parser.parse_known_args()
for epoch in range(1, args.num_epochs + 1):
    time.sleep(args.sleep)
    loss = (args.x - 0.3) ** 2 + 1 / epoch
    print(f"epoch={epoch}/{args.num_epochs} Average loss: {loss:.6f} seconds=0.01", flush=True)
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "model.pth").write_bytes(random.Random(args.x).randbytes(args.size))
(model / "model.json").write_text(json.dumps({"x": args.x}))
data = pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"])
(data / "evaluation.json").write_text(json.dumps({"x": args.x}))
"""


@dataclass
class Tally:
    """What became of the attempts of one kind of harm. `lost` says what was lost, or wrong, each time."""

    name: str
    tried: int = 0
    survived: int = 0
    lost: list[str] = field(default_factory=list)
    note: str = ""

    def add(self, problems: list[str]) -> None:
        """Count one attempt."""
        self.tried += 1
        if problems:
            self.lost.append("; ".join(problems))
            print(f"  {self.name}, attempt {self.tried}: {self.lost[-1]}", file=sys.stderr, flush=True)
        else:
            self.survived += 1


def draw_pictures(folder: Path) -> Path:
    """Make a dataset of two colours."""
    generator = np.random.default_rng(0)
    for name, count in (("train", 6), ("valid", 3), ("test", 3)):
        for label, colour in {"blue": (40, 60, 200), "red": (210, 50, 40)}.items():
            place = folder / name / label
            place.mkdir(parents=True)
            for number in range(count):
                noisy = np.clip(np.array(colour) + generator.integers(-30, 30, (32, 32, 3)), 0, 255)
                Image.fromarray(noisy.astype(np.uint8)).save(place / f"{number}.png")
    return folder


class Lab:
    """One home, and what is done to it."""

    def __init__(self, home: Path, place: Path, script: str = SCRIPT) -> None:
        self.paths, self.place = AppPaths(home), place
        pictures = place / "pictures"
        if not pictures.is_dir():
            draw_pictures(pictures)
        self._manifest: Manifest = split(scan(pictures), (0.5, 0.25, 0.25), 0)
        file = place / "mini.py"
        file.write_text(textwrap.dedent(script), encoding="utf-8")
        self._runtime = Runtime(script=file, features=None, preload=(), grace_s=2.0)
        self.store: Store | None = None

    def open(self) -> LocalEngine:
        """Open the home as a command does."""
        self.paths.create()
        self.store = Store(self.paths.database)
        self.engine = LocalEngine(self.paths, self.store, self._runtime)
        return self.engine

    def close(self) -> None:
        """Close it."""
        if self.store is not None:
            self.engine.close()
            self.store.close()
            self.store = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[LocalEngine]:
        """The home, opened for a moment."""
        try:
            yield self.open()
        finally:
            self.close()

    def start(self, name: str, max_jobs: int = 6, **hyperparameters: str) -> None:
        """Start a search."""
        channels = self.engine.stage(self._manifest)
        training = TrainingSpec(
            name, channels, hyperparameters, (LOSS,), debugger=DebuggerConfig(enabled=False, profiler=False)
        )
        ranges = (ContinuousRange("x", 0.0, 1.0),)
        self.engine.start(TuningSpec(training, ranges, max_jobs=max_jobs, max_parallel_jobs=2))

    def finished(self, name: str) -> dict[str, float | None]:
        """The trials that are told to be finished by now, with their objectives."""
        return {t.name: t.objective for t in self.engine.trials(name) if t.status is JobStatus.COMPLETED}

    def until(self, name: str, condition: Callable[[TuningJob], bool]) -> TuningJob:
        """Wait for a search to come so far."""
        deadline = time.monotonic() + WAIT_S
        while True:
            job = self.engine.job(name)
            assert isinstance(job, TuningJob)
            if condition(job):
                return job
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} stands still: {job.status} {job.secondary_status} {job.counts}")
            time.sleep(0.02)

    def ended(self, name: str) -> TuningJob:
        """Wait for a search to end."""
        return self.until(name, lambda job: job.status.is_final)

    def audit(self, name: str, told: dict[str, float | None], max_jobs: int = 6) -> list[str]:
        """After the harm: what was told must be so, and the search must come to its end. Returns what is not so."""
        problems: list[str] = []
        with self.opened():
            self.ended(name)
            problems += self._compare(name, told)
            for _ in range(3):
                if (job := self.engine.job(name)).status is JobStatus.COMPLETED:
                    break
                self.engine.resume(name)
                self.ended(name)
            else:
                problems.append(f"it cannot be brought to its end: {job.status} {job.failure_reason}")
            found = self.finished(name)
            # A trial whose own process was killed twice has failed, and says so.
            reasons = [t.failure_reason for t in self.engine.trials(name) if t.status is JobStatus.FAILED]
            failed = sum("signal 9" in reason or "second time" in reason for reason in reasons)
            if len(found) + failed != max_jobs:
                problems.append(f"{len(found)} of {max_jobs} trials are finished, {failed} were killed")
            problems += self._compare(name, found)
        if left := self.wait_for_processes():
            problems.append(f"{left} processes are left")
        return problems

    def _compare(self, name: str, told: dict[str, float | None]) -> list[str]:
        problems = []
        for trial, objective in told.items():
            found = next((each for each in self.engine.trials(name) if each.name == trial), None)
            if found is None or found.status is not JobStatus.COMPLETED:
                problems.append(f"{trial} was finished and is {found and found.secondary_status}")
            elif found.objective != objective:
                problems.append(f"{trial} had {objective} and has {found.objective}")
            else:
                try:
                    unpack(Path(found.artifact or ""), self.place / "unpacked")
                except Exception as error:
                    problems.append(f"the model of {trial} is lost: {error}")
        return problems

    def processes(self) -> list[psutil.Process]:
        """The processes that work for this home, but this one."""
        home, found = str(self.paths.home), []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if home in " ".join(process.cmdline()) or process.cwd().startswith(home):
                    found.append(process)
                    found += process.children(recursive=True)
        return list({process.pid: process for process in found}.values())

    def wait_for_processes(self, seconds: float = 30) -> int:
        """Wait for the processes of the home to be gone; returns how many are left."""
        deadline = time.monotonic() + seconds
        while (left := len(self.processes())) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to all processes of the home."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)
