"""Traces the steps of a training and their phases, into SageMaker's framework-metric files.

Each file is a JSON array in Chrome's trace form. While it grows it is `framework/<node>_pythontimeline.json.tmp`,
is flushed at least once a second, and is then closed and moved to `framework/pevents/<YYYYMMDDHH>/`; after a kill the
temporary file is still there, whole but for its closing bracket, and Sagehound's own reader takes it.

Phases are wall time of the training thread. Work that a GPU does asynchronously is therefore counted where the
thread waits for it; asking the GPU for exact times would slow the training down.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from .sampler import node_name

PHASES = {
    "data_loading": ("DataLoaderIter", "DataLoaderIter::GetNext"),
    "forward": ("Forward", "forward"),
    "backward": ("Backward(post-forward)", "backward"),
    "optimizer": ("Optimizer", "step"),
    "evaluation": ("Evaluation", "evaluate"),
}
"""Our phases, as SageMaker's trace calls them: the row of the timeline, and the event on it."""

FULL_STEPS = 10_000
"""So many steps are traced one by one; then one in 10, and beyond ten times as many one in 100."""
CLOSE_STEPS = 100
"""So many are traced however short they are, where steps are to be some time apart."""
MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_FILE_S = 60.0
"""SageMaker's own limits of one file."""
_FLUSH_NS = 1_000_000_000
FLUSH_EVENTS = 2_000

Event = tuple[str, str, int, int, int]
"""Row, name, start and end in nanoseconds since the epoch, step number."""


class StepTrace:
    """Writes step events with phases under `<output_dir>/profiler/framework/`.

    Use from one thread. No method ever raises; after an error of the disk the trace ends where it is. After the first
    steps those that are traced begin at least `steps_apart_s` apart.
    """

    def __init__(
        self,
        output_dir: Path,
        node: str = "",
        clock: Callable[[], int] = time.time_ns,
        steps_apart_s: float = 0.0,
        full_steps: int = FULL_STEPS,
        file_bytes: int = MAX_FILE_BYTES,
        flush_events: int = FLUSH_EVENTS,
    ) -> None:
        self._clock, self._full_steps, self._flush_events = clock, full_steps, flush_events
        self._apart_ns, self._traced = int(1e9 * steps_apart_s), 0
        self._writer = _TraceFile(
            Path(output_dir) / "profiler" / "framework",
            node_name(node or os.environ.get("SM_CURRENT_HOST", "")),
            file_bytes,
        )
        self._events: list[Event] = []
        self._open_phases: list[tuple[str, int]] = []
        self._mode, self._number, self._began = "", 0, 0
        self._seen: dict[str, int] = {}
        self.tracing = True
        self._flushed = clock()
        self._owner = os.getpid()
        self._healthy = True

    def begin_step(self, mode: str, number: int) -> None:
        """Step `number` of `mode` (TRAIN or EVAL) begins; a step that is still open ends."""
        now = self._clock()
        self._finish(now)
        seen = self._seen[mode] = self._seen.get(mode, 0) + 1
        if mode != self._mode:
            self.tracing = self._is_traced(seen, now)
        if self.tracing:
            self._traced = now
        self._mode, self._number, self._began = mode, number, now

    def end_step(self) -> None:
        """Note that the open step ends; no effect without one."""
        now = self._clock()
        self._finish(now)
        # What is between steps (loading the next batch) belongs to the next one and is traced with it.
        self.tracing = self._is_traced(self._seen.get(self._mode, 0) + 1, now)
        if len(self._events) >= self._flush_events or now - self._flushed > _FLUSH_NS:
            self._flush(now)

    def begin_phase(self, name: str) -> None:
        """Note that one of `PHASES`, or a phase of any other name, begins."""
        if not self.tracing and name != "evaluation":
            return
        self._open_phases.append((name, self._clock()))

    def end_phase(self, name: str) -> None:
        """Note that the phase that began last under this name ends; no effect without one."""
        if not self.tracing and name != "evaluation":
            return
        now = self._clock()
        while self._open_phases:
            opened, began = self._open_phases.pop()
            if opened == name:
                row, event = PHASES.get(name, (name, name))
                self._events.append((row, event, began, now, self._number))
                return

    def close(self) -> None:
        """End the open step, write what is left and move the file to its place."""
        if self._owner != os.getpid() or not self._healthy:
            return
        now = self._clock()
        self._finish(now)
        self._flush(now)
        with contextlib.suppress(OSError):
            self._writer.close(finished=True)
        self._healthy = False

    def _is_traced(self, seen: int, now: int) -> bool:
        stride = 1 if seen <= self._full_steps else 10 if seen <= 10 * self._full_steps else 100
        return (seen - 1) % stride == 0 and (seen <= CLOSE_STEPS or now - self._traced >= self._apart_ns)

    def _finish(self, now: int) -> None:
        if self._began and self.tracing:
            row = f"Step:ModeKeys.{self._mode}"
            self._events.append((row, row, self._began, now, self._number))
        self._began = 0

    def _flush(self, now: int) -> None:
        events, self._events = self._events, []
        self._flushed = now
        if not events or not self._healthy or self._owner != os.getpid():
            return
        try:
            self._writer.write(events)
        except (OSError, ValueError):
            self._healthy = False


