"""Splits are held against each other once for a dataset, however many loaders it had."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Sampler, Subset, SubsetRandomSampler, TensorDataset

from tests.training_scripts.watch.harness import train_with_new_loaders
from training_scripts.watch.checks import splits


def test_a_loader_for_each_epoch_costs_no_more_than_one(session, monkeypatch):
    session.recorder = None
    looked = []
    monkeypatch.setattr(splits, "items_of", lambda dataset: looked.append(dataset) or (dataset, None))
    train = Subset(TensorDataset(torch.randn(40, 4), torch.arange(40) % 2), range(30))
    valid = Subset(TensorDataset(torch.randn(40, 4), torch.arange(40) % 2), range(30))
    model = nn.Linear(4, 2)
    train_with_new_loaders(model, train, valid, 10)
    session.close()
    assert looked == [valid, train] * 4
    assert session.findings.failures == []


class Own(Sampler):
    """Goes through some items of a dataset, as a user's own sampler does."""

    def __init__(self, items):
        self._items = items

    def __iter__(self):
        return iter(self._items)

    def __len__(self):
        return len(self._items)


@pytest.mark.parametrize(
    ("sampler", "begins", "shared"), [(SubsetRandomSampler, 30, 0), (SubsetRandomSampler, 20, 1), (Own, 30, 0)]
)
def test_samplers_split_one_dataset(session, sampler, begins, shared):
    data, model = TensorDataset(torch.randn(40, 4), torch.arange(40) % 2), nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 1e-4)
    train, valid = (DataLoader(data, 10, sampler=sampler(range(*part))) for part in ((0, 30), (begins, 40)))
    for _ in range(3):
        for rows, labels in train:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(rows), labels).backward()
            optimizer.step()
        with torch.no_grad():
            for rows, _ in valid:
                model(rows)
    session.close()
    assert [item.rule for item in session.findings.all].count("SplitsShareInputs") == shared
    assert session.findings.failures == []
