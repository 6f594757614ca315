"""Reads SageMaker's system metrics: JSON lines, one file per node and minute.

Eight hours of eight nodes are some ten million lines, so a file is taken apart by one regular expression that knows
the order of the keys; a file it does not fit, line for line, is read by the JSON parser instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.profiler.traces import Floats, Metric, NodeSamples, Values
from core.progress import CancelToken, Progress, Report, ignore_progress

_FILE = re.compile(r"(\d{10})\.(algo-\d+)\.json$")
_LINE = re.compile(
    rb'\{"Type": ?("[^"]*", ?"Name": ?"[^"]*", ?"Dimension": ?"[^"]*"), ?"Value": ?([^,"]*), ?'
    rb'"NodeId": ?"[^"]*", ?"Timestamp": ?([^}"]*)\}'
)

SNAPSHOT_S = 0.02
"""Values this close in time are one sample of the machine (AWS's rules group by the same 20 ms)."""


@dataclass(slots=True)
class _Part:
    """One file: `values` (times, metrics)."""

    times: Floats
    metrics: list[Metric]
    values: Values
    bad_lines: int


def system_files(roots: Iterable[Path]) -> list[Path]:
    """The metric files under `<root>/system/`, oldest first."""
    found = {path for root in roots for path in (root / "system").rglob("*.json") if _FILE.search(path.name)}
    return sorted(found, key=lambda path: path.name)


def read_system(
    files: list[Path], report: Report = ignore_progress, cancel: CancelToken | None = None
) -> tuple[tuple[NodeSamples, ...], list[str]]:
    """The samples of every node, and a sentence for each thing that could not be read."""
    parts: dict[str, list[_Part]] = {}
    unreadable: list[str] = []
    damaged: list[tuple[str, int]] = []
    for number, path in enumerate(files):
        if cancel is not None:
            cancel.raise_if_cancelled()
        if number % 50 == 0:
            report(Progress(number, len(files), "Reading system metrics", "files"))
        match = _FILE.search(path.name)
        assert match is not None
        try:
            part = _read_file(path.read_bytes())
        except OSError as error:
            unreadable.append(f"{path.name} ({error.strerror or error})")
            continue
        if part.bad_lines:
            damaged.append((path.name, part.bad_lines))
        if len(part.times):
            parts.setdefault(match[2], []).append(part)
    nodes = tuple(_join(node, parts[node]) for node in sorted(parts, key=lambda name: int(name.rpartition("-")[2])))
    return nodes, _problems(unreadable, damaged)


def _problems(unreadable: list[str], damaged: list[tuple[str, int]]) -> list[str]:
    problems = []
    if unreadable:
        problems.append(f"{len(unreadable)} files of system metrics could not be opened, the first is {unreadable[0]}.")
    if damaged:
        lines = sum(count for _, count in damaged)
        problems.append(
            f"{lines} damaged {'line was' if lines == 1 else 'lines were'} left out of "
            f"{len(damaged)} {'file' if len(damaged) == 1 else 'files'} of metrics, the first is {damaged[0][0]}."
        )
    return problems


def _read_file(data: bytes) -> _Part:
    rows = _LINE.findall(data)
    lines = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    if len(rows) != lines:
        return _read_slowly(data)
    if not rows:
        return _Part(np.empty(0), [], np.empty((0, 0), np.float32), 0)
    keys, values, stamps = zip(*rows, strict=True)
    try:
        numbers = np.fromiter(map(float, values), np.float32, len(values))
        times = {stamp: index for index, stamp in enumerate(dict.fromkeys(stamps))}
        seconds = np.array([float(stamp) for stamp in times])
    except ValueError:
        return _read_slowly(data)
    series = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    grid = np.full((len(times), len(series)), np.nan, np.float32)
    grid[
        np.fromiter(map(times.__getitem__, stamps), np.intp, len(stamps)),
        np.fromiter(map(series.__getitem__, keys), np.intp, len(keys)),
    ] = numbers
    return _Part(seconds, [_metric(key) for key in series], grid, 0)


def _metric(key: bytes) -> Metric:
    """`"cpu","Name":"cpu0","Dimension":"CPUUtilization"`: what the expression took of a line."""
    fields = re.findall(rb'"([^"]*)"', key)
    return Metric(*(fields[index].decode("utf-8", "replace") for index in (0, 2, 4)))


def _read_slowly(data: bytes) -> _Part:
    """Any order of keys, any damage: what a line says is kept where it is one JSON object with these keys."""
    rows: list[tuple[float, Metric, float]] = []
    bad = 0
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        try:
            entry: dict[str, Any] = json.loads(line)
            metric = Metric(str(entry["Type"]), str(entry.get("Name") or ""), str(entry.get("Dimension") or ""))
            rows.append((float(entry["Timestamp"]), metric, float(entry["Value"])))
        except (ValueError, KeyError, TypeError, AttributeError):
            bad += 1
    times = {stamp: index for index, stamp in enumerate(dict.fromkeys(stamp for stamp, _, _ in rows))}
    series = {metric: index for index, metric in enumerate(dict.fromkeys(metric for _, metric, _ in rows))}
    grid = np.full((len(times), len(series)), np.nan, np.float32)
    for stamp, metric, value in rows:
        grid[times[stamp], series[metric]] = value
    return _Part(np.array(list(times), dtype=np.float64), list(series), grid, bad)


def _join(node: str, parts: list[_Part]) -> NodeSamples:
    metrics = list(dict.fromkeys(metric for part in parts for metric in part.metrics))
    place = {metric: index for index, metric in enumerate(metrics)}
    times = np.concatenate([part.times for part in parts])
    values = np.full((len(times), len(metrics)), np.nan, np.float32)
    row = 0
    for part in parts:
        values[row : row + len(part.times), [place[metric] for metric in part.metrics]] = part.values
        row += len(part.times)
    order = np.argsort(times, kind="stable")
    return NodeSamples(node, *_snapshots(times[order], values[order], tuple(metrics)))


def _snapshots(times: Floats, values: Values, metrics: tuple[Metric, ...]) -> tuple[Floats, tuple[Metric, ...], Values]:
    """Join rows that are less than `SNAPSHOT_S` apart; where both have a value the later one counts."""
    first = np.concatenate(([True], np.diff(times) > SNAPSHOT_S))
    if first.all():
        return times, metrics, values
    group = np.cumsum(first) - 1
    joined = np.full((int(group[-1]) + 1, values.shape[1]), np.nan, np.float32)
    row, column = np.nonzero(~np.isnan(values))
    joined[group[row], column] = values[row, column]
    return times[first], metrics, joined
