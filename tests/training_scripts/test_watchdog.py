"""Signs of life, with a clock that the test turns."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from training_scripts.processes import ProcessIdentity, identify
from training_scripts.watchdog import Watchdog, end_at_once, waited_s


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sleeper() -> Iterator[ProcessIdentity]:
    """A process that waits for its input, and has come as far as that."""
    command = [sys.executable, "-c", "print(1, flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        identity = identify(process.pid)
        assert identity is not None
        yield identity
        process.kill()


def look_for(watchdog: Watchdog, clock: Clock, seconds: int) -> str:
    """Look every second."""
    for _ in range(seconds):
        clock.now += 1
        if finding := watchdog.finding:
            return finding
    return ""


def test_what_does_nothing_stands_still(sleeper: ProcessIdentity, clock: Clock) -> None:
    watchdog = Watchdog(sleeper, 60, clock=clock)
    assert look_for(watchdog, clock, 57) == ""
    assert look_for(watchdog, clock, 6) == "stood still for 60 seconds"


def test_what_grows_is_alive(sleeper: ProcessIdentity, clock: Clock, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    watchdog = Watchdog(sleeper, 60, log, clock=clock)
    for _ in range(5):
        assert look_for(watchdog, clock, 50) == ""
        with log.open("a") as file:
            file.write("a word\n")
    assert look_for(watchdog, clock, 57) == ""
    assert look_for(watchdog, clock, 10) != ""


def test_what_computes_is_alive_until_it_says_nothing_for_too_long(clock: Clock) -> None:
    """Its descendants count too; here this process itself computes, between two looks."""
    me = identify(os.getpid())
    assert me is not None
    watchdog = Watchdog(me, 20, wordless_s=100, clock=clock)
    for _ in range(9):
        until = time.process_time() + 0.25
        while time.process_time() < until:
            pass
        assert look_for(watchdog, clock, 10) == ""
    assert look_for(watchdog, clock, 15) != ""


@pytest.mark.parametrize(("share", "lives"), [(1.0, True), (0.1, False)])
def test_what_waits_for_a_core_is_alive(
    share: float, lives: bool, sleeper: ProcessIdentity, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The helper of one that hangs waits, too, each time that it wakes up on a busy machine: that is no sign."""
    monkeypatch.setattr("training_scripts.watchdog.waited_s", lambda pid: share * clock.now)
    assert (look_for(Watchdog(sleeper, 60, clock=clock), clock, 300) == "") is lives


def test_waiting_for_a_core_is_known_where_the_system_tells_it() -> None:
    assert (waited_s(os.getpid()) > 0) is Path("/proc/self/schedstat").exists()
    assert waited_s(2**22 + 1) == 0


def test_a_looker_that_was_away_blames_nobody(sleeper: ProcessIdentity, clock: Clock) -> None:
    """The machine slept, or the one who looks was stopped itself."""
    watchdog = Watchdog(sleeper, 60, clock=clock)
    for _ in range(5):
        clock.now += 3600
        assert watchdog.finding == ""
    assert look_for(watchdog, clock, 60) != ""


def test_a_process_that_took_the_number_is_not_ended(sleeper: ProcessIdentity) -> None:
    end_at_once(ProcessIdentity(sleeper.pid, "another start"))
    assert sleeper.is_alive
    end_at_once(sleeper)
    deadline = time.monotonic() + 30
    while sleeper.is_alive:
        assert time.monotonic() < deadline
        time.sleep(0.01)
