"""A training job that says what watching it cost in CPU time: `python -m tests.benchmarks.watched_job --name value …`.

The hook and the step trace run in the training thread, the sampler in one of its own, the rules in a process beside
the job; each is measured where it runs, from when the training is ready to the end of an epoch. Threads that torch
lends the hook for a big tensor count in `job` only.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from typing import Any

import psutil

from training_scripts import callbacks as watching
from training_scripts import train
from training_scripts.debugger.hook import TensorHook
from training_scripts.profiler.sampler import Sampler

LINE = "cost "


class _Timed:
    """A callback and the CPU seconds spent in it."""

    def __init__(self, callback: watching.Callback, costs: Counter[str]) -> None:
        self._callback, self._costs, self._name = callback, costs, type(callback).__name__

    def __getattr__(self, method: str) -> Any:
        work = getattr(self._callback, method)

        def timed(*values: Any) -> None:
            began = time.thread_time()
            work(*values)
            self._costs[self._name] += time.thread_time() - began

        return timed


class Costs:
    """CPU seconds by part."""

    def __init__(self) -> None:
        self._parts: Counter[str] = Counter()
        self._sampler: int | None = None
        self._began = 0.0

    def install(self) -> None:
        """Measure what `train.py` lets watch it."""
        costs, made_by, call, run = self, watching._callbacks, watching.Callbacks._call, Sampler._run
        guard = TensorHook._guarded

        def timed_callbacks(*values: Any) -> Any:
            began = time.process_time()
            made = [_Timed(callback, costs._parts) for callback in made_by(*values)]
            costs._began = time.process_time()
            costs._parts["start"] = costs._began - began
            return made

        def timed_call(self: watching.Callbacks, method: str, *values: Any) -> None:
            call(self, method, *values)
            if method == "end_epoch":
                print(LINE + json.dumps(costs.so_far()), flush=True)

        def sampled(self: Sampler) -> None:
            costs._sampler = threading.get_native_id()
            run(self)

        def guarded(self: TensorHook, *values: Any) -> Any:
            hooked = guard(self, *values)

            def timed(*values: Any) -> None:
                began = time.thread_time()
                hooked(*values)
                costs._parts["TensorHook"] += time.thread_time() - began

            return timed

        watching._callbacks = timed_callbacks
        TensorHook._guarded = guarded  # type: ignore[method-assign]
        watching.Callbacks._call = timed_call  # type: ignore[method-assign]
        Sampler._run = sampled  # type: ignore[method-assign]

    def so_far(self) -> dict[str, float]:
        """CPU seconds of the training in this process (`job`) and of what watches it."""
        this = psutil.Process()
        found = dict(self._parts) | {"job": time.process_time() - self._began, "sampler": 0.0, "rules": 0.0}
        for thread in this.threads():
            if thread.id == self._sampler:
                found["sampler"] = thread.user_time + thread.system_time
        for child in this.children():
            times = child.cpu_times()
            found["rules"] += times.user + times.system
        return found


if __name__ == "__main__":
    Costs().install()
    sys.exit(train.main(sys.argv[1:]))
