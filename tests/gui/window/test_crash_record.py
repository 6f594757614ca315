"""The record of crashes, with a real process that crashes."""

import os
import signal
import subprocess
import sys

import pytest

from core.paths import ROOT
from gui.window.crash_record import _name_of
from training_scripts.processes import identify

PROGRAM = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from gui.window.crash_record import CrashRecord
record = CrashRecord(Path(sys.argv[2]), os.getpid())
print(record.notice, flush=True)
{end}
"""


def _window(logs, end: str = "record.close()") -> tuple[int, str]:
    """Return the exit status and the notice of a process that ends so; its faulthandler is not this process's."""
    command = [sys.executable, "-c", PROGRAM.format(end=end), str(ROOT), str(logs)]
    done = subprocess.run(command, timeout=60, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout.strip()


@pytest.mark.skipif(sys.platform == "win32", reason="ends by a POSIX signal")
def test_a_crash_is_written_down_and_said_once(tmp_path):
    status, notice = _window(tmp_path, "import faulthandler; faulthandler._sigsegv()")
    assert (status, notice) == (-signal.SIGSEGV, "")
    status, notice = _window(tmp_path)
    assert status == 0
    assert "crashed the last time" in notice
    assert "Segmentation fault" in (tmp_path / "last-crash.txt").read_text(encoding="utf-8")
    assert _window(tmp_path) == (0, "")
    assert not list(tmp_path.glob("*.crash"))


def test_a_crash_is_said_although_its_number_went_to_another_process(tmp_path):
    (tmp_path / f"window-{os.getpid()}.another_start.crash").write_text("Fatal Python error", encoding="utf-8")
    running = tmp_path / _name_of(identify(os.getpid()))
    running.write_text("", encoding="utf-8")
    assert "crashed the last time" in _window(tmp_path)[1]
    assert running.exists()


def test_a_window_that_closed_or_was_killed_did_not_crash(tmp_path):
    assert _window(tmp_path) == (0, "")
    _window(tmp_path, "os.kill(os.getpid(), 9)")
    assert _window(tmp_path) == (0, "")
    assert list(tmp_path.iterdir()) == []
