import json
import os
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.training_scripts.debugger.faults import cnn, cnn_training, head_training
from tests.training_scripts.debugger.test_rules import firing_steps
from training_scripts.callbacks import Callbacks
from training_scripts.debugger.base import ModeKeys
from training_scripts.debugger.hook import TensorHook
from training_scripts.debugger.job_settings import VARIABLE, Settings
from training_scripts.debugger.reader import Trial
from training_scripts.debugger.schedule import Schedule
from training_scripts.debugger.writer import Saved, TrialWriter

ROOT = Path(__file__).resolve().parents[3]


def steps_of(callbacks, model, count, first=0, size=16, dim=12):
    """Train `count` steps on noise the way train.py does."""
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD([item for item in model.parameters() if item.requires_grad], 0.01)
    for step in range(first, first + count):
        pictures, labels = torch.randn(size, 3, dim, dim), torch.randint(0, 4, (size,))
        callbacks.begin_step(step)
        optimizer.zero_grad()
        logits = model(pictures)
        loss = loss_fn(logits, labels)
        callbacks.batch(pictures, logits, labels, loss)
        loss.backward()
        optimizer.step()
        callbacks.end_step(step)


def hooked(folder, model, **settings):
    folder.mkdir(parents=True, exist_ok=True)
    args = Namespace(learning_rate=0.01, mode="fine_tune")
    hook = TensorHook(model, nn.CrossEntropyLoss(), args, folder, Settings(**settings))
    return Callbacks([hook])


def test_names_modes_and_shapes_are_smdebugs(tmp_path):
    cnn_training(epochs=2).run(tmp_path)
    trial = Trial.open(tmp_path)
    assert {
        "CrossEntropyLoss_input_0",
        "CrossEntropyLoss_input_1",
        "CrossEntropyLoss_output_0",
        "Sequential_input_0",
        "Sequential_0.weight",
        "Sequential_6.bias",
        "gradient/Sequential_0.weight",
        "1_input_0",
        "3_output_0",
    } <= set(trial.tensor_names())
    assert trial.steps(mode=ModeKeys.TRAIN) == list(range(0, 16, 2))
    assert len(trial.steps(mode=ModeKeys.EVAL)) == 2
    assert trial.tensor_names(collection="relu_output") == ["1_output_0", "3_output_0"]
    assert trial.tensor_names(collection="losses") == ["CrossEntropyLoss_output_0"]
    assert trial.tensor("CrossEntropyLoss_input_0").value(0, mode=ModeKeys.TRAIN).shape == (32, 4)
    assert trial.tensor("Sequential_input_0").shape(0) == (32, 3, 12, 12)
    assert trial.tensor("Sequential_0.weight").value(0).shape == (8, 3, 3, 3)


def test_values_are_those_of_the_training(tmp_path):
    model = cnn()
    callbacks = hooked(tmp_path, model, save_interval=1)
    pictures, labels = torch.randn(8, 3, 12, 12), torch.randint(0, 4, (8,))
    loss_fn = nn.CrossEntropyLoss()
    callbacks.begin_step(0)
    logits = model(pictures)
    loss = loss_fn(logits, labels)
    callbacks.batch(pictures, logits, labels, loss)
    loss.backward()
    callbacks.end_step(0)
    trial = Trial.open(tmp_path)
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(trial.tensor(f"Sequential_{name}").value(0), parameter.detach().numpy())
        np.testing.assert_array_equal(trial.tensor(f"gradient/Sequential_{name}").value(0), parameter.grad.numpy())
    assert trial.tensor("CrossEntropyLoss_output_0").value(0) == loss.item()
    np.testing.assert_array_equal(trial.tensor("CrossEntropyLoss_input_1").value(0), labels.numpy())
    np.testing.assert_array_equal(trial.tensor("CrossEntropyLoss_input_0").value(0), logits.detach().numpy())
    # Of the 10 x 10 places of 8 pictures every other one in both directions is looked at.
    active = (model[0](pictures).relu()[:, :, ::2, ::2] != 0).float().mean((0, 2, 3))
    np.testing.assert_allclose(trial.tensor("1_activity_0").value(0), active.detach().numpy(), rtol=1e-6)


