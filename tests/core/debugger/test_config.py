import dataclasses

import pytest

from core.debugger.choice import keep_config
from core.debugger.job_rules import check, job_variables, rule_names, rule_summary, rules_for
from core.errors import SpecError
from core.jobs.contract import default_metrics
from core.jobs.specs import DebuggerConfig, MetricDefinition, TrainingSpec, spec_from_json, spec_to_json
from core.paths import AppPaths
from core.workbench import Workbench
from training_scripts.debugger.job_settings import VARIABLE, Settings


def test_what_a_job_is_told_is_what_was_configured():
    config = DebuggerConfig(
        rules={"Overfit": {"patience": "2"}},
        actions={"Overfit": "stop"},
        save_interval=7,
        save_intervals={"losses": 1},
        tensor_budget_mb=12,
    )
    settings = Settings.from_environment(job_variables(config, watch=True))
    assert settings.rules == {"Overfit": {"patience": "2"}}
    assert settings.actions == {"Overfit": "stop"}
    assert (settings.save_interval, settings.save_intervals, settings.tensor_budget_mb) == (7, {"losses": 1}, 12)
    assert settings.watch
    assert settings.enabled


def test_the_default_is_short_and_enabled():
    (text,) = job_variables(DebuggerConfig(), watch=True).values()
    assert len(text) < 60
    assert Settings.from_environment({VARIABLE: text}) == Settings(watch=True)


@pytest.mark.parametrize("text", ["", "null", "{", "[]", '"x"', "{}"])
def test_a_job_without_a_readable_configuration_is_not_debugged(text):
    settings = Settings.from_environment({VARIABLE: text})
    assert not settings.enabled
    assert not settings.profiler


def test_unknown_settings_of_a_newer_version_are_ignored():
    assert Settings.from_environment({VARIABLE: '{"enabled": true, "new": 1}'}).enabled


def test_the_configuration_is_part_of_the_spec():
    metrics = (MetricDefinition("Average loss", "Average loss: ([0-9.]+)"),)
    config = DebuggerConfig(rules={"DeadRelu": {"threshold_layer": "40"}}, save_intervals={"weights": 9})
    spec = TrainingSpec("job", {}, {}, metrics, debugger=config)
    assert spec_from_json(spec_to_json(spec)) == spec


def test_rules_of_a_job():
    assert rules_for(DebuggerConfig(enabled=False), {}) == {}
    assert set(rules_for(DebuggerConfig(default_rules=False, rules={"AllZero": {}}), {})) == {"AllZero"}
    assert "NotANumber" in rules_for(DebuggerConfig(), {"mode": "head"})
    assert "LeakageSuspicion" in rules_for(DebuggerConfig(), {"mode": "head", "augmentation": "light"})


@pytest.mark.parametrize(
    ("config", "field", "part"),
    [
        (DebuggerConfig(rules={"NoRule": {}}), "NoRule", "There is no rule NoRule. Choose one of Vanishing"),
        (DebuggerConfig(rules={"Overfit": {"patience": "x"}}), "Overfit", "patience must be a number"),
        (DebuggerConfig(actions={"Overfit": "shout"}), "Overfit", "Actions are none, notify, stop"),
        (DebuggerConfig(save_interval=0), "save_interval", "at least 1 step"),
        (DebuggerConfig(save_intervals={"tensors": 3}), "tensors", "is not a collection"),
        (DebuggerConfig(tensor_budget_mb=0), "tensor_budget_mb", "above 0 MB"),
    ],
)
def test_what_cannot_run_is_refused_by_name(config, field, part):
    with pytest.raises(SpecError, match=part) as caught:
        check(config)
    assert caught.value.field == field


def test_every_rule_says_what_it_looks_for():
    check(DebuggerConfig())
    assert len(rule_names()) == 21
    for name in rule_names():
        assert rule_summary(name).startswith("Fires ")


@pytest.fixture
def flowers(tmp_path):
    from PIL import Image

    for at, label in enumerate(("daisy", "rose")):
        for number in range(8):
            file = tmp_path / "flowers" / label / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (40, 30), (99 * at, 20 * number, 7)).save(file)
    return tmp_path / "flowers"


def test_a_launched_job_runs_the_rules_of_its_spec_and_no_others(tmp_path, flowers):
    from tests.gui.fakes import FakeEngine

    engine, started = FakeEngine(), []
    engine.stage = lambda manifest, on_progress, cancel: {"train": "x"}
    engine.start = started.append
    workbench = Workbench(AppPaths(tmp_path / "home"), engine)
    try:
        manifest = workbench.data.split(workbench.data.scan(flowers))
        keep_config(workbench.settings, str(manifest.root), DebuggerConfig(actions={"Overfit": "stop"}))
        spec = TrainingSpec("job", {}, {}, default_metrics())
        workbench.jobs.launch(spec, manifest)
        workbench.jobs.launch(dataclasses.replace(spec, debugger=DebuggerConfig(enabled=False)), manifest)
    finally:
        workbench.close()
    assert started[0].debugger == DebuggerConfig()
    assert not started[1].debugger.enabled
