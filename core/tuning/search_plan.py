"""What a tuning job's spec asks of the search, which training_scripts/strategies does, here and in a packed job."""

from __future__ import annotations

from core.errors import SpecError
from core.jobs.ranges import CategoricalRange, combinations
from core.jobs.specs import TuningSpec
from core.translation import tr
from core.tuning.wanted_features import choices, over_features
from training_scripts.strategies.plan import SearchPlan

_RESOURCE_NAMES = ("num_epochs", "epochs", "n_epochs", "numepochs")


def search_plan(spec: TuningSpec) -> SearchPlan:
    """Return the plan of a spec's search.

    Raises:
        SpecError: the strategy cannot search these ranges.
    """
    check_strategy(spec)
    strategy = spec.strategy
    return SearchPlan(
        tuple(item.dimension for item in spec.ranges),
        strategy=str(strategy),
        learns=strategy.learns,
        tries_all=strategy.tries_all,
        ends_poor_trials=strategy.ends_poor_trials,
        early_stopping=spec.early_stopping,
        quick=all(map(over_features, choices(spec))),
        max_jobs=spec.max_jobs,
        seed=spec.seed,
        maximize=spec.training.objective.maximize,
        longest_training=longest_training(spec),
        target=spec.target,
        patience=spec.patience,
        max_search_s=spec.max_search_s,
        until_converged=spec.until_converged,
    )


def check_strategy(spec: TuningSpec) -> None:
    """Raise `SpecError` where the spec's strategy cannot search its ranges."""
    if spec.strategy.tries_all and combinations(spec.ranges) is None:
        name = next(item.name for item in spec.ranges if combinations([item]) is None)
        raise SpecError(
            tr("Grid cannot search {name}.").format(name=name),
            tr("Its range is continuous and has no countable values."),
            tr("Make it Categorical or Integer, or take another strategy."),
            field=name,
        )
    if spec.strategy.ends_poor_trials and spec.early_stopping:
        raise SpecError(
            tr("Hyperband and early stopping exclude each other."),
            tr("Hyperband stops trials by a rule of its own."),
            tr("Turn early stopping off."),
            field="early_stopping",
        )


def longest_training(spec: TuningSpec) -> int | None:
    """Return the most epochs a trial may take, by the names that SageMaker's Hyperband looks for; None if unknown."""
    for name in _RESOURCE_NAMES:
        for item in spec.ranges:
            if item.name == name:
                ends = item.values if isinstance(item, CategoricalRange) else (item.high,)
                return max(int(float(value)) for value in ends)
        if name in spec.training.hyperparameters:
            return int(float(spec.training.hyperparameters[name]))
    return None
