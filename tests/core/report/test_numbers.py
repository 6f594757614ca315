"""The report's numbers against the raw files, computed here another way."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.profiler.wording import seconds
from core.report import Run, export
from core.report.document import quantity


class _Tables(HTMLParser):
    """The rows of all tables of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        self._cell = tag in ("td", "th")
        if self._cell:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._cell = False


@pytest.fixture
def profile(writer: Any) -> Path:
    writer.system("algo-1", duration=90, cores=3, gpus=1)
    writer.system("algo-2", duration=60, cores=3, gpus=1)
    writer.trace("0-algo-1", steps=300, slow={100: 30.0})
    writer.trace("1-algo-2", steps=200)
    root: Path = writer.root
    return root


@pytest.fixture
def rows(profile: Path, tmp_path: Path) -> list[list[str]]:
    return _Tables(export(Run(profile), tmp_path / "report.html").read_text(encoding="utf-8")).rows


def _samples(profile: Path, node: str, kind: str, dimension: str) -> list[float]:
    """The mean over the columns of one kind, sample by sample."""
    found: dict[float, list[float]] = defaultdict(list)
    for path in (profile / "system").rglob(f"*.{node}.json"):
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if (entry["Type"], entry["Dimension"]) == (kind, dimension):
                found[entry["Timestamp"]].append(entry["Value"])
    return [statistics.fmean(found[when]) for when in sorted(found)]


def _events(profile: Path, worker: str) -> list[tuple[str, float]]:
    (path,) = (profile / "framework").rglob(f"*_{worker}_*.json")
    entries = json.loads(path.read_text(encoding="utf-8"))
    names = {entry["pid"]: entry["args"].get("name") for entry in entries if entry["ph"] == "M"}
    return [(names[entry["pid"]], entry["dur"] / 1e6) for entry in entries if entry["ph"] == "X"]


@pytest.mark.parametrize(
    ("resource", "kind", "dimension"),
    [("CPU", "cpu", "CPUUtilization"), ("Memory", "memory", ""), ("GPU", "gpu", "GPUUtilization")],
)
def test_system_usage(profile: Path, rows: list[list[str]], resource: str, kind: str, dimension: str) -> None:
    for node in ("algo-1", "algo-2"):
        values = _samples(profile, node, kind, dimension)
        told = next(row[2:] for row in rows if row[:2] == [node, resource])
        wanted = [max(values), *(float(np.percentile(values, q)) for q in (99, 95, 50)), min(values)]
        assert told == [quantity(value, "%") for value in wanted]


def test_operators_and_their_times(profile: Path, rows: list[list[str]]) -> None:
    every = _events(profile, "0-algo-1") + _events(profile, "1-algo-2")
    for name in ("Forward", "Step:ModeKeys.TRAIN", "DataLoaderIter"):
        lasted = [spent for row, spent in every if row == name]
        told = next(row[1:] for row in rows if row[0] == name and len(row) == 4)
        assert told == [f"{len(lasted):,}", seconds(sum(lasted)), seconds(statistics.fmean(lasted))]


def test_steps_loads_and_shares_in_the_numbers(profile: Path, tmp_path: Path) -> None:
    told = json.loads(export(Run(profile), tmp_path / "n.json").read_text(encoding="utf-8"))["runs"][0]["analysis"]
    both = [_events(profile, worker) for worker in ("0-algo-1", "1-algo-2")]
    steps = [spent for events in both for row, spent in events if row.startswith("Step:")]
    (mode,) = told["steps"]
    assert mode["count"] == len(steps)
    for name, q in (("p50", 50), ("p95", 95), ("max", 100)):
        assert mode[name] == pytest.approx(float(np.percentile(steps, q)), abs=1e-6)
    assert sum(mode["histogram"][1]) == len(steps)
    loads = [spent for events in both for row, spent in events if row == "DataLoaderIter"]
    assert (told["loads"]["count"], told["loads"]["total"]) == (len(loads), pytest.approx(sum(loads), abs=1e-4))
    assert sum(told["loads"]["counts"]) == len(loads)
    for phase, row in (("forward", "Forward"), ("optimizer", "Optimizer")):
        spent = sum(value for events in both for name, value in events if name == row) / 2
        assert told["shares"][phase] == pytest.approx(spent, abs=1e-4), "a worker's mean"


def test_boxes_are_quantiles_of_the_samples_in_the_loop(profile: Path, tmp_path: Path) -> None:
    told = json.loads(export(Run(profile), tmp_path / "n.json").read_text(encoding="utf-8"))["runs"][0]["analysis"]
    begin, end = told["times"]["loop_start"], told["times"]["loop_end"]
    inside: list[float] = []
    for path in (profile / "system").rglob("*.json"):
        found: dict[float, list[float]] = defaultdict(list)
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            if entry["Dimension"] == "CPUUtilization" and begin <= entry["Timestamp"] <= end:
                found[entry["Timestamp"]].append(entry["Value"])
        inside += [statistics.fmean(values) for values in found.values()]
    box = dict(told["filling"])["CPU"]
    assert box == pytest.approx([float(np.percentile(inside, q)) for q in (5, 25, 50, 75, 95)], abs=0.01)
