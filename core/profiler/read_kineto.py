"""Reads what torch.profiler recorded: Chrome traces of Kineto, one file per worker and window.

The steps are those of `profiler.step()`. What the training thread did in them is read off its outermost events: waiting
for the DataLoader, the optimizer, autograd's functions (backward, also from their own thread), and all other operators,
which are the forward pass. `kineto_tables` has the rest.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import UserFacingError
from core.jobs.folder_search import folders_below
from core.profiler.activity import (
    Activity,
    DeviceUse,
    Intervals,
    MemoryUse,
    OperatorRow,
    device_use,
    memory_use,
    merge,
)
from core.profiler.kineto_tables import STEP, OnDevice, Timed, copies, external_id, finite, kernels, operators
from core.profiler.read_framework import entries_of
from core.profiler.traces import TRACE_SUFFIXES, Events
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr
from training_scripts.outside import parse_json
from training_scripts.regular_files import open_regular

_MOST_BYTES = 2_000_000_000
_ROWS = {
    "step": "Step:ModeKeys.TRAIN",
    "data_loading": "DataLoaderIter",
    "forward": "Forward",
    "backward": "Backward(post-forward)",
    "optimizer": "Optimizer",
    "evaluation": "Evaluation",
}
_LOADER, _OPTIMIZER, _BACKWARD = "enumerate(DataLoader)#", "Optimizer.", "autograd::engine::evaluate_function"
PHASE_CATEGORY = "phase"
"""What a trace of ours has for the phases themselves, by the names of `traces.PHASES`."""
_COMMUNICATION = ("nccl", "rccl")
_ON_DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")
_CPU, _GPU = 0, 1
_OLDEST = 1e9
"""Seconds: a time before 2001 was not read off a clock but counted from the machine's start."""


def is_kineto(path: Path) -> bool:
    """Whether a file is named as torch.profiler names its traces."""
    return path.name.lower().endswith(TRACE_SUFFIXES)


def kineto_files(top: Path) -> list[Path]:
    """Return the traces in the nearest folder, at or below `top`, that has any; or `top`, if it is one itself."""
    if top.is_file():
        return [top]
    for folder in folders_below(top):
        try:
            found = sorted(path for path in folder.iterdir() if is_kineto(path) and path.is_file())
        except OSError:
            continue
        if found:
            return found
    return []


def read_kineto(
    files: Sequence[Path], on_progress: OnProgress = ignore_progress, cancel: CancelToken | None = None
) -> tuple[Events, Activity, list[str]]:
    """Return the events of every worker, the rest of what was traced, and a sentence for each problem.

    Raises:
        UserFacingError: a trace is too large, or none is one of torch.profiler's.
        Cancelled: through `cancel`.
    """
    traces: list[_Trace] = []
    problems: list[str] = []
    for number, path in enumerate(files):
        if cancel is not None:
            cancel.raise_if_cancelled()
        on_progress(Progress(number, len(files), tr("Reading torch.profiler's traces"), "files"))
        try:
            text = _text(path)
        except (OSError, EOFError, zlib.error) as error:
            problems.append(tr("{name} could not be read: {error}.").format(name=path.name, error=error))
            continue
        trace, fault = _trace(text, path)
        if fault:
            problems.append(fault)
        if trace.spans:
            traces.append(trace)
    if not traces:
        why = problems[0] if problems else tr("No event in it is one of torch.profiler's.")
        raise UserFacingError(
            tr("There is no trace to read in {name}.").format(name=files[0].name), why, tr("Record it again.")
        )
    if all(trace.zero < _OLDEST for trace in traces):
        problems.append(tr("The trace does not say when it was recorded."))
    first = min(trace.zero for trace in traces)
    return _events(traces), merge([trace.activity(trace.zero - first) for trace in traces]), problems


@dataclass(slots=True)
class _Trace:
    """One file. `spans` maps a kind of `_ROWS` to (start, end, number) of the training thread's parts.

    Times are seconds since `zero`, its first event: kernels take microseconds, which Unix seconds would round.
    """

    worker: str
    zero: float
    devices: Mapping[int, str]
    spans: dict[str, list[tuple[float, float, int]]] = field(default_factory=dict)
    operators: tuple[OperatorRow, ...] = ()
    on_device: dict[int, list[OnDevice]] = field(default_factory=dict)
    memory: dict[tuple[int, int], list[tuple[float, float]]] = field(default_factory=dict)

    def activity(self, later: float) -> Activity:
        """Return what it says beyond steps and phases, for a file that begins `later` than the first."""
        gpu = [event for events in self.on_device.values() for event in events]
        tables = self.operators, tuple(kernels(gpu)), tuple(copies(gpu))
        return Activity(
            *tables,
            tuple(replace(device, **_shifted(device, later)) for device in self._devices()),
            tuple(replace(memory, times=memory.times + later) for memory in self._memory()),
        )

    def intervals(self, kind: str) -> Intervals:
        """Return the spans of one kind."""
        spans = self.spans.get(kind, ())
        return np.array([span[0] for span in spans]), np.array([span[1] for span in spans])

    def _devices(self) -> tuple[DeviceUse, ...]:
        found = []
        phases = {kind: self.intervals(kind) for kind in _ROWS if kind != "step" and kind in self.spans}
        for number, events in sorted(self.on_device.items()):
            working = _side(events, communicates=False)
            talking = _side(events, communicates=True)
            name = f"{self.worker} gpu{number}" if self.worker else f"gpu{number}"
            found.append(device_use(name, self.devices.get(number, ""), working, talking, self._window(), phases))
        return tuple(found)

    def _window(self) -> tuple[float, float]:
        every = self.spans.get("step") or [span for spans in self.spans.values() for span in spans]
        return min(span[0] for span in every), max(span[1] for span in every)

    def _memory(self) -> tuple[MemoryUse, ...]:
        found = []
        for (kind, number), points in sorted(self.memory.items()):
            points.sort()
            name = "CPU" if kind == _CPU else f"gpu{number}"
            label = f"{self.worker} {name}".strip()
            times, values = (np.array(column, dtype=np.float64) for column in zip(*points, strict=True))
            found.append(memory_use(label, times, values, self.intervals("step")))
        return tuple(found)


def _shifted(device: DeviceUse, later: float) -> dict[str, Any]:
    longest = tuple((start + later, length, phase) for start, length, phase in device.gaps)
    return {"gaps": longest, "track": (device.track[0] + later, device.track[1])}


