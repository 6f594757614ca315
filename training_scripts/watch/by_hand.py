"""Steps of a loop that moves its parameters itself, without an optimizer of torch's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .state import Model, snapshot


class HandSteps:
    """Stands for the optimizer of such a loop: a step was made where parameters are not as backward left them.

    It has no learning rate, because none is known.
    """

    def __init__(self) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": []}]
        self._sample: list[Tensor] = []
        self._left: Tensor | None = None

    def backward(self, model: Model) -> None:
        """Remember a few numbers of what has gradients now."""
        params = self.param_groups[0]["params"]
        known = {id(item) for item in params}
        params += [item for item in model.module.parameters() if item.grad is not None and id(item) not in known]
        if len(params) > len(known):
            self._sample = [params[at] for at in sorted({0, len(params) // 2, len(params) - 1})]
        self._left = snapshot(self._sample) if self._sample else None

    def moved(self) -> bool:
        """Whether the parameters have moved since the last backward; only the first time after it."""
        if self._left is None or torch.equal(self._left, snapshot(self._sample)):
            return False
        self._left = None
        return True
