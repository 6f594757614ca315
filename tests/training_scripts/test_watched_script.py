"""A script that a container starts and that stands still: ended, started once more, and then the reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.jobs.scraping import notice_in
from training_scripts.distributed import TIMEOUT
from training_scripts.job import JobError, StopRequest
from training_scripts.watched_script import WatchedScript, patience

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ROOT = Path(__file__).resolve().parents[2]

# Stops itself as often as the file `stops` says. Its helper has a session of its own, as torchrun's workers have.
SCRIPT = """
import os, pathlib, signal, subprocess, sys
stops = pathlib.Path(__file__).with_name("stops")
left = int(stops.read_text())
print("began", flush=True)
if left:
    stops.write_text(str(left - 1))
    helper = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    pathlib.Path(__file__).with_name("helper").write_text(str(helper.pid))
    os.kill(os.getpid(), signal.SIGSTOP)
print("ended", end="")
sys.exit(3)
"""


@pytest.fixture
def watched(tmp_path):
    def make(stops: int, code: str = SCRIPT, tries: int = 2) -> WatchedScript:
        (tmp_path / "stops").write_text(str(stops))
        file = tmp_path / "script.py"
        file.write_text(code, encoding="utf-8")
        return WatchedScript("It", [sys.executable, str(file)], tmp_path / "log", StopRequest(), 0.5, tries=tries)

    return make


def test_it_is_started_again_without_what_it_had_started(watched, tmp_path, capfd):
    assert watched(1).run() == 3
    lines = capfd.readouterr().out.splitlines()
    assert [notice_in(line) or line for line in lines] == [
        "began",
        "It stood still for 0 seconds; it was ended and started again.",
        "began",
        "ended",
    ]
    with pytest.raises(ProcessLookupError):
        os.kill(_reaped(int((tmp_path / "helper").read_text())), 0)


def _reaped(pid: int) -> int:
    """Return it; what was orphaned stays a zombie where nothing collects it, and a zombie is as good as gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return pid
    return pid if state != "Z" else 2**22


@pytest.mark.parametrize(
    ("tries", "reason"),
    [(2, "It stood still for 0 seconds, for the second time."), (1, "It stood still for 0 seconds.")],
)
def test_what_stands_still_as_often_as_it_may_is_the_reason(tries, reason, watched):
    with pytest.raises(JobError) as told:
        watched(2, tries=tries).run()
    assert str(told.value) == reason


def test_a_signal_that_ended_it_is_the_reason(watched):
    with pytest.raises(JobError, match="It was ended by the signal SIGKILL"):
        watched(0, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)").run()


@pytest.mark.parametrize(
    ("hosts", "expected"), [(None, (2, 180)), ('["algo-1"]', (2, 180)), ('["algo-1", "algo-2"]', (1, 1980))]
)
def test_a_machine_that_waits_for_another_does_not_stand_still(hosts, expected):
    """Not before the waiting itself has failed, which says more."""
    assert patience({} if hosts is None else {"SM_HOSTS": hosts}, 180) == expected
    assert patience({} if hosts is None else {"SM_HOSTS": hosts}, 180, alone=True) == (2, 180)
    assert expected[0] == 2 or expected[1] > TIMEOUT.total_seconds()


# As a container runs it: the request to stop goes to this process alone, and the script saves what it has.
STOPPED = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from training_scripts import watched_script
watched_script.__file__ = sys.argv[2]
sys.exit(watched_script.run_job("train.py", ["--x"]))
"""
SAVES = """
import pathlib, signal, sys
def save(*_):
    print("saved", sys.argv[1], flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("runs", flush=True)
while True:
    signal.pause()
"""


def test_a_request_to_stop_is_passed_on(tmp_path):
    (tmp_path / "train.py").write_text(SAVES)
    command = [sys.executable, "-c", STOPPED, str(ROOT), str(tmp_path / "watched_script.py")]
    environment = {**os.environ, "SM_OUTPUT_DIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        process.terminate()
        assert process.stdout.read() == "saved --x\n"
    assert process.returncode == 0
