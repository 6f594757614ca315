"""Which finding is the root cause, and which ones only follow from it.

A learning rate of 500 makes a dozen rules fire, each with advice of its own, and half of it wrong: a network that was
thrown out of reach overfits, stands still and mistakes classes, but augmentation will not mend it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from core.debugger.aws_output import SUFFIX
from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus
from training_scripts.debugger.class_rules import ClassImbalance
from training_scripts.watch.catalogue import INVARIANTS

ORDER: tuple[tuple[str, ...], ...] = (
    ("CheckInputImages",),
    ("NaNSource", "NotANumber", "ExplodingTensor", "OverflowSkipped"),
    ("UpdateOutOfProportion", "LearningRateTooHigh"),
    ("DeadRelu", "SaturatedActivation", "AllZero", "PoorWeightInitialization"),
    ("ParametersNeverChange", "UnchangedTensor", "VanishingGradient", "WeightUpdateRatio"),
    ("Underfitting", "NoBetterThanGuessing", "LossNotDecreasing", "ClassCollapse"),
    ("ClassImbalance", "Confusion", "Overfit", "Overtraining"),
)
"""Causes before what follows from them, group by group: what goes in, no number any more, steps too long, saturated or
dead, nothing moves, nothing is learned, and what is learned is not what was meant. Rules that are not here (a stalled
loader, a leak between splits, a repeated trial) neither cause these nor follow from them. Before all of them come the
broken invariants of a watched script that are facts about its code or data (training_scripts/watch/catalogue.py): they
follow from nothing, and lead what they break.
"""
_OF_EVALUATIONS = {"ClassCollapse", *ORDER[-1]}
_RANK = {rule: rank for rank, group in enumerate(ORDER) for rule in group}
_WITHIN = {rule: place for group in ORDER for place, rule in enumerate(group)}


def by_cause(outcomes: Iterable[RuleOutcome]) -> list[RuleOutcome]:
    """Say of each finding what it follows from; one that follows from another has no advice of its own.

    The outcomes of several jobs are kept apart. The order stays.
    """
    outcomes = list(outcomes)
    found: dict[str, list[RuleOutcome]] = {}
    for outcome in outcomes:
        if _found(outcome):
            found.setdefault(outcome.job, []).append(outcome)
    leads = {job: _Leads(items) for job, items in found.items()}
    return [leads[item.job].explain(item) if item.job in leads else item for item in outcomes]


def with_consequences(outcomes: Sequence[RuleOutcome]) -> list[RuleOutcome]:
    """Return the same outcomes, each finding right behind the one that it follows from."""
    under: dict[tuple[str, str], list[RuleOutcome]] = {}
    for outcome in outcomes:
        if outcome.follows_from:
            under.setdefault((outcome.job, outcome.follows_from), []).append(outcome)
    ordered = []
    for outcome in outcomes:
        if not outcome.follows_from:
            ordered += [outcome, *under.get((outcome.job, outcome.rule), ())]
    return ordered


def rank(outcome: RuleOutcome) -> int:
    """Return the place of a rule in the order of causes: facts first, rules that have no place last."""
    if _is_fact(outcome):
        return list(INVARIANTS).index(_name(outcome)) - len(INVARIANTS)
    return _RANK.get(_name(outcome), len(ORDER))


class _Leads:
    """The findings of one job that others may follow from."""

    def __init__(self, found: Iterable[RuleOutcome]) -> None:
        found = sorted(found, key=rank)
        facts = [item.rule for item in found if _is_fact(item) and INVARIANTS[_name(item)].breaks == "training"]
        ranked = [item for item in found if _name(item) in _RANK and not _is_about_labels(item)]
        ranked.sort(key=lambda item: (rank(item), _WITHIN[_name(item)]))
        self._training = facts[0] if facts else ranked[0].rule if ranked else ""
        about = [item.rule for item in found if _is_fact(item) and INVARIANTS[_name(item)].breaks == "evaluation"]
        self._evaluation = about[0] if about else ""

    def explain(self, outcome: RuleOutcome) -> RuleOutcome:
        """Say what a finding follows from, if it follows from another."""
        name = _name(outcome)
        if not _found(outcome) or name not in _RANK or _is_about_labels(outcome):
            return outcome
        lead = self._training
        if self._evaluation and lead not in INVARIANTS and name in _OF_EVALUATIONS:
            lead = self._evaluation
        last = len(ORDER) - 1
        if lead in ("", outcome.rule) or (_RANK[name] == last == _RANK.get(lead.removesuffix(SUFFIX))):
            return outcome  # a class passed over and overfitting are two findings
        return replace(outcome, follows_from=lead, advice="", setting="", change="")


def _is_fact(outcome: RuleOutcome) -> bool:
    """Whether a finding is a fact about a script's code or data, which follows from nothing."""
    invariant = INVARIANTS.get(outcome.rule)
    return invariant is not None and not invariant.symptom


def _is_about_labels(outcome: RuleOutcome) -> bool:
    """Whether this says how many labels there are of each class, which no training can change."""
    return _name(outcome) == "ClassImbalance" and outcome.meaning == ClassImbalance.meaning


def _found(outcome: RuleOutcome) -> bool:
    return outcome.status is RuleStatus.ISSUES_FOUND


def _name(outcome: RuleOutcome) -> str:
    return outcome.rule.removesuffix(SUFFIX)
