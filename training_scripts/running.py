"""A training at work: what it works with, one step of it, and what the model says of a split."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from training_scripts import linear_step
from training_scripts.backbones import BACKBONES
from training_scripts.callbacks import Callbacks
from training_scripts.checkpoints import Progress
from training_scripts.distributed import World
from training_scripts.evaluation import Outcome
from training_scripts.job import StopRequest
from training_scripts.network import Classifier
from training_scripts.preparation import Setup, over_features
from training_scripts.runtime import has_bfloat16
from training_scripts.sources import Batch, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass
class Run:
    """What a running training works with. `setup.sources` maps train, valid and test to their data."""

    args: Namespace
    setup: Setup
    loss_fn: nn.CrossEntropyLoss
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    callbacks: Callbacks
    stop: StopRequest
    network: nn.Module
    progress: Progress = field(default_factory=Progress)
    stopped: bool = False
    quiet: bool = False
    """Whether it is one head of several, whose lines would be taken for the job's own."""

    @cached_property
    def plain(self) -> bool:
        """Return whether each step may be taken by its kernels alone."""
        return linear_step.is_plain(self)

    @property
    def model(self) -> Classifier:
        """Return the model in training; `network` is the same, with gradients averaged over all processes."""
        return self.setup.model

    def log(self, line: str) -> None:
        """Print a line once, not in every process."""
        if self.setup.world.is_main_process and not self.quiet:
            print(line, flush=True)

    def agree(self, count: int = 0) -> int:
        """Let all processes know whether one was asked to stop (`stopped`); returns the sum of their counts."""
        if self.setup.world.size == 1:
            self.stopped = self.stop.requested
            return count
        values = torch.tensor([count, int(self.stop.requested)], device=self.setup.device)
        total, stops = self.setup.world.sum(values).tolist()
        self.stopped = self.stopped or stops > 0
        return int(total)


def train_step(run: Run, batch: Batch, count: int, learn: bool = True) -> Tensor:
    """Take a step of the optimizer over `count` pictures, of which `batch` has this process's share.

    Returns the sum of their losses, how many were right, how many there were: (3,) float64.
    """
    if run.plain:
        return _plain_step(run, batch, learn)
    callbacks, labels, mine = run.callbacks, batch.labels, len(batch.labels)
    inputs = batch.inputs if mine else batch.inputs.new_zeros((1, *batch.inputs.shape[1:]))
    run.optimizer.zero_grad(set_to_none=True)
    with callbacks.phase("forward"), autocast(run):
        logits = run.network(inputs).float()
        loss: Tensor = run.loss_fn(logits, labels) if mine else logits.sum() * 0
    share = mine * run.setup.world.size / count  # gradients are averaged over processes, the loss over pictures
    with callbacks.phase("backward"):
        run.scaler.scale(loss * share if share != 1 else loss).backward()  # type: ignore[no-untyped-call]
    if mine:
        callbacks.batch(inputs, logits, labels, loss)
    if learn:
        with callbacks.phase("optimizer"):
            run.scaler.step(run.optimizer)
            run.scaler.update()
    if not mine:
        return torch.zeros(3, dtype=torch.float64, device=loss.device)
    return _sums(loss, logits, labels)


def _plain_step(run: Run, batch: Batch, learn: bool) -> Tensor:
    """Take the same step of a linear head over features, which one process does alone."""
    callbacks, head = run.callbacks, cast(nn.Linear, run.model.head)
    run.optimizer.zero_grad(set_to_none=True)
    with callbacks.phase("forward"):
        logits, loss, gradient = linear_step.forward(head, batch.inputs, batch.labels, run.loss_fn.weight)
    with callbacks.phase("backward"):
        linear_step.backward(head, batch.inputs, gradient)
    callbacks.batch(batch.inputs, logits, batch.labels, loss)
    if learn:
        with callbacks.phase("optimizer"):
            run.optimizer.step()
    return _sums(loss, logits, batch.labels)


