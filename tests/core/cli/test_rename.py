"""A job is called something else, and kept at the head of the list; its own name works as before."""

from __future__ import annotations

import json

from core.cli.main import run
from core.jobs.records import TrainingJob
from core.jobs.specs import MetricDefinition, TrainingSpec
from core.jobs.status import JobStatus
from core.paths import AppPaths
from core.store import Store

LOSS = MetricDefinition("Average loss", "Average loss: ([0-9.]+)")


def test_a_job_is_renamed_pinned_and_found_by_both_names(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SAGEHOUND_HOME", str(tmp_path))
    store = Store(AppPaths(tmp_path).create().database)
    for number, name in enumerate(("first", "second")):
        store.add_job(TrainingJob(name, JobStatus.COMPLETED, float(number)), TrainingSpec(name, {}, {}, (LOSS,)))
    store.close()
    assert run(["rename", "first", "  Cats by  night "]) == 0
    assert "first is now called Cats by night." in capsys.readouterr().out
    assert run(["pin", "Cats by night"]) == 0
    capsys.readouterr()
    assert run(["jobs", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(job["name"], job["title"], job["pinned"]) for job in found] == [
        ("first", "Cats by night", True),
        ("second", "", False),
    ]
    assert run(["show", "Cats by night", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "first"
    assert run(["pin", "first", "--off"]) == run(["rename", "first", ""]) == 0
    capsys.readouterr()
    assert run(["jobs", "--json"]) == 0
    assert [job["name"] for job in json.loads(capsys.readouterr().out)] == ["second", "first"]
    assert run(["rename", "gone", "x"]) == 1
