"""Jobs that compute features before others: none is paid for after a stop, or beyond a cap."""

from __future__ import annotations

import datetime
from types import SimpleNamespace

import pytest

from core.cloud.money import Price
from core.engines.sagemaker.cost.running_cost import bill
from core.engines.sagemaker.jobs.creation import Prepared
from core.engines.sagemaker.jobs.job_state import CloudJobState
from core.engines.sagemaker.jobs.launch_and_stop import stop
from core.engines.sagemaker.jobs.many_machines import Joined
from core.engines.sagemaker.timing import Timing
from core.engines.sagemaker.tracking import tracking
from core.engines.sagemaker.tracking.tracking import Tracker
from core.errors import UserFacingError
from core.jobs.specs import CloudResources, MetricDefinition, TrainingSpec
from core.jobs.status import JobStatus
from core.store.rows import new_record

FIRST, SECOND = "one-features", "one-features-2"
SPEC = TrainingSpec(
    "one", {}, {}, (MetricDefinition("Average loss", "loss: ([0-9.]+)"),), cloud=CloudResources(feature_machines=4)
)


class Refused(Exception):
    """What AWS says of a job that has ended."""

    def __init__(self):
        super().__init__("The request was rejected because the training job is in status Completed.")
        self.response = {"Error": {"Code": "ValidationException", "Message": str(self)}}


class Fleet:
    """AWS as far as a look at features jobs needs it, and what creates them: `jobs` are the words for their states.

    `during` is called while the parts are joined, and while a job is created.
    """

    region, account, profile = "eu-west-1", "1", ""

    class exceptions:
        ResourceNotFoundException = LookupError

    def __init__(self):
        self.jobs, self.stopped, self.joined = {FIRST: "Completed"}, [], Joined("", frozenset({"a", "b"}), 3)
        self.during, self.joins, self.refused = {}, 0, 0
        self.billed = {"BillableTimeInSeconds": 3600, "TrainingTimeInSeconds": 3600}
        self.sagemaker = self.parts = self

    def client(self, _service):
        return self

    def describe_training_job(self, TrainingJobName):
        ended = datetime.datetime.now(datetime.UTC)
        times = {"TrainingStartTime": ended - datetime.timedelta(seconds=100), "TrainingEndTime": ended}
        state = self.jobs[TrainingJobName]
        return {"TrainingJobStatus": state} | (times | self.billed if state in ("Completed", "Failed") else {})

    def describe_log_streams(self, **_):
        return {}

    def stop_training_job(self, TrainingJobName):
        if self.jobs[TrainingJobName] != "InProgress":
            raise Refused
        if self.refused:
            self.refused -= 1
            raise UserFacingError("AWS asks for patience.")
        self.stopped.append(TrainingJobName)
        self.jobs[TrainingJobName] = "Stopped"

    def has_begun(self, *_):
        return True

    def join_parts(self, *_):
        self.joins += 1
        self.during.pop("join", lambda: None)()
        return self.joined

    def prepare_parts(self, *_):
        return Prepared({"TrainingJobName": SECOND, "ResourceConfig": {"InstanceCount": 2}})

    def prepare(self, *_):
        return Prepared({"TrainingJobName": "one"})

    def create(self, prepared, _spec):
        self.jobs[prepared.name] = "InProgress"
        self.during.pop("create", lambda: None)()


@pytest.fixture
def fleet(store, paths, monkeypatch):
    """A job whose first features job has ended; `look` looks at it, `stop` stops it, `notes` changes its notes."""
    fleet = Fleet()
    prices = SimpleNamespace(price=lambda *_: Price(1.0, "a test"))
    monkeypatch.setattr(tracking, "compare", lambda *_: [])
    tracker = Tracker(fleet, paths, store, fleet, prices, lambda method, **names: method(**names), Timing())
    store.add_job(new_record(SPEC, "sagemaker"), SPEC)
    state = CloudJobState(features_job=FIRST, features_first=FIRST, features_key="key", features_machines=4)
    state.save(paths.jobs / "one")
    fleet.look = lambda: tracker.look("one")
    fleet.stop = lambda: stop("one", fleet, store, paths)
    fleet.bill = lambda: bill(store, paths, prices, "one")
    fleet.notes = lambda **changes: CloudJobState.change(paths.jobs / "one", **changes)
    return fleet


@pytest.mark.parametrize("state", ["Completed", "Failed"])
def test_a_stop_while_the_parts_are_joined_starts_nothing_more(fleet, store, state):
    fleet.jobs[FIRST], fleet.during["join"] = state, fleet.stop
    for _ in range(2):
        fleet.look()
    assert fleet.jobs == {FIRST: state}
    assert store.job("one").status is JobStatus.STOPPED


@pytest.mark.parametrize(("joined", "begun"), [(None, SECOND), (Joined("s3://there"), "one")])
def test_a_stop_while_a_job_is_created_reaches_that_job(fleet, store, joined, begun):
    fleet.joined = joined or fleet.joined
    fleet.during["create"] = fleet.stop
    fleet.look()
    fleet.look()
    assert fleet.stopped == [begun]
    fleet.look()
    assert fleet.jobs == {FIRST: "Completed", begun: "Stopped"}


def test_a_stop_that_aws_refuses_while_the_job_is_created_is_passed_on_at_the_next_look(fleet, store):
    fleet.joined, fleet.refused = Joined("s3://there"), 1
    fleet.during["create"] = fleet.stop
    with pytest.raises(UserFacingError):
        fleet.look()
    assert fleet.stopped == []
    fleet.look()
    assert fleet.stopped == ["one"]
    assert fleet.notes().launched


def test_features_that_are_paid_for_are_kept_though_the_job_was_stopped(fleet, store):
    fleet.stop()
    fleet.look()
    assert store.job("one").status is JobStatus.STOPPED
    assert fleet.joins == 1, "a later job finds them"
    assert fleet.jobs == {FIRST: "Completed"}


@pytest.mark.parametrize("joined", [None, Joined("s3://there")])
def test_no_more_is_started_once_the_features_have_cost_what_the_job_may(fleet, store, joined):
    fleet.joined = joined or fleet.joined
    fleet.notes(cap_usd=3.5)  # four machines for an hour cost 4.00
    fleet.look()
    assert fleet.jobs == {FIRST: "Completed"}
    job = store.job("one")
    assert job.status is JobStatus.STOPPED
    assert job.failure_reason == "It has cost $4.00, and it was to be stopped at $3.50."


def test_what_the_first_job_cost_counts_for_the_second_at_once(fleet, store):
    fleet.notes(cap_usd=4.5)
    fleet.look()
    assert fleet.jobs[SECOND] == "InProgress"
    assert fleet.notes().features_before_seconds == 4 * 3600
    assert store.job("one").status is JobStatus.IN_PROGRESS


@pytest.mark.parametrize(
    ("billed", "seconds", "saved"),
    [({}, 400, 0.0), ({"BillableTimeInSeconds": 600, "TrainingTimeInSeconds": 2400}, 2400, 0.75)],
)
def test_the_first_job_is_on_the_bill_before_aws_says_it_and_with_what_spot_saved(fleet, billed, seconds, saved):
    fleet.jobs[FIRST], fleet.billed = "Failed", billed
    fleet.look()
    assert fleet.jobs[SECOND] == "InProgress"
    found = fleet.bill()
    assert found.billable_seconds == pytest.approx(seconds, abs=60)
    assert found.saved == pytest.approx(saved)
