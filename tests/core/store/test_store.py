"""The store: records in and out, many processes, damage, schema versions."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.errors import JobNotFound, SpecError
from core.jobs.accuracy import Accuracy
from core.jobs.ranges import ContinuousRange
from core.jobs.records import MetricEvent, RuleOutcome, StatusEvent, TuningJob
from core.jobs.specs import Strategy, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus, RuleStatus
from core.store.rows import new_record, outcome_from_json
from tests.core.store.made import LOSS, add, metric, training
from training_scripts.processes import ProcessIdentity

ROOT = Path(__file__).resolve().parents[3]


def tuning(name: str, maximize: bool = False) -> TuningSpec:
    spec = training(name)
    if maximize:
        spec = TrainingSpec(name, {}, {}, (LOSS,), type(spec.objective)("Average loss", True))
    return TuningSpec(spec, (ContinuousRange("x", 0.0, 1.0),), Strategy.RANDOM, max_jobs=4)


def outcome(job: str, status: RuleStatus = RuleStatus.ISSUES_FOUND) -> RuleOutcome:
    return RuleOutcome(
        job, "Overfit", status, 3.0, 10, 20, ("loss",), ((10, 0.5, None), (20, 0.9, 0.7)), "It overfits.", "Add data."
    )


def test_a_training_job_comes_back_as_it_went_in(store):
    spec = training("one")
    record = new_record(spec)
    store.add_job(record, spec)
    assert store.job("one") == record
    assert store.spec("one") == spec
    assert store.jobs() == [record]


def test_a_tuning_job_sums_up_its_trials(store):
    add(store, tuning("tune"))
    for number, (status, objective) in enumerate(
        [(JobStatus.COMPLETED, 0.5), (JobStatus.COMPLETED, 0.2), (JobStatus.FAILED, 0.1), (JobStatus.STOPPED, 0.15)]
    ):
        add(store, training(f"tune-{number}"), "tune")
        store.update_job(f"tune-{number}", status=status, objective=objective)
    store.record([MetricEvent("tune-1", "valid:accuracy", 0.8, 1.0), MetricEvent("tune-1", "test:accuracy", 0.9, 2.0)])
    job = store.job("tune")
    assert isinstance(job, TuningJob)
    assert job.accuracy == Accuracy("test", 0.9), "of jobs before counts were kept the share is known"
    store.record([MetricEvent("tune-1", "test:count", 40.0, 2.0)])
    job = store.job("tune")
    assert job.accuracy == Accuracy("test", 0.9, 40)
    store.update_job("tune-1", reopen=True, weakest="fish")
    store.update_job("tune-0", reopen=True, weakest="cat")
    job = store.job("tune")
    assert job.accuracy == Accuracy("test", 0.9, 40, "fish"), "of the best trial"
    assert store.job("tune-0").weakest == "cat"
    assert job.counts == {JobStatus.COMPLETED: 2, JobStatus.FAILED: 1, JobStatus.STOPPED: 1}
    assert (job.best_trial, job.best_objective) == ("tune-1", 0.2)
    assert job.best_metrics == store.job("tune-1").metrics
    assert job.progress == 1.0
    store.update_job("tune-3", reopen=True, artifact="model.tar.gz")
    assert store.job("tune").best_trial == "tune-3"
    assert [trial.name for trial in store.trials("tune")] == ["tune-0", "tune-1", "tune-2", "tune-3"]
    assert [found.name for found in store.jobs()] == ["tune"]


def test_maximize_takes_the_largest(store):
    add(store, tuning("tune", maximize=True))
    for number, objective in enumerate((0.5, 0.9, 0.7)):
        add(store, training(f"tune-{number}"), "tune")
        store.update_job(f"tune-{number}", status=JobStatus.COMPLETED, objective=objective)
    assert store.job("tune").best_trial == "tune-1"


def test_interrupted_trials_do_not_count_as_done(store):
    add(store, tuning("tune"))
    add(store, training("tune-1"), "tune")
    store.update_job("tune-1", status=JobStatus.STOPPED, secondary_status="Interrupted")
    assert store.job("tune").progress == 0.0


def test_a_final_status_stays_unless_reopened(store):
    add(store, training("one"))
    assert store.update_job("one", status=JobStatus.COMPLETED, secondary_status="Completed")
    assert not store.update_job("one", status=JobStatus.STOPPING)
    assert store.job("one").status is JobStatus.COMPLETED
    assert store.update_job("one", status=JobStatus.IN_PROGRESS, reopen=True)
    assert store.job("one").status is JobStatus.IN_PROGRESS


def test_events_in_order_with_a_cursor(store):
    add(store, training("one"))
    store.record([metric("one", 0.5, 1), outcome("one"), metric("one", math.inf, 2)])
    store.update_job("one", [metric("one", 0.25, 3)], status=JobStatus.COMPLETED)
    batch = store.events()
    kinds = [type(event) for event in batch.events]
    assert kinds == [StatusEvent, MetricEvent, RuleOutcome, MetricEvent, MetricEvent, StatusEvent]
    assert batch.events[2] == outcome("one")
    assert store.events(batch.cursor).events == ()
    assert [event.value for event in store.metrics("one")] == [0.5, math.inf, 0.25]
    assert store.job("one").metrics == {"Average loss": 0.25}


def test_events_come_in_bounded_batches(store):
    add(store, training("one"))
    store.record([metric("one", float(number)) for number in range(10)])
    first = store.events(limit=4)
    assert len(first.events) == 4
    rest = store.events(first.cursor)
    assert len(rest.events) == 7
    assert len({*first.events, *rest.events}) == 11


def test_events_of_a_tuning_job_are_those_of_its_trials_too(store):
    add(store, tuning("tune"))
    add(store, training("tune-1"), "tune")
    add(store, training("other"))
    store.record([metric("tune-1", 1.0), metric("other", 2.0)])
    assert {event.job for event in store.events(job="tune").events} == {"tune", "tune-1"}
    assert {event.tuning_job for event in store.events(job="tune").events if isinstance(event, StatusEvent)} == {
        None,
        "tune",
    }


def test_nan_is_kept_as_nan(store):
    add(store, training("one"))
    store.record([metric("one", math.nan)])
    assert math.isnan(store.metrics("one")[0].value)
    assert math.isnan(store.job("one").metrics["Average loss"])


def test_the_latest_outcome_of_a_rule_replaces_the_earlier(store):
    add(store, training("one"))
    store.record([outcome("one", RuleStatus.IN_PROGRESS), outcome("one")])
    assert store.outcomes("one") == [outcome("one")]


def test_rules_that_no_one_evaluates_any_more_are_ended_but_those_of_others(store):
    add(store, training("one"))
    others = RuleOutcome("one", "Overfit (AWS)", RuleStatus.IN_PROGRESS, 1.0)
    found = RuleOutcome("one", "DeadRelu", RuleStatus.ISSUES_FOUND, 1.0)
    store.record([outcome("one", RuleStatus.IN_PROGRESS), others, found])
    store.end_rules("one", spared=" (AWS)")
    dead, ended, still = store.outcomes("one")
    assert (dead, still) == (found, others)
    assert ended.status is RuleStatus.ERROR
    assert ended.details.startswith("The process that evaluates the rules ended")


def test_an_outcome_from_a_log_line_may_know_more_than_we_do():
    read = outcome_from_json({"job": "a", "rule": "X", "status": "Error", "time": 1.0, "tomorrow": True})
    assert read == RuleOutcome("a", "X", RuleStatus.ERROR, 1.0)
    with pytest.raises(ValueError, match="Fine"):
        outcome_from_json({"job": "a", "rule": "X", "status": "Fine", "time": 1.0})


def test_names_are_taken_once_and_unknown_ones_not_found(store):
    add(store, training("one"))
    with pytest.raises(SpecError):
        add(store, training("one"))
    for call in (store.job, store.spec):
        with pytest.raises(JobNotFound):
            call("nobody")
    with pytest.raises(JobNotFound):
        store.update_job("nobody", progress=0.5)


def test_the_issues_of_all_jobs_are_the_latest_word_of_their_rules(store):
    for name in ("one", "two"):
        add(store, training(name))
    store.record([outcome("one"), outcome("two"), outcome("two", RuleStatus.NO_ISSUES_FOUND)])
    assert store.issues() == [("one", "Overfit")]


def test_deleting_forgets_everything_but_never_reuses_a_cursor(store):
    add(store, tuning("tune"))
    add(store, training("tune-1"), "tune")
    store.record([metric("tune-1", 1.0), outcome("tune-1")])
    before = store.events().cursor
    store.delete_job("tune")
    assert store.jobs() == []
    assert store.events().events == ()
    assert store.outcomes("tune-1") == []
    add(store, training("new"))
    assert store.events().cursor > before


def test_notes_processes_datasets_and_speeds(store):
    add(store, training("one"))
    before = store.latest_cursor()
    store.set_note("one", "Prüfen ✓")
    assert store.job("one").note == "Prüfen ✓"
    assert [event.job for event in store.events(before).events] == ["one"]  # whoever watches hears of it
    store.set_note("one", "Prüfen ✓")
    assert len(store.events(before).events) == 1
    with pytest.raises(JobNotFound):
        store.set_note("two", "lost")
    assert store.process("one") is None
    first, second, third = (ProcessIdentity(42, moment) for moment in ("boot 7", "boot 8", "boot 9"))
    store.set_process("one", first)
    assert store.process("one") == first
    assert not store.hand_over("one", third, second)
    assert store.hand_over("one", second, None, first)
    assert not store.hand_over("one", third, None, first)  # whoever read it earlier comes too late
    store.update_job("one", status=JobStatus.COMPLETED)
    assert not store.hand_over("one", third, second)
    assert store.process("one") == second
    store.remember_dataset("v1", "/a", "/m1")
    store.remember_dataset("v2", "/b", "/m2")
    store.remember_dataset("v3", "/a", "/m3")
    assert [(item.path, item.version) for item in store.recent_datasets()] == [("/a", "v3"), ("/b", "v2")]
    store.forget_dataset("/a")
    assert [item.path for item in store.recent_datasets()] == ["/b"]
    for seconds in (1.0, 3.0):
        store.record_speed("head/trial", seconds)
    assert store.speeds() == {"head/trial": 2.0}


def test_a_notice_is_kept_once(store):
    add(store, training("one"))
    before = store.latest_cursor()
    for _ in range(2):
        store.add_notice("one", "Its process stood\nstill.")
    store.add_notice("one", "Its process")
    store.add_notice("gone", "Nothing comes of it.")
    assert store.job("one").notices == ("Its process stood still.", "Its process")
    assert len(store.events(before).events) == 2


def test_jobs_by_the_thousand(store):
    add(store, tuning("tune"))
    for number in range(1200):
        add(store, training(f"tune-{number}"), "tune")
    store.record([metric(f"tune-{number}", number) for number in range(1200)])
    trials = store.trials("tune")
    assert [trial.metrics["Average loss"] for trial in trials] == list(range(1200))


def test_processes_write_at_the_same_time(store, path):
    add(store, training("one"))
    program = (
        "import sys; from pathlib import Path\n"
        "from core.store import Store; from core.jobs.records import MetricEvent\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for number in range(60): store.record([MetricEvent('one', sys.argv[2], number, 0.0)])\n"
        "store.close()"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(path), f"writer-{number}"], cwd=ROOT)
        for number in range(3)
    ]
    trouble: list[BaseException] = []

    def read() -> None:
        try:
            cursor, seen = 0, 0
            while seen < 181:
                batch = store.events(cursor)
                cursor, seen = batch.cursor, seen + len(batch.events)
                if all(writer.poll() is not None for writer in writers) and not batch.events:
                    break
            assert seen == 181
        except BaseException as error:
            trouble.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    reader.join(60)
    assert trouble == []
    for number in range(3):
        assert [event.value for event in store.metrics("one", f"writer-{number}")] == list(range(60))
