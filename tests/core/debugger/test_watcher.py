import json

from core.debugger.watcher import RuleWatcher
from core.jobs.specs import DebuggerConfig
from tests.training_scripts.debugger.faults import head_training


def test_outcomes_of_many_jobs_come_as_lines(tmp_path):
    for job, rate in (("high", 50.0), ("good", 5e-3)):
        head_training(rate, epochs=3).run(tmp_path / job / "output" / "tensors")
    watcher = RuleWatcher(DebuggerConfig(), tmp_path / "rules.log")
    for job in ("high", "good"):
        watcher.watch(job, tmp_path / job / "output")
        watcher.ended(tmp_path / job / "output")
    lines = watcher.new_lines() + watcher.close(120)
    outcomes = [json.loads(line.removeprefix("sagehound-rule ")) for line in lines]
    found = {(outcome["job"], outcome["rule"]) for outcome in outcomes if outcome["status"] == "IssuesFound"}
    assert ("high", "LearningRateTooHigh") in found
    assert not {job for job, _ in found} - {"high"}
    assert watcher.close() == []


def test_without_a_debugger_nothing_runs(tmp_path):
    watcher = RuleWatcher(DebuggerConfig(enabled=False), tmp_path / "rules.log")
    watcher.watch("job", tmp_path)
    watcher.ended(tmp_path)
    assert watcher.close() == []
    assert list(tmp_path.iterdir()) == []


def test_a_watcher_that_died_is_no_trouble(tmp_path):
    watcher = RuleWatcher(DebuggerConfig(), tmp_path / "rules.log")
    watcher._process.kill()
    watcher._process.wait()
    for _ in range(3):
        watcher.watch("job", tmp_path / "output")
    assert watcher.close() == []
