"""Saves what a training does as tensors in smdebug's format; the callback that rules live on.

Names are smdebug's: `<Model>_<parameter>`, `gradient/<Model>_<parameter>`, `<Loss>_output_0` (the loss),
`<Loss>_input_0` (logits), `<Loss>_input_1` (labels), `<Model>_input_0`, `<module>_input_0` and `<module>_output_0`.
What differs:

- Tensors of over 4,096 elements (2,048 of a small network's) are saved as samples, with reductions over the whole.
- Only parameters that are trained are saved, in training steps; frozen ones do not change.
- An evaluation is one EVAL step: logits and labels spread over all of it, and its mean loss.
- After each epoch a GLOBAL step holds its mean losses and accuracies (collection `metrics`).

With a gradient scaler or clipping the gradients are those that the optimizer used.
"""

from __future__ import annotations

import json
import math
import os
import re
import time
import weakref
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..callbacks import Callback, Mode
from .capture import (
    DYING_RELUS,
    MAX_ELEMENTS,
    RELUS,
    Look,
    activity,
    look,
    look_at_activation,
    look_at_inputs,
    look_at_rows,
    to_saved,
)
from .job_settings import INFO_FILE, Settings
from .schedule import Schedule
from .writer import Saved, TrialWriter

REGEXES = {
    "weights": ["^(?!gradient).*weight"],
    "biases": ["^(?!gradient).*bias"],
    "gradients": ["^gradient"],
    "losses": ["[Ll]oss_(?!input).*output"],
    "metrics": ["^epoch/"],
    "hyperparameters": ["^hyperparameters/"],
    "sagehound": [],
    "default": [],
}
"""Collections by regular expression; those of smdebug keep smdebug's. `sagehound` says that epochs are saved."""
_SQUASHERS: dict[type[nn.Module], str] = {nn.Sigmoid: "sigmoid_input", nn.Tanh: "tanh_input"}
SHADOWED = "before_normalisation"
"""The collection of gradients that are zero by construction, which is not a fault."""
_NORMALISATIONS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)
_TRANSPARENT = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_EVALUATED_BATCH = 1 << 16
"""Elements of one evaluated batch's logits that are held on to until the evaluation is over."""
_SMALL = 1 << 17
"""Parameters that a network may have to be saved in about a millisecond: a head for 100 classes, no backbone."""
_SAMPLE_OF_SMALL = 2048
"""Elements that are saved of such a network's weights, gradients and evaluated logits: a search keeps a thousand.

In place of MAX_ELEMENTS. Of an evaluation's inputs four times as many.
"""
_ROWS_PER_CLASS, _LEAST_ROWS = 10, 20
"""Evaluated rows that rules want: of each class so many to judge it by, at least so many to judge the network by.

The former as far as MAX_ELEMENTS allows, the latter unless the answer to a single row is very large.
"""
_LEAST_OUTPUTS = 16
"""Outputs of a channel in a batch from which on its activity is saved."""
_PASSES_WITH_INPUTS = 2
"""How many evaluations save their inputs: the same pictures come every time."""


