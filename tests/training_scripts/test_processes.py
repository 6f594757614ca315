"""A process is told from others by what no clock moves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training_scripts.processes import ProcessIdentity, identify

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_a_process_is_itself_until_it_ends() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        identity = identify(child.pid)
        assert identity is not None
        assert identity.is_alive
        assert identify(child.pid) == identity != identify(os.getpid())
        child.kill()
        deadline = time.monotonic() + 30
        while identity.is_alive:  # a zombie by then: nobody has waited for it
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert child.returncode is None
    assert not identity.is_alive


def test_another_process_of_the_same_number_is_another() -> None:
    mine = identify(os.getpid())
    assert mine is not None
    assert not ProcessIdentity(mine.pid, "another start").is_alive
    assert not ProcessIdentity(mine.pid, "").is_alive


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc in which a program with an ugly name has the number 42."""
    (tmp_path / "42").mkdir()
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("first\n")
    _write(tmp_path, state="S", ticks=7001, booted=1_700_000_000)
    return tmp_path


def _write(proc: Path, state: str, ticks: int, booted: int) -> None:
    fields = [state, *(str(number) for number in range(4, 22)), str(ticks), "23"]
    (proc / "42/stat").write_text(f"42 (a ) b) {' '.join(fields)}\n")
    (proc / "stat").write_text(f"cpu 1 2 3\nbtime {booted}\n")


@linux_only
def test_a_clock_that_is_set_changes_nothing(proc: Path) -> None:
    """The moment of the boot moves with the clock, and with it every process's time of creation."""
    before = identify(42, proc)
    assert before == ProcessIdentity(42, "first 7001")
    _write(proc, state="R", ticks=7001, booted=1_700_003_600)
    assert identify(42, proc) == before


@linux_only
def test_what_makes_it_another(proc: Path) -> None:
    before = identify(42, proc)
    _write(proc, state="S", ticks=7002, booted=1_700_000_000)
    assert identify(42, proc) not in (before, None)
    _write(proc, state="S", ticks=7001, booted=1_700_000_000)
    (proc / "sys/kernel/random/boot_id").write_text("second\n")
    assert identify(42, proc) not in (before, None)
    _write(proc, state="Z", ticks=7001, booted=1_700_000_000)
    assert identify(42, proc) is None
    assert identify(43, proc) is None
