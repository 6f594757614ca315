from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from core.paths import ROOT

PARENT = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from core.predict.predictor import Predictor
predictor = Predictor(Path(sys.argv[2]))
predictor.load(Path(sys.argv[3]))
print(predictor.pid, flush=True)
predictor.classify([Path(sys.argv[4])] * 100_000)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_the_process_ends_with_its_parent_even_if_that_is_killed_in_the_middle_of_work(
    trained_job, converted, predictor
):
    arguments = (str(ROOT), str(converted), str(trained_job.model), str(trained_job.picture("red")))
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        family = [child, *child.children(recursive=True)]
        time.sleep(0.2)
    finally:
        parent.kill()
        parent.wait(10)
        parent.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
