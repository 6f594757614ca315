"""The watching keeps nothing of the script's alive and fails none of its calls."""

import gc
import sys
import weakref

import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.weak import TensorWeakRef

from training_scripts.watch import watched_loop
from training_scripts.watch.by_hand import HandSteps


def train(steps, optimizer=None):
    """Train a new network, by hand where there is no optimizer; returns weak references to all that it had."""
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = optimizer and optimizer(model.parameters())
    for _ in range(steps):
        model.zero_grad()
        nn.functional.cross_entropy(model(torch.randn(12, 8)), torch.arange(12) % 3).backward()
        if optimizer is not None:
            optimizer.step()
            continue
        with torch.no_grad():
            for item in model.parameters():
                item -= 0.1 * item.grad
    return [weakref.ref(item) for item in (model, *model.modules(), *model.parameters())]


def left(known):
    gc.collect()
    return [item for ref in known if (item := ref()) is not None]


def test_networks_trained_by_hand_are_released_one_after_the_other(session):
    folds = [train(6) for _ in range(3)]
    assert session.step >= 15
    assert [left(fold) for fold in folds] == [[], [], []]
    assert session.findings.failures == []


def test_a_network_tried_before_the_optimizer_is_made_is_released(session):
    tried = train(1)
    train(3, lambda parameters: torch.optim.SGD(parameters, 0.1))
    assert left(tried) == []


def test_what_a_network_trained_by_an_optimizer_had_is_released(session):
    assert left(train(6, lambda parameters: torch.optim.SGD(parameters, 0.1))) == []


@pytest.mark.parametrize("method", ["backward", "moved"])
def test_looking_for_steps_by_hand_may_break_and_the_script_does_not(session, monkeypatch, method):
    def broken(*_):
        raise ValueError("unexpected")

    broken.__name__ = method
    monkeypatch.setattr(HandSteps, method, broken)
    train(4)
    assert session.findings.failures == [f"HandSteps.{method}: ValueError: unexpected"]


def test_gradients_and_answers_that_the_script_drops_are_released_at_once(session):
    session.recorder = None  # which counts the right answers of a few batches at once
    model = nn.Linear(8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    inputs, labels = torch.randn(12, 8), torch.arange(12) % 3
    for _ in range(3):
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
        gradients = [TensorWeakRef(item.grad) for item in model.parameters()]
        optimizer.zero_grad()
        assert left(gradients) == []
    with torch.no_grad():
        answers = model(inputs)
        nn.functional.cross_entropy(answers, labels)
    known = [TensorWeakRef(answers)]
    del answers
    assert left(known) == []


def test_a_network_with_ways_of_its_own_fails_no_call(session):
    class Odd(nn.Linear):
        def named_modules(self, *args, **kwargs):
            raise RuntimeError("not now")

    model = Odd(8, 3)
    model(torch.randn(4, 8)).sum().backward()
    assert model.weight.grad is not None
    assert "Session.before_forward: RuntimeError: not now" in session.findings.failures


def test_a_last_step_by_hand_that_reaches_the_limit_loses_no_finding(session, tmp_path):
    session.limit = 6
    model = nn.Linear(8, 3)
    for _ in range(6):
        model.zero_grad()
        nn.functional.cross_entropy(model(torch.randn(12, 8)), torch.arange(12) % 3).backward()
        with torch.no_grad():
            model.weight -= 0.1 * model.weight.grad
    assert session.step == 5  # the last one shows when the script does more, or ends
    session.close()
    assert session.step == 6
    assert list((tmp_path / "job" / "output" / "rules").glob("*.json"))


def test_answers_that_are_part_of_something_large_are_not_kept_with_it(session):
    model = nn.Linear(8, 3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    labels = torch.arange(12) % 3
    for trains in (True, False):
        with torch.set_grad_enabled(trains):
            answers = model(torch.randn(12, 2000, 8))
            loss = nn.functional.cross_entropy(answers[:, -1], labels)
        if trains:
            loss.backward()
            optimizer.step()
        storage = StorageWeakRef(answers.untyped_storage())
        assert not storage.expired()
        del answers, loss
        assert storage.expired()


def test_the_next_network_is_told_from_one_that_was_where_it_is_now(session):
    for _ in range(6):
        train(4, lambda parameters: torch.optim.SGD(parameters, 0.1))
        assert session.step == 4


def test_no_training_waits_for_a_record_that_does_not_come(monkeypatch):
    monkeypatch.setattr(watched_loop, "_followers", followers := [])
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with pytest.raises(OSError, match=r"did not answer for 0 s"):
        watched_loop._started(command, 0.1)
    assert followers[0].wait() != 0
    assert watched_loop._started([sys.executable, "-c", "print(1)"]).strip() == b"1"
    assert watched_loop._started([sys.executable, "-c", ""]) == b""
    for follower in followers:
        follower.wait()
