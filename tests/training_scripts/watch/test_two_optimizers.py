"""Two networks with an optimizer each, of which one is trained more seldom, or later, than the other."""

import pytest
import torch
from torch import nn


def network(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, outputs))


@pytest.mark.parametrize("has_optimizer", [True, False])
def test_a_generator_that_waits_for_its_critic_is_trained(session, has_optimizer):
    generator, critic = network(4, 8), network(8, 1)
    optimizers = [torch.optim.Adam(item.parameters()) for item in (critic, generator)[: 1 + has_optimizer]]
    for _ in range(30):
        optimizers[0].zero_grad()
        with torch.no_grad():
            fake = generator(torch.randn(12, 4))
        (critic(fake).mean() - critic(torch.randn(12, 8)).mean()).backward()
        optimizers[0].step()
    found = [item.cause for item in session.findings.all if item.rule == "TrainModeWhileEvaluating"]
    assert bool(found) is not has_optimizer
    assert session.findings.failures == []
