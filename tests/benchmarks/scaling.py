"""docs/SCALING.md: what a search over very many pictures takes and costs on SageMaker, computed from measured figures.

The figures stand in docs/BENCHMARKS.md, hidden, as `<!-- name = value -->`; the prices in resources/prices.json.
`python -m tests.benchmarks` writes the page again; so does `python -m tests.benchmarks.scaling` alone.
"""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from core.engines.sagemaker.cost.cloud_forecast import (
    BILLED_START_S,
    LEAST_FEATURES_S,
    MOST_MACHINES,
    READY_S,
    worthwhile_machines,
)
from core.engines.sagemaker.jobs.many_machines import volume_for_features
from core.paths import ROOT

PAGE = ROOT / "docs" / "SCALING.md"
TEXT = Path(__file__).with_name("scaling.md")
SIZES = (10_000, 1_000_000, 100_000_000)
TRIALS, EPOCHS = 20, 10
PICTURE_BYTES, DIM = 100_000, 1280
EXTRACTION, TRIAL = ("ml.c5.2xlarge", 8), ("ml.c5.xlarge", 4)  # the type, its vCPUs
PARALLEL = {10_000: 4, 1_000_000: 10, 100_000_000: 10}
PUT_USD, GET_USD, STORED_USD = 0.005 / 1000, 0.0004 / 1000, 0.023  # S3 Standard, us-east-1; stored per GB and month
DOWNLOAD_BYTES = 200e6  # per second and machine, from S3 to its disk; an assumption
NEEDED = ("features_per_core", "notebook_per_core", "head_per_core")


@dataclass(frozen=True, slots=True)
class Way:
    """Hours from start to end, machine-hours, and dollars."""

    hours: float
    machine_hours: float
    usd: float

    def __add__(self, other: Way) -> Way:
        return Way(self.hours + other.hours, self.machine_hours + other.machine_hours, self.usd + other.usd)

    def __str__(self) -> str:
        machine = f"{self.machine_hours:,.0f}" if self.machine_hours >= 100 else f"{self.machine_hours:.3g}"
        return f"{_time(self.hours)}, {machine} machine-hours, ${self.usd:,.2f}"


def write(report: Path, page: Path = PAGE) -> None:
    """Write the page from the figures of the report; without them the page stays as it is, and that is said."""
    figures = read_figures(report.read_text(encoding="utf-8")) if report.exists() else {}
    missing = [name for name in NEEDED if name not in figures]
    if missing:
        print(f"SCALING.md stays as it is: {', '.join(missing)} not measured yet.", file=sys.stderr)
        return
    page.write_text(_page(figures), encoding="utf-8", newline="\n")


def read_figures(text: str) -> dict[str, float]:
    """The hidden figures of a report."""
    return {name: float(value) for name, value in re.findall(r"<!-- (\S+) = (\S+) -->", text)}


def jobs(count: int, parallel: int, seconds: float, usd_per_hour: float) -> Way:
    """`count` jobs of so many seconds each, `parallel` at a time, one machine each, with the start of each machine."""
    rounds = math.ceil(count / parallel)
    machine_hours = count * (BILLED_START_S + seconds) / 3600
    return Way(rounds * (READY_S + seconds) / 3600, machine_hours, machine_hours * usd_per_hour)


def _page(figures: dict[str, float]) -> str:
    prices = json.loads((ROOT / "resources" / "prices.json").read_text(encoding="utf-8"))
    hourly = {kind: prices["training_usd_per_hour"][kind]["usd"] for kind in (EXTRACTION[0], TRIAL[0])}
    feature, notebook, head = (figures[name] for name in NEEDED)
    once, each, rows, parts, data, many = {}, {}, [], [], [], []
    for size in SIZES:
        parallel = PARALLEL[size]
        computing = size / (feature * EXTRACTION[1])
        machines = worthwhile_machines(computing)
        # One machine copies the pictures first; several read them as they are asked for, which does not wait.
        copying = size * PICTURE_BYTES / DOWNLOAD_BYTES
        extraction = jobs(machines, machines, computing / machines + copying * (machines == 1), hourly[EXTRACTION[0]])
        alone = jobs(1, 1, computing + copying, hourly[EXTRACTION[0]])
        many.append(f"| {size:,} | {alone} | {machines} | {extraction} | {volume_for_features(size, DIM):,} GB |")
        fetched = size * DIM * 4 / DOWNLOAD_BYTES
        trials = jobs(TRIALS, parallel, EPOCHS * size / head + fetched, hourly[TRIAL[0]])
        pictures = size * PICTURE_BYTES / DOWNLOAD_BYTES
        plain = EPOCHS * size / (notebook * EXTRACTION[1]) + pictures
        each[size] = jobs(TRIALS, parallel, plain, hourly[EXTRACTION[0]])
        once[size] = extraction + trials
        rows.append(f"| {size:,} | {once[size]} | {each[size]} | {each[size].usd / once[size].usd:,.0f}x |")
        parts.append(f"| {size:,} | {machines} x {EXTRACTION[0]} | {extraction} | {TRIALS} x {TRIAL[0]} | {trials} |")
        stored, sent = size * (PICTURE_BYTES + DIM * 4) / 1e9, size * PUT_USD
        data.append(
            f"| {size:,} | {_bytes(size * PICTURE_BYTES)} | {_bytes(size * DIM * 4)} | ${sent:,.2f} | "
            f"${size * GET_USD:,.2f} | ${size * GET_USD * TRIALS:,.2f} | ${stored * STORED_USD:,.2f} |"
        )
    page = TEXT.read_text(encoding="utf-8")
    words = {
        "feature": f"{feature:.0f}",
        "notebook": f"{notebook:.0f}",
        "head": f"{head:,.0f}",
        "dated": prices["dated"],
        "usd_extraction": f"${hourly[EXTRACTION[0]]}",
        "usd_trial": f"${hourly[TRIAL[0]]}",
        "summary": "\n".join(rows),
        "parts": "\n".join(parts),
        "data": "\n".join(data),
        "many": "\n".join(many),
        "least": f"{LEAST_FEATURES_S / 60:.0f}",
        "most": str(MOST_MACHINES),
        "reading": _time(1e8 * DIM * 4 / DOWNLOAD_BYTES / 3600),
        "one_epoch": _time(1e8 / head / 3600),
        "ready": f"{READY_S:.0f}",
        "billed": f"{BILLED_START_S:.0f}",
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: words[found[1]], page)


def _time(hours: float) -> str:
    if hours < 1.5:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h" if hours < 72 else f"{hours / 24:,.0f} days"


def _bytes(count: float) -> str:
    return f"{count / 1e9:,.3g} GB" if count < 1e12 else f"{count / 1e12:,.3g} TB"


if __name__ == "__main__":
    write(ROOT / "docs" / "BENCHMARKS.md")
