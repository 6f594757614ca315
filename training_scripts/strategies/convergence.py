"""Whether a search has converged: no better trial is to be expected.

SageMaker does not say how it finds out. Here it is Optuna's bound on the regret, from a Gaussian process over the
finished trials (Makarova et al., "Automatic Termination for Hyperparameter Optimization", 2022): the search has
converged when what may still be gained is less than a twentieth of what the best trial has over the worst quarter.
"""

from __future__ import annotations

import logging
import math
import statistics
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from training_scripts.strategies.dimensions import encoded
from training_scripts.strategies.plan import SearchPlan

if TYPE_CHECKING:
    import optuna

MIN_TRIALS = 20
"""Fewer say too little; Optuna's own default."""

SHARE = 0.05
_logger = logging.getLogger(__name__)


class Convergence:
    """What a search has learnt so far, for the question whether it may end. Not thread-safe."""

    def __init__(self, plan: SearchPlan) -> None:
        self._plan, self._maximize = plan, plan.maximize
        self._trials: list[optuna.trial.FrozenTrial] = []
        self._asked = 0

    def add(self, hyperparameters: Mapping[str, str], objective: float | None) -> None:
        """Note a trial that is over; one without a usable objective, or outside the ranges, says nothing."""
        if objective is None or not math.isfinite(objective):
            return
        from optuna.trial import create_trial

        values = encoded(self._plan.dimensions, hyperparameters)
        if values is not None:
            distributions = {item.name: item.distribution() for item in self._plan.dimensions}
            self._trials.append(create_trial(params=values, distributions=distributions, value=objective))

    def reached(self) -> bool:
        """Whether the search may end; asked once after each trial, it takes a fraction of a second."""
        if len(self._trials) < MIN_TRIALS or len(self._trials) == self._asked:
            return False
        self._asked = len(self._trials)
        values = [trial.value for trial in self._trials if trial.value is not None]
        quarters = statistics.quantiles(values)
        gained = max(values) - quarters[0] if self._maximize else quarters[2] - min(values)
        try:
            return self._bound() < SHARE * gained
        except Exception:  # the search continues to its other ends
            _logger.exception("whether the search has converged cannot be known")
            return False

    def _bound(self) -> float:
        from optuna.study import StudyDirection
        from optuna.terminator import RegretBoundEvaluator

        direction = StudyDirection.MAXIMIZE if self._maximize else StudyDirection.MINIMIZE
        with warnings.catch_warnings(action="ignore"):  # experimental, as Optuna says of it; chosen knowingly
            evaluator = RegretBoundEvaluator(min_n_trials=MIN_TRIALS, seed=self._plan.seed)
            return float(evaluator.evaluate(self._trials, direction))
