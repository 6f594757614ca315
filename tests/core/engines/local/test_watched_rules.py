"""Rules on the tensors of a script that is watched leave it its time."""

import pytest

from core.engines.local import watched
from core.jobs.contract import JobFolder


@pytest.mark.parametrize(("takes_s", "rest_s"), [(0.1, 5.0), (3.0, 10.0), (0.0, 0.0)])
def test_rules_rest_after_an_evaluation_but_for_the_last_one(tmp_path, monkeypatch, takes_s, rest_s):
    now, used, polled = [100.0], [0.0], []
    monkeypatch.setattr(watched.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(watched.time, "thread_time", lambda: used[0])
    rules = watched._TensorRules(JobFolder(tmp_path), "job", ())

    def poll():
        polled.append(now[0])
        used[0] += takes_s

    monkeypatch.setattr(rules._watched, "poll", poll)
    while now[0] < 100.0 + rest_s:
        assert rules.poll() == []
        now[0] += 0.25
    assert polled == [100.0] * bool(rest_s)
    rules.poll()
    rules.finish()
    rules.poll()
    assert polled[-2:] == [now[0]] * 2
