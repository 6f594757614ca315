"""Two networks with an optimizer each, of which one is trained more seldom, or later, than the other."""

import gc

import pytest
import torch
from torch import nn

from training_scripts.watch.optimizers import ALONE


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


@pytest.mark.parametrize(("begins_at", "said"), [(40, ""), (99, "never steps")])
def test_an_optimizer_may_begin_to_step_later_than_another(session, begins_at, said):
    backbone, head = network(8, 16), nn.Linear(16, 3)
    optimizers = [torch.optim.SGD(item.parameters(), 0.05) for item in (backbone, head)]
    for step in range(60):
        nn.functional.cross_entropy(head(backbone(torch.randn(12, 8))), torch.arange(12) % 3).backward()
        for optimizer in optimizers[step < begins_at :]:
            optimizer.step()
        for optimizer in optimizers:
            optimizer.zero_grad()
    assert session.findings.all == []
    session.close()
    assert [said in item.cause for item in session.findings.all] == [True] * bool(said)
    assert session.findings.failures == []


def test_one_that_rests_when_warm_ups_are_over_is_found_at_once(session):
    backbone, head = network(8, 16), nn.Linear(16, 3)
    optimizers = [torch.optim.SGD(item.parameters(), 0.05) for item in (backbone, head)]
    data = torch.utils.data.TensorDataset(torch.randn(300, 8), torch.arange(300) % 3)
    for _ in range(7):
        for inputs, labels in torch.utils.data.DataLoader(data, 15, shuffle=True):
            for optimizer in optimizers:
                optimizer.zero_grad()
            nn.functional.cross_entropy(head(backbone(inputs)), labels).backward()
            optimizers[1].step()
    assert ["in the first 120 steps" in item.cause for item in session.findings.all] == [True]


def pretrained(head_steps, all_steps):
    """Train the head alone, then all of a model with a new optimizer, as a script does in its main()."""
    model = nn.ModuleDict({"backbone": network(8, 16), "head": nn.Linear(16, 3)})
    optimizers = [torch.optim.SGD(model[part].parameters(), 0.05) for part in ("head", "backbone")]
    chosen = optimizers[0]
    for step in range(head_steps + all_steps):
        if step == head_steps:
            chosen = torch.optim.SGD(model.parameters(), 0.05)
        chosen.zero_grad()
        optimizers[1].zero_grad()
        nn.functional.cross_entropy(
            model["head"](model["backbone"](torch.randn(12, 8))), torch.arange(12) % 3
        ).backward()
        chosen.step()


@pytest.mark.parametrize(("all_steps", "said"), [(8, ""), (0, "never steps")])
def test_an_optimizer_that_another_replaced_does_not_rest_where_all_of_them_are_gone(session, all_steps, said):
    """The script begins with the new one where steps are not looked at closely: after the first 24, not a tenth."""
    pretrained(41, all_steps)
    gc.collect()
    session.close()
    found = [item.cause for item in session.findings.all if item.rule == "ParametersNeverChange"]
    assert [said in cause for cause in found] == [True] * bool(said)
    assert session.findings.failures == []


def test_an_optimizer_begins_after_a_warm_up_of_five_passes_though_the_other_steps_first(session):
    backbone, head = network(8, 16), nn.Linear(16, 3)
    optimizers = [torch.optim.SGD(item.parameters(), 0.05) for item in (head, backbone)]
    data = torch.utils.data.TensorDataset(torch.randn(300, 8), torch.arange(300) % 3)
    for at in range(7):
        for inputs, labels in torch.utils.data.DataLoader(data, 15, shuffle=True):
            for optimizer in optimizers:
                optimizer.zero_grad()
            nn.functional.cross_entropy(head(backbone(inputs)), labels).backward()
            for optimizer in optimizers[: 1 + (at >= 5)]:
                optimizer.step()
    assert session.findings.all == []


def test_one_that_takes_the_place_of_another_makes_the_steps(session):
    """Both are made before: the head alone is trained with the first, then all with the second."""
    backbone, head = network(8, 16), nn.Linear(16, 3)
    model = nn.Sequential(backbone, head)
    first, second = (torch.optim.SGD(item.parameters(), 0.05) for item in (head, model))
    for step in range(10 + 2 * ALONE):
        optimizer = first if step < 10 else second
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(torch.randn(12, 8)), torch.arange(12) % 3).backward()
        optimizer.step()
    assert session.step == session.recorder._step == 10 + ALONE
    assert session.findings.all == []
    assert session.findings.failures == []


def test_a_critic_of_many_steps_takes_nothing_over(session):
    critic, generator = network(8, 1), network(4, 8)
    first, second = (torch.optim.SGD(item.parameters(), 0.01) for item in (generator, critic))
    for step in range(3 * ALONE):
        optimizer = second if step % (2 * ALONE) else first
        optimizer.zero_grad()
        critic(generator(torch.randn(12, 4))).mean().backward()
        optimizer.step()
    assert session.step == 2
