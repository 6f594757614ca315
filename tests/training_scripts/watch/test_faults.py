"""Every seeded fault is found, early and with its line; scripts as they are set off nothing."""

import json

import pytest
import torch

from tests.training_scripts.watch.elsewhere import ELSEWHERE
from tests.training_scripts.watch.faults import FAULTS
from tests.training_scripts.watch.harness import SCRIPTS, run
from tests.training_scripts.watch.held_out import HELD_OUT
from training_scripts.watch.catalogue import INVARIANTS
from training_scripts.watch.checks import all_checks
from training_scripts.watch.findings import Findings
from training_scripts.watch.patches import install
from training_scripts.watch.session import Session

ALONE = {"distributed.py"}
"""Scripts that need processes of their own: tests/core/cli/test_watch.py runs them."""


@pytest.mark.parametrize("name", [*FAULTS, *HELD_OUT, *ELSEWHERE])
def test_a_fault_is_found_with_its_cause_and_line(name):
    fault = (FAULTS | HELD_OUT | ELSEWHERE)[name]
    watched = run(fault.script, fault.arguments, fault.changes, until=fault.rule)
    assert not watched.broken
    found = {finding.rule: finding for finding in watched.invariants}
    assert fault.rule in found
    finding = found[fault.rule]
    assert finding.step <= fault.within
    assert all(word in finding.cause for word in fault.words)
    assert finding.remedy
    text = (SCRIPTS / fault.script).read_text(encoding="utf-8")
    for old, new in fault.changes.items():
        text = text.replace(old, new)
    assert finding.at.file.endswith(fault.script)
    assert fault.line in text.splitlines()[finding.at.line - 1]
    # Nothing but symptoms came before it.
    assert all(INVARIANTS[other].symptom for other in found if other != fault.rule)


@pytest.mark.parametrize(
    "script", sorted(str(path.relative_to(SCRIPTS)) for path in SCRIPTS.rglob("*.py") if path.name not in ALONE)
)
def test_a_script_as_it_is_sets_off_nothing(script):
    watched = run(script, ["--seed", "3"], record=True)
    assert (watched.broken, watched.names) == ([], set())
    assert watched.steps >= 30


def test_replicas_that_stay_alike_are_no_finding(tmp_path, monkeypatch):
    """What tests/core/cli/test_watch.py finds in processes that drift apart."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        torch.manual_seed(0)
        findings = Findings("job", tmp_path / "output", say=False)
        session = Session(findings)
        session.add(all_checks)
        patches = install(session)
        model = torch.nn.Linear(4, 2)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(6):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(torch.randn(8, 4)), torch.arange(8) % 2).backward()
            optimizer.step()
        patches.close()
        session.close()
    outcome = json.loads((tmp_path / "output" / "rules" / "ReplicasDiverge.json").read_text(encoding="utf-8"))
    assert outcome["status"] == "NoIssuesFound"


def test_there_are_ten_scripts_and_forty_faults_and_each_invariant_has_one():
    assert len(list(SCRIPTS.glob("*.py"))) >= 10
    assert len(FAULTS) >= 40
    elsewhere = {"ReplicasDiverge", "NoBetterThanGuessing"}
    assert {fault.rule for fault in FAULTS.values()} == set(INVARIANTS) - elsewhere


def test_labels_that_do_not_belong_to_the_inputs_are_told_late():
    changes = {"F.cross_entropy(logits, y[rows])": "F.cross_entropy(logits, torch.randint(0, 4, (20,)))"}
    watched = run("by_hand.py", ["--steps", "400"], changes, until="NoBetterThanGuessing")
    assert [finding.rule for finding in watched.invariants] == ["LabelsContradict", "NoBetterThanGuessing"]
    assert 150 <= watched.invariants[-1].step <= 300
