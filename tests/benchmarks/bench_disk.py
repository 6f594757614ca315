"""What a further trial of a search over frozen features takes of the disk, beside the weights of its head alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.benchmarks.harness import print_figure, print_table
from tests.benchmarks.heads import CLASSES, DIM, PICTURES, tune
from tests.benchmarks.pictures import dataset

FEW, MANY, REACH = 4, 24, 1e6


def main() -> None:
    """Print the table."""
    with dataset(PICTURES) as pictures, tempfile.TemporaryDirectory(prefix="sagehound-bench-") as name:
        home = Path(name)
        tune(home, pictures, 1)
        sizes = []
        for trials in (FEW, MANY):
            before = _on_disk(home)
            tune(home, pictures, trials)
            sizes.append(_on_disk(home) - before)
    further = (sizes[1] - sizes[0]) / (MANY - FEW)
    head = 4 * (DIM + 1) * CLASSES
    print_figure("disk_per_trial", further)
    print_table(
        ("a search of 4", "a search of 24", "a further trial", "weights of its head", "reach"),
        [
            (
                *(f"{size / 1e6:.1f} MB" for size in sizes),
                f"{further / 1e6:.2f} MB",
                f"{head / 1e6:.3f} MB",
                f"1 MB: {'met' if further <= REACH else 'NOT MET'}",
            )
        ],
    )


def _on_disk(folder: Path) -> float:
    """Bytes of the blocks that a folder's files take; a file with several names counts once."""
    seen = {}
    for place, _, files in os.walk(folder):
        for file in files:
            found = os.lstat(os.path.join(place, file))
            seen[found.st_ino] = found.st_blocks * 512
    return float(sum(seen.values()))


if __name__ == "__main__":
    main()
