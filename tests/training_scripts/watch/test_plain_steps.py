"""Quick steps of which nothing is looked at are counted all the same, as a user's are."""

import gc
import re
import weakref

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from tests.training_scripts.watch.harness import Strict
from training_scripts.watch import plain_steps
from training_scripts.watch.checks import all_checks
from training_scripts.watch.checks.numbers import NotFinite
from training_scripts.watch.checks.resting import Resting
from training_scripts.watch.optimizers import ALONE
from training_scripts.watch.pace import CLOSE_STEPS
from training_scripts.watch.patches import install
from training_scripts.watch.recorder import Recorder
from training_scripts.watch.session import Session
from training_scripts.watch.state import SHARE, Loss


@pytest.fixture
def session(tmp_path, monkeypatch):
    """A training that is watched as `sagehound watch` does it; no step is too slow to be plain on a busy machine."""
    monkeypatch.setattr(plain_steps, "QUICK_S", 60.0)
    monkeypatch.setattr(plain_steps, "APART_S", 60.0)
    output = tmp_path / "job" / "output"
    output.mkdir(parents=True)
    session = Session(Strict("job", output), Recorder(output, {}), share=SHARE)
    session.add(all_checks)
    patches = install(session)
    yield session
    patches.close()
    session.close()
    assert session.findings.failures == []


class Loop:
    """A small network that learns."""

    def __init__(self):
        self.model = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 2))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.inputs = torch.randn(16, 10, generator=torch.Generator().manual_seed(0))
        self.labels = (self.inputs[:, 0] > 0).long()

    def step(self, model=None, inputs=None, before_step=lambda: None, **how):
        self.optimizer.zero_grad()
        answers = (model or self.model)(self.inputs if inputs is None else inputs)
        nn.functional.cross_entropy(answers, self.labels, **how).mean().backward()
        before_step()
        self.optimizer.step()

    def until_plain(self, session):
        for _ in range(2000):
            self.step()
            if session.plain.on and session.step >= 300:
                return
        raise AssertionError("no step was plain")


def steps_saved(folder):
    return len(list((folder / "job" / "output" / "tensors" / "index").glob("*/*.json")))


def test_steps_are_counted_and_a_nan_is_found_in_the_one_that_has_it(session, tmp_path):
    loop = Loop()
    loop.until_plain(session)
    before, saved = session.step, steps_saved(tmp_path)
    loop.step(inputs=loop.inputs * torch.nan)
    assert steps_saved(tmp_path) == saved + 1
    assert [(item.rule, item.step) for item in session.findings.all if item.rule == "NaNSource"] == [
        ("NaNSource", before)
    ]
    assert "inputs hold NaN" in session.findings.all[-1].cause
    assert session.step == before + 1


def test_a_network_that_is_dropped_after_a_plain_step_is_released(session):
    loop = Loop()
    loop.until_plain(session)
    loop.model(loop.inputs)
    model = weakref.ref(loop.model)
    del loop
    gc.collect()
    assert model() is None


def test_what_the_last_of_the_first_steps_takes_is_free_too(session, monkeypatch):
    """What is counted is handed over between that step's beginning and the next one's."""
    loop, counted = Loop(), []
    monkeypatch.setattr(session.pace.clock, "count", counted.append)
    for _ in range(CLOSE_STEPS):
        loop.step()
    assert session.step == CLOSE_STEPS
    assert counted == []


def test_a_network_that_is_new_ends_them(session):
    loop = Loop()
    loop.until_plain(session)
    wrapped = nn.Sequential(loop.model, nn.Identity())
    loop.step(wrapped)
    assert session.models[id(wrapped)].trained == 1
    assert not session.recorder._open


def test_an_optimizer_takes_the_place_of_another_in_plain_steps(session):
    loop = Loop()
    first, second = loop.optimizer, torch.optim.SGD(loop.model.parameters(), lr=0.01)
    loop.until_plain(session)
    loop.optimizer, before = second, session.step
    for _ in range(2 * ALONE):
        loop.step()
    assert session.plain.on
    assert session.step - before in (ALONE, ALONE + 1)
    assert session.optimizers.main is session.optimizers.known(second) is not session.optimizers.known(first)


