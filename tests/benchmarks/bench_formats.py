"""Datasets written and read back, label for label, and 100,000 rows read beside a plain loop.

The loop reads the table with Python's own csv module and asks the disk for each picture.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
import time
from pathlib import Path

from core.formats.records import Listing, ReadOptions
from core.formats.registry import FORMATS, read_listing
from core.formats.walk import Walk
from core.formats.writing import write_dataset
from core.progress import CancelToken
from tests.benchmarks.bench_scan import generate
from tests.benchmarks.harness import paired, print_table

PICTURES, ROWS, CLASSES, LIMIT_S = 1_000, 100_000, 20, 5.0


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        _round_trips(home)
        _rows(home)


def _read(root: Path, format_: str = "") -> Listing:
    return read_listing(Walk(root, CancelToken()), ReadOptions(format=format_))


def _said(listing: Listing) -> dict[str, frozenset[str]]:
    """The labels by the name of the file, which the generator makes unique."""
    return {example.path.rpartition("/")[2]: example.labels for example in listing.examples}


def _round_trips(home: Path) -> None:
    generate(home / "in", PICTURES)
    before, rows = _read(home / "in"), []
    for found in FORMATS:
        if found.writer is None:
            continue
        out = home / found.name
        began = time.perf_counter()
        write_dataset(before, found, out)
        written = time.perf_counter()
        after = _read(out)
        read = time.perf_counter()
        exact = _said(after) == _said(before)
        verdict = "met" if exact and read - began <= LIMIT_S else "NOT MET"
        rows.append(
            (found.title, f"{written - began:.2f} s", f"{read - written:.2f} s", "yes" if exact else "NO", verdict)
        )
        shutil.rmtree(out)
    print(f"Round trip of {PICTURES:,} pictures, flushed to the disk; reach: label-exact in {LIMIT_S:g} s.\n")
    print_table(("format", "written in", "read in", "labels equal", "reach"), rows)


def _rows(home: Path) -> None:
    root = home / "many"
    picture = next((home / "in").rglob("*.jpg")).read_bytes()[:64]
    for at in range(ROWS):
        folder = root / "images" / f"{at // 1000}"
        if at % 1000 == 0:
            folder.mkdir(parents=True)
        (folder / f"{at:06d}.jpg").write_bytes(picture)
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [["image", "label"], *([f"{at // 1000}/{at:06d}.jpg", f"class {at % CLASSES}"] for at in range(ROWS))]
        )
    found: list[int] = []
    pair = paired(lambda: found.append(len(_read(root, "csv").examples)), lambda: found.append(_plain(root)), runs=3)
    assert set(found) == {ROWS}
    print(f"\nA table of {ROWS:,} rows and its pictures, found on the disk.\n")
    headers = ("this", "against", "this takes", "against takes", "times faster")
    print_table(headers, [("read_listing", "csv + isfile", str(pair.ours), str(pair.rival), pair.ratio)])


def _plain(root: Path) -> int:
    with (root / "labels.csv").open(encoding="utf-8", newline="") as file:
        return sum((root / "images" / row["image"]).is_file() for row in csv.DictReader(file))


if __name__ == "__main__":
    main()