def test_big_tensors_are_samples_with_reductions_over_the_whole(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Linear(432, 100), nn.ReLU(), nn.Linear(100, 4))
    callbacks = hooked(tmp_path, model, save_interval=1)
    steps_of(callbacks, model, 1)
    weight, tensor = model[1].weight.detach().numpy(), Trial.open(tmp_path).tensor("Sequential_1.weight")
    assert tensor.value(0).size <= 4096
    assert tensor.shape(0) == (100, 432)
    assert tensor.reduction_value(0, "min") == weight.min()
    assert tensor.reduction_value(0, "max") == weight.max()
    np.testing.assert_allclose(tensor.reduction_value(0, "mean", abs=True), np.abs(weight).mean(), rtol=1e-5)
    np.testing.assert_allclose(tensor.reduction_value(0, "std"), weight.std(), rtol=1e-4)


def test_inputs_of_an_inplace_relu_are_those_before_it(tmp_path):
    model = cnn(activation=lambda: nn.ReLU(inplace=True))
    callbacks = hooked(tmp_path, model, save_interval=1)
    steps_of(callbacks, model, 1)
    trial = Trial.open(tmp_path)
    assert trial.tensor("1_input_0").value(0).min() < 0
    assert trial.tensor("1_output_0").value(0).min() == 0


def test_a_module_called_twice_has_two_outputs(tmp_path):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.relu, self.last = nn.Linear(432, 8), nn.ReLU(), nn.Linear(8, 4)

        def forward(self, x):
            return self.last(self.relu(self.relu(self.first(x.flatten(1))) - 0.1))

    callbacks = hooked(tmp_path, model := Twice(), save_interval=1)
    steps_of(callbacks, model, 1)
    trial = Trial.open(tmp_path)
    assert {"relu_output_0", "relu_output_1", "Twice_first.weight"} <= set(trial.tensor_names())
    assert trial.tensor_names(collection="relu_output") == ["relu_output_0", "relu_output_1"]
    assert trial.tensor_names(collection="relu_activity") == ["relu_activity_0", "relu_activity_1"]


def test_all_of_a_resnets_relus_are_watched(tmp_path):
    from torchvision.models import resnet18

    callbacks = hooked(tmp_path, model := resnet18(), save_interval=1)
    steps_of(callbacks, model, 1, size=2, dim=128)
    watched = Trial.open(tmp_path).tensor_names(collection="relu_activity")
    assert len(watched) == 17
    assert "layer4.1.relu_activity_1" in watched


@pytest.mark.parametrize("between", [(), (nn.Dropout(0.5),)])
def test_a_bias_before_a_normalisation_is_said_to_have_no_gradient(tmp_path, between):
    model = nn.Sequential(nn.Flatten(), nn.Linear(432, 8), *between, nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
    callbacks = hooked(tmp_path, model, save_interval=1)
    steps_of(callbacks, model, 1)
    trial = Trial.open(tmp_path)
    assert trial.tensor_names(collection="before_normalisation") == ["gradient/Sequential_1.bias"]
    assert firing_steps(trial, "VanishingGradient") == []


def test_frozen_layers_are_left_out_and_the_rest_is_saved(tmp_path):
    model = cnn()
    for parameter in model[0].parameters():
        parameter.requires_grad = False
    callbacks = hooked(tmp_path, model, save_interval=1)
    steps_of(callbacks, model, 2)
    names = Trial.open(tmp_path).tensor_names()
    assert "Sequential_0.weight" not in names
    assert {"Sequential_2.weight", "gradient/Sequential_2.weight"} <= set(names)


def test_the_model_is_as_before_and_trains_the_same(tmp_path):
    results = []
    for settings in ({"save_interval": 1}, None):
        torch.manual_seed(0)
        model = cnn()
        callbacks = Callbacks() if settings is None else hooked(tmp_path, model, **settings)
        steps_of(callbacks, model, 6)
        results.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(*results)


def test_intervals_can_be_set_for_each_collection(tmp_path):
    model = cnn()
    callbacks = hooked(tmp_path, model, save_interval=4, save_intervals={"losses": 1, "weights": 3})
    steps_of(callbacks, model, 9)
    trial = Trial.open(tmp_path)
    assert trial.tensor("CrossEntropyLoss_output_0").steps() == list(range(9))
    assert trial.tensor("Sequential_0.weight").steps() == [0, 3, 6]
    assert trial.tensor("gradient/Sequential_0.weight").steps() == [0, 4, 8]
    assert trial.tensor("1_output_0").steps() == [0, 4, 8]


def test_the_budget_holds_and_the_steps_spread_out(tmp_path):
    model = cnn()
    callbacks = hooked(tmp_path, model, save_interval=1, tensor_budget_mb=1.0)
    steps_of(callbacks, model, 120)
    written = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.suffix in (".tfevents", ".json"))
    assert 0.5e6 < written < 1.05e6
    steps = Trial.open(tmp_path).tensor("Sequential_0.weight").steps()
    assert steps[:3] == [0, 1, 2]
    assert steps[-1] - steps[-2] > 1
    assert steps[-1] > 40


