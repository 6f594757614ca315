"""Reads SageMaker's system metrics: JSON lines, one file per node and minute.

Eight hours of eight nodes are some ten million lines. A file mostly repeats one sample, the same series in the same
order with other numbers: an expression made from its first sample takes it apart. A file that does not, because a
series comes and goes, is read line by line by an expression that knows the order of the keys; one that does not fit
that either, by the JSON parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from core.profiler.traces import Floats, Metric, NodeSamples, Values
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import plural, tr
from training_scripts.outside import UNUSABLE, parse_json
from training_scripts.regular_files import read_regular

_FILE = re.compile(r"(\d{10})\.(algo-\d+)\.json$")
_LINE = re.compile(
    rb'(\{"Type": ?"[^"]*", ?"Name": ?"[^"]*", ?"Dimension": ?"[^"]*", ?"Value": ?)([^,"]*)'
    rb'(, ?"NodeId": ?"[^"]*", ?"Timestamp": ?)([^}"]*)\}'
)
_NUMBER, _STAMP, _SAME_STAMP = rb'([^,"]*)', rb'(?P<stamp>[^}"]*)', rb"(?P=stamp)"

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
    """Return the metric files under `<root>/system/`, oldest first."""
    found = {path for root in roots for path in (root / "system").rglob("*.json") if _FILE.search(path.name)}
    return sorted(found, key=lambda path: path.name)


def read_system(
    files: list[Path], on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
) -> tuple[tuple[NodeSamples, ...], list[str]]:
    """Return the samples of every node, and a sentence for each thing that could not be read."""
    parts: dict[str, list[_Part]] = {}
    unreadable: list[str] = []
    damaged: list[tuple[str, int]] = []
    for number, path in enumerate(files):
        if cancel is not None:
            cancel.raise_if_cancelled()
        if number % 50 == 0:
            on_progress(Progress(number, len(files), tr("Reading system metrics"), "files"))
        match = _FILE.search(path.name)
        assert match is not None
        try:
            part = _read_file(read_regular(path))
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
        problems.append(
            tr("{count} files of system metrics could not be opened, the first is {unreadable}.").format(
                count=len(unreadable), unreadable=unreadable[0]
            )
        )
    if damaged:
        problems.append(
            plural(
                "{count} damaged line was left out of the files of metrics, the first in {first}.",
                "{count} damaged lines were left out of the files of metrics, the first in {first}.",
                sum(count for _, count in damaged),
                first=damaged[0][0],
            )
        )
    return problems


def _read_file(data: bytes) -> _Part:
    lines = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    try:
        return _read_samples(data, lines) or _read_lines(data, lines) or _read_slowly(data)
    except ValueError:  # a number that is none
        return _read_slowly(data)


def _read_samples(data: bytes, lines: int) -> _Part | None:
    """Return a file of equal samples; None if it is not one."""
    parts: list[tuple[bytes, bytes]] = []
    line = _LINE.match(data)
    stamp = line[4] if line else b""
    while line is not None and line[4] == stamp:
        parts.append((line[1], line[3]))
        line = _LINE.match(data, line.end() + 1)
    if not parts or lines % len(parts):
        return None
    rows = _sample(tuple(parts)).findall(data if data.endswith(b"\n") else data + b"\n")
    if len(rows) * len(parts) != lines:
        return None
    numbers = np.fromiter(map(float, chain.from_iterable(rows)), np.float64, len(rows) * (len(parts) + 1))
    table = numbers.reshape(len(rows), len(parts) + 1)
    values = np.delete(table, 1, axis=1).astype(np.float32)  # the second group is the time
    return _Part(table[:, 1].copy(), [_metric(head) for head, _ in parts], values, 0)


@lru_cache(maxsize=64)
def _sample(parts: tuple[tuple[bytes, bytes], ...]) -> re.Pattern[bytes]:
    """Return the expression of one sample: the number of its first line, its time, the numbers of its other lines."""
    return re.compile(
        b"".join(
            re.escape(head) + _NUMBER + re.escape(tail) + (_SAME_STAMP if index else _STAMP) + rb"\}\n"
            for index, (head, tail) in enumerate(parts)
        )
    )


def _read_lines(data: bytes, lines: int) -> _Part | None:
    """Return a file of lines with their keys in the usual order; None if it is not one."""
    rows = _LINE.findall(data)
    if len(rows) != lines or not rows:
        return None
    keys, values, _, stamps = zip(*rows, strict=True)
    times = {stamp: index for index, stamp in enumerate(dict.fromkeys(stamps))}
    series = {key: index for index, key in enumerate(dict.fromkeys(keys))}
    grid = np.full((len(times), len(series)), np.nan, np.float32)
    row = np.fromiter(map(times.__getitem__, stamps), np.intp, len(stamps))
    column = np.fromiter(map(series.__getitem__, keys), np.intp, len(keys))
    grid[row, column] = np.fromiter(map(float, values), np.float32, len(values))
    return _Part(np.array([float(stamp) for stamp in times]), [_metric(key) for key in series], grid, 0)


def _metric(head: bytes) -> Metric:
    """Return the value of `{"Type":"cpu","Name":"cpu0","Dimension":"CPUUtilization","Value":`."""
    fields = re.findall(rb'"([^"]*)"', head)
    return Metric(*(fields[index].decode("utf-8", "replace") for index in (1, 3, 5)))


def _read_slowly(data: bytes) -> _Part:
    """Read a line with any order of keys and any damage: kept where it is one JSON object with these keys."""
    rows: list[tuple[float, Metric, float]] = []
    bad = 0
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        try:
            entry: dict[str, Any] = parse_json(line)
            metric = Metric(str(entry["Type"]), str(entry.get("Name") or ""), str(entry.get("Dimension") or ""))
            rows.append((float(entry["Timestamp"]), metric, float(entry["Value"])))
        except UNUSABLE:
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
