"""A record that says Completed has a model that is whole; if not, it is interrupted, and `resume` trains it again."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from pathlib import Path

import pytest

from core.engines.local.detached import this_process
from core.engines.local.engine import LocalEngine
from core.engines.local.runs import Run
from core.errors import ModelError
from core.jobs.contract import JobFolder
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import Store
from core.store.rows import new_record
from training_scripts import durable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def ended(mini, name: str = "tune-1", **changes):
    mini.engine.start(mini.tuning(name, max_jobs=3, **changes))
    assert mini.finished(name).status is JobStatus.COMPLETED
    return [Path(trial.artifact) for trial in mini.engine.trials(name)]


@pytest.mark.parametrize("damage", ["empty", "zeros", "cut", "gone"])
def test_lost_models_are_noticed_and_trained_again(damage, mini, paths, store, runtime):
    archives = ended(mini)
    for archive in archives[:2]:
        content = archive.read_bytes()
        archive.unlink()
        if damage != "gone":
            archive.write_bytes({"empty": b"", "zeros": bytes(len(content)), "cut": content[:700]}[damage])
    again = LocalEngine(paths, store, runtime)
    job = again.job("tune-1")
    assert (job.status, job.secondary_status) == (JobStatus.STOPPED, "Interrupted")
    assert "2 of its models are missing or damaged" in job.failure_reason
    statuses = [(trial.secondary_status, trial.artifact is not None) for trial in again.trials("tune-1")]
    assert statuses == [("Interrupted", False)] * 2 + [("Completed", True)]
    again.resume("tune-1")
    job = mini.finished("tune-1")
    assert job.status is JobStatus.COMPLETED
    trials = [trial for trial in mini.engine.trials("tune-1") if trial.status is JobStatus.COMPLETED]
    assert len(trials) == 3
    for trial in trials:
        assert (mini.engine.fetch_artifact(trial.name) / "model.json").is_file()
        epochs = [event.epoch for event in store.metrics(trial.name, "Average loss")]
        assert epochs == sorted(set(epochs)), "what was trained again takes the place of what was before"


def test_a_bit_in_the_middle_is_found_when_a_model_is_asked_for_and_by_resume(mini):
    archives = ended(mini)
    names = [trial.name for trial in mini.engine.trials("tune-1")]
    for archive in archives[:2]:
        content = bytearray(archive.read_bytes())
        content[len(content) // 2] ^= 8
        archive.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        mini.engine.fetch_artifact(names[0])
    assert "is damaged" in str(caught.value)
    assert "sagehound resume tune-1" in str(caught.value)
    assert mini.engine.job("tune-1").secondary_status == "Interrupted"
    mini.engine.resume("tune-1")
    job = mini.finished("tune-1")
    assert job.counts[JobStatus.COMPLETED] == 3
    assert mini.engine.job(names[1]).secondary_status == "Interrupted", "found before it was asked for"


def test_an_unpacked_model_that_is_not_as_it_was_is_unpacked_again(mini):
    ended(mini)
    name = mini.engine.trials("tune-1")[0].name
    file = mini.engine.fetch_artifact(name) / "model.json"
    before = file.read_text()
    file.write_text(before.replace("x", "y"))
    assert (mini.engine.fetch_artifact(name) / "model.json").read_text() == before


def test_a_model_that_a_disk_hides_for_a_moment_is_not_lost(mini, paths, store, runtime, monkeypatch):
    ended(mini)

    def refuse(path: Path, *_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        assert LocalEngine(paths, store, runtime).job("tune-1").status is JobStatus.COMPLETED


def test_results_are_on_the_disk_before_the_store_says_completed(mini, store, runtime, monkeypatch):
    """What a supervisor does at the end of a run, in this process: flush, then tell."""
    told: list[str] = []
    flushing, fsync = Store.update_job, os.fsync

    def update(self: Store, name: str, *events: object, **changes: object) -> bool:
        if changes.get("status"):
            told.append(f"told {changes['status']}")
        return flushing(self, name, *events, **changes)

    monkeypatch.setattr(Store, "update_job", update)
    monkeypatch.setattr(os, "fsync", lambda d: (told.append(Path(os.readlink(f"/proc/self/fd/{d}")).name), fsync(d)))
    spec = mini.training("single")
    store.add_job(new_record(spec), spec)
    folder = JobFolder(mini.engine._paths.jobs / "single").create()
    (folder.model / "model.json").write_text("{}")
    (folder.output_data / "evaluation.json").write_text("{}")
    folder.log.write_text("epoch=1/1 Average loss: 0.5 valid_accuracy=0.9 seconds=0.01\n")

    class Ended:
        identity = this_process()
        lost = ""

        def poll(self) -> int:
            return 0

    told.clear()
    Run(spec, folder, Ended(), store, runtime, is_trial=True).finish()
    at = told.index("told Completed")
    before, after = told[:at], told[at + 1 :]
    assert {"model.tar.gz", "evaluation.json", "log.txt", "job.json", "single", "data", "jobs"} <= set(before)
    assert "sagehound.sqlite3-wal" in after
    assert durable.is_whole(mini.engine.fetch_artifact("single"))


def test_a_home_that_was_moved_finds_its_models_and_goes_on(mini, runtime, tmp_path):
    slow = {"hyperparameters": {"num_epochs": "4", "sleep": "0.05"}}
    old = AppPaths(tmp_path / "old").create()
    store = Store(old.database)
    first = dataclasses.replace(mini, engine=LocalEngine(old, store, runtime))
    first.engine.start(first.tuning("tune-1", max_jobs=4, max_parallel_jobs=1, training=slow))
    first.until("tune-1", lambda job: job.counts.get(JobStatus.COMPLETED, 0) >= 2)
    first.engine.stop("tune-1")
    first.finished("tune-1")
    done = first.engine.trials("tune-1")[0].name
    store.close()
    moved = AppPaths(tmp_path / "elsewhere" / "renamed")
    moved.home.parent.mkdir()
    shutil.move(old.home, moved.home)
    again = Store(moved.database)
    try:
        engine = LocalEngine(moved, again, runtime)
        assert engine.job("tune-1").secondary_status == "Stopped"
        assert engine.fetch_artifact(done).is_relative_to(moved.home)
        engine.resume("tune-1")
        job = dataclasses.replace(mini, engine=engine).finished("tune-1")
        assert job.status is JobStatus.COMPLETED
        assert sum(job.counts.values()) == 4
        artifacts = [trial.artifact for trial in engine.trials("tune-1") if trial.artifact is not None]
        assert len(artifacts) >= 3  # the trial that was stopped may have had no model yet
        assert all(Path(artifact).is_relative_to(moved.home) for artifact in artifacts)
    finally:
        again.close()
