"""Splits are held against each other once for a dataset, however many loaders it had."""

import torch
from torch import nn
from torch.utils.data import Subset, TensorDataset

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
