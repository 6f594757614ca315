"""Memory of a search, all its processes together, over 200 and over 2,000 pictures: 6 trials of a head on Lite0.

Proportional memory (PSS: shared pages count once), looked at twenty times a second: of all processes together, and
what one trial alone has to itself (USS), which the feature matrix is no part of, being memory-mapped.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from core.paths import ROOT
from tests.benchmarks.harness import print_table
from tests.benchmarks.pictures import dataset

SIZES = (200, 2000)
TRIALS, LOOK_S, DIM = 6, 0.05, 1280


def main() -> None:
    """Print the table."""
    if not sys.platform.startswith("linux"):
        print("Proportional memory is only known on Linux.\n")
        return
    rows = []
    for size in SIZES:
        with dataset(size) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as home:
            cold, _ = _peaks(Path(home), pictures)
            cached, trial = _peaks(Path(home), pictures)
        matrix = size * DIM * 4 / 1e6
        rows.append((f"{size:,}", f"{cold:.0f} MB", f"{cached:.0f} MB", f"{trial:.0f} MB", f"{matrix:.1f} MB"))
    print_table(
        ("pictures", "peak with features computed", "peak with features cached", "one trial's own", "feature matrix"),
        rows,
    )


def _peaks(home: Path, pictures: Path) -> tuple[float, float]:
    """Peak megabytes of all processes of a search together, and of one trial's own memory."""
    command = [sys.executable, str(ROOT / "__main__.py"), "tune", str(pictures), "--json", "--mode", "head"]
    command += ["--max-jobs", str(TRIALS), "--max-parallel-jobs", "2", "--strategy", "Random", "--seed", "1"]
    command += ["--range", "learning_rate=continuous:1e-4:3e-2:log", "--static", "num_epochs=10"]
    environment = os.environ | {"SAGEHOUND_HOME": str(home)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    whole = trial = 0.0
    tuned = psutil.Process(process.pid)
    while process.poll() is None:
        total, servers = 0.0, set[int]()
        for found in _family(tuned):
            try:
                memory = found.memory_full_info()
                total += memory.pss / 1e6
                if "multiprocessing.forkserver" in " ".join(found.cmdline()):
                    servers.add(found.pid)
                    if found.ppid() in servers:  # forked off it: a trial
                        trial = max(trial, memory.uss / 1e6)
            except psutil.Error:
                continue
        whole = max(whole, total)
        time.sleep(LOOK_S)
    if process.returncode:
        raise SystemExit("The search failed.")
    return whole, trial


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


if __name__ == "__main__":
    main()
