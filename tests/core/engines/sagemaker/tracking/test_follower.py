"""Why a job failed: the user's own error first."""

from __future__ import annotations

import pytest

from core.engines.sagemaker.tracking.follower import Follower
from core.engines.sagemaker.tracking.logs import Line
from core.engines.sagemaker.tracking.packed import PackedFollower
from core.jobs.ranges import CategoricalRange
from core.jobs.specs import MetricDefinition, TrainingSpec, TuningSpec
from training_scripts.metrics import begin_line
from training_scripts.packed.lines import TrialRecord, notice, said_by

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
        self.lines = [Line(1.0, line) for line in lines]

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


TWO = TrainingSpec(
    "one",
    {},
    {},
    (MetricDefinition("Average loss", "train: ([0-9.]+)"), MetricDefinition("valid", "valid: ([0-9.]+)")),
)


def said_in(epochs, run):
    """Return what one run of a script says: a step and two metrics of each epoch, each in a line of its own."""
    return [
        line
        for epoch in epochs
        for line in (
            f"step={epoch} epoch={epoch} train: {epoch}.{run}1",
            f"epoch={epoch}/4 train: {epoch}.{run}2",
            f"epoch={epoch}/4 valid: {epoch}.{run}3",
        )
    ]


def kept(store, lines, at_once=True):
    """Return the values that are kept of these lines, read by a program for each line unless all `at_once`."""
    from core.store.rows import new_record

    store.add_job(new_record(TWO, "sagemaker"), TWO)
    for part in [lines] if at_once else [[line] for line in lines]:
        Follower(TWO, store, Lines(part)).read()
    return [event.value for event in store.metrics("one")]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(("last", "after"), [(3, 0), (3, 1), (3, 2), (3, 3)])
def test_epochs_that_come_again_replace_those_before(last, after, at_once, store):
    """After a reclaim another machine continues from the checkpoint, that of the epoch before the last one too."""
    again = "Training stood still; it was ended and started again."
    lines = [*said_in(range(1, last + 1), 0), begin_line(after), *said_in(range(after + 1, 5), 5)]
    whole = [*said_in(range(1, after + 1), 0), *said_in(range(after + 1, 5), 5)]
    said = [begin_line(0), *lines[: 3 * last], notice(again), *lines[3 * last :]]
    assert kept(store, said, at_once) == [float(line.rpartition(" ")[2]) for line in whole]
    assert store.job("one").notices == (again,)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_script_of_others_with_folds_keeps_what_it_prints(at_once, store):
    lines = [f"epoch={epoch}/2 train: {fold}.{epoch}" for fold in (1, 2, 3) for epoch in (1, 2)]
    assert kept(store, lines, at_once) == [1.1, 1.2, 2.1, 2.2, 3.1, 3.2]


def test_a_trial_of_a_packed_search_that_is_done_again_is_there_once(store, tmp_path):
    """A reclaimed machine's search begins the trial in flight again; each line is read by another program."""
    from core.store.rows import new_record

    spec = TuningSpec(SPEC, (CategoricalRange("optimizer", ("adam", "sgd")),), max_jobs=2, packed=True)
    store.add_job(new_record(spec, "sagemaker"), spec)
    begins = TrialRecord("one-001-0123abcd", 1, {"optimizer": "sgd"}, started=1.0).to_line()
    epochs = [f"epoch={epoch}/3 loss: {epoch}" for epoch in (1, 2, 3)]
    for line in [
        begins,
        *(said_by(1, line) for line in (begin_line(0), *epochs[:2])),
        begins,
        *(said_by(1, line) for line in (begin_line(0), *epochs)),
    ]:
        PackedFollower(spec, store, Lines([line]), tmp_path).read()
    assert [event.epoch for event in store.metrics("one-001-0123abcd")] == [1, 2, 3]