class TensorHook(Callback):
    """Saves tensors of one process of a job under `folder`.

    `activations`: listen to modules, which a compiled model had better not be. `predictions`: outputs and targets are
    logits and class numbers.

    Raises:
        OSError: from any method, when the folder cannot be written; `Callbacks` then continues without the hook.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: nn.Module,
        args: Namespace,
        folder: Path,
        settings: Settings,
        activations: bool = True,
        predictions: bool = True,
    ) -> None:
        # Not held: a script that is watched may be done with its model and train another one.
        self._ref = weakref.ref(model.module if isinstance(model, nn.parallel.DistributedDataParallel) else model)
        self._model_name, self._loss_name = type(self._model).__name__, type(loss_fn).__name__
        self._activations, self._predictions = activations, predictions
        small = sum(parameter.numel() for parameter in self._model.parameters()) <= _SMALL
        self._most = _SAMPLE_OF_SMALL if small else MAX_ELEMENTS
        self._writer = TrialWriter(folder, together=small and not settings.watch)
        epochs = getattr(args, "num_epochs", 0) if small else 0
        self._schedule = Schedule(settings, certain_epochs=epochs)
        self._global = _next_step(folder)
        self._mode: Mode = "TRAIN"
        self._train_step = self._eval_step = 0
        self._rate: float | None = getattr(args, "learning_rate", None)
        self._due: frozenset[str] = frozenset()
        self._looks: list[Look] = []
        self._handles: list[RemovableHandle] = []
        self._broken: Exception | None = None
        self._evaluated: list[tuple[Tensor, Tensor, Tensor, int]] = []
        self._evaluated_inputs: list[Look] = []
        self._passes = 0
        self._listed: dict[str, list[str]] | None = None
        self._info = {"pid": os.getpid(), "started": time.time(), "hyperparameters": _plain(args)}
        (folder / INFO_FILE).write_text(json.dumps(self._info), encoding="utf-8")

    @property
    def _model(self) -> nn.Module:
        """Return the model, an empty one once it is gone."""
        model = self._ref()
        return nn.Module() if model is None else model

    def set_rate(self, rate: float | None) -> None:
        """Save this learning rate with the next step."""
        self._rate = rate

    def set_mode(self, mode: Mode) -> None:
        """See `Callback.set_mode`."""
        if self._mode == "EVAL" and mode == "TRAIN":
            self._save_evaluation()
        self._mode = mode

    def next_save(self, step: int) -> int:
        """Return the first training step, from one on, at which it is to be seen whether something is saved."""
        return self._schedule.next(step)

    def pass_step(self) -> None:
        """Count a training step that was not begun."""
        self._global += 1

    def begin_step(self, step: int) -> None:
        """See `Callback.begin_step`."""
        if self._mode == "EVAL":
            return
        self._global += 1
        self._train_step = step
        self._due = self._schedule.due(step)
        if "activations" in self._due and self._activations:
            with self._schedule.clock():
                self._attach()

    def batch(self, inputs: Tensor, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """See `Callback.batch`."""
        if self._mode == "EVAL":
            self._global += 1
            self._eval_step += 1
            self._keep_evaluated(inputs, logits, labels, loss)
            return
        # A loss on the CPU can be looked at for nothing; a GPU would have to be waited for.
        if not self._due and loss.device.type == "cpu" and not math.isfinite(loss.item()):
            self._due = self._schedule.due_at_once()
        if not self._due:
            return
        with self._schedule.clock():
            self._looks.append(look(f"{self._loss_name}_output_0", loss))
            if "predictions" in self._due and self._predictions:
                self._looks.append(look_at_rows(f"{self._loss_name}_input_0", logits))
                self._looks.append(look_at_rows(f"{self._loss_name}_input_1", labels))
            if "inputs" in self._due:
                self._looks.append(look_at_inputs(f"{self._model_name}_input_0", inputs))

    def end_step(self, step: int) -> None:
        """See `Callback.end_step`."""
        if self._mode == "EVAL" or not self._due:
            return
        with self._schedule.clock():
            self._detach()
            if self._broken is not None:
                raise self._broken
            self._look_at_parameters()
            saved = to_saved(self._looks)
            if self._rate is not None:
                saved.append(Saved("hyperparameters/learning_rate", torch.tensor(self._rate, dtype=torch.float64)))
                self._rate = None
            self._save("TRAIN", self._train_step, saved)
        self._looks, self._due = [], frozenset()

    def end_epoch(self, epoch: int, metrics: dict[str, float]) -> None:
        """See `Callback.end_epoch`."""
        self._save_evaluation()
        if not self._schedule.may_save_epoch():
            return
        self._global += 1
        names = ((name.replace(":", "_"), value) for name, value in metrics.items())
        saved = [Saved(f"epoch/{name}", torch.tensor(value, dtype=torch.float64)) for name, value in names]
        with self._schedule.clock():
            self._save("GLOBAL", self._global, saved)

    def close(self) -> None:
        """See `Callback.close`."""
        self._detach()
        self._save_evaluation()
        self._writer.close()

    def _save(self, mode: str, mode_step: int, saved: list[Saved]) -> None:
        if self._listed is None:
            self._listed = self._collections(saved)
            regexes = REGEXES | _activations(self._model)
            self._writer.write_collections(self._listed, regexes, self._schedule.interval)
        self._schedule.count(self._writer.write_step(self._global, mode, mode_step, saved, self._train_step))

    def _look_at_parameters(self) -> None:
        if self._due.isdisjoint(("weights", "biases", "gradients")):
            return
        for name, parameter in self._model.named_parameters():
            if not parameter.requires_grad:
                continue
            kind = "weights" if name.endswith("weight") else "biases"
            if kind in self._due:
                self._looks.append(look(f"{self._model_name}_{name}", parameter, self._most))
            if "gradients" in self._due and parameter.grad is not None:
                self._looks.append(look(f"gradient/{self._model_name}_{name}", parameter.grad, self._most))

    def _attach(self) -> None:
        """Listen to activations for this one step."""
        for name, module in self._model.named_modules():
            squashed = next((kind for kind in _SQUASHERS if isinstance(module, kind)), None)
            if isinstance(module, RELUS) or squashed is not None:
                self._handles.append(module.register_forward_pre_hook(self._guarded(self._on_input, name)))
            if isinstance(module, RELUS):
                dying = isinstance(module, DYING_RELUS)
                record = self._on_dying_output if dying else self._on_output
                self._handles.append(module.register_forward_hook(self._guarded(record, name)))

    def _detach(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def _guarded(self, record: Callable[[str, Tensor], None], name: str) -> Callable[..., None]:
        """Return a module's hook that cannot fail the forward pass it sits in; `end_step` raises what went wrong."""

        def hooked(module: nn.Module, inputs: Any, *outputs: Any) -> None:
            try:
                with torch.no_grad(), self._schedule.clock():
                    record(name, outputs[0] if outputs else inputs[0])
            except Exception as error:
                self._broken = error

        return hooked

    def _on_input(self, name: str, inputs: Tensor) -> None:
        self._looks.append(look_at_activation(self._numbered(f"{name}_input"), inputs))

    def _on_output(self, name: str, outputs: Tensor) -> None:
        self._looks.append(look_at_activation(self._numbered(f"{name}_output"), outputs))

    def _on_dying_output(self, name: str, outputs: Tensor) -> None:
        self._on_output(name, outputs)
        # Over a few outputs of a channel, as in a batch of one row, most channels are silent by chance.
        if outputs.numel() >= _LEAST_OUTPUTS * outputs.shape[min(1, outputs.ndim - 1)]:
            self._looks.append(activity(self._numbered(f"{name}_activity"), outputs))

    def _numbered(self, name: str) -> str:
        """Return smdebug's number of the call, for a module that is used more than once."""
        taken = {item.name for item in self._looks}
        number = 0
        while f"{name}_{number}" in taken:
            number += 1
        return f"{name}_{number}"

    def _keep_evaluated(self, inputs: Tensor, logits: Tensor, labels: Tensor, loss: Tensor) -> None:
        """Hold on to an evaluated batch's answers; they are small, and nothing is waited for."""
        if not self._evaluated and not self._schedule.may_save_evaluation():
            return
        viewed, size = logits._base is not None, len(labels)
        logits, labels = logits.detach(), labels.detach().clone()  # which many scripts copy into one tensor
        logits = logits.float() if logits.dtype == torch.bfloat16 else logits
        if not self._predictions:
            logits, labels = logits[:0], labels[:0]
        elif logits.numel() > _EVALUATED_BATCH:  # a view would hold on to the whole of a large batch
            rows = max(1, _EVALUATED_BATCH // logits[0].numel())
            logits, labels = logits[:rows].clone(), labels[:rows]
        elif viewed:
            logits = logits.clone()
        self._evaluated.append((logits, labels, loss.detach().float().mean(), size))
        if self._passes < _PASSES_WITH_INPUTS:
            self._evaluated_inputs.append(look_at_inputs(f"{self._model_name}_input_0", inputs))

    def _save_evaluation(self) -> None:
        """Save the evaluation that has come to its end, if there was one."""
        if not self._evaluated:
            return
        with self._schedule.clock():
            batches, self._evaluated = self._evaluated, []
            logits = torch.cat([item[0] for item in batches])
            labels = torch.cat([item[1] for item in batches])
            losses = torch.stack([item[2] for item in batches])
            sizes = torch.tensor([item[3] for item in batches], device=losses.device, dtype=losses.dtype)
            name = self._loss_name
            looks = [Look(f"{name}_output_0", (losses * sizes).sum() / sizes.sum(), ())]
            if self._predictions:
                rows = self._spread_rows(logits)
                looks.append(Look(f"{name}_input_0", logits[rows], tuple(logits.shape)))
                looks.append(Look(f"{name}_input_1", labels[rows], tuple(labels.shape)))
            if self._evaluated_inputs:
                inputs = torch.cat([item.sample for item in self._evaluated_inputs])
                stride = math.ceil(inputs.numel() / (4 * self._most))
                looks.append(Look(f"{self._model_name}_input_0", inputs[::stride], tuple(inputs.shape)))
            self._evaluated_inputs, self._passes = [], self._passes + 1
            self._save("EVAL", self._eval_step - 1, to_saved(looks))

    def _spread_rows(self, logits: Tensor) -> Tensor:
        """Return which rows of an evaluation's logits (N, …) are saved, spread evenly over all of them."""
        size = max(1, math.prod(logits.shape[1:]))
        per_class = min(_ROWS_PER_CLASS * size, MAX_ELEMENTS // size)
        least = min(_LEAST_ROWS, _EVALUATED_BATCH // size)
        count = min(len(logits), max(1, self._most // size, per_class, least))
        return torch.arange(count, device=logits.device) * len(logits) // max(1, count)

    def _collections(self, saved: list[Saved]) -> dict[str, list[str]]:
        """Return which tensors the collections without a regular expression hold; known from the first step on."""
        found: dict[str, list[str]] = {"inputs": [f"{self._model_name}_input_0"]}
        if self._predictions:
            found["predictions"], found["labels"] = [f"{self._loss_name}_input_0"], [f"{self._loss_name}_input_1"]
        if any(item.name == f"{self._model_name}_input_0" and item.value.ndim == 4 for item in saved):
            found["input_image"] = found["inputs"]
        if shadowed := _shadowed_biases(self._model):
            found[SHADOWED] = [f"gradient/{self._model_name}_{name}" for name in shadowed]
        return found


def _activations(model: nn.Module) -> dict[str, list[str]]:
    """Return the collections of activations, by regular expression: a module that is called twice has two of each."""
    modules: dict[str, list[str]] = {}
    for name, module in model.named_modules():
        if isinstance(module, RELUS):
            modules.setdefault("relu_input", []).append(name)
            modules.setdefault("relu_output", []).append(name)
        if isinstance(module, DYING_RELUS):
            modules.setdefault("relu_activity", []).append(name)
        for kind, collection in _SQUASHERS.items():
            if isinstance(module, kind):
                modules.setdefault(collection, []).append(name)
    return {
        collection: [f"^(?:{'|'.join(map(re.escape, names))})_{collection.split('_')[1]}_[0-9]+$"]
        for collection, names in modules.items()
    }


def _shadowed_biases(model: nn.Module) -> list[str]:
    """Return the biases that a batch or instance normalisation right behind takes out again: they have no gradient.

    Right behind is by the order in which modules were registered, over what changes nothing about it (dropout).
    """
    shadowed, before = [], ("", 0)
    for name, module in model.named_modules():
        if isinstance(module, _NORMALISATIONS):
            if before[0] and before[1] == module.num_features:
                shadowed.append(f"{before[0]}.bias" if before[0] != "." else "bias")
            before = ("", 0)
        elif getattr(module, "bias", None) is not None and isinstance(getattr(module, "weight", None), Tensor):
            width = getattr(module, "out_channels", getattr(module, "out_features", 0))
            before = (name or ".", width)
        elif not isinstance(module, _TRANSPARENT) and not any(True for _ in module.children()):
            before = ("", 0)
    return shadowed


def _next_step(folder: Path) -> int:
    """Return one below the first free global step: a job that continues after an interruption must not write over."""
    steps = [int(item.name[:12]) for item in folder.glob("index/*/*.json") if item.name[:12].isdigit()]
    return max(steps, default=-1)


def _plain(args: Namespace) -> dict[str, Any]:
    return {
        key: value if isinstance(value, str | int | float | bool) else str(value) for key, value in vars(args).items()
    }