def test_an_epoch_has_the_learning_rate_that_its_steps_had(session, tmp_path):
    loop, rates = Loop(), []
    loader = DataLoader(TensorDataset(loop.inputs, loop.labels), batch_size=4)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(loop.optimizer, 0.9)
    for _ in range(40):
        for inputs, labels in loader:
            loop.optimizer.zero_grad()
            nn.functional.cross_entropy(loop.model(inputs), labels).backward()
            loop.optimizer.step()
        rates.append(loop.optimizer.param_groups[0]["lr"])
        scheduler.step()
    session.close()
    log = (tmp_path / "job" / "log.txt").read_text(encoding="utf-8")
    assert [float(rate) for rate in re.findall(r"learning_rate=(\S+)", log)] == pytest.approx(rates, rel=1e-4)


def test_a_loss_for_each_item_is_saved_as_its_mean(session, tmp_path):
    loop = Loop()
    for _ in range(30):
        loop.step(reduction="none")
    session.close()
    assert steps_saved(tmp_path) >= 4
    assert "left out" not in (tmp_path / "job" / "log.txt").read_text(encoding="utf-8")


def test_tensors_that_cannot_be_saved_make_no_step_slower(session, monkeypatch):
    loop = Loop()
    loop.step()
    monkeypatch.setattr(type(session.recorder._hook), "end_step", lambda self, step: 1 / 0)
    loop.step()
    assert session.recorder.next_save() > session.recorder._step


def test_losses_of_each_item_are_counted_in_steps_that_are_plain(session):
    loop = Loop()
    loop.until_plain(session)
    before = session.recorder._train.count
    loop.step(reduction="none")
    assert session.plain.on
    assert session.recorder._train.count == before + 16


def test_clipping_behind_a_backward_that_was_plain_is_in_time(session):
    loop, other = Loop(), nn.Linear(10, 2)

    def clip():
        with torch.no_grad():
            other(loop.inputs)  # ends the plain step
        nn.utils.clip_grad_norm_(loop.model.parameters(), 1.0)

    loop.until_plain(session)
    session.pace._affords = False
    session.pace.clock.count(1e6)
    for _ in range(8):
        loop.step(before_step=clip)
        loop.step()  # which is plain again by its end
        loop.step()
    assert [item for item in session.findings.all if item.rule == "ClippedWithoutEffect"] == []


def test_an_optimizer_that_has_had_its_time_is_not_waited_for_and_holds_nothing_twice(session):
    loop = Loop()
    for _ in range(20):
        loop.step()
    first, loop.optimizer = loop.optimizer, torch.optim.SGD(loop.model.parameters(), lr=0.001)
    loop.until_plain(session)
    assert first.param_groups
    assert "OptimizerHoldsTwice" not in {item.rule for item in session.findings.all}


def test_what_rests_is_noted_also_where_the_early_steps_were_plain(session):
    loop, head = Loop(), nn.Linear(10, 2)
    resting = torch.optim.SGD(head.parameters(), lr=0.001)
    loop.until_plain(session)
    check = Resting(session)
    (loop.model(loop.inputs) + head(loop.inputs)).sum().backward()
    check.before_step(session.optimizers.main)
    assert list(check._noted) == [session.optimizers.known(resting)]


class OnDevice:
    """A loss that would have to be waited for."""

    device = torch.device("cuda")

    def __init__(self, value):
        self.value = torch.tensor(value)

    def numel(self):
        return 1

    def detach(self):
        return self.value


def test_a_nan_on_a_device_is_seen_after_so_many_steps_though_few_were_looked_at(session):
    check, targets = NotFinite(session), torch.zeros(1)
    seen = []
    check._explain = lambda loss: seen.append(session.step)
    for step, value in ((10, 1.0), (15, float("nan")), (500, float("nan"))):
        session.step = step
        check.computed(Loss("mse_loss", targets, targets, OnDevice(value), None, True))
    assert seen == [500]
    session.step = 0