def test_without_an_interval_the_cost_stays_within_its_share():
    clock = {"now": 0.0}
    schedule = Schedule(Settings())
    schedule._started = 0.0
    saved = []
    real, time.perf_counter = time.perf_counter, lambda: clock["now"]
    try:
        for step in range(2000):
            clock["now"] += 0.010
            if schedule.due(step):
                saved.append(step)
                with schedule.clock():
                    clock["now"] += 0.005
    finally:
        time.perf_counter = real
    assert saved[:5] == [0, 1, 2, 3, 4]
    assert len(saved) * 0.005 <= 0.02 * clock["now"] + 0.05
    assert len(saved) > 80


def test_a_trial_of_many_saves_little_besides_what_is_certain():
    clock = {"now": 0.0}
    schedule = Schedule(Settings(), certain_epochs=10)
    schedule._started = 0.0
    saved = 0
    real, time.perf_counter = time.perf_counter, lambda: clock["now"]
    try:
        for step in range(440):
            clock["now"] += 0.0005
            if schedule.due(step):
                saved += 1
                with schedule.clock():
                    clock["now"] += 0.001
            if step % 44 == 43:
                schedule.may_save_epoch()
    finally:
        time.perf_counter = real
    assert 2 + 5 < saved <= 2 + 5 + 5 + 5  # the first steps, each second epoch's, 5 ms, and 2 % of a quarter second


def test_steps_of_a_small_model_share_a_file_and_those_of_a_large_one_do_not(tmp_path):
    for name, model in (
        ("small", cnn()),
        ("large", nn.Sequential(cnn(), nn.Linear(4, 1 << 16), nn.Linear(1 << 16, 4))),
    ):
        callbacks = hooked(tmp_path / name, model, save_interval=1)
        steps_of(callbacks, model, 3, size=4)
        callbacks.close()
        trial = Trial.open(tmp_path / name)
        files = list((tmp_path / name / "events").rglob("*.tfevents"))
        assert len(files) == (1 if name == "small" else 3)
        assert trial.steps() == [0, 1, 2]
        assert all(np.isfinite(trial.tensor("CrossEntropyLoss_output_0").value(step)) for step in trial.steps())


def test_what_a_failed_write_left_behind_a_shared_file_is_passed_over(tmp_path):
    writer = TrialWriter(tmp_path, together=True)
    for step in range(3):
        writer.write_step(step, "TRAIN", step, [Saved("x", np.full(4, step, np.float32))])
        (file,) = tmp_path.rglob("*.tfevents")
        with file.open("ab") as opened:
            opened.write(b"torn")
    trial = Trial.open(tmp_path)
    assert [trial.tensor("x").value(step)[0] for step in trial.steps()] == [0, 1, 2]


def test_without_a_share_the_step_number_alone_decides():
    schedule = Schedule(Settings(time_share=None, by_number=True))
    saved, losses = [], []
    for step in range(1000):
        due = schedule.due(step)
        if due:
            losses.append(step)
            saved += [step] if due > {"losses"} else []
            schedule._spent += 100.0  # a machine so slow that a share would allow nothing
    assert saved[:9] == [0, 1, 2, 7, 12, 17, 22, 29, 38]
    assert saved[-1] - saved[-2] == saved[-2] // 3
    assert set(saved) < set(losses)
    assert losses[-1] - losses[-2] <= losses[-2] // 20
    assert len(saved) < 25
    assert len(losses) < 100


