"""What is left of a watched training whose processes are killed."""

import json
import subprocess
import sys
import time
from dataclasses import asdict

import psutil
import pytest

from core.engines.local import watched
from core.engines.local.detached import this_process
from core.engines.local.engine import LocalEngine
from core.engines.local.watched import BEGUN_FILE, WatchedScript
from core.engines.local.watched_process import Script
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import INTERRUPTED, Store

LAUNCHER = """
import subprocess, sys
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(worker.pid, flush=True)
worker.wait()
"""


@pytest.mark.parametrize("end", [Script.terminate, Script.kill])
def test_a_script_that_is_ended_leaves_no_workers(end):
    script = Script([sys.executable, "-c", LAUNCHER], stdout=subprocess.PIPE)
    with script:
        worker = psutil.Process(int(script.stdout.readline()))
        end(script)
        script.wait(60)
        assert worker.is_running(), "it would not have been left"
        script.end_rest()
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE


def test_a_script_that_ends_by_itself_keeps_what_it_started():
    with Script([sys.executable, "-c", LAUNCHER.replace("worker.wait()", "")], stdout=subprocess.PIPE) as script:
        worker = psutil.Process(int(script.stdout.readline()))
        script.wait(60)
        script.end_rest()
        assert worker.is_running()
        assert worker.status() != psutil.STATUS_ZOMBIE
        worker.kill()
    assert script.returncode == 0


def test_what_is_known_of_a_script_before_its_record_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(partial, content):
        open(partial, "wb").close()
        raise OSError(28, "No space left on device")

    script = WatchedScript([sys.executable, "train.py"], AppPaths(tmp_path / "home"))
    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    monkeypatch.setattr("pathlib.Path.write_text", lambda partial, content, encoding: full(partial, content))
    script._begin()
    assert not (script.folder.root / BEGUN_FILE).exists()


def test_what_a_shell_leaves_has_as_long_to_save_as_the_script(monkeypatch):
    """No sooner than it was asked is it killed; the wait itself is not waited for here."""
    patience = []
    monkeypatch.setattr(psutil, "wait_procs", lambda left, timeout: patience.append(timeout) or (left, []))
    with Script([sys.executable, "-c", LAUNCHER], stdout=subprocess.PIPE) as script:
        worker = psutil.Process(int(script.stdout.readline()))
        script.terminate()
        script.wait(60)
        script.end_rest()
    worker.wait(60)
    assert patience == [watched.GRACE_S]


def test_a_script_runs_where_its_folder_was_deleted(tmp_path, monkeypatch, capfd):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setattr("os.nice", lambda by: 0)  # it is this process that follows here
    gone.rmdir()
    script = WatchedScript([sys.executable, "-S", "-c", "print('it ran')"], AppPaths(tmp_path / "home"))
    assert script.run() == 0
    out, err = capfd.readouterr()
    assert out == "it ran\n"
    assert "unwatched" not in err


def test_a_training_whose_watching_was_killed_before_it_had_a_record_gets_one(tmp_path):
    """Not while the watching process lives; then once."""
    paths = AppPaths(tmp_path / "home")
    script = WatchedScript([sys.executable, "train.py"], paths, ["Overfit"])
    script._begin()

    def jobs():
        store = Store(paths.database)
        engine = LocalEngine(paths, store)
        try:
            return engine.jobs(), [store.spec(job.name) for job in engine.jobs()]
        finally:
            engine.close()
            store.close()

    begun = script.folder.root / BEGUN_FILE
    assert jobs()[0] == []
    told = json.loads(begun.read_text(encoding="utf-8"))
    begun.write_text(json.dumps(told | {"process": asdict(this_process()) | {"started": "earlier"}}), encoding="utf-8")
    for _ in range(2):
        (job,), (spec,) = jobs()
        assert (job.kind, job.status, job.secondary_status) == ("watched", JobStatus.STOPPED, INTERRUPTED)
        assert "the script itself may still run" in job.failure_reason
        assert spec.command == (sys.executable, "train.py")
        assert spec.debugger.actions == {"Overfit": "stop"}
        assert job.created <= time.time()
        assert not begun.exists()
