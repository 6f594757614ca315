"""Reads SageMaker's framework metrics: Chrome traces of steps and phases, and AWS's own verdicts beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.profiler.traces import Events
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from training_scripts.outside import UNUSABLE, parse_json, read_json
from training_scripts.regular_files import read_regular

_FILE = re.compile(r"(?:\d+_)?([^_]+)_")
_NO_ARGS: Mapping[str, Any] = {}
_KINDS = ("pythontimeline", "model_timeline", "horovod_timeline", "smdataparallel_timeline")


def framework_files(roots: Iterable[Path]) -> list[Path]:
    """Return the traces under `<root>/framework/`: closed ones, and what a killed job left unfinished."""
    found: set[Path] = set()
    for root in roots:
        found.update((root / "framework" / "pevents").rglob("*.json"))
        found.update((root / "framework").glob("*.json*.tmp"))
    return sorted((path for path in found if any(kind in path.name for kind in _KINDS)), key=lambda path: path.name)


def read_framework(
    files: list[Path], on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
) -> tuple[Events, list[str]]:
    """Return the events of every worker, and a sentence for each thing that could not be read."""
    table = _Table()
    unreadable: list[str] = []
    cut: list[str] = []
    for number, path in enumerate(files):
        if cancel is not None:
            cancel.raise_if_cancelled()
        if number % 20 == 0:
            on_progress(Progress(number, len(files), tr("Reading the step trace"), "files"))
        try:
            _, entries, whole = entries_of(read_regular(path).decode("utf-8", "replace"))
        except OSError as error:
            unreadable.append(f"{path.name} ({error.strerror or error})")
            continue
        if not whole:
            (cut if entries else unreadable).append(path.name)
        table.add(worker_of(path.name), entries)
    problems = []
    if unreadable:
        problems.append(
            tr("{count} files of the step trace could not be read, the first is {unreadable}.").format(
                count=len(unreadable), unreadable=unreadable[0]
            )
        )
    if cut:
        problems.append(
            tr("{count} files of the step trace end in the middle, the first is {cut}; the rest is used.").format(
                count=len(cut), cut=cut[0]
            )
        )
    return table.events(), problems


def read_aws_rules(folder: Path) -> tuple[Mapping[str, Mapping[str, Any]], list[str]]:
    """Return what AWS's ProfilerReport wrote into `profiler-reports/<Rule>.json`, and a sentence for what is broken."""
    rules: dict[str, Mapping[str, Any]] = {}
    problems = []
    for path in sorted(folder.rglob("profiler-reports/*.json")):
        try:
            content = read_json(path)
            if not isinstance(content, dict):
                raise ValueError("no JSON object")
        except (OSError, ValueError):
            problems.append(tr("AWS's verdict {name} could not be read.").format(name=path.name))
            continue
        rules[path.stem] = content
    return rules, problems


_DECODER = json.JSONDecoder()
_LONGEST_WORD = 16  # a number or a word that a part's end may cut


def worker_of(file_name: str) -> str:
    """Return algo-1-0 of "1795300020000000_0-algo-1_pythontimeline.json": node first, then rank or process."""
    match = _FILE.match(file_name)
    name = match[1] if match else file_name
    turned = re.fullmatch(r"(.*?)-(algo-\d+)", name)
    return f"{turned[2]}-{turned[1]}" if turned else name


def node_of(worker: str) -> str:
    """Return algo-1 of algo-1-0."""
    match = re.match(r"algo-\d+", worker)
    return match[0] if match else worker


def entries_of(text: str) -> tuple[Mapping[str, Any], list[Any], bool]:
    """Return what stands beside the entries of a Chrome trace, the entries, and whether it is whole.

    Of a cut one the entries before the cut are returned.
    """
    try:
        content = parse_json(text)
    except ValueError:
        return {}, _entries_before_the_cut(text), False
    beside: Mapping[str, Any] = {}
    if isinstance(content, dict):  # Chrome's other form
        beside, content = content, content.get("traceEvents", [])
    return (beside, content, True) if isinstance(content, list) else (beside, [], False)


