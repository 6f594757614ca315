"""The features of a scan, outside of jobs: what their process does is watched."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from core.errors import EngineError
from core.features.dataset_features import _compute
from core.jobs.contract import JobFolder
from core.paths import AppPaths
from core.progress import CancelToken, Progress

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

# Stops itself in the middle, in its first run or in each.
STANDS = """
import os, pathlib, signal
here = pathlib.Path(__file__)
print("features 1/2 (50.0 pictures/s)", flush=True)
runs = here.with_name("runs")
with runs.open("a") as file:
    file.write("x")
if len(runs.read_text()) <= {stops}:
    os.kill(os.getpid(), signal.SIGSTOP)
print("features 2/2 (50.0 pictures/s)", flush=True)
"""


def compute(tmp_path: Path, stops: int) -> list[Progress]:
    script = tmp_path / "features.py"
    script.write_text(STANDS.format(stops=stops), encoding="utf-8")
    folder, said = JobFolder(tmp_path / "job").create(), []
    paths = AppPaths(tmp_path / "home").create()
    cancel = CancelToken()
    _compute(folder, tmp_path, tmp_path, "efficientnet_lite0", paths, said.append, cancel, script, silence_s=1.0)
    return said


def test_a_process_that_stands_still_is_started_again(tmp_path: Path) -> None:
    said = compute(tmp_path, stops=1)
    assert (tmp_path / "runs").read_text() == "xx"
    assert (said[-1].done, said[-1].total) == (2, 2)
    assert any("stood still for 1 seconds and is started again" in progress.message for progress in said)


def test_one_that_stands_still_twice_is_the_reason(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="stood still for 1 seconds, for the second time"):
        compute(tmp_path, stops=2)
    assert (tmp_path / "runs").read_text() == "xx"