def _sums(loss: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Return the sum of a step's losses, how many were right, how many there were: (3,) float64."""
    mine = len(labels)
    loss_sum, right = loss.detach() * mine, (logits.argmax(dim=1) == labels).sum()
    if loss.device.type == "cpu":  # nothing to wait for, and one tensor is made sooner than three are put together
        return torch.tensor([loss_sum.item(), right.item(), mine], dtype=torch.float64)
    return torch.stack((loss_sum.double(), right.double(), torch.full_like(loss_sum, mine, dtype=torch.float64)))


def evaluate(run: Run, source: Source, with_logits: bool = False) -> Outcome | None:
    """Return what the model says of everything in `source`; None when nothing in it can be read, or on a stop."""
    parts: list[tuple[NDArray[Any], ...]] = []
    total, callbacks, progress, world = 0.0, run.callbacks, run.progress, run.setup.world
    run.model.eval()
    callbacks.set_mode("EVAL")
    with torch.no_grad(), callbacks.phase("evaluation"), _plain(run.loss_fn):
        for batch in source.evaluation_batches(run.args.batch_size):
            if run.stop.requested and world.size == 1 and not over_features(run.args):
                return None
            if not len(batch.labels):
                continue
            callbacks.begin_step(progress.eval_step)
            with autocast(run):
                found, strange = run.model.judge(batch.inputs) if with_logits else (run.model(batch.inputs), None)
            logits = found.float()
            loss = run.loss_fn(logits, batch.labels)
            callbacks.batch(batch.inputs, logits, batch.labels, loss)
            callbacks.end_step(progress.eval_step)
            progress.eval_step += 1
            total += loss.item() * len(batch.labels)
            probability, predicted = logits.softmax(dim=1).max(dim=1)
            columns = [batch.labels, predicted, probability, *([logits] if with_logits else [])]
            columns += [] if strange is None else [strange[:, 0]]
            parts.append((batch.positions, *(column.cpu().numpy() for column in columns)))
    return _joined(world, total, parts)


def _joined(world: World, total: float, parts: list[tuple[NDArray[Any], ...]]) -> Outcome | None:
    """Return the outcome of all processes: the sum of their losses, and their pictures in the order of the source."""
    gathered = world.gather((total, parts))
    columns = list(zip(*(part for _, theirs in gathered for part in theirs), strict=True))
    if not columns:
        return None
    order = np.argsort(np.concatenate(columns[0]), kind="stable")
    loss = sum(their_total for their_total, _ in gathered) / len(order)
    return Outcome(loss, *(np.concatenate(column)[order] for column in columns))


def note_epoch(run: Run, epoch: int, loss: float) -> None:
    """Remember the weights if this is the best epoch so far; a loss that is not a number never is."""
    progress = run.progress
    progress.epoch = epoch
    progress.since_best += 1
    if loss < progress.best_loss:
        progress.best_loss, progress.best_epoch, progress.since_best = loss, epoch, 0
        progress.best = trained_state(run.model)


def trained_state(model: Classifier) -> dict[str, Tensor]:
    """Return a copy of all that training may have changed: the head alone over features, else the whole network."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@contextmanager
def _plain(loss_fn: nn.CrossEntropyLoss) -> Iterator[None]:
    """Use the plain cross-entropy in evaluation, whatever training optimises."""
    kept = loss_fn.label_smoothing, loss_fn.weight
    loss_fn.label_smoothing, loss_fn.weight = 0.0, None
    try:
        yield
    finally:
        loss_fn.label_smoothing, loss_fn.weight = kept


def autocast(run: Run) -> AbstractContextManager[Any]:
    """Return mixed precision's context: bfloat16 where the device has it, else, on a GPU, float16 with a scaled loss.

    On a CPU only where the network bears it, and in fine_tune: a head's few sums gain nothing by it.
    """
    device = run.setup.device.type
    if not run.args.amp or (device == "cpu" and run.args.mode == "head"):
        return nullcontext()
    kind = torch.float16 if run.scaler.is_enabled() else torch.bfloat16
    on_cpu = BACKBONES[run.args.backbone].bfloat16 and has_bfloat16()
    return torch.autocast(device, kind, enabled=device == "cuda" or (device == "cpu" and on_cpu))
