"""What is recorded of a script's answers."""

import re

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset

from training_scripts.debugger.base import ModeKeys
from training_scripts.debugger.reader import Trial
from training_scripts.watch.code_site import NOWHERE
from training_scripts.watch.recorder import _Mean
from training_scripts.watch.state import Loss


def test_labels_that_are_copied_into_one_tensor_are_those_of_their_batch():
    mean, targets = _Mean(), torch.empty(4, dtype=torch.long)
    for label in (0, 1, 2):
        targets.fill_(label)
        answers = nn.functional.one_hot(targets, 3).float()
        mean.add(Loss("cross_entropy", answers, targets, torch.tensor(0.5), NOWHERE, True), torch.tensor(0.5))
    assert (mean.accuracy, mean.loss) == (1.0, pytest.approx(0.5))


def test_a_loader_for_each_pass_ends_an_epoch_each(session, tmp_path):
    model, data = nn.Linear(4, 2), TensorDataset(torch.randn(40, 4), torch.arange(40) % 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(4):
        for inputs, labels in DataLoader(data, batch_size=10):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
    session.close()
    log = (tmp_path / "job" / "log.txt").read_text(encoding="utf-8")
    assert re.findall(r"epoch=(\d+) step=(\d+)", log) == [("1", "4"), ("2", "8"), ("3", "12"), ("4", "16")]


@pytest.mark.parametrize("makes_new", [False, True])
def test_an_epoch_has_its_own_evaluation_where_both_loaders_are_of_one_dataset(session, tmp_path, makes_new):
    model, data = nn.Linear(4, 2), TensorDataset(torch.randn(40, 4), torch.arange(40) % 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def loaders():
        return [
            DataLoader(data, batch_size=10, sampler=SubsetRandomSampler(part)) for part in (range(30), range(30, 40))
        ]

    train, valid = loaders()
    losses = []
    for _ in range(4):
        train, valid = loaders() if makes_new else (train, valid)
        for inputs, labels in train:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
        with torch.no_grad():
            losses += [float(nn.functional.cross_entropy(model(inputs), labels)) for inputs, labels in valid]
    session.close()
    log = (tmp_path / "job" / "log.txt").read_text(encoding="utf-8")
    assert [float(loss) for loss in re.findall(r"valid_loss=(\S+)", log)] == pytest.approx(losses, rel=1e-4)
    assert re.findall(r"step=(\d+)", log) == ["3", "6", "9", "12"]


def test_a_rate_that_a_scheduler_changes_in_place_is_that_of_the_steps(session, tmp_path):
    model, data = nn.Linear(4, 2), TensorDataset(torch.randn(40, 4), torch.arange(40) % 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=torch.tensor(0.1))
    scheduler, loader = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5), DataLoader(data, batch_size=10)
    for _ in range(3):
        for inputs, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
        scheduler.step()
    session.close()
    log = (tmp_path / "job" / "log.txt").read_text(encoding="utf-8")
    assert re.findall(r"learning_rate=(\S+)", log) == ["0.1", "0.05", "0.025"]


def test_labels_of_an_evaluation_are_saved_with_their_answers(session, tmp_path):
    model, targets = nn.Linear(4, 3), torch.empty(4, dtype=torch.long)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for trains in (True, False):
        with torch.set_grad_enabled(trains):
            for label in (0, 1, 2):
                loss = nn.functional.cross_entropy(model(torch.randn(4, 4)), targets.fill_(label))
                if trains:
                    loss.backward()
                    optimizer.step()
    session.close()
    trial = Trial.open(tmp_path / "job" / "output" / "tensors")
    saved = [trial.tensor("CrossEntropyLoss_input_1").value(step, ModeKeys.EVAL) for step in trial.steps(ModeKeys.EVAL)]
    assert [labels.tolist() for labels in saved] == [[0] * 4 + [1] * 4 + [2] * 4]
