"""The optimizers: torch's own, and for a head their kernels alone.

A step of a head takes a tenth of a millisecond, of which what torch.optim does around its kernel is a fifth; and its
first step imports torch._dynamo, half of what importing torch takes. The numbers are the same to the bit.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

from training_scripts.network import Classifier
from training_scripts.preparation import over_features


def make_optimizer(args: Namespace, model: Classifier) -> torch.optim.Optimizer:
    """Return the optimizer of what is to be trained; the backbone, which knows much already, moves more slowly."""
    rate, decay = args.learning_rate, args.weight_decay
    if over_features(args):
        return cast(torch.optim.Optimizer, HeadOptimizer(args, list(model.head.parameters())))
    share = 1.0 if args.weights == "none" else args.backbone_rate
    parts = ((model.head, rate), (model.backbone, rate * share))
    groups: list[dict[str, Any]] = [
        {"params": trained, "lr": rate, "whole_rate": rate}
        for part, rate in parts
        if (trained := [parameter for parameter in part.parameters() if parameter.requires_grad])
    ]
    if args.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=args.momentum, weight_decay=decay, fused=True)
    kind = torch.optim.AdamW if args.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=rate, weight_decay=decay, fused=True)


class HeadOptimizer:
    """Adam, AdamW or SGD as in torch.optim, over the parameters of a head on the CPU; with the same state_dict."""

    def __init__(self, args: Namespace, parameters: list[nn.Parameter]) -> None:
        self._parameters: list[Tensor] = list(parameters)
        rate = args.learning_rate
        self.param_groups = [{"params": self._parameters, "lr": rate, "whole_rate": rate}]
        self._decay, self._momentum = args.weight_decay, args.momentum
        self._kind = args.optimizer
        self._state: list[dict[str, Any]] = []

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Release the gradients of the last step."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters by their gradients."""
        parameters = [parameter for parameter in self._parameters if parameter.grad is not None]
        gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
        if self._kind == "sgd":
            self._step_sgd(parameters, gradients)
            return
        if not self._state:
            self._state = [
                {"step": torch.zeros(()), "exp_avg": torch.zeros_like(one), "exp_avg_sq": torch.zeros_like(one)}
                for one in parameters
            ]
        steps = self._kept("step")
        torch._foreach_add_(steps, 1)
        move: Callable[..., None] = torch._fused_adamw_ if self._kind == "adamw" else torch._fused_adam_
        move(
            parameters,
            gradients,
            self._kept("exp_avg"),
            self._kept("exp_avg_sq"),
            [],
            steps,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.param_groups[0]["lr"],
            weight_decay=self._decay,
            eps=1e-8,
            maximize=False,
        )

    def _step_sgd(self, parameters: list[Tensor], gradients: list[Tensor]) -> None:
        buffers = self._kept("momentum_buffer") if self._state else [None] * len(parameters)
        sgd(
            parameters,
            gradients,
            cast(list[Tensor | None], buffers),
            fused=True,
            weight_decay=self._decay,
            momentum=self._momentum,
            lr=self.param_groups[0]["lr"],
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
        if self._momentum:
            self._state = [{"momentum_buffer": buffer} for buffer in buffers]

    def _kept(self, name: str) -> list[Any]:
        return [state[name] for state in self._state]

    def state_dict(self) -> dict[str, Any]:
        """Return what a later run needs to continue, in torch's form."""
        return {"state": dict(enumerate(self._state)), "param_groups": []}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self._state = [kept for _, kept in sorted(state["state"].items())]
