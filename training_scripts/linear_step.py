"""A step of a linear head by its kernels alone: what autograd does around them takes as long as the sums themselves.

They are those that autograd calls, in its order, so that the numbers are the same to the bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from training_scripts.preparation import over_features

if TYPE_CHECKING:
    from training_scripts.running import Run

_MEAN, _IGNORED = 1, -100
"""How the losses of a batch become one, and the label that does not count: both as nn.CrossEntropyLoss has them."""


def is_plain(run: Run) -> bool:
    """Whether a training is of one linear layer over features, by the plain cross-entropy."""
    head, loss_fn = run.model.head, run.loss_fn
    ours = type(head) is nn.Linear and head.bias is not None and type(run.model.backbone) is nn.Identity
    plain = type(loss_fn) is nn.CrossEntropyLoss and not loss_fn.label_smoothing
    return ours and plain and over_features(run.args) and run.setup.device.type == "cpu" and run.model.temperature == 1


@torch.no_grad()
def forward(head: nn.Linear, inputs: Tensor, labels: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return the logits, the loss and its gradient by the logits; of `inputs` (N, dim) and `labels` (N,)."""
    logits = torch.addmm(head.bias, inputs, head.weight.t())
    likelihoods = torch.ops.aten._log_softmax.default(logits, 1, False)
    loss, total = torch.ops.aten.nll_loss_forward.default(likelihoods, labels, weight, _MEAN, _IGNORED)
    gradient = torch.ops.aten.nll_loss_backward.default(
        torch.ones(()), likelihoods, labels, weight, _MEAN, _IGNORED, total
    )
    return logits, loss, torch.ops.aten._log_softmax_backward_data.default(gradient, likelihoods, 1, logits.dtype)


@torch.no_grad()
def backward(head: nn.Linear, inputs: Tensor, gradient: Tensor) -> None:
    """Give the head's parameters their gradients, of the gradient by the logits."""
    head.weight.grad = gradient.t().mm(inputs)
    head.bias.grad = gradient.sum(0)
