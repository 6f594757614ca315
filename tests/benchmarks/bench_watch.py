"""What `sagehound watch` costs a script that it runs: three scripts of public style, plain and watched in turn.

The goal: at most 2 % of its time where a step takes 20 ms and more, 5 % below. Time is the CPU time of the script's own
process within its loop, which holds on a busy machine too; the wall time stands beside it. The rules on tensors are
evaluated in the process of `sagehound watch`, at a lower priority. Each run includes the first steps, which are all
looked at; the longer a training is, the smaller the share.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from core.paths import ROOT
from tests.benchmarks.harness import print_table

FOLDER = Path(__file__).with_name("watched")
SCRIPTS = {"cnn.py": 5, "resnet_workers.py": 5, "trainer_loop.py": 5}
"""The scripts and how many pairs of runs each has."""
SLOW_MS, GOAL, GOAL_BELOW = 20.0, 0.02, 0.05
_TOLD = re.compile(r"steps=(\d+) seconds=([\d.]+) cpu=([\d.]+)")


def main() -> None:
    """Run the pairs and print what watching added."""
    chosen = sys.argv[1:] or list(SCRIPTS)
    rows = []
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as home:
        for name in chosen:
            pairs = [(_run(name, home, False), _run(name, home, True)) for _ in range(SCRIPTS[name])]
            added, wall = ([watched[at] / plain[at] - 1 for plain, watched in pairs] for at in (2, 1))
            step_ms = statistics.median(1000 * plain[2] / plain[0] for plain, _ in pairs)
            goal = GOAL if step_ms >= SLOW_MS else GOAL_BELOW
            share = statistics.median(added)
            met = "met" if share <= goal else "NOT MET"
            rows.append(
                (name, f"{pairs[0][0][0]:.0f}", f"{step_ms:.1f}", _shares(added), f"{goal:.0%}: {met}", _shares(wall))
            )
    print_table(
        ("script", "steps", "CPU ms of a step", "added CPU time (spread)", "goal", "added wall time (spread)"), rows
    )


def _run(name: str, home: str, watched: bool) -> tuple[float, float, float]:
    """Return steps, seconds and CPU seconds of one run."""
    command = [sys.executable, str(FOLDER / name)]
    if watched:
        command = [sys.executable, str(ROOT / "__main__.py"), "watch", "--", *command]
    environment = {**os.environ, "SAGEHOUND_HOME": home, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    told = _TOLD.search(done.stdout)
    if done.returncode or told is None:
        raise SystemExit(f"{name} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    print(name, "watched" if watched else "plain", told[0], file=sys.stderr, flush=True)
    return float(told[1]), float(told[2]), float(told[3])


def _shares(values: list[float]) -> str:
    return f"{statistics.median(values):+.1%} ({min(values):+.1%} to {max(values):+.1%})"


if __name__ == "__main__":
    main()
