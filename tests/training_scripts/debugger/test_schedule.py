"""When tensors of a training that is watched are saved, on a clock that is turned by hand."""

import pytest

from training_scripts.debugger import schedule
from training_scripts.debugger.job_settings import Settings
from training_scripts.debugger.schedule import FREE_SECONDS, RECHECKED, Schedule


@pytest.fixture
def now(monkeypatch):
    """The time, in seconds."""
    now = [1.0]
    monkeypatch.setattr(schedule.time, "perf_counter", lambda: now[0])
    return now


def saved(plan, steps):
    return [step for step in steps if plan.due(step)]


def test_the_next_step_that_saves_is_known_before(now):
    plan, seen = (
        Schedule(Settings(time_share=0.005, by_number=True)),
        Schedule(Settings(time_share=0.005, by_number=True)),
    )
    step, asked = 0, []
    while (step := plan.next(step)) < 3000:
        asked += [step] * bool(plan.due(step))
        step += 1
    assert asked == saved(seen, range(3000))
    assert 40 < len(asked) < 200


def test_a_step_that_cannot_be_paid_for_waits(now):
    plan = Schedule(Settings(time_share=0.005, by_number=True))
    saved(plan, range(100))
    with plan.clock():
        now[0] += FREE_SECONDS + 1.0  # a second is earned again after 200
    assert saved(plan, range(100, 200)) == []
    assert plan.next(200) == 200 + RECHECKED
    now[0] += 210.0
    assert plan.next(200) == 200
    assert saved(plan, range(200, 202)) == [200]
