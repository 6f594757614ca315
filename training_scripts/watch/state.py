"""What is known of a training that is being watched: its models, optimizers, loaders, and where it is."""

from __future__ import annotations

import contextlib
import ctypes
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Subset

from .code_site import NOWHERE, Site

NORMALISATIONS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
DROPOUTS = (nn.modules.dropout._DropoutNd,)
BATCH_NORMS = (nn.modules.batchnorm._BatchNorm,)
PER_TENSOR = 64
"""Elements of a parameter that are looked at, evenly spread."""


class Model:
    """A module that the script calls itself, with parameters: not a part of another, and no loss.

    `trained` counts the forwards whose outputs went into a backward. The module is not held.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = weakref.ref(module)
        self.forwards = self.trained = 0
        self._scripted = type(module).__name__ == "RecursiveScriptModule"
        self.name = type(self.inner).__name__
        self._sensitive = [
            (name, weakref.ref(item))
            for name, item in module.named_modules()
            if isinstance(item, (*BATCH_NORMS, *DROPOUTS))
        ]

    @property
    def module(self) -> nn.Module:
        """Return the module, an empty one once it is gone."""
        module = self._module()
        return nn.Module() if module is None else module

    @property
    def inner(self) -> nn.Module:
        """Return the model without the wrappers of torch.compile and of data parallel training."""
        module = self.module
        for _ in range(3):
            for attribute in ("_orig_mod", "module"):
                inside = getattr(module, attribute, None)
                if type(module).__module__.startswith("torch.") and isinstance(inside, nn.Module):
                    module = inside
        return module

    @property
    def is_compiled(self) -> bool:
        """Whether torch compiles any of it: hooks inside would make it do so again."""
        return self._scripted or any(
            getattr(module, "_compiled_call_impl", None) is not None or type(module).__name__ == "OptimizedModule"
            for module in self.module.modules()
        )

    @property
    def sensitive(self) -> list[tuple[str, nn.Module]]:
        """Return the dropouts and batch normalisations inside, which train and eval mode tell apart."""
        return [(name, item) for name, ref in self._sensitive if (item := ref()) is not None]


@dataclass(eq=False)
class Optimizer:
    """An optimizer, how often it has stepped, where it was made and where it steps.

    `later`: it was made after another one had stepped. `held` are its parameters, which may outlive it.
    `first_seq` and `step_seq`: when it stepped for the first time, and when last. `alone_from` is the number of its own
    step since which the main optimizer has not stepped, but stayed at `beside` steps.
    """

    optimizer: weakref.ref[Any]
    steps: int = 0
    made: Site = NOWHERE
    stepped_at: Site = NOWHERE
    first_seq: int = -1
    step_seq: int = -1
    later: bool = False
    beside: int = -1
    alone_from: int = 0
    held: Sequence[weakref.ref[Tensor]] = ()
    rates: list[float] = field(default_factory=list)

    @property
    def groups(self) -> Sequence[dict[str, Any]]:
        """Return its parameter groups; none once it is gone."""
        optimizer = self.optimizer()
        return () if optimizer is None else optimizer.param_groups

    def parameters(self) -> Iterator[Tensor]:
        """Yield the parameters that it holds."""
        for group in self.groups:
            yield from group["params"]

    @property
    def ids(self) -> set[int]:
        """Return the ids of the parameters that it had and that are still there: those of others are given again."""
        return {id(item) for item in alive(self.held)}

    def sample(self) -> list[Tensor]:
        """Return a few of them, first, middle and last, that are trained."""
        held = [item for item in self.parameters() if item.requires_grad]
        return [held[at] for at in sorted({0, len(held) // 2, len(held) - 1})] if held else []


def _sampler_of(loader: Any) -> Any:
    inner = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
    return inner or getattr(loader, "sampler", None)


_TAKES_ALL = ("", "SequentialSampler", "RandomSampler", "WeightedRandomSampler", "DistributedSampler")
"""Classes of samplers that may take each item of a dataset, "" for a dataset that orders its items itself."""


@dataclass(eq=False)
class Loader:
    """A DataLoader: what its batches were used for. `length` is in batches, None where that is not known.

    Many are made within the head of a `for`, and are gone once it runs: dataset and sampler are known without them.
    """

    loader: weakref.ref[Any]
    made: Site = NOWHERE
    length: int | None = None
    passes: int = 0
    batches: int = 0
    in_pass: int = 0
    trained: int = 0
    evaluated: int = 0
    sampler: str = field(init=False, default="")
    """The class of its sampler; "" for an iterable dataset, which orders its items itself."""

    def __post_init__(self) -> None:
        """Note what the loader has."""
        loader = self.loader()
        self._dataset: Callable[[], Any] = lambda: None
        if loader is None:
            return
        with contextlib.suppress(TypeError):  # a list has no weak references
            self._dataset = weakref.ref(loader.dataset)
        if not _is_iterable(loader.dataset):
            self.sampler = type(_sampler_of(loader)).__name__

    @property
    def dataset(self) -> Any:
        """Return its dataset; None once it is gone."""
        loader = self.loader()
        return self._dataset() if loader is None else loader.dataset

    @property
    def picked(self) -> Any:
        """Return its dataset, or the part of it that its sampler takes; None once it is gone, or where any may be."""
        if self.sampler in _TAKES_ALL:
            return self.dataset
        loader = self.loader()
        if loader is None or self.sampler != "SubsetRandomSampler":
            return None
        return Subset(loader.dataset, _sampler_of(loader).indices)

    @property
    def trains(self) -> bool:
        """Whether its batches are trained on."""
        return self.trained > 0

    @property
    def evaluates(self) -> bool:
        """Whether its batches are only looked at."""
        return self.evaluated > 0 and self.trained == 0


@dataclass(slots=True)
class Loss:
    """A loss that was computed: `kind` is the function's name. Held until the step is over. `weight` is by class."""

    kind: str
    inputs: Tensor
    targets: Tensor
    value: Tensor
    site: Site
    trains: bool
    label_smoothing: float = 0.0
    summed: bool = False
    weight: Tensor | None = None

    def detach(self) -> None:
        """Keep the numbers alone: once gradients are there, the graph with its parameters is not ours to hold."""
        self.inputs, self.targets, self.value = (item.detach() for item in (self.inputs, self.targets, self.value))

    @property
    def mean(self) -> Tensor:
        """Return the loss per item, detached, on its device."""
        if not self.summed and not self.value.ndim and self.value.dtype == torch.float32:
            return self.value.detach()
        value = self.value.detach().float()
        return value / max(1, len(self.targets)) if self.summed and self.targets.ndim else value.mean()

    @property
    def classifies(self) -> bool:
        """Whether logits or log-probabilities (N, classes, …) are held against class numbers (N, …)."""
        return (
            self.kind in ("cross_entropy", "nll_loss")
            and self.inputs.ndim >= 2
            and self.targets.ndim == self.inputs.ndim - 1
            and not self.targets.is_floating_point()
        )


