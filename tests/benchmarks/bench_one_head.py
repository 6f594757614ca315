"""`sagehound train` of one head over cached features, from the shell, beside a script with a plain torch loop."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from core.paths import ROOT
from tests.benchmarks.harness import Pair, Sample, print_table
from tests.benchmarks.heads import PICTURES, Cost, cost_of, train
from tests.benchmarks.pictures import dataset

RUNS, REACH_S = 5, 2.0


def main() -> None:
    """Print the table."""
    with dataset(PICTURES) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as home:
        train(Path(home), pictures)  # the features
        pairs = [(train(Path(home), pictures), _script()) for _ in range(RUNS)]
    ours, plain = ([pair[at] for pair in pairs] for at in (0, 1))
    pair = Pair(Sample(tuple(cost.wall for cost in ours)), Sample(tuple(cost.wall for cost in plain)))
    verdict = f"{REACH_S:.0f} s: {'met' if pair.ours.median <= REACH_S else 'NOT MET'}"
    cpu = " and ".join(f"{Sample(tuple(cost.cpu for cost in costs))}" for costs in (ours, plain))
    print_table(
        ("train, features cached", "a script with a plain loop", "times as long", "processor time of both", "reach"),
        [(pair.ours, pair.rival, f"{pair.ours.median / pair.rival.median:.2f}x", cpu, verdict)],
    )


def _script() -> Cost:
    return cost_of([sys.executable, "-c", "from tests.benchmarks.heads import plain_loop; plain_loop(1)"], _PATH)


_PATH = {"PYTHONPATH": str(ROOT)}

if __name__ == "__main__":
    main()
