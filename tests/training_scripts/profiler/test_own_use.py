from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from training_scripts.profiler import own_use
from training_scripts.profiler.own_use import OwnUse

_BURN = "import sys\nprint('on', flush=True)\nwhile True: pass"
_PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {_BURN!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.readline()
child.kill()
child.wait()
"""


@pytest.fixture
def burning() -> Iterator[subprocess.Popen[str]]:
    """A process that keeps a core busy, as far as it gets one."""
    process = subprocess.Popen([sys.executable, "-c", _BURN], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def _spent(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _measured(use: OwnUse, pid: int) -> tuple[float, float]:
    """What `use` says of a while in which the process `pid` computed for 0.3 s, and what that process had of it."""
    before, began = _spent(pid), time.monotonic()
    deadline = began + 120
    while _spent(pid) - before < 0.3:
        assert time.monotonic() < deadline, "no computing time in two minutes"
        time.sleep(0.01)
    had, seconds = _spent(pid) - before, time.monotonic() - began
    cores = psutil.cpu_count() or 1
    return use.read(seconds)[0], 100 * had / seconds / cores


def test_a_process_is_counted_with_what_it_computed(burning: subprocess.Popen[str]) -> None:
    use = OwnUse(burning.pid)
    said, had = _measured(use, burning.pid)
    assert said == pytest.approx(had, rel=0.3, abs=1)


def test_other_programs_are_not_counted(burning: subprocess.Popen[str]) -> None:
    use = OwnUse(os.getpid())
    said, had = _measured(use, burning.pid)
    assert said < 0.7 * had, "the burning process is a child that was not looked for yet"


def test_children_are_counted_once_they_were_looked_for() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        child = int(process.stdout.readline())
        use = OwnUse(process.pid)
        use.read(0.1)  # the second reading looks for children
        said, had = _measured(use, child)
        assert said > 0.5 * had
        assert use.read(0.1)[1] > 0
    finally:
        process.communicate("end\n", timeout=60)


def test_a_process_that_has_gone_is_left_out(burning: subprocess.Popen[str]) -> None:
    use = OwnUse(burning.pid)
    burning.kill()
    burning.wait()
    assert use.read(0.1) == (0.0, 0.0)
    assert use.read(0.1) == (0.0, 0.0)


def test_ranks_of_one_machine_are_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_use._root() == os.getpid()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert own_use._root() == os.getppid()
