"""A head's optimizer gives the numbers of torch.optim, to the bit, and goes on from its state."""

from __future__ import annotations

import copy
from argparse import Namespace

import pytest
import torch

from training_scripts.network import Classifier
from training_scripts.optimizers import HeadOptimizer, make_optimizer

CASES = [("adam", 0.0, 0.0), ("adamw", 0.0, 0.05), ("sgd", 0.9, 0.01), ("sgd", 0.0, 0.0)]


def args(kind: str, momentum: float, decay: float, mode: str) -> Namespace:
    return Namespace(
        optimizer=kind,
        momentum=momentum,
        weight_decay=decay,
        learning_rate=0.01,
        mode=mode,
        features="auto",
        weights="default",
        backbone_rate=1.0,
    )


def optimizer_of(asked: Namespace, head: torch.nn.Module) -> torch.optim.Optimizer:
    return make_optimizer(asked, Classifier(torch.nn.Identity(), head))


def trained(asked: Namespace, steps: int, broken_off: bool = False) -> list[torch.Tensor]:
    torch.manual_seed(0)
    head = torch.nn.Linear(20, 3)
    optimizer = optimizer_of(asked, head)
    inputs, labels = torch.randn(steps, 8, 20), torch.randint(0, 3, (steps, 8))
    for step in range(steps):
        if broken_off and step == steps // 2:
            kept, optimizer = optimizer.state_dict(), optimizer_of(asked, head)
            optimizer.load_state_dict(kept)
        optimizer.param_groups[0]["lr"] = 0.01 / (step + 1)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(head(inputs[step]), labels[step]).backward()
        optimizer.step()
    return [parameter.detach() for parameter in head.parameters()]


@pytest.mark.parametrize("case", CASES)
def test_the_weights_are_those_of_torchs_optimizer(case):
    ours = trained(args(*case, mode="head"), 7)
    assert all(map(torch.equal, ours, trained(args(*case, mode="fine_tune"), 7)))
    assert all(map(torch.equal, ours, trained(args(*case, mode="head"), 7, broken_off=True)))


@pytest.mark.parametrize("case", CASES)
def test_it_goes_on_from_the_state_of_torchs_optimizer(case):
    torch.manual_seed(0)
    heads = [torch.nn.Linear(20, 3) for _ in range(2)]
    heads[1].load_state_dict(heads[0].state_dict())
    theirs = optimizer_of(args(*case, mode="fine_tune"), heads[0])
    assert not isinstance(theirs, HeadOptimizer)
    inputs = torch.randn(4, 20)
    heads[0](inputs).square().sum().backward()
    theirs.step()
    heads[1].load_state_dict(heads[0].state_dict())
    ours = optimizer_of(args(*case, mode="head"), heads[1])
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    for head, optimizer in zip(heads, (theirs, ours), strict=True):
        optimizer.zero_grad()
        head(inputs).square().sum().backward()
        optimizer.step()
    assert all(map(torch.equal, heads[0].parameters(), heads[1].parameters()))