def _entries_before_the_cut(text: str) -> list[Any]:
    """Yield every object that can be read, one by one; parts of a broken one have no "ph" and count for nothing.

    What is read in vain is bounded by the text's length: much only looks like a trace, and nearly every brace of it
    would have the rest read again.
    """
    entries: list[Any] = []
    at, in_vain = text.find("{"), 0
    while at >= 0 and in_vain <= 4 * len(text):
        entry, read = _object_at(text, at)
        if entry is None:
            in_vain += read
            at = text.find("{", at + 1)
        else:
            entries.append(entry)
            at = text.find("{", at + read)
    return entries


def _object_at(text: str, at: int) -> tuple[Any, int]:
    """Return the object that begins at a place and its length; None and how much was read where it cannot be read.

    It is looked for in a part of the text: to name an error's line, json counts lines from the beginning.
    """
    size = 4096
    while True:
        part = text[at : at + size]
        try:
            return _DECODER.raw_decode(part)
        except json.JSONDecodeError as error:
            cut = error.msg.startswith("Unterminated string") or error.pos >= len(part) - _LONGEST_WORD
            if at + size >= len(text) or not cut:
                return None, len(part)
        except (RecursionError, ValueError):  # nested without end, or a number of thousands of digits
            return None, len(part)
        size *= 16


class _Table:
    """Collects events of many files as columns."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._workers: dict[str, int] = {}
        self._starts: list[float] = []
        self._lasted: list[float] = []
        self._rows_of: list[int] = []
        self._workers_of: list[int] = []
        self._steps: list[int] = []
        self._pids: list[int] = []

    def add(self, worker: str, entries: list[Any]) -> None:
        """Take the complete events (X, and B with its E) of one file; entries of any other make are left out."""
        origin = 0.0
        names: dict[Any, str] = {}
        complete: list[tuple[Mapping[str, Any], float, float]] = []
        open_events: dict[tuple[Any, Any], list[Mapping[str, Any]]] = {}
        for entry in entries:
            try:
                phase = entry["ph"]
                if phase == "X":
                    complete.append((entry, entry["ts"], entry["dur"]))
                elif phase == "M" and entry["name"] == "process_name":
                    args = entry["args"]
                    origin = float(args.get("start_time_since_epoch_in_micros", origin))
                    if "name" in args:
                        names[entry["pid"]] = str(args["name"])
                elif phase == "B":
                    open_events.setdefault((entry["pid"], entry.get("tid")), []).append(entry)
                elif phase == "E" and (begun := open_events.get((entry["pid"], entry.get("tid")))):
                    first = begun.pop()
                    complete.append((first, first["ts"], entry["ts"] - first["ts"]))
            except UNUSABLE:
                continue
        number = self._workers.setdefault(worker, len(self._workers))
        for entry, began, lasted in complete:
            self._take(entry, began, lasted, origin, names, number)

    def _take(
        self,
        entry: Mapping[str, Any],
        began: float,
        lasted: float,
        origin: float,
        names: Mapping[Any, str],
        worker: int,
    ) -> None:
        try:
            row = names.get(entry["pid"]) or str(entry.get("name", ""))
            args = entry.get("args") or _NO_ARGS
            values = ((origin + began) / 1e6, lasted / 1e6, int(args.get("step_num", -1)), int(args.get("pid", -1)))
        except UNUSABLE:
            return
        self._starts.append(values[0])
        self._lasted.append(values[1])
        self._rows_of.append(self._rows.setdefault(row, len(self._rows)))
        self._workers_of.append(worker)
        self._steps.append(values[2])
        self._pids.append(values[3])

    def events(self) -> Events:
        """Return everything taken, in order of start."""
        start = np.array(self._starts, dtype=np.float64)
        order = np.argsort(start, kind="stable")
        end = start[order] + np.array(self._lasted, dtype=np.float64)[order]
        columns = (self._rows_of, self._workers_of, self._steps, self._pids)
        row, worker, step, pid = (np.array(column, dtype=np.int64)[order] for column in columns)
        return Events(tuple(self._rows), tuple(self._workers), start[order], end, row, worker, step, pid)
