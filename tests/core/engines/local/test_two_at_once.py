"""Two commands at once on one job, a clock that is set, and a home where supervisors come and go. Real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from core.engines.local.detached import this_process
from core.engines.local.engine import LocalEngine
from core.engines.local.runs import Run
from core.engines.local.supervision import SUPERVISOR_LOG, reap_orphans
from core.errors import EngineError, JobNotFound
from core.jobs.contract import JobFolder, default_metrics
from core.jobs.specs import TrainingSpec, spec_to_json
from core.jobs.status import JobStatus
from core.store import Store
from core.store.rows import new_record
from training_scripts.processes import ProcessIdentity

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

ROOT = Path(__file__).resolve().parents[4]
SLOW = {"num_epochs": "8", "sleep": "0.05"}
LONG = {"num_epochs": "1000", "sleep": "0.05"}

# Opens the engine, says so, waits for the word, does one thing, says what came of it.
COMMAND = """
import json, sys
from pathlib import Path
from core.engines.local.engine import LocalEngine
from core.engines.local.job_runtime import Runtime
from core.errors import UserFacingError
from core.jobs.specs import spec_from_json
from core.paths import AppPaths
from core.store import Store
home, what, job = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
paths = AppPaths(home)
engine = LocalEngine(paths, Store(paths.database), Runtime.load(home / "runtime.json"))
argument = spec_from_json(json.loads((home / "spec.json").read_text())) if what == "start" else job
print("ready", flush=True)
input()
try:
    getattr(engine, what)(argument)
    print("done")
except UserFacingError as error:
    print(error.what)
