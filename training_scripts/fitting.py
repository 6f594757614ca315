"""A linear head at the lowest point of its loss, and how well it does on pictures that it has not learned.

Multinomial logistic regression with an L2 penalty has one lowest point. L-BFGS goes there in a fraction of a second
whatever it starts from, so the answer depends on nothing but the data and the penalty: no learning rate, no epochs, no
seed. Pure functions of features and labels; nothing here prints, saves or draws.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_ITERATIONS = 500
TOLERANCE = 1e-5
"""The fit ends when no component of the gradient is larger."""
MOST_KEPT = 8
"""Sets of features that stay compressed: those of a trial of five folds, which are train, all, and all but one part."""
_PRIOR = 2.0
"""Pictures that speak for a temperature of 1: the fewer there are, the less it moves from there."""
_TEMPERATURES = (0.1, 10.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a fit is asked for.

    Attributes:
        weight_decay: the L2 penalty on the weights (not the offsets) of standardised features, beside the mean loss.
        class_weights: the power of a class's rarity that its pictures count with, 0…1; see `class_weights`.
        label_smoothing: the share of each label that is spread over all classes.
    """

    weight_decay: float
    class_weights: float = 0.0
    label_smoothing: float = 0.0


@dataclass(frozen=True, slots=True)
class Linear:
    """Logits are features @ `weight`.T + `bias`: (classes, dim) and (classes,) float32."""

    weight: Tensor
    bias: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """Map (N, dim) -> (N, classes)."""
        return F.linear(features, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """What heads said of the pictures that they had not learned: `logits` (N, classes), in the order of the labels.

    `loss` and `accuracy` are means over the pictures, `loss_error` and `accuracy_error` their standard errors.
    """

    folds: int
    logits: Tensor
    loss: float
    loss_error: float
    accuracy: float
    accuracy_error: float


def class_weights(labels: NDArray[np.int64], classes: int, power: float) -> Tensor | None:
    """Return what a picture of each class counts, (classes,): (mean size / size) ** power, the mean picture counting 1.

    With power 1 every class counts the same, however few its pictures; with 0 (None) every picture does.
    """
    if not power:
        return None
    sizes = np.bincount(labels, minlength=classes).astype(np.float64)
    weights = (sizes.mean() / np.maximum(sizes, 1.0)) ** power
    weights *= sizes.sum() / (weights * sizes).sum()
    return torch.from_numpy(weights.astype(np.float32))


def fit(
    features: Tensor,
    labels: Tensor,
    classes: int,
    settings: Settings,
    on_iteration: Callable[[int, float], None] = lambda iteration, loss: None,
) -> Linear:
    """Return the head with the lowest loss on `features` (N, dim) and `labels` (N,).

    Features are standardised for the fit, so that a penalty means the same for every backbone; the head that is
    returned takes them as they are.
    """
    centre, scale, inputs, back = _prepared(features)
    weight = torch.zeros(classes, inputs.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    per_class = class_weights(labels.numpy(), classes, settings.class_weights)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=MOST_ITERATIONS,
        tolerance_grad=TOLERANCE,
        tolerance_change=1e-9,
        history_size=10,
        line_search_fn="strong_wolfe",
    )
    count = 0

    def closure() -> Tensor:
        nonlocal count
        count += 1
        optimizer.zero_grad()
        logits = F.linear(inputs, weight, bias)
        loss = F.cross_entropy(logits, labels, per_class, label_smoothing=settings.label_smoothing)
        on_iteration(count, loss.item())
        loss = loss + 0.5 * settings.weight_decay * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        own = (weight if back is None else weight @ back) / scale
        return Linear(own.detach().clone(), (bias - own @ centre).detach().clone())


_Prepared = tuple[Tensor, Tensor, Tensor, Tensor | None]
_kept: OrderedDict[tuple[str, tuple[int, ...]], _Prepared] = OrderedDict()


def _prepared(features: Tensor) -> _Prepared:
    """Return the centre and scale of features, and what the fit works on: standardised, compressed, and the way back.

    All trials of a search fit the same parts of the same pictures, and to compress these takes as long as a fit. So a
    worker keeps what it has compressed, by content.
    """
    if len(features) >= features.shape[1]:
        return _standardised(features)
    key = hashlib.sha256(features.detach().contiguous().numpy().data).hexdigest(), tuple(features.shape)
    if key not in _kept:
        _kept[key] = _standardised(features)
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    _kept.move_to_end(key)
    return _kept[key]


def _standardised(features: Tensor) -> _Prepared:
    centre, scale = features.mean(dim=0), features.std(dim=0, correction=0).mean().clamp_min(1e-8)
    return (centre, scale, *_compressed((features - centre).div_(scale)))  # one copy, not two


def _compressed(inputs: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return fewer features that say the same of N pictures than their `dim`, and the way back, (fewer, dim).

    The best weights are sums of the pictures' features, so where there are fewer pictures than features, as many
    directions as there are pictures are enough. They are at right angles: the penalty stays what it is.
    """
    if len(inputs) >= inputs.shape[1]:
        return inputs, None
    doubles = inputs.double()
    sizes, directions = torch.linalg.eigh(doubles @ doubles.T)
    kept = sizes > 1e-10 * sizes[-1]
    roots, directions = sizes[kept].sqrt(), directions[:, kept]
    return (directions * roots).float(), ((directions / roots).T @ doubles).float()


def cross_validate(
    features: Tensor, labels: Tensor, groups: Iterable[int], classes: int, heads: Sequence[Settings], folds: int
) -> CrossValidation:
    """Fit `folds` times, each time without one part of the pictures, which is then judged: by the mean of the heads.

    Pictures of one group are all in the same part: a copy that was learned would speak well of the other. Where there
    are fewer groups than parts there are as many parts as groups.
    """
    part = fold_of(labels.numpy(), groups, folds)
    folds = int(part.max()) + 1
    logits = torch.zeros(len(labels), classes)
    for fold in range(folds):
        held = torch.from_numpy(part == fold)
        fitted = [fit(features[~held], labels[~held], classes, settings) for settings in heads]
        logits[held] = torch.stack([head.logits(features[held]) for head in fitted]).mean(dim=0)
    losses = F.cross_entropy(logits, labels, reduction="none").double()
    right = (logits.argmax(dim=1) == labels).double()
    root = math.sqrt(len(labels))
    return CrossValidation(
        folds,
        logits,
        losses.mean().item(),
        losses.std().item() / root,
        right.mean().item(),
        right.std().item() / root,
    )


def fold_of(labels: NDArray[np.int64], groups: Iterable[int], folds: int) -> NDArray[np.int64]:
    """Return each picture's part, 0…folds - 1, (N,): groups whole, each class in every part as far as it goes.

    The same pictures are divided alike in every trial.
    """
    members: dict[int, list[int]] = {}
    for position, group in enumerate(groups):
        members.setdefault(group, []).append(position)
    folds = min(folds, len(members))
    whole = list(members.values())
    blocks = [whole[place] for place in np.random.default_rng(0).permutation(len(whole))]
    classes = int(labels.max()) + 1
    sizes = np.bincount(labels, minlength=classes)
    part = np.zeros(len(labels), dtype=np.int64)
    held = np.zeros((folds, classes), dtype=np.int64)
    # Large groups and rare classes first: what comes later evens out.
    for block in sorted(blocks, key=lambda block: (-len(block), sizes[labels[block[0]]])):
        label = labels[block[0]]
        fold = min(range(folds), key=lambda fold: (held[fold, label], held[fold].sum()))
        part[block] = fold
        np.add.at(held[fold], labels[block], 1)
    return part


def temperature(logits: Tensor, labels: Tensor) -> float:
    """Return what to divide logits by so that probabilities are as often right as they say (Guo et al., 2017).

    It has the lowest loss on `logits` (N, classes) of pictures that the head has not learned; few pictures, or none
    that is wrong, move it little from 1.
    """
    if not len(labels):
        return 1.0
    doubles = logits.double()

    def loss(log_temperature: float) -> float:
        total = F.cross_entropy(doubles / math.exp(log_temperature), labels, reduction="sum").item()
        return total + _PRIOR * log_temperature**2

    low, high = map(math.log, _TEMPERATURES)
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(40):  # the loss has one lowest point: golden section
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)
