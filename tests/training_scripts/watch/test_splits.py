"""Splits are held against each other once for a dataset, however many loaders it had."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from training_scripts.watch.checks import splits


def test_a_loader_for_each_epoch_costs_no_more_than_one(session, monkeypatch):
    session.recorder = None
    looked = []
    monkeypatch.setattr(splits, "items_of", lambda dataset: looked.append(dataset) or (dataset, None))
    train = Subset(TensorDataset(torch.randn(40, 4), torch.arange(40) % 2), range(30))
    valid = Subset(TensorDataset(torch.randn(40, 4), torch.arange(40) % 2), range(30))
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(4):
        for rows, labels in DataLoader(train, batch_size=10):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(rows), labels).backward()
            optimizer.step()
        with torch.no_grad():
            for rows, _ in DataLoader(valid, batch_size=10):
                model(rows)
    session.close()
    assert looked == [valid, train] * 4
    assert session.findings.failures == []
