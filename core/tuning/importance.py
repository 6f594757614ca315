"""Which of the searched hyperparameters make the difference: Optuna's PED-ANOVA (Watanabe et al., 2023)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

from core.jobs.records import TrainingJob
from core.jobs.specs import TuningSpec
from training_scripts.strategies.dimensions import encoded

MIN_TRIALS = 20
"""Of fewer trials the figures are mostly chance."""


def importance(spec: TuningSpec, trials: Sequence[TrainingJob]) -> Mapping[str, float]:
    """Return each range's share in what tells the better half of the trials from all, largest first; they add up to 1.

    Empty for a single range, where fewer than `MIN_TRIALS` trials have an objective, and where all are alike.
    """
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.logging import WARNING, get_verbosity, set_verbosity
    from optuna.study import create_study
    from optuna.trial import create_trial

    dimensions = [item.dimension for item in spec.ranges]
    distributions = {item.name: item.distribution() for item in dimensions}
    found = []
    for trial in trials:
        values = encoded(dimensions, trial.hyperparameters)
        if trial.objective is not None and math.isfinite(trial.objective) and values is not None:
            found.append(create_trial(params=values, distributions=distributions, value=trial.objective))
    if len(distributions) < 2 or len(found) < MIN_TRIALS or len({trial.value for trial in found}) < 2:
        return {}
    before = get_verbosity()
    set_verbosity(WARNING)
    try:
        study = create_study(direction="maximize" if spec.training.objective.maximize else "minimize")
        study.add_trials(found)
        with warnings.catch_warnings(action="ignore"):  # experimental, as Optuna says of it; chosen knowingly
            shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=0.5))
    finally:
        set_verbosity(before)
    return {name: share for name, share in shares.items() if math.isfinite(share)}
