import pytest

from tests.training_scripts.debugger import rules_page
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


def test_the_page_about_rules_is_made_from_them():
    """`python -m tests.training_scripts.debugger.rules_page` writes it."""
    page = rules_page.PAGE.read_text(encoding="utf-8")
    assert rules_page.section(page, "rules") == rules_page.rules_table()
    assert rules_page.section(page, "invariants") == rules_page.invariants_table()
    assert rules_page.section(page, "defaults") == rules_page.default_table()
    rows = [line.strip("| ").split(" | ") for line in rules_page.section(page, "matrix").splitlines()[2:]]
    said = {title: set(rules.split(", ")) - {"none"} for title, rules in rows}
    assert set(said) == {*HEALTHY, *FAULTS}
    for title, case in {**HEALTHY, **FAULTS}.items():
        assert case.fires <= said[title] <= case.fires | case.may
