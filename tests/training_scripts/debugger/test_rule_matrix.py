from pathlib import Path

import pytest

from tests.training_scripts.debugger.faults import FAULTS, HEALTHY, fired
from training_scripts.debugger.rules import RULES


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_training_sets_off_no_rule(name, tmp_path):
    assert fired(HEALTHY[name], tmp_path) == set()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_sets_off_its_rules_and_no_others(name, tmp_path):
    case = FAULTS[name]
    found = fired(case, tmp_path)
    assert case.fires <= found <= case.fires | case.may


def test_every_rule_has_a_fault_that_sets_it_off():
    assert set().union(*(case.fires for case in FAULTS.values())) == set(RULES)


def test_the_note_knows_every_rule_and_every_training():
    note = (Path(__file__).resolve().parents[3] / "docs" / "RULES.md").read_text(encoding="utf-8")
    for name in RULES:
        assert f"| {name}" in note
    for name, case in {**HEALTHY, **FAULTS}.items():
        (line,) = (line for line in note.splitlines() if line.startswith(f"| {name} | "))
        said = {part.strip() for part in line.strip("| ").split("|")[-1].split(",")} - {"none"}
        assert case.fires <= said <= case.fires | case.may
