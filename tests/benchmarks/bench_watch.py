"""What `sagehound watch` costs a script that it runs: three scripts of public style, hooks in and out in turn.

The goal: at most 2 % of its time where a step takes 20 ms and more, 5 % below. Two runs of the same script differ by
more than that, even on a quiet machine, so watched and plain steps alternate within one run, in short blocks
(watched_blocks.py); as many steps are watched as the table says, the first of them included, which are all looked at.
The longer a training is, the smaller the share. Time is the processor time of the script's own process; the wall time
stands beside it. "A plain step" is what the hooks add where nothing is looked at: the median over pairs of blocks.
`beside`: the processor time of the process of `sagehound watch`, which evaluates the rules at a lower priority on
another core, as a share of the script's.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from core.paths import ROOT
from tests.benchmarks.harness import print_table

FOLDER = Path(__file__).with_name("watched")
SCRIPTS = {"cnn.py": (240, 4), "resnet_workers.py": (200, 4), "trainer_loop.py": (6000, 25)}
"""The scripts, how many steps each runs, watched and plain together, and how many make a block."""
SLOW_MS, GOAL, GOAL_BELOW = 20.0, 0.02, 0.05

Block = tuple[int, float, float]
"""Batches, processor seconds and seconds."""


def main() -> None:
    """Run the scripts and print what watching added."""
    rows = []
    for name in sys.argv[1:] or list(SCRIPTS):
        blocks, beside = _run(name, *SCRIPTS[name])
        plain_ms = 1000 * _each(blocks["training plain"], 1)
        goal = GOAL if plain_ms >= SLOW_MS else GOAL_BELOW
        added, wall = (_added(blocks, at) for at in (1, 2))
        count = sum(item[0] for item in blocks["training watched"])
        met = "met" if added <= goal else "NOT MET"
        still = _per_step(blocks)
        rows.append(
            (
                name,
                f"{count}",
                f"{plain_ms:.1f}",
                f"{added:+.1%}",
                f"{goal:.0%}: {met}",
                f"{wall:+.1%}",
                f"{1000 * still:+.3f} ms ({1000 * still / plain_ms:+.1%})",
                f"{beside:.1%}",
            )
        )
    titles = (
        "script",
        "steps watched",
        "CPU ms of a step",
        "added CPU",
        "goal",
        "added wall",
        "a plain step",
        "beside",
    )
    print_table(titles, rows)


def _run(name: str, steps: int, block: int) -> tuple[dict[str, list[Block]], float]:
    """Return the blocks of one run, and the share of the process beside it."""
    script = [str(Path(__file__).with_name("watched_blocks.py")), str(FOLDER / name), str(block)]
    command = [sys.executable, str(ROOT / "__main__.py"), "watch", "--", sys.executable, *script]
    with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as home:
        environment = {**os.environ, "SAGEHOUND_HOME": home, "OMP_NUM_THREADS": "1"}
        before, began = _children(), time.perf_counter()
        done = subprocess.run(
            [*command, "--steps", str(steps)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        used, seconds = _children() - before, time.perf_counter() - began
    if done.returncode or not done.stdout.strip().startswith("steps="):
        raise SystemExit(f"{name} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    told = json.loads(done.stdout.splitlines()[-1])
    print(f"{name}: {seconds:.0f} s; {done.stderr.strip() or 'nothing found'}", file=sys.stderr, flush=True)
    return told["blocks"], (used - told["cpu"]) / told["cpu"]


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _each(blocks: list[Block], at: int) -> float:
    return sum(item[at] for item in blocks) / sum(item[0] for item in blocks)


def _added(blocks: dict[str, list[Block]], at: int) -> float:
    """Return the share that watching adds to the script's time, evaluations as often as they come."""
    plain = watched = 0.0
    for mode in ("training", "evaluation"):
        if f"{mode} watched" in blocks and f"{mode} plain" in blocks:
            count = sum(item[0] for item in blocks[f"{mode} watched"])
            plain += count * _each(blocks[f"{mode} plain"], at)
            watched += count * _each(blocks[f"{mode} watched"], at)
    return watched / plain - 1


def _per_step(blocks: dict[str, list[Block]]) -> float:
    """Return the processor seconds that the hooks add to a step in the middle pair of neighbouring blocks."""
    pairs = zip(blocks["training watched"], blocks["training plain"], strict=False)
    return statistics.median(on[1] / on[0] - off[1] / off[0] for on, off in pairs)


if __name__ == "__main__":
    main()
