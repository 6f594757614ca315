"""A network that cannot is told from one whose graph only looks like it."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from training_scripts.watch.checks.guess import count_labels, guess_of
from training_scripts.watch.code_site import NOWHERE
from training_scripts.watch.network_graph import is_passed_by_all, layers_in_line
from training_scripts.watch.state import Loss

INPUTS = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))


class Parts(nn.Module):
    """Layers by name, and a forward that the test gives."""

    def __init__(self, forward, **layers):
        super().__init__()
        self.layers = nn.ModuleDict(layers)
        self._forward = forward

    def forward(self, inputs):
        return self._forward(self.layers, inputs)


def linear(**sizes):
    return {name: nn.Linear(*size) for name, size in sizes.items()}


@pytest.mark.parametrize(
    ("network", "layers"),
    [
        (nn.Linear(6, 5), 1),
        (nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 5)), 3),
        (nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 5)), 0),
        (Parts(lambda it, x: it["a"](x[:, :3]) + it["b"](x[:, 3:]), **linear(a=(3, 5), b=(3, 5))), 1),
        (Parts(lambda it, x: it["w"](x) + it["b"](it["a"](x)), **linear(w=(6, 5), a=(6, 2), b=(2, 5))), 1),
        (Parts(lambda it, x: it["b"](torch.cat([it["a"](x), x], 1)), **linear(a=(6, 2), b=(8, 5))), 1),
        (Parts(lambda it, x: it["b"](it["a"](x) + it["c"](it["a"](x))), **linear(a=(6, 4), c=(4, 4), b=(4, 5))), 2),
        (Parts(lambda it, x: it["b"](it["a"](x) @ it["a"](x).T), **linear(a=(6, 4), b=(8, 5))), 0),
    ],
)
def test_layers_in_line_are_those_of_each_way_through(network, layers):
    assert layers_in_line(network.train()(INPUTS)) == layers


def pooled(it, inputs):
    words = torch.relu(it["words"](inputs[:, :, None]))
    return it["head"]((torch.softmax(it["narrow"](words), 1) * words).sum(1))


@pytest.mark.parametrize(
    ("forward", "sizes", "passed"),
    [
        (lambda it, x: it["head"](torch.relu(it["narrow"](x))), {"narrow": (6, 1), "head": (1, 5)}, True),
        (
            lambda it, x: it["head"](nn.functional.dropout(torch.relu(it["narrow"](torch.relu(it["first"](x)))), 0.5)),
            {"first": (6, 8), "narrow": (8, 1), "head": (1, 5)},
            True,
        ),
        (pooled, {"words": (1, 8), "narrow": (8, 1), "head": (8, 5)}, False),  # attention
        (  # a gate of the data itself, with layers of its own
            lambda it, x: it["head"](x * torch.sigmoid(it["narrow"](torch.relu(it["first"](x))))),
            {"first": (6, 8), "narrow": (8, 1), "head": (6, 5)},
            False,
        ),
        (  # beside a branch
            lambda it, x: it["head"](torch.relu(it["first"](x)) * torch.sigmoid(it["narrow"](x))),
            {"first": (6, 8), "narrow": (6, 1), "head": (8, 5)},
            False,
        ),
        (  # squeeze and excitation
            lambda it, x: it["head"](x * torch.sigmoid(it["wide"](torch.relu(it["narrow"](x))))),
            {"narrow": (6, 1), "wide": (1, 6), "head": (6, 5)},
            False,
        ),
        (lambda it, x: (it["head"](x), it["narrow"](x))[0], {"narrow": (6, 1), "head": (6, 5)}, False),
        (  # one number of each of six points
            lambda it, x: it["head"](torch.relu(it["narrow"](x[:, :, None].expand(-1, -1, 3))).flatten(1)),
            {"narrow": (3, 1), "head": (6, 5)},
            False,
        ),
    ],
)
def test_a_narrow_layer_counts_only_where_all_must_pass_it(forward, sizes, passed):
    network = Parts(forward, **linear(**sizes))
    assert is_passed_by_all(network(INPUTS), network.layers["narrow"].weight) == passed


@pytest.mark.parametrize(
    ("apart", "smoothing", "found"), [(0, 0.0, ["Underfitting"]), (0, 0.2, ["Underfitting"]), (4, 0.2, [])]
)
def test_a_loader_for_each_pass_and_labels_that_are_smoothed(session, apart, smoothing, found):
    session.recorder = None
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(80, 4) + apart * torch.eye(4).repeat(20, 1), torch.arange(80) % 4)
    model = nn.Sequential(nn.Linear(4, 1 + apart), nn.Tanh(), nn.Linear(1 + apart, 4))
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    for _ in range(90):
        for rows, labels in DataLoader(data, batch_size=20, shuffle=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(rows), labels, label_smoothing=smoothing).backward()
            optimizer.step()
    assert [item.rule for item in session.findings.all if item.rule == "Underfitting"] == found
    assert session.findings.failures == []


def loss_of(logits, labels, **settings):
    value = nn.functional.cross_entropy(logits, labels, **settings)
    smoothing, weight = settings.get("label_smoothing", 0.0), settings.get("weight")
    return Loss("cross_entropy", logits, labels, value, NOWHERE, True, smoothing, weight=weight)


@pytest.mark.parametrize(
    "settings",
    [{}, {"weight": torch.tensor([0.2, 1.0, 4.0])}, {"label_smoothing": 0.3}],
)
def test_what_guessing_gets_is_the_least_of_all_constant_answers(settings):
    labels = torch.tensor([0] * 14 + [1] * 4 + [2] * 2 + [-100])
    logits = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=100)

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(logits.expand(21, 3), labels, **settings)
        loss.backward()
        return loss

    optimizer.step(closure)
    loss = loss_of(logits.detach().expand(21, 3), labels, **settings)
    guess = guess_of(count_labels(loss), loss)
    assert guess.loss == pytest.approx(float(loss.value), abs=1e-4)
    assert guess.share(float(loss.value)) == pytest.approx(1, abs=1e-3)
    right = nn.functional.one_hot(labels.clamp(min=0), 3).float()
    smoothing = settings.get("label_smoothing", 0.0)
    best = loss_of(torch.log((1 - smoothing) * right + smoothing / 3 + 1e-9), labels, **settings)
    assert guess.share(float(best.value)) == pytest.approx(0, abs=1e-3)


def test_weights_and_smoothing_together_are_not_judged():
    loss = loss_of(torch.zeros(4, 2), torch.tensor([0, 1, 1, 1]), weight=torch.ones(2), label_smoothing=0.1)
    assert guess_of(count_labels(loss), loss) is None


def test_a_training_by_class_weights_whose_loss_falls_is_better_than_guessing(session):
    """Its loss is near what guessing without weights would have, and far below what guessing with them has."""
    session.recorder = None
    torch.manual_seed(0)
    labels = (torch.arange(400) % 10 == 0).long()
    inputs = torch.randn(400, 4) + 2.3 * labels[:, None] * torch.tensor([1.0, 0, 0, 0])
    weight = torch.tensor([1.0, 9.0])
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.3)
    last = 0.0
    for _ in range(170):
        rows = torch.randperm(400)[:200]
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs[rows]), labels[rows], weight)
        loss.backward()
        optimizer.step()
        last = float(loss.detach())
    assert 0.97 < last / 0.325 < 1.3, "the entropy of the labels without weights"
    assert [item.rule for item in session.findings.all if item.rule == "NoBetterThanGuessing"] == []
    assert session.findings.failures == []
