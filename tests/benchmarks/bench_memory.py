"""Memory of a search, all its processes together, over 200 and over 2,000 pictures: 6 trials of a head on Lite0.

Proportional memory (PSS: shared pages count once), looked at twenty times a second: of all processes together, and
what one trial alone has to itself (USS), which the feature matrix is no part of, being memory-mapped.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.benchmarks.growth_search import watch_search
from tests.benchmarks.harness import print_table
from tests.benchmarks.pictures import dataset

SIZES = (200, 2000)
LOOK_S, DIM = 0.05, 1280


def main() -> None:
    """Print the table."""
    if not sys.platform.startswith("linux"):
        print("Proportional memory is only known on Linux.\n")
        return
    rows = []
    for size in SIZES:
        with dataset(size) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as home:
            cold, cached = (watch_search(Path(home), pictures, LOOK_S) for _ in range(2))
        peaks = (cold.peak_bytes, cached.peak_bytes, cached.trial_bytes, size * DIM * 4)
        rows.append((f"{size:,}", *(f"{value / 1e6:.0f} MB" for value in peaks)))
    print_table(
        ("pictures", "peak with features computed", "peak with features cached", "one trial's own", "feature matrix"),
        rows,
    )


if __name__ == "__main__":
    main()
