"""A search of 20, 200 and 1,000 heads x 10 epochs over the cached features of 2,000 pictures, rules and profiler on.

Beside it the plain torch loop of one head, as many times, divided among two cores.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.benchmarks.harness import print_figure, print_table
from tests.benchmarks.heads import PICTURES, plain_loop, tune
from tests.benchmarks.pictures import dataset

REACH = {20: 3.0, 200: None, 1000: 90.0}
"""Trials, and within how many seconds on two idle cores."""


def main() -> None:
    """Print the table."""
    sizes = [int(word) for word in os.environ.get("SAGEHOUND_BENCH_TRIALS", "").split()] or list(REACH)
    rows = []
    with dataset(PICTURES) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as home:
        tune(Path(home), pictures, 1)  # the features
        least = tune(Path(home), pictures, 1)
        for trials in sizes:
            before = plain_loop()
            cost = tune(Path(home), pictures, trials)
            after = plain_loop()
            wall, cpu = (before.wall + after.wall) / 2, (before.cpu + after.cpu) / 2
            further = (cost.cpu - least.cpu) / (trials - 1)
            reach = REACH.get(trials)
            met = "-" if reach is None else f"{reach:.0f} s: {'met' if cost.wall <= reach else 'NOT MET'}"
            rows.append(
                (
                    f"{trials:,}",
                    f"{cost.wall:.1f} s",
                    f"{wall * trials / 2:.1f} s",
                    f"{cost.wall / (wall * trials / 2):.2f}x",
                    f"{further:.3f} s, {further / cpu:.2f}x the plain loop's {cpu:.3f} s",
                    met,
                )
            )
            print_figure(f"heads_{trials}_seconds", cost.wall)
    print_table(
        ("heads", "search", "plain loops on two cores", "ratio", "processor time of a further head", "reach"), rows
    )


if __name__ == "__main__":
    main()
