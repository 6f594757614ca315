"""What a running job's log says, also where two of its processes wrote into one line."""

from __future__ import annotations

import json
import time
from unittest.mock import Mock

import pytest

from core.engines.local.job_runtime import Runtime
from core.engines.local.runs import Run, parse_rule
from core.jobs.contract import JobFolder, default_metrics
from core.jobs.records import MetricEvent, RuleOutcome, TrainingJob
from core.jobs.specs import TrainingSpec
from core.jobs.status import JobStatus, RuleStatus
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
