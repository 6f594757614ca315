"""What watches a training: `train.py` tells it every step, and it can neither fail nor slow the job.

`train.py` calls one `Monitor`; the monitor passes each call to its observers (the tensor hook, the step trace). An
observer that raises is dropped, said once on stderr, and the job goes on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_scripts.observing import Mode, Observer, Phase

if TYPE_CHECKING:
    from torch import Tensor, nn


class Monitor:
    """Passes what `train.py` tells to its observers; without any it does nothing. Never raises."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = list(observers)
        self._listeners: dict[str, list[tuple[Observer, Callable[..., None]]]] = {}

    @classmethod
    def start(cls, model: nn.Module, loss_fn: nn.Module, args: Namespace, output_dir: Path) -> Monitor:
        """Return the monitor of one job; `output_dir` is SM_OUTPUT_DIR. Never raises."""
        try:
            return cls(_observers(model, loss_fn, args, output_dir))
        except Exception as error:
            print(f"Watching this job is not possible: {error}", file=sys.stderr, flush=True)
            return cls()

    def set_mode(self, mode: Mode) -> None:
        """See `Observer.set_mode`."""
        self._tell("set_mode", mode)

    def begin_step(self, step: int) -> None:
        """See `Observer.begin_step`."""
        self._tell("begin_step", step)

    def phase(self, name: Phase) -> AbstractContextManager[None]:
        """Mark what happens inside as one phase of the step."""
        return _Phase(self, name) if self._listening("begin_phase") else nullcontext()

    def batch(self, inputs: Tensor, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """See `Observer.batch`."""
        self._tell("batch", inputs, logits, labels, loss)

    def end_step(self, step: int) -> None:
        """See `Observer.end_step`."""
        self._tell("end_step", step)

    def end_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """See `Observer.end_epoch`."""
        self._tell("end_epoch", epoch, metrics)

    def close(self) -> None:
        """See `Observer.close`."""
        self._tell("close")

    def _tell(self, method: str, *values: Any) -> None:
        for observer, listen in self._listening(method):
            try:
                listen(*values)
            except Exception as error:
                self._observers.remove(observer)
                self._listeners.clear()
                name = type(observer).__name__
                print(f"{name} failed and is left out: {error}", file=sys.stderr, flush=True)

    def _listening(self, method: str) -> list[tuple[Observer, Callable[..., None]]]:
        """Return the observers that have something to do with a call, and what they do; a step makes ten calls."""
        if method not in self._listeners:
            nothing = getattr(Observer, method)
            self._listeners[method] = [
                (observer, getattr(observer, method))
                for observer in self._observers
                if getattr(type(observer), method, None) is not nothing
            ]
        return self._listeners[method]


class _Phase(AbstractContextManager[None]):
    def __init__(self, monitor: Monitor, name: Phase) -> None:
        self._monitor, self._name = monitor, name

    def __enter__(self) -> None:
        self._monitor._tell("begin_phase", self._name)

    def __exit__(self, *raised: object) -> None:
        self._monitor._tell("end_phase", self._name)


def _observers(model: nn.Module, loss_fn: nn.Module, args: Namespace, output_dir: Path) -> Sequence[Observer]:
    """Return the observers that this job's environment asks for; every process is profiled, the first one debugged."""
    from training_scripts.debugger.settings import Settings

    settings = Settings.from_environment()
    observers: list[Observer] = []
    if settings.profiler:
        with _said("The profiler"):
            from training_scripts.profiler.observer import ProfilerObserver

            observers.append(ProfilerObserver(output_dir))
    if settings.enabled and os.environ.get("RANK", "0") == "0":
        with _said("The debugger"):
            from training_scripts.debugger.hook import TensorHook

            observers.append(TensorHook(model, loss_fn, args, output_dir / "tensors", settings))
            if settings.watch:
                _start_watcher(output_dir)
    return observers


def _start_watcher(output_dir: Path) -> None:
    """Evaluate the rules in a process beside this one, which ends with it; for jobs that nobody else watches."""
    script = Path(__file__).resolve().parent / "debugger" / "watch.py"
    job = os.environ.get("TRAINING_JOB_NAME", "")
    arguments = ["--pid", str(os.getpid()), "--folder", str(output_dir), "--job", job]
    subprocess.Popen([sys.executable, str(script), *arguments], stdin=subprocess.DEVNULL)


@contextmanager
def _said(what: str) -> Iterator[None]:
    """Go on without what cannot be had, and say so once."""
    try:
        yield
    except Exception as error:
        print(f"{what} is left out: {error}", file=sys.stderr, flush=True)
