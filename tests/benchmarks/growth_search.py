"""How a search grows with the number of pictures: seconds and memory of 6 trials x 10 epochs of a head on Lite0.

Memory is proportional (PSS: shared pages count once) and of all the search's processes together.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.paths import ROOT
from tests.benchmarks.pictures import dataset

SIZES = (40, 400, 4000)
"""Pictures of one, ten and a hundred times the work."""
TRIALS, EPOCHS = 6, 10


@dataclass(frozen=True, slots=True)
class Watched:
    """A search: how long it took, the peak of all its processes, and what one trial alone had to itself (USS)."""

    seconds: float
    peak_bytes: int
    trial_bytes: int


def measure_search(pictures: int) -> tuple[float, int]:
    """Seconds and peak bytes of a search over so many pictures (40 or more) in a new installation, features included.

    Linux only, as far as the memory is concerned: elsewhere it is what the processes have to themselves.
    """
    with dataset(pictures) as folder, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as home:
        found = watch_search(Path(home), folder, look_s=0.2)
        return found.seconds, found.peak_bytes


def watch_search(home: Path, pictures: Path, look_s: float) -> Watched:
    """Run `sagehound tune` over a folder of pictures and look at its processes every `look_s` seconds."""
    command = [sys.executable, str(ROOT / "__main__.py"), "tune", str(pictures), "--json", "--mode", "head"]
    command += ["--max-jobs", str(TRIALS), "--max-parallel-jobs", "2", "--strategy", "Random", "--seed", "1"]
    command += ["--range", "learning_rate=continuous:1e-4:3e-2:log", "--static", f"num_epochs={EPOCHS}"]
    environment = os.environ | {"SAGEHOUND_HOME": str(home)}
    began, whole, trial = time.perf_counter(), 0, 0
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        tuned = psutil.Process(process.pid)
        while True:
            try:
                _, said = process.communicate(timeout=look_s)
                break
            except subprocess.TimeoutExpired:
                total, own = _memory(_family(tuned))
                whole, trial = max(whole, total), max(trial, own)
    if process.returncode:
        raise SystemExit(f"The search failed:\n{said[-2000:].decode(errors='replace')}")
    return Watched(time.perf_counter() - began, whole, trial)


def _memory(family: list[psutil.Process]) -> tuple[int, int]:
    """Bytes of all these processes together, and of the largest trial by itself."""
    total, trial, servers = 0, 0, set[int]()
    for found in family:
        try:
            memory = found.memory_full_info()
            total += getattr(memory, "pss", memory.uss)
            if "multiprocessing.forkserver" in " ".join(found.cmdline()):
                servers.add(found.pid)
                if found.ppid() in servers:  # forked off it: a trial
                    trial = max(trial, memory.uss)
        except psutil.Error:
            continue
    return total, trial


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []
