"""A run as a Chrome trace: what Perfetto, chrome://tracing and the reader of torch.profiler's traces open.

Each worker is a process with its steps and phases, each machine one with its counters. Steps are named as
torch.profiler names them, so tools that look for steps find these.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from core.profiler.read_kineto import PHASE_CATEGORY
from core.profiler.traces import Events, NodeSamples, mode_of, phase_of
from core.profiler.usage import RESOURCES, series
from core.report.reported_run import ReadRun

_MOST_SAMPLES = 20_000
_UNITS = {"%": "%", "B/s": "bytes per second", "1/s": "per second"}


def write_trace(runs: tuple[ReadRun, ...], path: Path, *, packed: bool) -> None:
    """Write the steps, phases and machine counters of the runs; gzip if `packed`."""
    events: list[dict[str, Any]] = []
    processes = count(1)
    starts = [run.analysis.times.start for run in runs if run.analysis.times.start is not None]
    zero = min(starts, default=0.0)
    for run in runs:
        prefix = f"{run.name}, " if len(runs) > 1 else ""
        events += _workers(run.profile.events, zero, prefix, processes)
        for node in run.profile.nodes:
            events += _counters(node, zero, prefix, next(processes))
    content = {
        "schemaVersion": 1,
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": round(zero * 1e9),
        "traceName": ", ".join(run.name for run in runs),
        "traceEvents": events,
    }
    data = json.dumps(content, separators=(",", ":")).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if packed else data)


def _workers(events: Events, zero: float, prefix: str, processes: Iterator[int]) -> Iterator[dict[str, Any]]:
    for number, worker in enumerate(events.workers):
        process = next(processes)
        yield _meta("process_name", process, 0, name=f"{prefix}worker {worker}")
        names: dict[int, str] = {}
        for index in np.flatnonzero(events.worker == number).tolist():
            row = events.rows[events.row[index]]
            phase, step = phase_of(row), int(events.step[index])
            thread = {"step": 0, "loader_worker": 2, "other": 2}.get(phase, 1)
            names.setdefault(thread, ("steps", "phases", "other")[thread])
            mode = mode_of(row)
            step_name = f"ProfilerStep#{step}" if mode == "TRAIN" else f"{mode.lower()} step {step}"
            yield {
                "ph": "X",
                "cat": "user_annotation" if phase == "step" else PHASE_CATEGORY,
                "name": step_name if phase == "step" else row if phase in ("other", "loader_worker") else phase,
                "pid": process,
                "tid": thread,
                "ts": round((float(events.start[index]) - zero) * 1e6, 3),
                "dur": round((float(events.end[index]) - float(events.start[index])) * 1e6, 3),
                "args": {"step": step} if step >= 0 else {},
            }
        for thread, name in sorted(names.items()):
            yield _meta("thread_name", process, thread, name=name)


def _counters(node: NodeSamples, zero: float, prefix: str, process: int) -> Iterator[dict[str, Any]]:
    yield _meta("process_name", process, 0, name=f"{prefix}machine {node.node}")
    stride = max(1, len(node.times) // _MOST_SAMPLES)
    for resource, unit, *_ in RESOURCES:
        values = series(node, resource)
        if values is None:
            continue
        for when, value in zip(node.times[::stride].tolist(), values[::stride].tolist(), strict=True):
            if np.isfinite(value):
                at = round((when - zero) * 1e6, 3)
                yield {"ph": "C", "name": resource, "pid": process, "ts": at, "args": {_UNITS[unit]: round(value, 2)}}


def _meta(kind: str, process: int, thread: int, **args: Any) -> dict[str, Any]:
    return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": args}
