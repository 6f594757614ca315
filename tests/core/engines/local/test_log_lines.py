"""What a running job's log says, also where two of its processes wrote into one line."""

from __future__ import annotations

import json
import time
from unittest.mock import Mock

import pytest

from core.engines.local.job_runtime import Runtime
from core.engines.local.recovery import _metrics
from core.engines.local.runs import Run, parse_rule
from core.jobs.accuracy import Accuracy
from core.jobs.contract import JobFolder, Scraper, default_metrics
from core.jobs.records import MetricEvent, RuleOutcome, TrainingJob
from core.jobs.specs import Objective, TrainingSpec
from core.jobs.status import JobStatus, RuleStatus
from training_scripts import metrics
from training_scripts.metrics import begin_line
from training_scripts.processes import ProcessIdentity

OUTCOME = {"job": "one", "rule": "Overfit", "status": "IssuesFound", "time": 12.5}
RULE = f"sagehound-rule {json.dumps(OUTCOME)}"
EPOCH = "epoch=3/10 Average loss: 0.123400 train_loss=0.2 train_accuracy=0.9 seconds=0.41"


@pytest.mark.parametrize("line", [RULE, f"{EPOCH}{RULE}", f"{RULE}{EPOCH}", f"asked to stop {RULE} and more"])
def test_an_outcome_is_found_wherever_it_stands(line):
    assert parse_rule(line) == [RuleOutcome("one", "Overfit", RuleStatus.ISSUES_FOUND, 12.5)]


@pytest.mark.parametrize(
    "line", ["", EPOCH, RULE[:-5], "sagehound-rule", "sagehound-rule []", 'sagehound-rule {"a": 1}']
)
def test_what_is_none_or_torn_is_none(line):
    assert parse_rule(line) == []


def test_the_metrics_before_an_outcome_count(store, tmp_path):
    spec = TrainingSpec("one", {}, {}, default_metrics())
    store.add_job(TrainingJob("one", JobStatus.IN_PROGRESS, time.time()), spec)
    folder = JobFolder(tmp_path)
    run = Run(spec, folder, Mock(identity=ProcessIdentity(0, "")), store, Runtime())
    folder.log.write_text(f"{EPOCH}{RULE}\n{RULE}\n", encoding="utf-8")
    run.follow()
    assert run.curve == [(3, 0.1234)]
    events = store.events(0, "one").events
    assert sum(isinstance(event, RuleOutcome) for event in events) == 2
    assert {event.name: event.value for event in events if isinstance(event, MetricEvent)}["Average loss"] == 0.1234
    assert store.job("one").progress == pytest.approx(0.3)


def a_line(epoch, loss):
    return f"epoch={epoch}/4 Average loss: {loss}"


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ([a_line(1, 1), a_line(2, 2), a_line(3, 3)], [begin_line(2), a_line(3, 3.5), a_line(4, 4.5)], [1, 2, 3.5, 4.5]),
        ([a_line(1, 1), a_line(2, 2)], [begin_line(2), a_line(3, 3.5)], [1, 2, 3.5]),
        ([a_line(1, 1), a_line(2, 2)], [begin_line(0), a_line(1, 1.5)], [1.5]),
        ([a_line(1, 1), a_line(2, 2)], [a_line(2, 2.5), a_line(3, 3.5), a_line(2, 2.6)], [1, 2.5, 3.5, 2.6]),
    ],
)
def test_epochs_that_come_again_replace_those_before(first, second, kept, store, tmp_path):
    """By where the script says that it begins again; one of others begins with the first epoch that it prints."""
    spec = TrainingSpec("one", {}, {}, default_metrics())
    store.add_job(TrainingJob("one", JobStatus.IN_PROGRESS, time.time()), spec)
    folder, process = JobFolder(tmp_path), Mock(identity=ProcessIdentity(0, ""))
    run = Run(spec, folder, process, store, Runtime())
    tested = metrics.test_line(0.1, 0.9, 10, "fish")
    folder.log.write_text("".join(f"{line}\n" for line in [begin_line(0), *first, tested]), encoding="utf-8")
    run.follow()
    assert store.job("one").accuracy == Accuracy("test", 0.9, 10, "fish")
    run.go_on_with(process)
    with folder.log.open("a", encoding="utf-8") as log:
        log.write("".join(f"{line}\n" for line in second))
    run.follow()
    assert store.job("one").accuracy is None, "test is measured again at the end"
    assert [value for _, value in run.curve] == kept
    assert [event.value for event in store.metrics("one", "Average loss")] == kept


@pytest.mark.parametrize("last", ["epoch=2/3 valid_accuracy=0.7", "epoch=3/3 valid_loss=0.8 valid_accuracy=0.7"])
def test_a_run_that_began_again_is_judged_by_what_it_kept_since(last, store, tmp_path):
    """The lowest loss, in epochs 2 and 3 of the first process, is of a model that is gone."""
    metrics = default_metrics()
    spec = TrainingSpec("one", {}, {}, metrics, objective=Objective("valid:accuracy", maximize=True))
    store.add_job(TrainingJob("one", JobStatus.IN_PROGRESS, time.time()), spec)
    folder, process = JobFolder(tmp_path), Mock(identity=ProcessIdentity(0, ""))
    run = Run(spec, folder, process, store, Runtime())
    first = [begin_line(0), *(f"epoch={at}/3 valid_loss=0.1 valid_accuracy=0.9" for at in (1, 2, 3))]
    folder.log.write_text("".join(f"{line}\n" for line in first), encoding="utf-8")
    run.go_on_with(process)
    with folder.log.open("a", encoding="utf-8") as log:
        log.write(f"{begin_line(0)}\nepoch=1/3 valid_loss=0.4 valid_accuracy=0.8\n{last}\n")
    run.follow()
    assert run.objective == 0.8


def test_a_database_made_again_from_a_log_holds_epochs_that_came_again_once(tmp_path):
    lines = [begin_line(0), a_line(1, 1), a_line(2, 2), a_line(3, 3), begin_line(2), a_line(3, 3.5), a_line(4, 4.5)]
    folder = JobFolder(tmp_path)
    folder.log.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    found, weakest = _metrics(folder, "one", Scraper(default_metrics()))
    assert [event.value for event in found] == [1, 2, 3.5, 4.5]
    assert weakest == ""
    folder.log.write_text(
        f"{metrics.valid_line(9, 8, 'dog')}\n{metrics.test_line(0.1, 0.9, 10, 'fish')}\n", encoding="utf-8"
    )
    assert _metrics(folder, "one", Scraper(default_metrics()))[1] == "fish"
