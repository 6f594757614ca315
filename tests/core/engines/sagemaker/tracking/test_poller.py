"""What the watching of jobs on AWS says of itself: `notice` is the trouble of the last round."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from core.engines.sagemaker.connection.failures import LoginNeeded
from core.engines.sagemaker.timing import Timing
from core.engines.sagemaker.tracking import poller
from core.engines.sagemaker.tracking.poller import Poller
from core.errors import EngineError, StoreError


class Asked(Exception):
    """AWS is asked too often."""

    def __init__(self):
        self.response = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}


def throttled():
    try:
        raise EngineError("The job could not be described.") from Asked()
    except EngineError as error:
        return error


class Round:
    """One poller whose jobs answer as they are told to: with nothing, or with an error."""

    def __init__(self, monkeypatch, paths, store):
        self.answers, self.endpoints, self.looked, self.renewed = {}, None, [], 0
        monkeypatch.setattr(poller, "Tracker", lambda *_: self)
        aws = SimpleNamespace(region="eu-west-1", account="1", profile="", renew=self.renew)
        self.poller = Poller(aws, paths, store, None, self, None, Timing(interval=1.0, login=7.0))
        monkeypatch.setattr(self.poller, "unfinished", lambda: list(self.answers))

    def renew(self):
        self.renewed += 1

    def forget(self):
        pass

    def is_needed(self):
        return self.endpoints is not None

    def run_due(self):
        raise self.endpoints

    def look(self, name):
        self.looked.append(name)
        if self.answers[name] is not None:
            raise self.answers[name]

    def run(self, **answers):
        self.answers, self.looked = answers, []
        return self.poller._round()


@pytest.fixture
def rounds(monkeypatch, paths, store):
    return Round(monkeypatch, paths, store)


def test_the_trouble_with_one_job_is_said_though_the_next_one_answers(rounds):
    rounds.run(first=EngineError("The job could not be described."), second=None)
    assert rounds.looked == ["first", "second"]
    assert "could not be described" in rounds.poller.notice
    rounds.run(first=None, second=None)
    assert rounds.poller.notice == ""


def test_what_is_said_of_throttling_makes_the_pause_longer_whoever_raises_it(rounds):
    calm = rounds.run(first=None)
    assert rounds.run(first=throttled()) == 2 * calm
    assert rounds.run(first=Asked()) == 4 * calm
    assert "too often" in rounds.poller.notice


def test_the_trouble_with_endpoints_is_said_and_jobs_are_looked_at_all_the_same(rounds):
    rounds.endpoints = EngineError("The endpoint could not be deleted.")
    rounds.run(first=None)
    assert rounds.looked == ["first"]
    assert "endpoint" in rounds.poller.notice
    rounds.endpoints = None
    rounds.run()
    assert rounds.poller.notice == "", "with no job left it is still that of the last round"


@pytest.mark.parametrize("who", ["first", "endpoints"])
def test_a_login_that_has_ended_is_waited_for(rounds, who):
    ended = LoginNeeded("Your AWS session has ended.")
    rounds.endpoints = ended if who == "endpoints" else None
    assert rounds.run(first=ended if who == "first" else None, second=None) == 7.0
    assert rounds.renewed == 1
    assert "session has ended" in rounds.poller.notice
    assert "second" not in rounds.looked


def test_a_store_that_is_gone_ends_the_watching(rounds):
    with pytest.raises(StoreError):
        rounds.run(first=StoreError("The database is closed."))
