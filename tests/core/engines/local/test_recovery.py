"""A database that is lost, empty or damaged, of any size: the jobs come back from their folders, and it is said."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from core.engines.local.detached import this_process
from core.engines.local.engine import LocalEngine
from core.engines.local.recovery import RECORD_FILE, recover, write_record
from core.errors import EngineError
from core.jobs.contract import JobFolder
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import Store
from core.store import database as module
from core.store.rows import new_record
from core.workbench import Workbench

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def finished(mini, tmp_path, runtime) -> AppPaths:
    """A home with a finished search of two trials and a failed training job; nothing has it open."""
    paths = AppPaths(tmp_path / "other").create()
    store = Store(paths.database)
    bench = dataclasses.replace(mini, engine=LocalEngine(paths, store, runtime))
    bench.engine.start(bench.tuning("tune-1", max_jobs=2))
    bench.engine.start(bench.training("broken", hyperparameters={"fail": "written"}))
    bench.finished("tune-1")
    bench.finished("broken")
    store.close()
    return paths


def lose(paths: AppPaths, how: str) -> None:
    for file in paths.home.glob("sagehound.sqlite3*"):
        file.unlink()
    if how == "empty":
        paths.database.write_bytes(b"")
    elif how == "zeros":
        paths.database.write_bytes(bytes(40_960))
    elif how == "without jobs":
        Store(paths.database).close()


@pytest.mark.parametrize("how", ["gone", "empty", "zeros", "without jobs"])
def test_a_lost_database_comes_back_and_it_is_said(how, finished, runtime):
    store = Store(finished.database)
    workbench = Workbench(finished, LocalEngine(finished, store, runtime))
    workbench.jobs.rename("tune-1", "Köln, the first")
    workbench.jobs.pin("broken")
    workbench.close()
    store.close()
    lose(finished, how)
    store = Store(finished.database)
    try:
        engine = LocalEngine(finished, store, runtime)
        job = engine.job("tune-1")
        assert (job.status, job.counts) == (JobStatus.COMPLETED, {JobStatus.COMPLETED: 2})
        assert (job.title, job.pinned, engine.job("broken").pinned) == ("Köln, the first", False, True)
        assert engine.job("broken").failure_reason == "The pictures are upside down."
        assert (engine.fetch_artifact(job.best_trial) / "model.json").is_file()
        assert "2 jobs with 2 trials were recovered" in store.notice
    finally:
        store.close()
    again = Store(finished.database)
    LocalEngine(finished, again, runtime)
    assert again.notice == "", "once"
    again.close()


def test_a_database_damaged_beyond_the_size_that_every_start_checks(finished, runtime):
    """The damage is met at work; the next start checks the whole file, moves it aside and recovers."""
    connection = sqlite3.connect(finished.database)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'jobs'").fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    content = bytearray(finished.database.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    finished.database.write_bytes(content)
    store = Store(finished.database, checked_bytes=0)
    with pytest.raises(module.StoreError):
        store.jobs()
    store.close()
    again = Store(finished.database, checked_bytes=0)
    try:
        engine = LocalEngine(finished, again, runtime)
        assert engine.job("tune-1").status is JobStatus.COMPLETED
        assert "moved aside" in again.notice
        assert "2 jobs with 2 trials were recovered" in again.notice
        assert list(finished.home.glob("sagehound.damaged-*"))
    finally:
        again.close()


def test_records_that_cannot_be_read_cost_only_themselves(finished, runtime):
    lose(finished, "gone")
    (finished.jobs / "broken" / RECORD_FILE).write_text("[" * 100_000)
    shutil.copytree(finished.jobs / "tune-1", finished.jobs / "a copy of tune-1")
    store = Store(finished.database)
    try:
        engine = LocalEngine(finished, store, runtime)
        assert [job.name for job in engine.jobs()] == ["tune-1"]
        assert "1 job with 2 trials was recovered" in store.notice
        assert "2 of their records could not be read" in store.notice
    finally:
        store.close()


def test_a_recovery_is_whole_or_not_at_all(finished, runtime, monkeypatch):
    lose(finished, "gone")
    store = Store(finished.database)
    add = Store.add_job

    def fail_at_the_second(self: Store, job: object, *rest: object) -> None:
        if not self.is_empty:
            raise RuntimeError("power cut")
        add(self, job, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "add_job", fail_at_the_second)
        with pytest.raises(RuntimeError):
            LocalEngine(finished, store, runtime)
    assert store.is_empty
    assert LocalEngine(finished, store, runtime).job("tune-1").counts == {JobStatus.COMPLETED: 2}
    store.close()


def test_what_works_for_a_lost_database_is_ended(mini, tmp_path, runtime):
    """A supervisor goes on in a file that is gone; a second one must not join it in the same folders."""
    paths = AppPaths(tmp_path / "other").create()
    store = Store(paths.database)
    bench = dataclasses.replace(mini, engine=LocalEngine(paths, store, runtime))
    slow = {"hyperparameters": {"num_epochs": "1000", "sleep": "0.05"}}
    bench.engine.start(bench.tuning("tune-1", max_jobs=4, training=slow))
    bench.until("tune-1", lambda job: job.counts.get(JobStatus.IN_PROGRESS, 0) == 2)
    supervisor = store.process("tune-1")
    assert json.loads((paths.jobs / "tune-1" / RECORD_FILE).read_text())["process"][0] == supervisor.pid
    store.close()
    lose(paths, "gone")
    again = Store(paths.database)
    try:
        assert LocalEngine(paths, again, runtime).job("tune-1").secondary_status == "Interrupted"
        assert not supervisor.is_alive
    finally:
        again.close()


def test_who_only_started_a_job_is_not_ended_with_it(mini, store, paths, tmp_path):
    """Until its supervisor has begun, a record names the command or the window that started it: this process."""
    spec = mini.training("single-1")
    store.add_job(new_record(spec), spec, this_process())
    write_record(store, JobFolder(paths.jobs / spec.name).create(), spec.name)
    other = Store(tmp_path / "home" / "empty.sqlite3")
    assert recover(other, paths.jobs) == 1
    assert other.job(spec.name).secondary_status == "Interrupted"
    other.close()
    store.update_job(spec.name, status=JobStatus.STOPPED, secondary_status="Stopped", ended=1.0)


def test_a_job_that_could_not_be_started_is_not_recovered(mini, store, paths, runtime, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("core.engines.local.engine.start_supervisor", refuse)
        with pytest.raises(EngineError):
            mini.engine.start(mini.training("never"))
    assert store.is_empty
    LocalEngine(paths, store, runtime)
    assert store.is_empty


def test_paths_of_an_older_home_are_found(tmp_path: Path):
    """Records of the time when whole paths were kept."""
    from core.store.home_paths import HomePaths

    home = tmp_path / "new" / "home"
    (home / "datasets" / "abc" / "train").mkdir(parents=True)
    places = HomePaths(home)
    assert places.found("/old/home/datasets/abc/train") == str(home / "datasets" / "abc" / "train")
    assert places.found("C:\\old\\datasets\\abc\\train") == str(home / "datasets" / "abc" / "train")
    assert places.found("/old/pictures") == "/old/pictures"
    assert places.found("s3://bucket/jobs/x") == "s3://bucket/jobs/x"
    assert places.found(places.kept(str(home / "jobs" / "a"))) == str(home / "jobs" / "a")
    assert places.kept("/elsewhere/jobs") == "/elsewhere/jobs"