class _TraceFile:
    """The growing file and its rotation."""

    def __init__(self, folder: Path, node: str, most_bytes: int) -> None:
        self._folder, self._most_bytes = folder, most_bytes
        rank = os.environ.get("RANK") or str(os.getpid())
        self._name = f"{rank}-{node}_pythontimeline.json"
        self._file: TextIO | None = None
        self._rows: dict[str, int] = {}
        self._written: set[str] = set()
        self._start_us = self._opened_us = self._last_us = 0

    def write(self, events: list[Event]) -> None:
        """Append `events`, a new file first where the old one is full."""
        first_us = min(began for _, _, began, _, _ in events) // 1000
        if self._file is not None and self._full(first_us):
            self.close()
        if self._file is None:
            self._open(first_us)
        lines: list[str] = []
        for row, name, began, ended, number in events:
            if row not in self._written:
                self._declare(row, lines)
            start, end = began // 1000, max(began, ended) // 1000
            self._last_us = max(self._last_us, end)
            lines.append(
                f'{{"name":{json.dumps(name)},"pid":{self._rows[row]},"ph":"X","ts":{start - self._start_us},'
                f'"dur":{end - start},"args":{{"step_num":"{number}"}}}}'
            )
        assert self._file is not None
        self._file.write("".join(f",\n{line}" for line in lines))
        self._file.flush()

    def close(self, finished: bool = False) -> None:
        """Close the array and move the file where readers look; `finished` leaves SageMaker's end marker."""
        if self._file is not None:
            path = Path(self._file.name)
            self._file.write("\n]\n")
            self._file.close()
            self._file = None
            hour = time.strftime("%Y%m%d%H", time.gmtime(self._last_us / 1e6))
            target = self._folder / "pevents" / hour / f"{self._last_us}_{self._name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
        if finished and self._folder.is_dir():
            (self._folder / "training_job_end.ts").touch()

    def _full(self, now_us: int) -> bool:
        assert self._file is not None
        too_old = now_us - self._opened_us > MAX_FILE_S * 1e6
        return too_old or now_us // 3_600_000_000 != self._opened_us // 3_600_000_000 or self._too_big()

    def _too_big(self) -> bool:
        assert self._file is not None
        return self._file.tell() > self._most_bytes

    def _open(self, now_us: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._name}.tmp"
        if path.exists():  # a job that continues after a kill: what it traced before is kept
            os.replace(path, path.with_name(f"{path.stem}.{now_us}.tmp"))
        self._start_us = self._opened_us = self._last_us = now_us
        self._written.clear()
        self._file = path.open("w", encoding="utf-8", newline="\n")
        start = {"start_time_since_epoch_in_micros": now_us}
        self._file.write("[\n" + ",\n".join(_meta(0, start, 0)))

    def _declare(self, row: str, lines: list[str]) -> None:
        number = self._rows.setdefault(row, len(self._rows) + 1)
        self._written.add(row)
        lines.extend(_meta(number, {"name": row}, number))


def _meta(pid: int, args: Mapping[str, object], order: int) -> list[str]:
    return [
        json.dumps({"name": "process_name", "ph": "M", "pid": pid, "args": args}),
        json.dumps({"name": "process_sort_index", "ph": "M", "pid": pid, "args": {"sort_index": order}}),
    ]