"""


@pytest.fixture
def at_once(paths, runtime) -> Callable[..., list[str]]:
    """Does several things to one job in processes of their own, as nearly at once as can be; returns what each said."""
    runtime.save(paths.home / "runtime.json")

    def run(job: str, *commands: str) -> list[str]:
        command = [sys.executable, "-c", COMMAND, str(paths.home)]
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
        processes = [subprocess.Popen([*command, what, job], **options) for what in commands]
        try:
            for process in processes:
                assert process.stdout.readline() == "ready\n"
            for process in processes:
                process.stdin.write("go\n")
                process.stdin.flush()
            return [process.communicate(timeout=60)[0].strip() for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.communicate()

    return run


def supervisors_of(paths, job: str) -> int:
    """How many supervisors have been started for a job."""
    return (paths.jobs / job / SUPERVISOR_LOG).read_text().count("A supervisor begins")


def stopped_search(mini, name: str, trials: int = 4) -> None:
    """A search with one trial done, stopped."""
    mini.engine.start(mini.tuning(name, max_jobs=trials, max_parallel_jobs=1, training={"hyperparameters": SLOW}))
    mini.until(name, lambda job: job.counts.get(JobStatus.COMPLETED, 0) >= 1)
    mini.engine.stop(name)
    mini.finished(name)


def test_of_several_resumptions_at_once_one_is_done(mini, paths, at_once):
    stopped_search(mini, "tune-1")
    before = supervisors_of(paths, "tune-1")
    said = at_once("tune-1", *["resume"] * 4)
    assert sorted(said) == ["done", *["tune-1 is running."] * 3]
    job = mini.finished("tune-1")
    assert job.status is JobStatus.COMPLETED
    assert sum(job.counts.values()) == len(mini.engine.trials("tune-1")) == 4
    assert supervisors_of(paths, "tune-1") == before + 1


def test_of_several_starts_at_once_one_is_done(mini, paths, at_once):
    spec = mini.training("single-1")
    (paths.home / "spec.json").write_text(json.dumps(spec_to_json(spec)))
    said = at_once("single-1", *["start"] * 3)
    assert sorted(said) == ["There is a job called single-1 already."] * 2 + ["done"]
    assert mini.finished("single-1").status is JobStatus.COMPLETED
    assert supervisors_of(paths, "single-1") == 1


def test_resumed_or_deleted_but_not_both(mini, paths, at_once):
    for number in range(3):
        name = f"tune-{number}"
        stopped_search(mini, name, trials=2)
        resumed, deleted = at_once(name, "resume", "delete")
        assert (resumed == "done") != (deleted == "done"), (resumed, deleted)
        if resumed == "done":
            assert deleted == f"{name} is running."
            assert mini.finished(name).status is JobStatus.COMPLETED
        else:
            with pytest.raises(JobNotFound):
                mini.engine.job(name)
            assert not [folder for folder in paths.jobs.iterdir() if folder.name.startswith(name)]


def test_resumed_and_stopped_ends_stopped_or_is_stopped_first(mini, at_once):
    """A stop that comes after the resumption counts; one that came before it had nothing to stop."""
    stopped_search(mini, "tune-1", trials=40)
    assert at_once("tune-1", "resume", "stop") == ["done", "done"]
    mini.engine.stop("tune-1")
    assert mini.finished("tune-1").status is JobStatus.STOPPED


def test_a_name_is_free_again_as_soon_as_its_job_is_deleted(mini, paths):
    mini.engine.start(mini.training("single-1"))
    mini.finished("single-1")
    mini.engine.delete("single-1")
    assert not (paths.jobs / "single-1").exists()
    assert not paths.deleted.exists()
    mini.engine.start(mini.training("single-1"))
    assert mini.finished("single-1").status is JobStatus.COMPLETED


def test_a_folder_that_cannot_be_moved_is_not_lost(mini, paths):
    mini.engine.start(mini.tuning("tune-1", max_jobs=2))
    mini.finished("tune-1")
    folders = sorted(folder.name for folder in paths.jobs.iterdir())
    paths.deleted.write_text("in the way")
    with pytest.raises(EngineError, match="could not be deleted"):
        mini.engine.delete("tune-1")
    assert sorted(folder.name for folder in paths.jobs.iterdir()) == folders
    assert mini.engine.job("tune-1").status is JobStatus.COMPLETED
    paths.deleted.unlink()
    mini.engine.delete("tune-1")
    assert list(paths.jobs.iterdir()) == []


def test_a_clock_that_is_set_buries_nothing(mini, store, monkeypatch):
    """`create_time` follows the clock; two seconds made every look end a living search."""
    mini.engine.start(mini.training("long", hyperparameters=LONG))
    mini.until("long", lambda job: bool(job.metrics))
    created, now = psutil.Process.create_time, time.time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: created(process) + 3600)
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    reap_orphans(store, mini.engine._paths, "local")
    assert mini.engine.job("long").status is JobStatus.IN_PROGRESS


class Idle:
    """A process that does nothing, and notes what it was asked."""

    identity, lost = ProcessIdentity(0, ""), ""

    def __init__(self) -> None:
        self.terminated = False

    def terminate(self) -> None:
        self.terminated = True


def test_the_longest_run_is_not_measured_by_the_clock_on_the_wall(mini, store, paths, runtime, monkeypatch):
    spec = mini.training("single-1", max_runtime_s=60)
    store.add_job(new_record(spec), spec)
    process = Idle()
    run = Run(spec, JobFolder(paths.jobs / "single-1"), process, store, runtime)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    run.watch_limits()
    assert not process.terminated
    moment = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: moment() + 61)
    run.watch_limits()
    assert process.terminated
    store.update_job("single-1", status=JobStatus.STOPPED)


def test_a_supervisor_that_comes_too_late_does_nothing(mini, store, paths):
    """Its job was found without a process, and another has resumed it since."""
    stopped_search(mini, "tune-1")
    before = mini.engine.job("tune-1")
    spec = mini.training("other")
    store.add_job(new_record(spec), spec, this_process())
    program = "import sys; from core.engines.local.supervisor import main; sys.exit(main(*sys.argv[1:]))"
    for job in ("tune-1", "other", "gone"):
        command = [sys.executable, "-c", program, job, str(paths.home), str(os.getpid()), "an earlier starter"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert f"{job} is not this process's to do" in done.stderr
    assert store.job("other").status is JobStatus.IN_PROGRESS
    assert mini.engine.job("tune-1") == before
    store.update_job("other", status=JobStatus.STOPPED)


def test_a_job_whose_starter_died_before_its_supervisor_came_is_interrupted(mini, store):
    spec = mini.training("single-1")
    store.add_job(new_record(spec), spec, ProcessIdentity(os.getpid(), "gone"))
    job = mini.finished("single-1", 20)
    assert (job.status, job.secondary_status) == (JobStatus.STOPPED, "Interrupted")


def test_an_interruption_does_not_cite_an_earlier_run(mini, store, paths):
    stopped_search(mini, "tune-1", trials=9)
    log = paths.jobs / "tune-1" / SUPERVISOR_LOG
    with log.open("a") as file:
        file.write("OSError: [Errno 28] No space left on device\n")
    mini.engine.resume("tune-1")
    os.kill(store.process("tune-1").pid, signal.SIGKILL)
    job = mini.finished("tune-1", 20)
    assert job.secondary_status == "Interrupted"
    assert "ended from outside" in job.failure_reason
    assert "No space" not in job.failure_reason


def test_a_script_whose_watching_process_is_gone_may_still_run(store, paths):
    spec = TrainingSpec("watch-1", {}, {}, default_metrics(), command=("python", "train.py"))
    store.add_job(new_record(spec), spec)
    reap_orphans(store, paths, "local")
    assert store.job("watch-1").secondary_status == "Interrupted"
    assert "the script itself may still run" in store.job("watch-1").failure_reason


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            ["This supervisor was ended: it stood still for 8 seconds", "Traceback", "EOFError"],
            "stood still for 8 seconds",
        ),
        (["Traceback (most recent call last):", "EOFError"], "ended from outside"),
        (["Traceback (most recent call last):", "KeyError: 'x'"], "broke off: KeyError: 'x'"),
    ],
)
def test_what_its_helpers_say_last_is_not_why_a_supervisor_is_gone(mini, store, paths, lines, reason):
    """A process that was just being started says in the same log that it has lost who started it."""
    spec, log = mini.training("single-1"), paths.jobs / "single-1" / SUPERVISOR_LOG
    log.parent.mkdir(parents=True)
    log.write_text("\n".join(["A supervisor begins: today", *lines]))
    store.add_job(new_record(spec), spec, ProcessIdentity(os.getpid(), "gone"))
    assert reason in mini.finished("single-1", 20).failure_reason


def test_a_search_cut_off_behind_its_last_trial_is_brought_to_its_end(mini, store):
    """Its reason says "resume it", and it was refused: it had done all its trials."""
    mini.engine.start(mini.tuning("tune-1", max_jobs=2))
    mini.finished("tune-1")
    trials = mini.engine.trials("tune-1")
    store.update_job("tune-1", reopen=True, status=JobStatus.STOPPED, secondary_status="Interrupted")
    mini.engine.resume("tune-1")
    assert mini.finished("tune-1").status is JobStatus.COMPLETED
    assert mini.engine.trials("tune-1") == trials


def test_lookers_together_clear_up_once(mini, store, paths, runtime):
    mini.engine.start(mini.training("long", hyperparameters=LONG))
    mini.until("long", lambda job: bool(job.metrics))
    stores = [Store(paths.database) for _ in range(3)]
    try:
        lookers = [LocalEngine(paths, other, runtime) for other in stores]
        os.kill(store.process("long").pid, signal.SIGKILL)
        before = store.latest_cursor()
        deadline = time.monotonic() + 20
        while not all(looker.job("long").status.is_final for looker in lookers):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        ends = [event for event in store.events(before).events if getattr(event, "status", None) is JobStatus.STOPPED]
        assert len(ends) == 1
    finally:
        for other in stores:
            other.close()
