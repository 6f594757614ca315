"""A search of many trials is shown before its history is read, and nothing is lost by that."""

from __future__ import annotations

import threading

from core.jobs.records import MetricEvent, RuleOutcome
from core.jobs.status import RuleStatus
from gui.jobs import job_watch
from tests.gui.fakes import FakeEngine, add_search, start_jobs


def test_trials_first_then_curves_and_what_came_meanwhile(tab, engine, feed, qtbot, monkeypatch):
    tab.watch.history_first = 3
    add_search(engine, "pets", trials=5, epochs=4, running=1)
    last = next(reversed(engine._trials["pets"]))
    engine.tell([RuleOutcome(last, "Overfit", RuleStatus.ISSUES_FOUND, 1.0)])
    reached, go_on, whole = threading.Event(), threading.Event(), job_watch.read_history

    def slow(*arguments):
        history = whole(*arguments)
        reached.set()
        go_on.wait(10)
        return history

    monkeypatch.setattr(job_watch, "read_history", slow)
    detail = start_jobs(tab, feed, qtbot)
    qtbot.waitUntil(reached.is_set)
    assert detail.trials.rowCount() == 5
    assert not tab.watch.curves.metrics()
    heard = []
    feed.events.connect(heard.append)
    engine.tell([MetricEvent(last, "Average loss", 0.125, 0.0, 5)])
    qtbot.waitUntil(lambda: bool(heard), timeout=10_000)
    with qtbot.waitSignal(tab.watch.history_loaded, timeout=10_000):
        go_on.set()
    assert tab.watch.curves.series("Average loss")[last].y[-1] == 0.125
    assert len(tab.watch.curves.series("Average loss")[last].x) == 5
    assert tab.watch.issues(last) == 1


def test_what_is_described_never_contradicts_itself():
    """Events that are on their way still: the job is ahead of the trials known, so all of them are asked for."""
    engine = FakeEngine()
    add_search(engine, "pets", trials=4, running=1)
    trials = {trial.name: trial for trial in engine.trials("pets")}
    first, *_, last = trials
    behind = {name: trial for name, trial in trials.items() if name != first}
    assert job_watch.describe(engine, "pets", (last,), behind).trials == tuple(trials.values())
    assert job_watch.describe(engine, "pets", (last,), trials).trials == (trials[last],)
