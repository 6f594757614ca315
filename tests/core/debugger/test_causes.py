"""Root causes before what follows from them."""

import itertools

import pytest

from core.debugger.causes import ORDER
from core.debugger.outcomes import in_order
from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus
from training_scripts.debugger.rules import RULES, rule_class
from training_scripts.watch.catalogue import INVARIANTS


def found(rule, job="job", **values):
    if rule in INVARIANTS:
        values = {"meaning": INVARIANTS[rule].about, "advice": "Mend it."} | values
    else:
        ours = rule_class(rule.removesuffix(" (AWS)"))
        values = {"meaning": ours.meaning, "advice": ours.advice} | values
    return RuleOutcome(job, rule, RuleStatus.ISSUES_FOUND, 1.0, evaluated=1, **values)


def told(*outcomes):
    return [(outcome.rule, outcome.follows_from, bool(outcome.advice)) for outcome in in_order(list(outcomes))]


def test_a_rate_too_high_leads_and_nothing_under_it_gives_advice():
    rules = ["Overfit", "VanishingGradient", "DeadRelu", "LearningRateTooHigh", "LossNotDecreasing", "ClassCollapse"]
    assert told(*map(found, rules)) == [
        ("LearningRateTooHigh", "", True),
        ("DeadRelu", "LearningRateTooHigh", False),
        ("VanishingGradient", "LearningRateTooHigh", False),
        ("ClassCollapse", "LearningRateTooHigh", False),
        ("LossNotDecreasing", "LearningRateTooHigh", False),
        ("Overfit", "LearningRateTooHigh", False),
    ]


@pytest.mark.parametrize(("cause", "effect"), list(itertools.pairwise(ORDER)))
def test_each_group_leads_the_next(cause, effect):
    passed_over = {"meaning": "The network has learned the other classes and passes over this one."}
    effects = [found(rule, **(passed_over if rule == "ClassImbalance" else {})) for rule in effect]
    for outcome in in_order([*effects, found(cause[0])])[1:]:
        assert (outcome.follows_from, outcome.advice) == (cause[0], "")


def test_what_no_training_can_change_stands_by_itself():
    uneven = found("ClassImbalance")
    assert told(found("LearningRateTooHigh"), uneven, found("StalledTrainingRule"), found("LeakageSuspicion")) == [
        ("LearningRateTooHigh", "", True),
        ("ClassImbalance", "", True),
        ("LeakageSuspicion", "", True),
        ("StalledTrainingRule", "", True),
    ]


def test_overfitting_and_a_class_passed_over_are_two_findings():
    assert told(found("Overfit"), found("Overtraining")) == [("Overfit", "", True), ("Overtraining", "", True)]


def test_jobs_are_told_apart_and_awss_verdicts_are_known():
    outcomes = [found("NotANumber", "a"), found("Overfit", "b"), found("Overfit (AWS)", "a")]
    assert [(item.job, item.rule, item.follows_from) for item in in_order(outcomes)] == [
        ("a", "NotANumber", ""),
        ("a", "Overfit (AWS)", "NotANumber"),
        ("b", "Overfit", ""),
    ]


def test_every_rule_of_the_order_is_one():
    symptoms = {name for name, invariant in INVARIANTS.items() if invariant.symptom}
    assert {rule for group in ORDER for rule in group} <= set(RULES) | symptoms
    assert symptoms <= {rule for group in ORDER for rule in group}


def test_a_fact_about_the_script_leads_what_it_breaks():
    outcomes = [found("Overfit"), found("NaNSource"), found("GradientsNotCleared"), found("LoaderStarves")]
    assert told(*outcomes) == [
        ("GradientsNotCleared", "", True),
        ("NaNSource", "GradientsNotCleared", False),
        ("Overfit", "GradientsNotCleared", False),
        ("LoaderStarves", "", True),
    ]
    assert told(found("Overfit"), found("DeadRelu"), found("AugmentedValidation")) == [
        ("AugmentedValidation", "", True),
        ("Overfit", "AugmentedValidation", False),
        ("DeadRelu", "", True),
    ]
