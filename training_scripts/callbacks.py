"""What is called as a training goes: the tensor hook, the step trace. They can neither fail nor slow the job.

`train.py` calls one `Callbacks`, which passes each call to every `Callback` in it. One that raises is dropped, said
once on stderr, and the job continues.
"""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor, nn

_STEPS_APART_S = 0.01
"""Of steps that take less than this, a head's, not each one is traced: most of a trial's files would be its profile."""
Mode = Literal["TRAIN", "EVAL"]
Phase = Literal["data_loading", "forward", "backward", "optimizer", "evaluation"]


class Callback:
    """Something that is called as a training goes; every method may be left as it is."""

    def set_mode(self, mode: Mode) -> None:
        """Note that the model trains (TRAIN) or is evaluated (EVAL) in the steps that follow."""

    def begin_step(self, step: int) -> None:
        """Note that step `step` begins; steps count from 0 through the whole job. In EVAL: the batch's number."""

    def begin_phase(self, name: Phase) -> None:
        """Note that a part of the step begins."""

    def end_phase(self, name: Phase) -> None:
        """Note that the part of the step that began last is over."""

    def batch(self, inputs: Tensor, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """Take what went in and came out: (N, …), (N, classes), (N,), a scalar; not detached, on their own device."""

    def end_step(self, step: int) -> None:
        """Note that the step is over, the optimizer has moved the weights; gradients are still there."""

    def end_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """Note that epoch `epoch` (from 1) is over; `metrics` as train.py prints them."""

    def close(self) -> None:
        """Note that the job ends, well or not."""


class Callbacks:
    """Passes each call to all of its callbacks; without any it does nothing. Never raises."""

    def __init__(self, callbacks: Sequence[Callback] = ()) -> None:
        self._callbacks = list(callbacks)
        self._listeners: dict[str, list[tuple[Callback, Callable[..., None]]]] = {}

    @classmethod
    def start(cls, model: nn.Module, loss_fn: nn.Module, args: Namespace, output_dir: Path) -> Callbacks:
        """Return the callbacks of one job; `output_dir` is SM_OUTPUT_DIR. Never raises."""
        try:
            return cls(_callbacks(model, loss_fn, args, output_dir))
        except Exception as error:
            print(f"Watching this job is not possible: {error}", file=sys.stderr, flush=True)
            return cls()

    def set_mode(self, mode: Mode) -> None:
        """See `Callback.set_mode`."""
        self._call("set_mode", mode)

    def begin_step(self, step: int) -> None:
        """See `Callback.begin_step`."""
        self._call("begin_step", step)

    def phase(self, name: Phase) -> AbstractContextManager[None]:
        """Mark what happens inside as one phase of the step."""
        return _Phase(self, name) if self._listening("begin_phase") else nullcontext()

    def batch(self, inputs: Tensor, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """See `Callback.batch`."""
        self._call("batch", inputs, logits, labels, loss)

    def end_step(self, step: int) -> None:
        """See `Callback.end_step`."""
        self._call("end_step", step)

    def end_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """See `Callback.end_epoch`."""
        self._call("end_epoch", epoch, metrics)

    def close(self) -> None:
        """See `Callback.close`."""
        self._call("close")

    def _call(self, method: str, *values: Any) -> None:
        for callback, listen in self._listening(method):
            try:
                listen(*values)
            except Exception as error:
                self._callbacks.remove(callback)
                self._listeners.clear()
                name = type(callback).__name__
                print(f"{name} failed and is left out: {error}", file=sys.stderr, flush=True)

    def _listening(self, method: str) -> list[tuple[Callback, Callable[..., None]]]:
        """Return the callbacks that have something to do with a call, and what they do; a step makes ten calls."""
        if method not in self._listeners:
            nothing = getattr(Callback, method)
            self._listeners[method] = [
                (callback, getattr(callback, method))
                for callback in self._callbacks
                if getattr(type(callback), method, None) is not nothing
            ]
        return self._listeners[method]


class _Phase(AbstractContextManager[None]):
    def __init__(self, callbacks: Callbacks, name: Phase) -> None:
        self._callbacks, self._name = callbacks, name

    def __enter__(self) -> None:
        self._callbacks._call("begin_phase", self._name)

    def __exit__(self, *raised: object) -> None:
        self._callbacks._call("end_phase", self._name)


def _callbacks(model: nn.Module, loss_fn: nn.Module, args: Namespace, output_dir: Path) -> Sequence[Callback]:
    """Return the callbacks that this job's environment asks for; every process is profiled, the first one debugged."""
    from training_scripts.debugger.job_settings import Settings

    settings = Settings.from_environment()
    callbacks: list[Callback] = []
    if settings.profiler:
        with _said("The profiler"):
            from training_scripts.profiler.callback import ProfilerCallback

            callbacks.append(ProfilerCallback(output_dir, steps_apart_s=_STEPS_APART_S))
    if settings.enabled and os.environ.get("RANK", "0") == "0":
        with _said("The debugger"):
            from training_scripts.debugger.hook import TensorHook

            callbacks.append(TensorHook(model, loss_fn, args, output_dir / "tensors", settings))
            if settings.watch:
                _start_watcher(output_dir)
    return callbacks


def _start_watcher(output_dir: Path) -> None:
    """Evaluate the rules in a process beside this one, which ends with it; for jobs that no one else watches."""
    script = Path(__file__).resolve().parent / "debugger" / "evaluate_beside.py"
    job = os.environ.get("TRAINING_JOB_NAME", "")
    arguments = ["--pid", str(os.getpid()), "--folder", str(output_dir), "--job", job]
    subprocess.Popen([sys.executable, str(script), *arguments], stdin=subprocess.DEVNULL)


@contextmanager
def _said(what: str) -> Iterator[None]:
    """Continue without what cannot be had, and say so once."""
    try:
        yield
    except Exception as error:
        print(f"{what} is left out: {error}", file=sys.stderr, flush=True)
