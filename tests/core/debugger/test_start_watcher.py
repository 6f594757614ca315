"""The watcher process: what it says of jobs, and what becomes of it when it dies or stands still. Real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.debugger.start_watcher import rule_watcher
from core.jobs.specs import DebuggerConfig
from tests.training_scripts.debugger.faults import head_training
from training_scripts.debugger.watcher import RuleWatcher

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def troubles() -> list[str]:
    return []


@pytest.fixture
def watcher(tmp_path: Path, troubles: list[str]) -> Iterator[RuleWatcher]:
    watcher = rule_watcher(DebuggerConfig(), tmp_path / "rules.log", 2.0, troubles.append)
    yield watcher
    watcher.close(0)


def process_of(watcher: RuleWatcher) -> subprocess.Popen[bytes]:
    assert watcher._process is not None
    return watcher._process


def issues(lines: list[str]) -> set[tuple[str, str]]:
    outcomes = [json.loads(line.removeprefix("sagehound-rule ")) for line in lines]
    return {(outcome["job"], outcome["rule"]) for outcome in outcomes if outcome["status"] == "IssuesFound"}


def test_outcomes_of_many_jobs_come_as_lines(tmp_path: Path) -> None:
    for job, rate in (("high", 50.0), ("good", 5e-3)):
        head_training(rate, epochs=3).run(tmp_path / job / "output" / "tensors")
    watcher = rule_watcher(DebuggerConfig(), tmp_path / "rules.log")
    watcher.watch("high", tmp_path / "high" / "output")
    for job in ("high", "good"):  # one is told of when it is over
        watcher.ended(job, tmp_path / job / "output")
    lines = watcher.new_lines() + watcher.close(120)
    found = issues(lines)
    assert ("high", "LearningRateTooHigh") in found
    assert not {job for job, _ in found} - {"high"}
    assert watcher.unfinished == ()
    assert watcher.close() == []


def test_without_a_debugger_nothing_runs(tmp_path: Path) -> None:
    watcher = rule_watcher(DebuggerConfig(enabled=False), tmp_path / "rules.log")
    watcher.watch("job", tmp_path)
    watcher.ended("job", tmp_path)
    assert watcher.close() == []
    assert list(tmp_path.iterdir()) == []


@posix
@pytest.mark.parametrize(
    ("number", "why"), [(signal.SIGKILL, "ended, perhaps for want of memory"), (signal.SIGSTOP, "stood still for 2 s")]
)
def test_one_that_dies_or_stands_still_is_replaced_and_begins_with_what_is_left(
    tmp_path: Path, watcher: RuleWatcher, troubles: list[str], number: int, why: str
) -> None:
    head_training(50.0, epochs=3).run(tmp_path / "high" / "output" / "tensors")
    process_of(watcher).send_signal(number)
    watcher.watch("high", tmp_path / "high" / "output")
    watcher.ended("high", tmp_path / "high" / "output")
    lines, deadline = [], time.monotonic() + 120
    while watcher.unfinished:
        assert time.monotonic() < deadline
        lines += watcher.new_lines()
        time.sleep(0.02)
    assert ("high", "LearningRateTooHigh") in issues(lines)
    (trouble,) = troubles
    assert trouble.startswith(f"The process that evaluates the Debugger rules {why}")
    assert trouble.endswith("; it was started again.")


@posix
def test_the_second_time_it_is_given_up_and_says_so(tmp_path: Path, watcher: RuleWatcher, troubles: list[str]) -> None:
    watcher.watch("job", tmp_path / "output")
    for count in (1, 2):
        process_of(watcher).kill()
        process_of(watcher).wait()
        assert watcher.new_lines() == []
        assert len(troubles) == count
    assert troubles[-1].endswith("for the second time: the rules are no longer evaluated.")
    assert watcher.unfinished == ("job",)
    for number in range(3):
        watcher.watch(f"job{number}", tmp_path / "output")
    assert watcher.close() == []


@posix
def test_one_that_reads_nothing_holds_nobody_up(tmp_path: Path, watcher: RuleWatcher) -> None:
    """A pipe takes some ten thousand letters; what comes then used to wait without end."""
    process_of(watcher).send_signal(signal.SIGSTOP)
    for number in range(1000):
        watcher.watch(f"job{number}", tmp_path / str(number) / "output")
    assert len(watcher._unsent) > 100_000
    process_of(watcher).send_signal(signal.SIGCONT)
    for number in range(1000):
        watcher.ended(f"job{number}", tmp_path / str(number) / "output")
    deadline = time.monotonic() + 120
    while watcher.unfinished:
        assert time.monotonic() < deadline
        watcher.new_lines()
        time.sleep(0.02)


def test_one_that_has_nothing_to_do_is_not_taken_for_one_that_stands_still(
    tmp_path: Path, watcher: RuleWatcher, troubles: list[str]
) -> None:
    process, log, deadline = process_of(watcher), tmp_path / "rules.log", time.monotonic() + 60
    while log.stat().st_size < 15:  # ten of its signs of life are the longest silence
        assert time.monotonic() < deadline
        assert watcher.new_lines() == []
        time.sleep(0.02)
    assert troubles == []
    assert process_of(watcher) is process
