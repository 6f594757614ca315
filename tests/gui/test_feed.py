import dataclasses

import pytest

from core.jobs.records import MetricEvent, StatusEvent
from core.jobs.status import JobStatus
from gui.feed import FeedTiming, JobsFeed


@pytest.fixture
def engine(scripted_engine):
    return scripted_engine


@pytest.fixture
def feed(qtbot, bridge, engine):
    made = JobsFeed(lambda: engine, bridge, FeedTiming(5, 20, 20))
    made.heard, made.troubles = [], []
    made.events.connect(lambda events: made.heard.extend(events))
    made.trouble.connect(made.troubles.append)
    yield made
    made.stop()


def metric(number):
    return MetricEvent("job", "Average loss", float(number), 0.0, epoch=number)


def test_only_what_is_new_is_told_in_order_and_once(feed, engine, qtbot):
    engine.put(*(metric(number) for number in range(8)))
    feed.start()
    qtbot.waitUntil(lambda: engine.polls > 4)
    assert feed.heard == []
    engine.put(*(metric(number) for number in range(8, 15)))
    qtbot.waitUntil(lambda: len(feed.heard) == 7)
    assert [event.epoch for event in feed.heard] == list(range(8, 15))


def test_jobs_are_told_at_the_start_and_when_they_change(feed, engine, qtbot):
    engine.set_job("flowers", JobStatus.IN_PROGRESS)
    with qtbot.waitSignal(feed.jobs_changed):
        feed.start()
    assert [job.name for job in feed.running] == ["flowers"]
    with qtbot.waitSignal(feed.jobs_changed):
        engine.set_job("flowers", JobStatus.COMPLETED)
        engine.put(StatusEvent("flowers", JobStatus.COMPLETED, 1.0))
    assert feed.running == ()
    assert feed.jobs[0].status is JobStatus.COMPLETED


def test_the_progress_of_a_running_job_is_told_without_an_event(feed, engine, qtbot):
    engine.set_job("flowers", JobStatus.IN_PROGRESS)
    with qtbot.waitSignal(feed.jobs_changed):
        feed.start()
    with qtbot.waitSignal(feed.jobs_changed), engine.lock:
        engine.records = [dataclasses.replace(engine.records[0], progress=0.5)]
    assert feed.jobs[0].progress == 0.5


def test_trouble_is_told_once_until_it_is_over(feed, engine, qtbot):
    feed.start()
    qtbot.waitUntil(lambda: engine.polls >= 1)
    engine.fail = True
    polls = engine.polls
    qtbot.waitUntil(lambda: engine.polls > polls + 3)
    assert [error.what for error in feed.troubles] == ["The engine is away."]
    engine.fail = False
    engine.put(metric(1))
    qtbot.waitUntil(lambda: len(feed.heard) == 1)
    engine.fail = True
    qtbot.waitUntil(lambda: len(feed.troubles) == 2)


def test_poke_asks_at_once(feed, engine, qtbot):
    feed.timing = FeedTiming(5, 60_000)
    with qtbot.waitSignal(feed.jobs_changed, raising=False, timeout=200):
        feed.start()
    engine.put(metric(1))
    feed.refresh()
    qtbot.waitUntil(lambda: len(feed.heard) == 1)


def test_a_poke_asks_for_the_jobs_though_no_event_tells_of_them(feed, engine, qtbot):
    feed.timing = FeedTiming(5, 60_000)
    engine.set_job("a", JobStatus.COMPLETED)
    with qtbot.waitSignal(feed.jobs_changed):
        feed.start()
    with engine.lock:
        engine.records = []  # as after a delete
    with qtbot.waitSignal(feed.jobs_changed):
        feed.refresh()
    assert feed.jobs == ()


def test_a_poke_during_a_poll_is_not_lost(feed, engine, qtbot):
    feed.timing = FeedTiming(5, 60_000)
    feed.start()
    qtbot.waitUntil(lambda: feed._asking is None)
    with engine.lock:
        feed.refresh()
        feed.refresh()
    before = engine.polls
    qtbot.waitUntil(lambda: engine.polls >= before + 1)


def test_nothing_comes_after_stop_and_restart_begins_anew(feed, engine, qtbot):
    feed.start()
    qtbot.waitUntil(lambda: engine.polls > 1)
    feed.stop()
    engine.put(metric(1))
    qtbot.waitUntil(lambda: feed._bridge.idle)
    assert feed.heard == []
    feed.restart()
    polls = engine.polls
    qtbot.waitUntil(lambda: engine.polls > polls + 2)
    engine.put(metric(2))
    qtbot.waitUntil(lambda: [event.epoch for event in feed.heard] == [2])


def test_the_end_of_the_local_engines_events_is_known_without_reading_them(workbench):
    engine = workbench.engine
    assert engine.latest_cursor() == engine.events().cursor == 0
    workbench.store.record([metric(number) for number in range(5)])
    assert engine.latest_cursor() == engine.events().cursor > 0
    assert engine.events(engine.latest_cursor()).events == ()


def test_an_engine_that_only_has_events_finds_their_end_too(scripted_engine):
    scripted_engine.put(*(metric(number) for number in range(8)))
    assert scripted_engine.latest_cursor() == 8
