"""How many requests run at once, on a clock that the test moves."""

from __future__ import annotations

import heapq

import pytest

from core.engines.sagemaker.upload.adaptive_concurrency import AdaptiveConcurrency


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def run(gate, clock, delay, per_second, seconds):
    """Requests that are answered `delay` seconds later, at most `per_second` of them, as long as the gate lets in."""
    ends, free, until = [], clock.now, clock.now + seconds
    while clock.now < until:
        while gate.enter(patience=0):
            free = max(free, clock.now) + 1 / per_second
            heapq.heappush(ends, free + delay)
        clock.now = heapq.heappop(ends)
        gate.leave(1.0)
    for _ in ends:
        gate.leave()


@pytest.mark.parametrize("delay", [0.02, 0.1, 0.3])
def test_far_away_as_many_run_as_are_allowed(delay):
    """And they stay: that the limit cannot grow any more is not a sign that the last doubling brought nothing."""
    clock = Clock()
    gate = AdaptiveConcurrency(high=64, clock=clock)
    run(gate, clock, delay, 100_000, 30 * delay)
    assert gate.limit == 64
    run(gate, clock, delay, 100_000, 60 * delay)
    assert gate.limit == 64


def test_what_is_found_keeps_a_line_busy_and_not_much_more():
    """200 requests in a second, each 0.1 s on the way: 20 at once are enough."""
    clock = Clock()
    gate = AdaptiveConcurrency(clock=clock)
    run(gate, clock, 0.1, 200, 10.0)
    assert 16 <= gate.limit <= 64


def test_a_slow_line_is_not_flooded():
    clock = Clock()
    gate = AdaptiveConcurrency(clock=clock)
    run(gate, clock, 0.01, 5, 60.0)
    assert gate.limit <= 16


def test_the_gate_gives_way_when_it_is_asked_to():
    gate = AdaptiveConcurrency(low=2, start=8)
    assert all(gate.enter() for _ in range(8))
    assert not gate.enter(patience=0.01)
    gate.leave(throttled=True)
    assert gate.limit == 4
    for _ in range(20):
        gate.leave(throttled=True)
    assert gate.limit == 2