@pytest.mark.parametrize(
    ("epochs", "expected"), [(26, [0, 1, 20, 40, 60, 80, 100, 120]), (3, [0, 1, 5, 10]), (0, [0, 1])]
)
def test_a_small_network_is_seen_all_along_however_slow_the_machine(epochs, expected):
    schedule = Schedule(Settings(), certain_epochs=epochs)
    schedule._spent = 1e9  # nothing can be afforded
    saved = []
    for step in range(130 if epochs != 3 else 15):
        if schedule.due(step):
            saved.append(step)
        if step % 5 == 4:
            assert schedule.may_save_epoch()
    assert saved == expected


@pytest.mark.parametrize(("model", "certain"), [(nn.Linear(512, 5), 2), (cnn(), 2), (nn.Linear(2048, 100), 0)])
def test_only_small_networks_are_saved_more_often(tmp_path, model, certain):
    args = Namespace(learning_rate=0.01, num_epochs=16)
    hook = TensorHook(model, nn.CrossEntropyLoss(), args, tmp_path, Settings())
    assert hook._schedule._epochs_apart == certain
    hook.close()


def test_an_evaluation_is_one_step_with_all_its_answers(tmp_path):
    training = head_training(epochs=1)
    training.run(tmp_path)
    trial = Trial.open(tmp_path)
    (step,) = trial.steps(mode=ModeKeys.EVAL)
    labels = trial.tensor("CrossEntropyLoss_input_1").value(step, mode=ModeKeys.EVAL)
    np.testing.assert_array_equal(labels, training.valid[1].numpy())
    with torch.no_grad():
        loss = nn.CrossEntropyLoss()(training.model(training.valid[0]), training.valid[1]).item()
    saved = trial.tensor("CrossEntropyLoss_output_0").value(step, mode=ModeKeys.EVAL)
    np.testing.assert_allclose(saved, loss, rtol=1e-5)
    (epoch,) = trial.tensor("epoch/valid_loss").steps()
    np.testing.assert_allclose(trial.tensor("epoch/valid_loss").value(epoch), loss, rtol=1e-5)


def evaluated(folder, classes, rows=1000):
    """Save two evaluations of a network that answers every time with class 0."""
    model = nn.Linear(4, classes)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    callbacks = Callbacks([TensorHook(model, nn.CrossEntropyLoss(), Namespace(num_epochs=10), folder, Settings())])
    inputs, labels = torch.ones(rows, 4), torch.arange(rows) % classes
    for epoch in (1, 2):
        callbacks.set_mode("EVAL")
        callbacks.batch(inputs, model(inputs), labels, torch.tensor(1.0))
        callbacks.set_mode("TRAIN")
        callbacks.end_epoch(epoch, {"valid_loss": 1.0})
    callbacks.close()
    return Trial.open(folder)


@pytest.mark.parametrize("classes", [2, 18, 120, 1000])
def test_of_an_evaluation_so_many_answers_are_saved_that_a_collapse_shows(tmp_path, classes):
    assert firing_steps(evaluated(tmp_path, classes), "ClassCollapse")


@pytest.mark.parametrize(("classes", "rows", "kept"), [(5, 1000, 409), (18, 1000, 180), (18, 190, 180), (20, 50, 50)])
def test_saved_answers_suffice_for_each_of_twenty_classes(tmp_path, classes, rows, kept):
    trial = evaluated(tmp_path, classes, rows)
    step = trial.steps(mode=ModeKeys.EVAL)[0]
    labels = trial.tensor("CrossEntropyLoss_input_1").value(step, mode=ModeKeys.EVAL)
    assert labels.shape == (kept,)
    assert len(set(labels.tolist())) == classes


