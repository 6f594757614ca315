"""A training loss that has come to rest while it is high, and what in the script keeps the network from more."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..check_base import Check
from ..code_site import Site
from ..network_graph import is_passed_by_all, layers_in_line
from ..session import Session
from ..state import DROPOUTS, Loss, Model
from .guess import count_labels, guess_of

JUDGED_FROM, PASSES = 300, 4
BATCHES, LABELS = 6, 100
"""Steps, passes through the data, and batches and labels in either of two stretches, from which on it is judged."""
HIGH, STILL = 0.35, 0.02
"""Of what guessing has, and how much of itself the loss still falls from one stretch to the next."""
STRONG_DROPOUT, NARROW, RAN_OUT, SHRUNK = 0.7, 2, 0.01, 0.5
STRONG_DECAY, STRONG_DECAY_APART = 5e-3, 0.5
"""Weight decay from which on it is taken for a cause: among the gradients, and apart from them as in AdamW."""


@dataclass(frozen=True, slots=True)
class _Seen:
    step: int
    loss: float
    right: int
    size: int
    rate: float


class Underfitting(Check):
    """What keeps a network from fitting its training data is found where the loss has come to rest while it is high.

    A high loss alone is no finding: labels may be as uncertain as that. There has to be a reason in the script.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._seen: list[_Seen] = []
        self._counts: Tensor | None = None
        self._norm = 0.0
        self._linear = 0
        self._narrow: tuple[str, int] | None = None
        self._site: Site | None = None
        self._model: Model | None = None

    def computed(self, loss: Loss) -> None:
        """Keep the losses that are looked at, and how many answers were right."""
        session = self.session
        if not session.pace.watching or not loss.trains or not loss.classifies or loss.value.numel() != 1:
            return
        # Where an input has many labels (the words of a text, the pixels of a picture) a high loss is nothing special.
        if session.inputs is None or loss.inputs.ndim != 2 or len(session.inputs) != len(loss.targets):
            return
        if not self._seen:
            self._begin(loss)
        counts = count_labels(loss)
        self._counts = counts if self._counts is None or len(self._counts) != len(counts) else self._counts + counts
        right = int((loss.inputs.detach().argmax(dim=1) == loss.targets).sum())
        self._seen.append(_Seen(session.step, float(loss.mean), right, len(loss.targets), self._rate()))
        if session.step >= JUDGED_FROM:
            self._judge(loss)

    def _begin(self, loss: Loss) -> None:
        self._model = self.session.model
        self._norm = self._weights()
        self._linear = layers_in_line(loss.inputs)
        self._narrow = self._narrowest(loss.inputs)
        self._site = loss.site

    def _judge(self, loss: Loss) -> None:
        if self._passes() < PASSES or self._counts is None or self._site is None:
            return
        last = self._seen[-1].step
        before = [item for item in self._seen if last / 3 < item.step <= 2 * last / 3]
        after = [item for item in self._seen if item.step > 2 * last / 3]
        if any(len(part) < BATCHES or sum(item.size for item in part) < LABELS for part in (before, after)):
            return
        guess = guess_of(self._counts, loss)
        if guess is None or guess.loss - guess.least < 0.3:
            return
        was, now = _mean(before), _mean(after)
        if guess.share(now) <= HIGH or now - guess.least < (1 - STILL) * (was - guess.least):
            self.looked("Underfitting")
            return
        reason = self._reason()
        if reason is None:
            return
        cause, remedy, at = reason
        right = sum(item.right for item in after) / sum(item.size for item in after)
        self.found(
            "Underfitting",
            f"The network cannot fit its own training data: {cause}",
            f"The training loss rests at {now:.3g}, where guessing has {guess.loss:.3g}, and {100 * right:.0f} % of "
            f"the training answers are right in the last third of {last} steps; in the third before it was {was:.3g}.",
            remedy,
            at if at is not None and at.file else self._site,
            [(item.step, item.loss, None) for item in after],
        )

    def _passes(self) -> int:
        """Return how often the training data was gone through, which may have a loader for each time."""
        passes: dict[int, int] = {}
        for item in self.session.loaders.all:
            if not item.trains:
                continue
            # The place of a dataset that is gone is given to another one.
            key = id(item if item.dataset is None else item.dataset)
            passes[key] = passes.get(key, 0) + item.passes
        return max(passes.values(), default=PASSES + 1)

    def _reason(self) -> tuple[str, str, Site | None] | None:
        """Return what keeps the network from more, what to do, and where; None where nothing is seen."""
        optimizer = self.session.optimizers.main
        made = optimizer.made if optimizer is not None else None
        if self._linear >= 2:
            return (
                f"its {self._linear} layers have no activation between them, so together they are one linear layer.",
                "Put an activation such as nn.ReLU() between the layers.",
                self.session.sites.get("forward"),
            )
        highest = max(item.rate for item in self._seen)
        late = [item.rate for item in self._seen if item.step > 0.4 * self._seen[-1].step]
        if late and 0 < max(late) < RAN_OUT * highest:
            return (
                f"the learning rate fell from {highest:.3g} to {max(late):.3g} before it had learned.",
                "Let the learning rate fall more slowly, by epochs and not by steps.",
                self.session.sites.get("scheduler", made),
            )
        decay, apart = self._decay()
        shrunk = self._weights() / self._norm if self._norm else 1.0
        if decay >= (STRONG_DECAY_APART if apart else STRONG_DECAY) and shrunk < SHRUNK:
            return (
                f"a weight decay of {decay:g} has pulled its weights down to {100 * shrunk:.0f} % of their size.",
                "Lower the weight decay, for instance to a hundredth.",
                made,
            )
        if self._model is None:
            return None
        for name, module in self._model.inner.named_modules():
            if isinstance(module, DROPOUTS) and module.training and module.p >= STRONG_DROPOUT:
                return (
                    f"the dropout {name} takes {100 * module.p:.0f} % of what it could see.",
                    "Lower the dropout, to 0.5 or less.",
                    self.session.sites.get("forward"),
                )
        if self._narrow is not None and self._counts is not None:
            name, numbers = self._narrow
            return (
                f"{name} lets {numbers} of its numbers through, for {len(self._counts)} classes.",
                f"Give {name} more outputs than there are classes.",
                self.session.sites.get("forward"),
            )
        return None

    def _narrowest(self, outputs: Tensor) -> tuple[str, int] | None:
        """Return a layer that lets too little through for so many classes and that all must pass, with how much."""
        for name, module in self._model.inner.named_modules() if self._model is not None else ():
            narrow = isinstance(module, nn.Linear) and module.out_features <= min(NARROW, (outputs.shape[1] - 1) // 2)
            if narrow and is_passed_by_all(outputs, module.weight):
                return name, module.out_features
        return None

    def _decay(self) -> tuple[float, bool]:
        optimizer = self.session.optimizers.main
        if optimizer is None:
            return 0.0, False
        known = optimizer.optimizer()
        return (
            max((float(group.get("weight_decay") or 0.0) for group in optimizer.groups), default=0.0),
            "AdamW" in type(known).__name__
            or bool(optimizer.groups and optimizer.groups[0].get("decoupled_weight_decay")),
        )

    def _rate(self) -> float:
        optimizer = self.session.optimizers.main
        groups = optimizer.groups if optimizer is not None else []
        return max((float(group["lr"]) for group in groups if "lr" in group), default=0.0)

    def _weights(self) -> float:
        """Return the length of all trained weights, biases and normalisations left out."""
        if self._model is None:
            return 0.0
        parts = [
            item.detach().norm() for item in self._model.inner.parameters() if item.requires_grad and item.ndim > 1
        ]
        return float(torch.stack([part.cpu() for part in parts]).norm()) if parts else 0.0


def _mean(seen: list[_Seen]) -> float:
    return sum(item.loss * item.size for item in seen) / sum(item.size for item in seen)
