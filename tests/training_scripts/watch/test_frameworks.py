"""The callbacks, called as Lightning and Hugging Face call them; `make frameworks` runs them in the real packages."""

import io
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from training_scripts.watch import frameworks, watched_loop


def train(model, loss_of, steps=12):
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(steps):
        loss_of(model(torch.randn(16, 8))).backward()
        optimizer.step()


def loss_of(logits):
    return nn.functional.cross_entropy(logits, torch.arange(16) % 3)


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch, tmp_path):
    for name, bases in (("lightning.pytorch", ["Callback"]), ("transformers", ["TrainerCallback"])):
        module = ModuleType(name)
        for base in bases:
            setattr(module, base, type(base, (), {}))
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "lightning", ModuleType("lightning"))
    monkeypatch.setattr(frameworks, "watch", lambda name: watched_loop.watch(folder=tmp_path / name))


def test_lightnings_callback_watches_a_fit(capsys):
    callback, model = frameworks.lightning_callback(), nn.Linear(8, 3)
    callback.on_fit_start(SimpleNamespace(), model)
    train(model, loss_of)
    callback.on_fit_end(SimpleNamespace(), model)
    train(model, loss_of)
    assert callback.watched.step == 12
    assert [finding.rule for finding in callback.watched.findings] == ["GradientsNotCleared"]
    assert "GradientsNotCleared" in capsys.readouterr().err


def test_lightnings_callback_ends_with_a_fit_that_fails(capsys):
    callback, model = frameworks.lightning_callback(), nn.Linear(8, 3)
    callback.on_fit_start(SimpleNamespace(), model)
    callback.on_exception(SimpleNamespace(), model, KeyboardInterrupt())
    train(model, loss_of)
    assert callback.watched.step == 0


def test_transformers_callback_watches_a_training(capsys, tmp_path):
    callback, model = frameworks.transformers_callback(), nn.Linear(8, 3)
    callback.on_train_begin(None, None, None, model=model, optimizer=None)
    train(model, loss_of)
    callback.on_train_end(None, None, None, model=model)
    assert [finding.rule for finding in callback.watched.findings] == ["GradientsNotCleared"]
    assert (tmp_path / "Linear" / "output" / "rules" / "GradientsNotCleared.json").is_file()


def test_where_the_rest_of_sagehound_does_not_run_findings_are_printed(monkeypatch, capsys):
    silent = SimpleNamespace(stdout=io.BytesIO(b""), kill=lambda: None)
    monkeypatch.setattr(watched_loop.subprocess, "Popen", lambda *command, **options: silent)
    place, _ = watched_loop._place(None, "")
    assert place.is_dir()
    assert "does not run in this environment" in capsys.readouterr().err