def test_a_loss_that_is_no_number_is_saved_at_once(tmp_path):
    model = cnn()
    callbacks = hooked(tmp_path, model, save_interval=1000)
    steps_of(callbacks, model, 3)
    with torch.no_grad():
        model[0].weight.fill_(float("nan"))
    steps_of(callbacks, model, 10, first=3)
    trial = Trial.open(tmp_path)
    assert trial.steps(mode=ModeKeys.TRAIN) == [0, 3, 4, 5]
    assert np.isnan(trial.tensor("CrossEntropyLoss_output_0").value(3, mode=ModeKeys.TRAIN))


@pytest.mark.parametrize("part", ["index", "events", "hook"])
def test_when_saving_breaks_the_job_goes_on_and_says_so_once(tmp_path, capsys, part):
    model = cnn()
    callbacks = hooked(tmp_path / "tensors", model, save_interval=1)
    steps_of(callbacks, model, 1)
    if part == "hook":
        import training_scripts.debugger.hook as module

        original, module.look_at_activation = module.look_at_activation, None
    else:
        import shutil

        shutil.rmtree(tmp_path / "tensors")
        (tmp_path / "tensors").write_text("in the way")
    try:
        steps_of(callbacks, model, 5, first=1)
    finally:
        if part == "hook":
            module.look_at_activation = original
    callbacks.close()
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert "TensorHook failed and is left out" in said[0]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_restarted_job_goes_on_behind_what_was_saved(tmp_path):
    model = cnn()
    steps_of(hooked(tmp_path, model, save_interval=1), model, 3)
    steps_of(hooked(tmp_path, model, save_interval=1), model, 3, first=3)
    trial = Trial.open(tmp_path)
    assert trial.steps() == list(range(6))
    assert trial.steps(mode=ModeKeys.TRAIN) == list(range(6))


def test_it_says_whose_tensors_they_are(tmp_path):
    hooked(tmp_path, cnn())
    info = json.loads((tmp_path / "sagehound.json").read_text())
    assert info["pid"] == os.getpid()
    assert info["hyperparameters"]["mode"] == "fine_tune"


BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("smdebug", "google", "pyinstrument"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Blocked())
from pathlib import Path
import training_scripts.debugger.hook
assert "training_scripts.debugger.base" not in sys.modules  # which imports smdebug: a job pays nothing for it
from tests.training_scripts.debugger.faults import Case, cnn_training, fired
from training_scripts.debugger import base

assert not base.USES_SMDEBUG
assert fired(Case(cnn_training), Path(sys.argv[1])) == set()
print("saved and evaluated")
"""


def test_hook_and_rules_need_neither_smdebug_nor_protobuf(tmp_path):
    """AWS's current training image has no smdebug, and a protobuf that it could not use.

    With its very versions: `pip install --no-deps --target DIR numpy==2.4.* protobuf==6.*`, and DIR in the variable
    SAGEHOUND_IMAGE_PACKAGES.
    """
    packages = os.environ.get("SAGEHOUND_IMAGE_PACKAGES", "")
    environment = {key: value for key, value in os.environ.items() if key != "SAGEHOUND_RULE_BASE"}
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(tmp_path)],
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, (packages, str(ROOT))))},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.stdout.splitlines()[-1:] == ["saved and evaluated"], done.stderr[-2000:]


def test_a_job_is_watched_only_when_its_environment_says_so(tmp_path, monkeypatch):
    model, args = cnn(), Namespace(learning_rate=0.01)
    monkeypatch.delenv(VARIABLE, raising=False)
    Callbacks.start(model, nn.CrossEntropyLoss(), args, tmp_path).close()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(VARIABLE, Settings(profiler=False).to_json())
    Callbacks.start(model, nn.CrossEntropyLoss(), args, tmp_path).close()
    assert (tmp_path / "tensors" / "training_job_end.ts").exists()
    monkeypatch.setenv(VARIABLE, "{not json")
    Callbacks.start(model, nn.CrossEntropyLoss(), args, tmp_path / "broken").close()
    assert not (tmp_path / "broken").exists()
    monkeypatch.setenv(VARIABLE, Settings(profiler=False).to_json())
    monkeypatch.setenv("RANK", "1")
    Callbacks.start(model, nn.CrossEntropyLoss(), args, tmp_path / "second").close()
    assert not (tmp_path / "second").exists()
