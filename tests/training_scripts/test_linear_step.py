"""A linear head's step by kernels is autograd's to the bit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from training_scripts.linear_step import backward, forward, is_plain
from training_scripts.network import Classifier


@pytest.mark.parametrize("count", [1, 3, 32, 300])
@pytest.mark.parametrize("weight", [None, torch.tensor([0.5, 2.0, 1.0, 0.1])])
def test_loss_logits_and_gradients_are_autograds(count: int, weight: torch.Tensor | None) -> None:
    torch.manual_seed(count)
    theirs, ours = nn.Linear(128, 4), nn.Linear(128, 4)
    ours.load_state_dict(theirs.state_dict())
    inputs, labels = torch.randn(count, 128), torch.randint(0, 4, (count,))
    expected = theirs(inputs)
    expected_loss = nn.CrossEntropyLoss(weight)(expected, labels)
    expected_loss.backward()
    logits, loss, gradient = forward(ours, inputs, labels, weight)
    backward(ours, inputs, gradient)
    assert torch.equal(logits, expected)
    assert torch.equal(loss, expected_loss)
    assert theirs.weight.grad is not None
    assert theirs.bias.grad is not None
    assert torch.equal(ours.weight.grad, theirs.weight.grad)
    assert torch.equal(ours.bias.grad, theirs.bias.grad)


def training(head: nn.Module | None = None, smoothing: float = 0.0, mode: str = "head") -> Any:
    model = Classifier(nn.Identity(), nn.Linear(8, 2) if head is None else head)
    args, setup = SimpleNamespace(mode=mode, features="auto"), SimpleNamespace(device=torch.device("cpu"))
    return SimpleNamespace(model=model, loss_fn=nn.CrossEntropyLoss(label_smoothing=smoothing), args=args, setup=setup)


def test_only_a_linear_layer_over_features_by_the_plain_loss_is_plain() -> None:
    assert is_plain(training())
    assert not is_plain(training(nn.Sequential(nn.Linear(8, 2), nn.BatchNorm1d(2))))
    assert not is_plain(training(smoothing=0.1))
    assert not is_plain(training(mode="fine_tune"))
    assert not is_plain(training(nn.Linear(8, 2, bias=False)))
