"""100,000 and 1,000,000 pictures with made-up features: store, channel, a head by blocks, nearest ones and the window.

Each step is a process of its own; its peak memory counts what it has read of mapped files too. SAGEHOUND_BENCH_PICTURES
names other sizes. The nearest ones are looked for among 100,000 at most: their matrix is in memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from core.paths import ROOT
from tests.benchmarks.harness import print_table
from tests.benchmarks.million import DIM, MEMORY_MB

SIZES = tuple(map(int, os.environ.get("SAGEHOUND_BENCH_PICTURES", "100000,1000000").split(",")))
STEPS = {
    "fill_store": ("store filled, flushed to the disk", 1_000_000),
    "write_channel": ("store opened and checked, channel written", 1_000_000),
    "read_channel": ("channel read, each row checked", 1_000_000),
    "train_head": (f"a head, one epoch and its evaluation, {MEMORY_MB} MB of features at once", 1_000_000),
    "look_alike": ("ten nearest of each train picture", 100_000),
    "show_window": ("gallery, filters and grid of the Data tab, scrolled across", 1_000_000),
}
_MOST_S = 1500


def main() -> None:
    """Print the table."""
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="sagehound-bench-") as place:
            for step, (title, most) in STEPS.items():
                if size <= most:
                    seconds, peak, said = _measure(step, place, size)
                    print(f"{size:,} {step}: {seconds:.1f} s, {peak / 1e6:,.0f} MB", file=sys.stderr, flush=True)
                    rows.append((f"{size:,}", title, f"{seconds:.1f} s", f"{peak / 1e6:,.0f} MB", said))
    print(f"{DIM:,} features a picture: 5.1 GB for a million. Seconds include the start of Python and its imports.\n")
    print_table(("pictures", "step", "time", "peak memory", "of it"), rows)


def _measure(step: str, place: str, pictures: int) -> tuple[float, float, str]:
    """Return seconds, peak bytes, and what the step said of itself."""
    script = f"from tests.benchmarks.million import measure; measure({step!r}, {place!r}, {pictures})"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=_MOST_S, check=False
    )
    if done.returncode:
        raise SystemExit(f"{step} with {pictures} failed:\n{done.stdout[-500:]}{done.stderr[-2000:]}")
    seconds, peak = done.stdout.rpartition("MEASURED ")[2].split()
    of_it = ("trained in", "gallery", "one class", "shown", "longest")
    own = [line for line in done.stderr.splitlines() if line.startswith(of_it)]
    return float(seconds), float(peak), "; ".join(own)


if __name__ == "__main__":
    main()
