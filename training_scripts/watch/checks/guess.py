"""What guessing by the shares of the classes would get of a loss, and the least that any answer could."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..state import Loss


class Guess(NamedTuple):
    """The losses that a training is held against, both per label."""

    loss: float
    least: float

    def share(self, mean: float) -> float:
        """Return how much of what guessing has over the least is left in a mean loss: 1 is guessing, 0 the best."""
        return (mean - self.least) / max(1e-9, self.loss - self.least)


def count_labels(loss: Loss) -> Tensor:
    """Return how often each class is asked for in a loss of classification, those left out of the loss left out."""
    labels, classes = loss.targets.reshape(-1), int(loss.inputs.shape[1])
    return torch.bincount(labels[(labels >= 0) & (labels < classes)], minlength=classes).cpu()


def guess_of(counts: Tensor, loss: Loss) -> Guess | None:
    """Return what guessing gets of a cross-entropy with its class weights or label smoothing; None where both count."""
    shares, smoothing, least = counts.double(), loss.label_smoothing, 0.0
    if loss.weight is not None:
        if smoothing or loss.summed or len(loss.weight) != len(shares):
            return None
        # The mean is by weight: a class of double weight is one that comes twice as often.
        shares = shares * loss.weight.detach().double().cpu()
    shares = shares / shares.sum().clamp(min=1e-12)
    if smoothing:
        rest = smoothing / len(shares)
        shares = (1 - smoothing) * shares + rest
        least = -sum(part * math.log(part) for part in (1 - smoothing + rest, *[rest] * (len(shares) - 1)))
    return Guess(float(-(shares[shares > 0] * shares[shares > 0].log()).sum()), least)
