"""Steps of a loop that moves its parameters itself, without an optimizer of torch's."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .state import Model, alive, snapshot


class HandSteps:
    """Stands for the optimizer of such a loop: a step was made where parameters are not as backward left them.

    It has no learning rate, because none is known. Parameters are not held: they go with their model.
    """

    def __init__(self) -> None:
        self._parameters: Sequence[weakref.ref[Tensor]] = ()
        self._sample: Sequence[weakref.ref[Tensor]] = ()
        self._left: Tensor | None = None

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Return what got gradients, as an optimizer's groups."""
        return [{"params": alive(self._parameters)}]

    def backward(self, model: Model) -> None:
        """Remember a few numbers of what has gradients now."""
        held = alive(self._parameters)
        known = {id(item) for item in held}
        held += [item for item in model.module.parameters() if item.grad is not None and id(item) not in known]
        if len(held) > len(known) or len(held) < len(self._parameters):
            self._parameters = [weakref.ref(item) for item in held]
            self._sample = [self._parameters[at] for at in sorted({0, len(held) // 2, len(held) - 1})] if held else ()
        self._left = snapshot(alive(self._sample)) if held else None

    def moved(self) -> bool:
        """Whether the parameters have moved since the last backward; only the first time after it."""
        sample = alive(self._sample)
        if self._left is None or len(sample) < len(self._sample) or torch.equal(self._left, snapshot(sample)):
            return False
        self._left = None
        return True