SHARE, FREE_S = 0.005, 0.2
"""Of a script's time that looking closely may cost, and saving tensors as much again; and seconds to begin with."""


class Clock:
    """Time of the training, how much of it was ours, and whether we can afford to look closely.

    `share` is of the time since the first step, None for as much as it takes.
    """

    def __init__(self, share: float | None = None) -> None:
        self._share = share
        self._began = 0.0
        self._close = 0.0

    def begin(self) -> None:
        """Note that the training is under way; the first time counts."""
        self._began = self._began or time.perf_counter()

    def count(self, seconds: float) -> None:
        """Count what a close look took."""
        self._close += seconds

    @property
    def affords(self) -> bool:
        """Whether what close looks have cost so far is within the share."""
        if self._share is None or not self._began:
            return True
        return self._close <= FREE_S + self._share * (time.perf_counter() - self._began)


def alive(refs: Sequence[weakref.ref[Tensor]]) -> list[Tensor]:
    """Return those that are still there of tensors that are not held."""
    return [item for ref in refs if (item := ref()) is not None]


def is_model(module: nn.Module) -> bool:
    """Whether a module is worth watching: it has parameters, and is not a loss of torch's."""
    if isinstance(module, nn.modules.loss._Loss):
        return False
    return next(module.parameters(), None) is not None


def first_tensor(values: Any, depth: int = 0) -> Tensor | None:
    """Return the first tensor of at least two dimensions in arguments, floating ones first."""
    first = values[0] if isinstance(values, tuple) and values else None
    if isinstance(first, Tensor) and first.ndim >= 2 and first.is_floating_point():
        return first
    found = list(tensors_in(values, depth))
    floating = [item for item in found if item.is_floating_point() and item.ndim >= 2]
    others = [item for item in found if item.ndim >= 1]
    return next(iter(floating or others), None)


def row_bytes(inputs: Tensor, most: int = 64, numbers: int = 48) -> list[bytes]:
    """Return some evenly spread numbers of each of the first rows of a batch, as bytes."""
    rows = inputs.detach()[:most].reshape(min(most, len(inputs)), -1)
    rows = rows[:, :: max(1, -(-rows.shape[1] // numbers))]
    # Adding nothing makes -0 and 0 the same.
    rows = ((rows.float() if rows.dtype == torch.bfloat16 else rows) + 0).contiguous().cpu()
    size = rows.shape[1] * rows.element_size()
    data = ctypes.string_at(rows.data_ptr(), rows.numel() * rows.element_size()) if rows.numel() else b""
    return [data[at * size : (at + 1) * size] for at in range(len(rows))]


def is_plain(row: bytes) -> bool:
    """Return whether all numbers of a row are the same, so that it tells one input from another by little."""
    return row[:8] * (len(row) // 8) == row[: len(row) // 8 * 8]


def snapshot(parameters: Sequence[Tensor]) -> Tensor:
    """Return up to 64 numbers of each parameter, side by side, as float32 on the first one's device."""
    parts = []
    for item in parameters:
        flat = item.detach().reshape(-1)
        parts.append(flat[:: max(1, -(-flat.numel() // PER_TENSOR))].float())
    device = parts[0].device if parts else None
    return torch.cat([part.to(device) for part in parts]) if parts else torch.empty(0)


def sizes(parameters: Sequence[Tensor]) -> list[int]:
    """Return how many numbers of each parameter a snapshot has."""
    return [-(-item.numel() // max(1, -(-item.numel() // PER_TENSOR))) for item in parameters]


def tensors_in(values: Any, depth: int = 0) -> Iterator[Tensor]:
    """Yield the tensors in nested lists, tuples and dictionaries."""
    if isinstance(values, Tensor):
        yield values
    elif depth < 3 and isinstance(values, dict):
        for item in values.values():
            yield from tensors_in(item, depth + 1)
    elif depth < 3 and isinstance(values, list | tuple):
        for item in values:
            yield from tensors_in(item, depth + 1)


def _is_iterable(dataset: Any) -> bool:
    return isinstance(dataset, torch.utils.data.IterableDataset)
