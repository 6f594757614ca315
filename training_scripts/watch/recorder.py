"""Saves what a watched script does in the formats that our own jobs have: tensors, steps, means of epochs."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..callbacks import Callback
from ..debugger.hook import TensorHook
from ..debugger.job_settings import Settings
from ..debugger.schedule import RECHECKED
from ..profiler.callback import ProfilerCallback
from .findings import append_line
from .state import BATCH_NORMS, SHARE, Loader, Loss, Model, Optimizer

EPOCH_STEPS = 50
"""Steps of an epoch where the script has neither loader nor evaluation to tell its epochs by."""
_STEPS_APART_S = 0.05
"""Of steps that take less than this not each one is traced: that would cost more than a hundredth of them."""
_TOGETHER, _LARGE = 16, 1 << 16
"""Batches whose answers are counted at once, and numbers of outputs from which on a batch is not kept for that."""
_NAMES = {
    "cross_entropy": "CrossEntropyLoss",
    "nll_loss": "NLLLoss",
    "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "mse_loss": "MSELoss",
    "l1_loss": "L1Loss",
    "smooth_l1_loss": "SmoothL1Loss",
    "huber_loss": "HuberLoss",
    "kl_div": "KLDivLoss",
}


class _Mean:
    """The mean of numbers that may be on a device, which is waited for only when the mean is asked for."""

    def __init__(self) -> None:
        self.total: Tensor | float = 0.0
        self.count = self.judged = 0
        self._right: Tensor | float = 0.0
        self._waiting: list[tuple[Tensor, Tensor]] = []

    def add(self, loss: Loss, mean: Tensor | float) -> None:
        """Count a batch by its size."""
        size = len(loss.targets) if loss.targets.ndim else 1
        self.total = self.total + _number(mean) * size
        self.count += size
        if loss.classifies and loss.inputs.ndim == 2:
            # Labels are often copied into one tensor again and again.
            self._waiting.append((loss.inputs.detach(), loss.targets.clone()))
            self.judged += size
            whole = loss.inputs if loss.inputs._base is None else loss.inputs._base  # a view holds all of it
            if len(self._waiting) >= _TOGETHER or whole.numel() > _LARGE:
                self._judge()

    def _judge(self) -> None:
        """Count the right answers of some batches at once."""
        if not self._waiting:
            return
        outputs, targets = zip(*self._waiting, strict=True)
        self._waiting = []
        if len({item.shape[1] for item in outputs}) == 1:
            outputs, targets = (torch.cat(outputs),), (torch.cat(targets),)
        for answers, labels in zip(outputs, targets, strict=True):
            self._right = self._right + _number(torch.eq(answers.argmax(dim=1), labels).sum())

    @property
    def loss(self) -> float:
        """Return the mean loss."""
        return float(self.total) / self.count if self.count else float("nan")

    @property
    def accuracy(self) -> float | None:
        """Return the share of right answers; None where nothing was classified."""
        self._judge()
        return float(self._right) / self.judged if self.judged else None


def _number(value: Tensor | float) -> Tensor | float:
    """Return what a tensor holds, which costs less to add up; itself where a device would have to be waited for."""
    return value.item() if isinstance(value, Tensor) and value.device.type == "cpu" else value


class Recorder:
    """Translates what a script does into the calls that the callbacks of a training know.

    A step begins with its batch, or with its forward where there is no loader; an epoch ends where an evaluation has
    ended, or a pass through the loader that is trained on.
    """

    def __init__(self, output: Path, settings: dict[str, Any]) -> None:
        self._output, self._settings = output, settings
        self._callbacks: list[Callback] = []
        self._profiler: ProfilerCallback | None = None
        self._hook: TensorHook | None = None
        self._model: Model | None = None
        self._step = self._evaluated = 0
        self._open = self._batched = self._loads = False
        self._mode = "TRAIN"
        self._train, self._valid = _Mean(), _Mean()
        self._epoch = 0
        self._epoch_began = time.time()
        self._epoch_steps = 0
        self._rate: Any = None
        self._loader: Loader | None = None
        self._again = False

    def before_batch(self, loader: Loader | None) -> None:
        """Note that the script waits for a batch."""
        self._phase("begin_phase", "data_loading")

    def after_batch(self, loader: Loader) -> None:
        """Note that the batch is there."""
        self._phase("end_phase", "data_loading")
        self._loads = True
        before, self._loader = self._loader, loader
        if loader.in_pass != 1 or not self._epoch_steps:
            return
        if loader.trains:
            self._end_epoch()
        elif before is not None and before.trains:
            # Some make a new loader for every pass; others evaluate a part of the same dataset: its forward will tell.
            self._again = before.dataset is not None and before.dataset is loader.dataset

    def before_forward(self, model: Model, grad: bool) -> None:
        """Note that a model is called: of the training, or of an evaluation."""
        self._end_pass(grad)
        if grad and not self._open:
            self._set_mode("TRAIN")
            self._open, self._batched = True, False
            self._tell("begin_step", self._step)
        elif not grad and not self._open and self._step:
            self._set_mode("EVAL")
            self._tell("begin_step", self._evaluated)
            self._evaluated += 1
        self._phase("begin_phase", "forward")

    def after_forward(self, model: Model, inputs: Tensor | None, outputs: Any) -> None:
        """Note that the model has answered."""
        self._phase("end_phase", "forward")

    def computed(self, model: Model | None, inputs: Tensor | None, loss: Loss) -> None:
        """Note that a loss was computed: the batch is whole."""
        if model is None or inputs is None:
            return
        mean = loss.mean
        if loss.trains:
            self._train.add(loss, mean)
            if self._model is None:
                self._start(model, inputs, loss)
        elif self._step:
            self._valid.add(loss, mean)
        if self._batched and loss.trains:
            return
        self._batched = True
        if loss.value.numel() and (loss.trains or self._mode == "EVAL") and model is self._model:
            self._tell("batch", inputs, loss.inputs, loss.targets, mean)
        if not loss.trains and self._mode == "EVAL":
            self._tell("end_step", self._evaluated)

    def next_save(self) -> int:
        """Return the first step, this one or a later one, at which it is to be seen whether something is saved."""
        return self._step + RECHECKED if self._hook is None else self._hook.next_save(self._step)

    def pass_loss(self, loss: Loss, mean: Tensor | float) -> None:
        """Count a loss of training of which nothing is saved."""
        self._end_pass(trains=True)
        self._train.add(loss, mean)

    def pass_step(self, known: Optimizer) -> None:
        """Count a step of which nothing is saved."""
        if self._hook is not None:
            self._hook.pass_step()
        self._see_rate(known)
        self._count_step()

    def before_backward(self) -> None:
        """Note that gradients are being computed."""
        self._phase("begin_phase", "backward")

    def after_backward(self) -> None:
        """Note that gradients are there."""
        self._phase("end_phase", "backward")

    def before_step(self) -> None:
        """Note that the optimizer steps."""
        self._phase("begin_phase", "optimizer")

    def after_step(self, known: Optimizer) -> None:
        """Note that a step is over."""
        self._phase("end_phase", "optimizer")
        self._see_rate(known)
        if self._hook is not None and self._step == 0:
            self._hook.set_rate(None if self._rate is None else float(self._rate))
        self._tell("end_step", self._step)
        self._open = False
        self._count_step()

    def _see_rate(self, known: Optimizer) -> None:
        """Remember the learning rate; one that is on a device is not waited for before an epoch's end."""
        groups = known.groups
        rate = groups[0].get("lr") if groups else None
        self._rate = rate.detach().clone() if isinstance(rate, Tensor) else rate  # a scheduler changes it in place

    def _count_step(self) -> None:
        self._step += 1
        self._epoch_steps += 1
        if self._epoch_steps >= EPOCH_STEPS and not self._loads and not self._valid.count:
            self._end_epoch()

    def begin_next(self) -> None:
        """Begin the script's next training: tensors stay those of the first, on which rules are evaluated."""
        if self._hook is not None and self._hook in self._callbacks:
            self._callbacks.remove(self._hook)
            self._hook.close()
            self._hook = None
            append_line(self._output.parent / "log.txt", "Another training begins; tensors are saved of the first.")

    def close(self) -> None:
        """Note that the script ends."""
        if self._epoch_steps:
            self._end_epoch()
        for callback in tuple(self._callbacks):
            callback.close()

    def _start(self, model: Model, inputs: Tensor, loss: Loss) -> None:
        """Begin to save: a model is being trained."""
        self._model = model
        self._output.mkdir(parents=True, exist_ok=True)
        (self._output / "tensors").mkdir(exist_ok=True)
        # Where each input has many labels (the words of a text) some classes are never the likeliest.
        rows = loss.classifies and loss.inputs.ndim == 2 and len(loss.targets) <= max(inputs.shape[:2])
        args = Namespace(mode="watch", weights=_weights(model), loss=loss.kind, classifies_inputs=rows)
        settings = Settings(
            tensor_budget_mb=float(self._settings.get("tensor_budget_mb", 64)),
            save_interval=self._settings.get("save_interval"),
            time_share=self._settings.get("time_share", SHARE),
            by_number=True,
        )
        named = type(_NAMES.get(loss.kind, "Loss"), (nn.Module,), {})()
        self._hook = TensorHook(
            model.inner,
            named,
            args,
            self._output / "tensors",
            settings,
            activations=not model.is_compiled,
            predictions=rows,
        )
        self._profiler = ProfilerCallback(self._output, steps_apart_s=_STEPS_APART_S)
        self._callbacks = [self._profiler, self._hook]
        self._tell("begin_step", self._step)

    def _set_mode(self, mode: str) -> None:
        if mode == self._mode:
            return
        if mode == "TRAIN" and self._valid.count:
            self._end_epoch()
        self._mode = mode
        self._tell("set_mode", mode)

    def _end_pass(self, trains: bool) -> None:
        """End the epoch where a new loader of the same dataset began to be trained on."""
        again, self._again = self._again, False
        if again and trains:
            self._end_epoch()

    def _end_epoch(self) -> None:
        """Save the means of what has been trained and evaluated since the last epoch."""
        if not self._train.count:
            return
        self._epoch += 1
        metrics: dict[str, float] = {"train_loss": self._train.loss}
        if self._valid.count:
            metrics["valid_loss"] = self._valid.loss
        for name, mean in (("train_accuracy", self._train.accuracy), ("valid_accuracy", self._valid.accuracy)):
            if mean is not None:
                metrics[name] = mean
        if self._rate is not None:
            metrics["learning_rate"] = float(self._rate)
        self._tell("end_epoch", self._epoch, metrics)
        seconds = time.time() - self._epoch_began
        numbers = " ".join(f"{name}={value:.6g}" for name, value in metrics.items())
        loss = metrics.get("valid_loss", metrics["train_loss"])
        append_line(
            self._output.parent / "log.txt",
            f"epoch={self._epoch} step={self._step} Average loss: {loss:.6f} {numbers} seconds={seconds:.2f}",
        )
        self._train, self._valid = _Mean(), _Mean()
        self._epoch_began, self._epoch_steps = time.time(), 0

    @property
    def tracing(self) -> bool:
        """Whether phases of this step are of interest."""
        return self._profiler is not None and self._profiler.tracing

    def _phase(self, method: str, name: str) -> None:
        if self.tracing:
            self._tell(method, name)

    def _tell(self, method: str, *values: Any) -> None:
        for callback in self._callbacks:
            try:
                getattr(callback, method)(*values)
            except Exception as error:
                self._callbacks = [other for other in self._callbacks if other is not callback]
                self._hook = None if callback is self._hook else self._hook
                append_line(self._output.parent / "log.txt", f"{type(callback).__name__} is left out: {error}")
                if os.environ.get("SAGEHOUND_WATCH_STRICT"):
                    raise


def _weights(model: Model) -> str:
    """Return `default` where a model comes trained, by what its batch normalisations have seen, else `none`."""
    for module in model.module.modules():
        seen = getattr(module, "num_batches_tracked", None) if isinstance(module, BATCH_NORMS) else None
        if isinstance(seen, torch.Tensor) and int(seen) > 50:
            return "default"
    return "none"
