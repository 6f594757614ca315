"""A log's lines are in the store once, whenever the program that reads them ends."""

from __future__ import annotations

import pytest

from core.engines.sagemaker.tracking.follower import Follower
from core.engines.sagemaker.tracking.logs import LogTail
from core.errors import StoreError
from core.jobs.records import MetricEvent
from core.jobs.specs import MetricDefinition, TrainingSpec
from core.store.rows import new_record

SPEC = TrainingSpec("one", {}, {}, (MetricDefinition("Average loss", "loss: ([0-9.]+)"),))


class Client:
    """CloudWatch with one stream; `said` are its lines so far."""

    class exceptions:
        ResourceNotFoundException = LookupError

    def __init__(self):
        self.said = []

    def describe_log_streams(self, **_):
        return {"logStreams": [{"logStreamName": "one/algo-1"}]}

    def get_log_events(self, nextToken="0", **_):
        new = list(enumerate(self.said))[int(nextToken) :]
        events = [{"timestamp": 1000 * number, "message": line} for number, line in new]
        return {"events": events, "nextForwardToken": str(len(self.said))}


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def open_tail(client, tmp_path):
    return lambda: LogTail(client, "one", tmp_path / "log.txt", lambda method, **arguments: method(**arguments))


@pytest.fixture
def epochs(store):
    store.add_job(new_record(SPEC, "sagemaker"), SPEC)
    return lambda: [event.epoch for event in store.events(job="one").events if isinstance(event, MetricEvent)]


def lines_of(*epochs):
    return [f"epoch={epoch}/9 loss: {1 / epoch}" for epoch in epochs]


def test_what_was_read_and_not_recorded_comes_again(client, open_tail, epochs, store, tmp_path):
    client.said += lines_of(1, 2)
    Follower(SPEC, store, open_tail()).read()
    client.said += lines_of(3, 4)
    assert open_tail().new_lines()  # by a program that ends before it has recorded them
    assert epochs() == [1, 2]
    Follower(SPEC, store, open_tail()).read()
    assert epochs() == [1, 2, 3, 4]
    assert (tmp_path / "log.txt").read_text().splitlines() == lines_of(1, 2, 3, 4)


def test_what_was_recorded_and_not_remembered_is_not_doubled(client, open_tail, epochs, store, monkeypatch, tmp_path):
    client.said += lines_of(1, 2)
    tail = open_tail()
    monkeypatch.setattr(tail, "taken", lambda: None)  # as if the program had ended right before
    Follower(SPEC, store, tail).read()
    assert epochs() == [1, 2]
    client.said += lines_of(3)
    Follower(SPEC, store, open_tail()).read()
    assert epochs() == [1, 2, 3]
    assert (tmp_path / "log.txt").read_text().splitlines() == lines_of(1, 2, 3)


def test_what_the_store_refuses_is_read_again(client, open_tail, epochs, store, monkeypatch):
    client.said += lines_of(1, 2)
    follower = Follower(SPEC, store, open_tail())

    def refuse(*_arguments, **_changes):
        raise StoreError("The disk is full.")

    with monkeypatch.context() as full:
        full.setattr(store, "update_job", refuse)
        with pytest.raises(StoreError):
            follower.read()
    assert epochs() == []
    assert follower.read()
    assert epochs() == [1, 2]


def test_the_streams_of_many_machines_are_all_read_and_their_progress_is_one(open_tail, client, epochs, store):
    machines = [f"one/algo-{number}-1700000000" for number in range(1, 71)]

    def streams(logStreamNamePrefix, nextToken="0", **_):
        first, last = int(nextToken), int(nextToken) + 50
        page = {"logStreams": [{"logStreamName": name} for name in machines[first:last]]}
        return page | ({"nextToken": str(last)} if last < len(machines) else {})

    client.describe_log_streams = streams
    client.get_log_events = lambda logStreamName, **_: {
        "events": [
            {"timestamp": 1, "message": f"features {100 if '-2-' in logStreamName else 30}/100 (9.0 pictures/s)"}
        ],
        "nextForwardToken": "end",
    }
    follower = Follower(SPEC, store, open_tail())
    follower.read()
    assert store.job("one").progress == pytest.approx((69 * 30 + 100) / 7000)

    machines.append("one/algo-1-1700009999")  # a spot machine that came back
    follower.read(look=True)
    assert store.job("one").progress == pytest.approx((69 * 30 + 100) / 7000)
