"""Why a job failed: the user's own error first."""

from __future__ import annotations

import pytest

from core.engines.sagemaker.tracking.follower import Follower
from core.jobs.specs import MetricDefinition, TrainingSpec

SPEC = TrainingSpec("one", {}, {}, (MetricDefinition("Average loss", "loss: ([0-9.]+)"),))
TRACE = ["Traceback (most recent call last):", '  File "train.py", line 3, in <module>', "KeyError: 'label'"]
TOOLKIT = (
    'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "KeyError"\nCommand "/opt/venv/bin/python3.12 '
    'train.py --num_epochs 3", exit code: 1'
)


class Lines:
    """A log that is all there."""

    repeats = False

    def __init__(self, lines):
        self.lines = [(1.0, line) for line in lines]

    def new_lines(self, look=False):
        found, self.lines = self.lines, []
        return found

    def taken(self):
        pass


@pytest.mark.parametrize(
    ("log", "raw", "says"),
    [
        (["x", *TRACE, "The job failed: The pictures are gone."], TOOLKIT, "The pictures are gone."),
        (["x", *TRACE], TOOLKIT, "KeyError: 'label'"),
        (["x"], "AlgorithmError: The pictures are upside down., exit code: 1", "The pictures are upside down."),
        (["x", *TRACE], "AlgorithmError: The well is dry., exit code: 1", "The well is dry."),
        (TRACE, "AlgorithmError: The training script ended with exit status 1., exit code: 1", "KeyError: 'label'"),
        ([], TOOLKIT, "ExecuteUserScriptError"),
        ([], "AlgorithmError: , exit code: 137", "memory was not enough"),
        ([], "CapacityError: Unable to provision requested ML compute capacity.", "not your quota"),
        ([], "", ""),
    ],
)
def test_reasons(log, raw, says, store):
    from core.store.rows import new_record

    store.add_job(new_record(SPEC, "sagemaker"), SPEC)
    follower = Follower(SPEC, store, Lines(log))
    follower.read()
    found = follower.reason({"FailureReason": raw})
    assert found.startswith(says) if log else says in found
    assert len(found) <= 1024


@pytest.mark.parametrize("again", ["sagehound-notice The training stood still; it was ended and started again.", ""])
@pytest.mark.parametrize("at_once", [True, False])
def test_epochs_that_come_again_replace_those_before(again, at_once, store):
    from core.store.rows import new_record

    store.add_job(new_record(SPEC, "sagemaker"), SPEC)
    lines = [f"epoch={epoch}/4 loss: {epoch}.0" for epoch in (1, 2, 3)]
    lines += [*filter(None, [again]), *(f"epoch={epoch}/4 loss: {epoch}.5" for epoch in (2, 3, 4))]
    source = Lines([])
    follower = Follower(SPEC, store, source)
    for part in [lines] if at_once else [[line] for line in lines]:
        source.lines = [(1.0, line) for line in part]
        follower.read()
    assert [event.value for event in store.metrics("one")] == [1.0, 2.5, 3.5, 4.5]
    assert len(store.job("one").notices) == bool(again)