def _side(events: Sequence[OnDevice], *, communicates: bool) -> Intervals:
    """Return when a device computed and copied, or spoke with the others."""
    chosen = [
        (start, end)
        for start, end, _, name, _ in events
        if any(part in name.lower() for part in _COMMUNICATION) is communicates
    ]
    table = np.array(chosen, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _text(path: Path) -> str:
    with open_regular(path) as raw, gzip.GzipFile(fileobj=raw) if path.suffix.lower() == ".gz" else raw as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise UserFacingError(
            tr("{name} is too large.").format(name=path.name),
            tr("It holds more than {most_bytes:.0f} GB.").format(most_bytes=_MOST_BYTES / 1000000000.0),
            tr("Record fewer steps."),
        )
    return data.decode("utf-8", "replace")


def _trace(text: str, path: Path) -> tuple[_Trace, str]:
    """Return what a trace holds, and a sentence on what is wrong with it, "" where nothing is."""
    content, entries, whole = entries_of(text)
    base = finite(content.get("baseTimeNanoseconds")) / 1e9
    first = _first(entries)
    timed = list(_timed(entries, first))
    distributed = content.get("distributedInfo")
    rank = distributed.get("rank") if isinstance(distributed, Mapping) else None
    properties = content.get("deviceProperties")
    devices = {
        int(device["id"]): str(device.get("name", ""))
        for device in (properties if isinstance(properties, list) else ())
        if isinstance(device, Mapping) and isinstance(device.get("id"), int)
    }
    worker = f"rank {rank}" if rank is not None else path.name.partition(".")[0]
    trace = _Trace(worker, base + first / 1e6, devices)
    _take(trace, timed)
    return trace, "" if whole else _fault(text, entries).format(name=path.name)


def _fault(text: str, entries: Sequence[Any]) -> str:
    """Return a sentence on what is wrong with a text that is no whole trace, with a field for its name."""
    if any(isinstance(entry, Mapping) and "ph" in entry for entry in entries):
        return tr("{name} ends in the middle; what stands before is used.")
    start = re.match(r"\s*(.?)", text, re.DOTALL)
    if start is None or not start[1]:
        return tr("{name} is empty.")
    if start[1] not in "{[":
        return tr("{name} is not JSON.")
    try:
        parse_json(text)
    except ValueError:
        return tr("No event in {name} is whole: it is cut short, or another kind of file.")
    return tr("{name} is JSON of another kind: it has no list of traceEvents.")


def _first(entries: Sequence[Any]) -> float:
    """Return the earliest time of an event, in microseconds."""
    times = (entry.get("ts") for entry in entries if isinstance(entry, Mapping) and entry.get("ph") in ("X", "i"))
    return min((float(when) for when in times if isinstance(when, int | float) and np.isfinite(when)), default=0.0)


def _timed(entries: Sequence[Any], first: float) -> Iterator[Timed]:
    """Return (start, end, event) in seconds since `first`; an event of any other make is left out."""
    for entry in entries:
        try:
            phase = entry["ph"]
            if phase not in ("X", "i"):
                continue
            start = (float(entry["ts"]) - first) / 1e6
            end = start + float(entry.get("dur", 0.0)) / 1e6
            if isinstance(entry.get("name"), str) and np.isfinite(end):
                yield start, end, entry
        except (KeyError, TypeError, ValueError, AttributeError):
            continue


def _take(trace: _Trace, timed: Sequence[Timed]) -> None:
    host: list[Timed] = []
    for start, end, event in timed:
        kind = str(event.get("cat", "")).lower()
        args = event.get("args")
        args = args if isinstance(args, Mapping) else {}
        if kind in ("cpu_op", "user_annotation", "operator", PHASE_CATEGORY):
            host.append((start, end, event))
        elif kind in _ON_DEVICE:
            device = args.get("device", event.get("pid"))
            number = device if isinstance(device, int) else 0
            trace.on_device.setdefault(number, []).append((start, end, kind, event["name"], args))
        elif event["name"] == "[memory]":
            device_type, number = (int(finite(args.get(key))) for key in ("Device Type", "Device Id"))
            allocated = finite(args.get("Total Allocated"))
            trace.memory.setdefault((device_type, number), []).append((start, allocated))
    launched: dict[Any, float] = defaultdict(float)
    for events in trace.on_device.values():
        for start, end, _, _, args in events:
            if (launcher := external_id(args)) is not None:
                launched[launcher] += end - start
    trace.operators = tuple(operators(host, launched))
    trace.spans = _spans(host)


def _spans(host: Sequence[Timed]) -> dict[str, list[tuple[float, float, int]]]:
    """Return what the training thread did, one after the other."""
    steps = sorted(
        (start, end, int(match[1]))
        for start, end, event in host
        if (match := STEP.match(event["name"])) and event.get("cat") != "gpu_user_annotation"
    )
    thread = _training_thread(host)
    parts: list[tuple[float, float, str]] = []
    for start, end, event in host:
        kind = _kind(event, thread)
        if kind:
            parts.append((start, end, kind))
    parts.sort(key=lambda part: (part[0], -part[1]))
    bounds = np.array([start for start, *_ in steps])
    spans: dict[str, list[tuple[float, float, int]]] = {"step": steps} if steps else {}
    reach, open_kind, open_step = -np.inf, "", -1
    for start, end, kind in parts:
        if end <= reach:  # inside what is there already
            continue
        place = int(np.searchsorted(bounds, start, side="right")) - 1 if steps else -1
        number = steps[place][2] if place >= 0 else -1
        if (kind, number) == (open_kind, open_step):
            first, _, _ = spans[kind][-1]
            spans[kind][-1] = (first, end, number)
        else:
            spans.setdefault(kind, []).append((max(start, reach), end, number))
        reach, open_kind, open_step = end, kind, number
    return spans


def _training_thread(host: Sequence[Timed]) -> tuple[Any, Any]:
    """Return the thread of the steps; without steps the one whose operators take longest."""
    spent: dict[tuple[Any, Any], float] = defaultdict(float)
    for start, end, event in host:
        thread = (event.get("pid"), event.get("tid"))
        if STEP.match(event["name"]):
            return thread
        if not event["name"].startswith(_BACKWARD):
            spent[thread] += end - start
    return max(spent, key=lambda thread: spent[thread], default=(None, None))


def _kind(event: Mapping[str, Any], thread: tuple[Any, Any]) -> str:
    name = event["name"]
    if event.get("cat") == PHASE_CATEGORY:
        return name if name in _ROWS else ""
    if name.startswith(_BACKWARD):
        return "backward" if event.get("pid") == thread[0] else ""
    if (event.get("pid"), event.get("tid")) != thread:
        return ""
    if name.startswith(_LOADER):
        return "data_loading"
    if name.startswith(_OPTIMIZER):
        return "optimizer"
    return "forward" if event.get("cat") != "user_annotation" else ""


def _events(traces: Sequence[_Trace]) -> Events:
    rows, workers = list(_ROWS.values()), list(dict.fromkeys(trace.worker for trace in traces))
    columns: list[tuple[float, float, int, int, int]] = [
        (trace.zero + start, trace.zero + end, list(_ROWS).index(kind), workers.index(trace.worker), number)
        for trace in traces
        for kind, spans in trace.spans.items()
        for start, end, number in spans
    ]
    columns.sort()
    start, end = (np.array([entry[place] for entry in columns], dtype=np.float64) for place in (0, 1))
    row, worker, step = (np.array([entry[place] for entry in columns], dtype=np.int64) for place in (2, 3, 4))
    pid = np.full(len(columns), -1, dtype=np.int64)
    return Events(tuple(rows), tuple(workers), start, end, row, worker, step, pid)
