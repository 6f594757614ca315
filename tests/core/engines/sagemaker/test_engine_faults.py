"""What goes wrong in an AWS account, and what Sagehound makes of it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import time

import pytest

from core.engine import Engine
from core.engines.sagemaker.connection.failures import LoginNeeded
from core.engines.sagemaker.engine import SageMakerEngine
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.jobs.training_source import Source
from core.engines.sagemaker.timing import Timing
from core.engines.sagemaker.tracking.follower import Ended
from core.errors import EngineError, SpecError
from core.jobs.records import MetricEvent, RuleOutcome
from core.jobs.specs import CloudResources
from core.jobs.status import JobStatus, RuleStatus
from core.store import Store
from tests.cloud.faults import SERVER_ERROR, THROTTLED, access_denied, quota_zero
from tests.cloud.training import JobFaults

FAST = {"num_epochs": "2"}
QUICK = Timing(0.1, 0.3, login=0.3)


@pytest.fixture
def bench(sagemaker_mini):
    return sagemaker_mini


def reopen(bench, home, timing=QUICK):
    """The same installation in a later process."""
    engine = bench.engine
    engine.close()
    source = Source(engine._creator._source.files, "mini.py", "")
    store = Store(home.database)
    return SageMakerEngine(home, store, engine.aws, engine.workspace, source, timing=timing), store


def finished(engine: Engine, name: str, seconds: float = 60):
    deadline = time.monotonic() + seconds
    while not (job := engine.job(name)).status.is_final:
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    return job


def test_a_quota_of_zero_is_said_and_leaves_no_job(bench, cloud):
    cloud.faults.add("CreateTrainingJob", quota_zero("ml.m5.xlarge for training job usage"))
    with pytest.raises(EngineError, match="for training job usage” is 0"):
        bench.engine.start(bench.training("one"))
    assert bench.engine.jobs() == []
    bench.engine.start(bench.training("one", hyperparameters=FAST))  # the name is still free
    assert bench.finished("one").status is JobStatus.COMPLETED


def test_a_missing_right_names_it(bench, cloud):
    cloud.faults.add("CreateHyperParameterTuningJob", access_denied("sagemaker:CreateHyperParameterTuningJob"))
    with pytest.raises(EngineError, match="lacks the permission sagemaker:CreateHyperParameterTuningJob"):
        bench.engine.start(bench.tuning("search"))


def test_throttling_and_server_errors_are_waited_out(bench, cloud):
    for operation in ("CreateTrainingJob", "DescribeTrainingJob"):
        cloud.faults.add(operation, THROTTLED, times=2)
        cloud.faults.add(operation, SERVER_ERROR, times=1)
    bench.engine.start(bench.training("one", hyperparameters=FAST))
    assert bench.finished("one", 90).status is JobStatus.COMPLETED


def test_an_ended_session_pauses_the_watching_and_it_goes_on_by_itself(bench, cloud):
    bench.engine.start(bench.training("one", hyperparameters={"num_epochs": "30", "sleep": "0.1"}))
    bench.until("one", lambda job: bool(job.metrics))
    cloud.faults.expire()
    deadline = time.monotonic() + 30
    while not bench.engine.notice:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "aws sso login" in bench.engine.notice
    assert bench.engine.job("one").status is JobStatus.IN_PROGRESS
    with pytest.raises(LoginNeeded, match="aws sso login"):
        bench.engine.start(bench.training("two"))
    cloud.faults.renew()
    assert bench.finished("one").status is JobStatus.COMPLETED
    assert bench.engine.notice == ""


def test_a_capacity_error_is_explained(bench, cloud):
    reason = "CapacityError: Unable to provision requested ML compute capacity. Please retry."
    cloud.training.plan("^one$", JobFaults(reason=reason))
    bench.engine.start(bench.training("one"))
    job = bench.finished("one")
    assert job.status is JobStatus.FAILED
    assert "not your quota" in job.failure_reason


def test_a_reason_that_nobody_knows_is_shown_as_it_came_with_a_link_to_the_log(bench, cloud):
    cloud.training.plan("^one$", JobFaults(reason="FluxError: the capacitor has left the building"))
    bench.engine.start(bench.training("one", hyperparameters=FAST))
    assert bench.finished("one").failure_reason == "FluxError: the capacitor has left the building"
    page = "#logsV2:log-groups/log-group/$252Faws$252Fsagemaker$252FTrainingJobs"
    assert f"{page}$3FlogStreamNameFilter$3Done" in bench.engine.log_url("one"), "it had not written a line"


def test_a_job_that_is_stopped_at_its_longest_run_time_says_so(bench, store):
    spec = bench.training("one", hyperparameters={"num_epochs": "1000", "sleep": "0.05"}, max_runtime_s=1)
    bench.engine.start(spec)
    store.record([RuleOutcome("one", "Overfit", RuleStatus.IN_PROGRESS, 1.0)])  # which the container's end cuts off
    job = bench.finished("one")
    assert (job.status, job.secondary_status) == (JobStatus.STOPPED, "MaxRuntimeExceeded")
    assert "stopped at its longest run time" in job.failure_reason
    deadline = time.monotonic() + 60
    while store.outcomes("one")[0].status is not RuleStatus.ERROR:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_script_that_raises_shows_its_own_error_first(bench):
    bench.engine.start(bench.training("one", hyperparameters={"fail": "raise"}))
    job = bench.finished("one")
    assert job.status is JobStatus.FAILED
    assert "RuntimeError: the well ran dry" in job.failure_reason
    assert "/log-events/one$252Falgo-1" in bench.engine.log_url("one")


def test_a_job_whose_log_never_comes_still_ends_with_aws_numbers(bench, cloud):
    cloud.training.plan("^one$", JobFaults(no_logs=True))
    bench.engine.start(bench.training("one", hyperparameters=FAST))
    job = bench.finished("one")
    assert job.status is JobStatus.COMPLETED
    assert job.objective is not None
    assert bench.engine.read_log("one").lines == ()


def test_a_name_that_aws_has_used_is_taken(bench, store):
    bench.engine.start(bench.training("one", hyperparameters=FAST))
    bench.finished("one")
    bench.engine.delete("one")
    with pytest.raises(SpecError) as caught:
        bench.engine.start(bench.training("one"))
    assert caught.value.field == "name"
    assert "AWS account" in str(caught.value)


def test_what_aws_records_otherwise_is_told(bench, cloud):
    spot = CloudResources(spot=True, max_wait_s=7200, tags={"team": "birds"})
    spec = bench.training("one", hyperparameters=FAST, cloud=spot, max_runtime_s=3600)
    bench.engine.start(spec)
    assert bench.engine.differences("one") == ()
    bench.finished("one")
    bill = bench.engine.bill("one")
    notes = bench.engine.notes("one")
    assert notes.spot
    assert bill.billable_seconds == notes.billable_seconds > 0
    arn = cloud.training.get("one").arn
    assert {"Key": "team", "Value": "birds"} in cloud.tags_of(arn)
    said = ["EnableManagedSpotTraining: asked True, AWS recorded False."]
    CloudJobState.change(bench.engine.job_folder("one"), differences=said)
    assert bench.engine.differences("one") == tuple(said)


def test_jobs_go_on_without_sagehound_and_are_found_again(bench, paths):
    bench.engine.start(
        bench.tuning("search", max_jobs=2, training={"hyperparameters": {"num_epochs": "8", "sleep": "0.1"}})
    )
    bench.until("search", lambda job: bool(bench.engine.trials("search")))
    engine, store = reopen(bench, paths)
    try:
        job = finished(engine, "search")
        assert job.counts == {JobStatus.COMPLETED: 2}
        assert job.started <= min(trial.started for trial in engine.trials("search")) <= job.ended
        for trial in engine.trials("search"):
            losses = [
                e.epoch
                for e in engine.events(job=trial.name).events
                if isinstance(e, MetricEvent) and e.name == "Average loss"
            ]
            assert losses == list(range(1, 9))  # none lost, none twice
            lines = engine.read_log(trial.name).lines
            assert len(lines) == len(set(lines)) == 9
    finally:
        engine.close()
        store.close()


def test_who_asks_once_is_told_how_it_is_now(bench, paths, cloud):
    """A command that prints a job and ends: days may have passed since anyone looked."""
    bench.engine.start(bench.tuning("search", max_jobs=2, training={"hyperparameters": FAST}))
    bench.engine.close()
    deadline = time.monotonic() + 30
    while cloud.tuning.get("search").state["HyperParameterTuningJobStatus"] == "InProgress":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    engine, store = reopen(bench, paths, Timing(0.1, settle=1000.0, late=0.0))
    try:
        engine.refresh()
        job = engine.job("search")
        assert (job.status, job.counts) == (JobStatus.COMPLETED, {JobStatus.COMPLETED: 2})
        assert all(len(engine.read_log(trial.name).lines) == 3 for trial in engine.trials("search"))
        began = time.monotonic()
        engine.refresh()  # nothing runs: nobody is asked
        assert time.monotonic() - began < 5
    finally:
        engine.close()
        store.close()


@pytest.mark.parametrize("minutes", [0, 1])
def test_a_short_command_says_that_a_job_has_ended(bench, paths, cloud, minutes):
    """A minute ago its log is complete; just now the command waits for the rest of it."""
    bench.engine.start(bench.training("one", hyperparameters=FAST))
    bench.engine.close()
    state = cloud.training.get("one").state
    deadline = time.monotonic() + 30
    while state["TrainingJobStatus"] != "Completed":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    state["TrainingEndTime"] -= datetime.timedelta(minutes=minutes)
    engine, store = reopen(bench, paths, Timing(settle=1000.0) if minutes else Timing(settle=0.5, late=1000.0))
    try:
        engine.refresh()
        assert engine.job("one").status is JobStatus.COMPLETED
        assert len(engine.read_log("one").lines) == 3
    finally:
        engine.close()
        store.close()


def test_the_age_of_an_end_is_told_by_aws_clock():
    ended = datetime.datetime(2026, 11, 27, 12, 0, tzinfo=datetime.UTC)
    headers = {"date": "Fri, 27 Nov 2026 12:00:20 GMT"}
    description = {"TrainingEndTime": ended, "ResponseMetadata": {"HTTPHeaders": headers}}
    assert 20 <= Ended.now(description).age < 25


def test_a_log_line_that_was_written_but_not_remembered_is_not_doubled(bench, paths):
    bench.engine.start(bench.training("one", hyperparameters={"num_epochs": "40", "sleep": "0.1"}))
    bench.until("one", lambda job: job.progress is not None and job.progress > 0.1)
    bench.engine.close()
    log = paths.jobs / "one" / "log.txt"
    remembered = json.loads((paths.jobs / "one" / "log.json").read_text(encoding="utf-8"))["bytes"]
    assert remembered == log.stat().st_size
    with log.open("a", encoding="utf-8") as file:
        file.write("this program died right after this line\n")
    engine, store = reopen(bench, paths)
    try:
        finished(engine, "one")
        lines = engine.read_log("one").lines
        assert not any("died" in line for line in lines)
        assert len(lines) == len(set(lines)) == 41
    finally:
        engine.close()
        store.close()


def test_a_job_that_aws_has_forgotten_is_said(bench, cloud, store):
    bench.engine.start(bench.training("one", hyperparameters={"num_epochs": "1000", "sleep": "0.05"}))
    bench.until("one", lambda job: bool(job.metrics))
    forgotten = cloud.training.jobs.pop("one")
    job = bench.finished("one")
    assert job.status is JobStatus.FAILED
    assert "does not know this job" in job.failure_reason
    forgotten.container.kill()


def test_two_watchers_take_turns_and_write_everything_once(bench, paths):
    bench.engine.start(bench.training("one", hyperparameters={"num_epochs": "20", "sleep": "0.05"}))
    store = Store(paths.database)
    engine = bench.engine
    other = SageMakerEngine(paths, store, engine.aws, engine.workspace, timing=Timing(0.1, 0.3, login=0.3))
    try:
        assert finished(other, "one").status is JobStatus.COMPLETED
        losses = [e for e in other.events(job="one").events if isinstance(e, MetricEvent) and e.name == "Average loss"]
        assert [event.epoch for event in losses] == list(range(1, 21))
    finally:
        other.close()
        store.close()


def let_it_look(engine):
    """Wait until the poller has made a round from beginning to end."""
    poller = engine._poller
    for _ in range(2):  # the first may have begun before
        poller._looked.clear()
        poller.wake()
        assert poller._looked.wait(60)


def test_nothing_is_asked_while_nothing_runs(bench, cloud):
    bench.engine.start(bench.training("one", hyperparameters=FAST))
    bench.finished("one")
    let_it_look(bench.engine)
    cloud.requests.clear()
    for _ in range(20):
        bench.engine.jobs()
        bench.engine.events()
    let_it_look(bench.engine)
    assert cloud.requests == []


def test_a_trial_that_trains_costs_one_call_a_round(bench, cloud):
    training = {"hyperparameters": {"num_epochs": "200", "sleep": "0.1"}}
    bench.engine.start(bench.tuning("search", max_jobs=2, max_parallel_jobs=2, training=training))
    bench.until(
        "search", lambda job: len([t for t in bench.engine.trials("search") if t.secondary_status == "Training"]) == 2
    )
    cloud.requests.clear()
    deadline = time.monotonic() + 30
    while len(cloud.asked("DescribeHyperParameterTuningJob")) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(cloud.asked("DescribeTrainingJob")) <= 2
    bench.engine.stop("search")
    bench.finished("search")


def test_jobs_of_another_region_are_left_alone(bench, store, paths):
    bench.engine.start(bench.training("one", hyperparameters=FAST))
    bench.finished("one")
    spec = dataclasses.replace(bench.engine.spec("one"), name="elsewhere")
    from core.store.rows import new_record

    store.add_job(new_record(spec, "sagemaker"), spec)
    CloudJobState(region="eu-west-1", launched=True).save(paths.jobs / "elsewhere")
    bench.engine.jobs()
    let_it_look(bench.engine)
    assert bench.engine.job("elsewhere").status is JobStatus.IN_PROGRESS
    store.update_job("elsewhere", status=JobStatus.STOPPED)


def test_resuming_is_declined_with_a_way_on(bench):
    bench.engine.start(bench.training("one", hyperparameters=FAST))
    bench.finished("one")
    with pytest.raises(EngineError, match="warm-starts"):
        bench.engine.resume("one")
