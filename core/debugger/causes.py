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
from training_scripts.debugger.data_rules import ClassImbalance

ORDER: tuple[tuple[str, ...], ...] = (
    ("CheckInputImages",),
    ("NotANumber", "ExplodingTensor"),
    ("LearningRateTooHigh",),
    ("DeadRelu", "SaturatedActivation", "AllZero", "PoorWeightInitialization"),
    ("UnchangedTensor", "VanishingGradient", "WeightUpdateRatio"),
    ("LossNotDecreasing", "ClassCollapse"),
    ("ClassImbalance", "Confusion", "Overfit", "Overtraining"),
)
"""Causes before what follows from them, group by group: what goes in, no number any more, steps too long, saturated or
dead, nothing moves, nothing is learned, and what is learned is not what was meant. Rules that are not here (a stalled
loader, a leak between splits, a repeated trial) neither cause these nor follow from them.
"""
_RANK = {rule: rank for rank, group in enumerate(ORDER) for rule in group}
_WITHIN = {rule: place for group in ORDER for place, rule in enumerate(group)}


def by_cause(outcomes: Iterable[RuleOutcome]) -> list[RuleOutcome]:
    """Say of each finding what it follows from; one that follows from another has no advice of its own.

    The outcomes of several jobs are told apart. The order stays.
    """
    outcomes = list(outcomes)
    leads: dict[str, str] = {}
    for job in {outcome.job for outcome in outcomes}:
        leads[job] = _lead([outcome for outcome in outcomes if outcome.job == job])
    return [_explained(outcome, leads[outcome.job]) for outcome in outcomes]


def with_consequences(outcomes: Sequence[RuleOutcome]) -> list[RuleOutcome]:
    """The same outcomes, each finding right behind the one that it follows from."""
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
    """The place of a rule in the order of causes; those that have none come behind."""
    return _RANK.get(_name(outcome), len(ORDER))


def _lead(outcomes: Iterable[RuleOutcome]) -> str:
    """The finding that the others of a job follow from; "" where there is none."""
    found = [item for item in outcomes if _found(item) and _name(item) in _RANK and not _is_about_labels(item)]
    return min(found, key=lambda item: (rank(item), _WITHIN[_name(item)]), default=_NOTHING).rule


def _explained(outcome: RuleOutcome, lead: str) -> RuleOutcome:
    name = _name(outcome)
    if not lead or outcome.rule == lead or not _found(outcome) or name not in _RANK or _is_about_labels(outcome):
        return outcome
    same_group = _RANK[name] == _RANK[lead.removesuffix(SUFFIX)]
    if same_group and _RANK[name] == len(ORDER) - 1:
        return outcome  # a class passed over and overfitting are two findings
    return replace(outcome, follows_from=lead, advice="")


def _is_about_labels(outcome: RuleOutcome) -> bool:
    """Whether this says how many labels there are of each class, which no training can change."""
    return _name(outcome) == "ClassImbalance" and outcome.meaning == ClassImbalance.meaning


def _found(outcome: RuleOutcome) -> bool:
    return outcome.status is RuleStatus.ISSUES_FOUND


def _name(outcome: RuleOutcome) -> str:
    return outcome.rule.removesuffix(SUFFIX)


_NOTHING = RuleOutcome("", "", RuleStatus.NO_ISSUES_FOUND, 0.0)
