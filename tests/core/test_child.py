"""A process that is run to its end, watched."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from core.child import StoodStill, run_to_end
from core.errors import Cancelled
from core.progress import CancelToken

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

# Stands still in its first run, or in each.
STANDS = """
import os, signal, sys, pathlib
mark = pathlib.Path(sys.argv[1])
first = not mark.exists()
with mark.open("a") as file:
    file.write("x")
if first or sys.argv[2] == "always":
    os.kill(os.getpid(), signal.SIGSTOP)
print("done", flush=True)
print("said", file=sys.stderr)
sys.exit(3)
"""


def test_one_that_stands_still_is_started_once_more(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    done = run_to_end([sys.executable, "-c", STANDS, str(mark), "once"], silence_s=1.0)
    assert (done.returncode, done.stdout, done.stderr) == (3, "done\n", "said\n")
    assert mark.read_text() == "xx"


def test_one_that_stands_still_twice_is_said(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(StoodStill, match="stood still for 1 seconds, for the second time"):
        run_to_end([sys.executable, "-c", STANDS, str(mark), "always"], silence_s=1.0)
    assert mark.read_text() == "xx"


def test_one_that_computes_without_end_is_ended() -> None:
    with pytest.raises(StoodStill, match="computed for 1 seconds without getting any further"):
        run_to_end([sys.executable, "-c", "while True: pass"], silence_s=2.0, longest_s=1.0)


def test_a_cancel_ends_it() -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        run_to_end([sys.executable, "-c", "import threading; threading.Event().wait()"], cancel=cancel)
