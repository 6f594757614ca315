"""How sure it is that the best trial of a search is the best, and not the luckiest.

A trial that was cross-validated says beside its mean how far that may be off: the standard error over the pictures.
Trials that are not further apart than that are as good as each other (Breiman and others, "Classification and
Regression Trees", 1984, the rule of one standard error).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.jobs.records import TrainingJob, TuningJob
from core.translation import tr

_ERROR = "_error"


@dataclass(frozen=True, slots=True)
class Certainty:
    """The best trial's objective, its standard error, and how many of the `others` are as good within it.

    `accuracy` and `accuracy_error` are the best trial's shares of pictures right, None where they are not known.
    """

    metric: str
    value: float
    error: float
    alike: int
    others: int
    accuracy: float | None = None
    accuracy_error: float | None = None

    @property
    def text(self) -> str:
        """Return it in one or two sentences."""
        found = (
            tr("Cross-validated, the best trial has {metric} {value:.4f} ± {error:.4f} (one standard error).")
            if self.accuracy is None or self.accuracy_error is None
            else tr(
                "Cross-validated, the best trial has {metric} {value:.4f} ± {error:.4f} and is right on {accuracy:.1%} "
                "± {accuracy_error:.1%} (one standard error)."
            )
        ).format(
            metric=self.metric,
            value=self.value,
            error=self.error,
            accuracy=self.accuracy,
            accuracy_error=self.accuracy_error,
        )
        if not self.others:
            return found
        compared = (
            tr("{alike} of the {others} other trials are as good within it, so which of them is best says little.")
            if self.alike
            else tr("None of the {others} other trials comes as close.")
        )
        return f"{found} {compared.format(alike=self.alike, others=self.others)}"


def certainty(job: TuningJob, trials: Sequence[TrainingJob]) -> Certainty | None:
    """Return how sure the choice of the best trial is; None where its trials do not say how far off they may be."""
    best = next((trial for trial in trials if trial.name == job.best_trial), None)
    if best is None or best.objective is None:
        return None
    error = best.metrics.get(f"{job.objective_metric}{_ERROR}")
    if error is None or not math.isfinite(error):
        return None
    sign = -1 if job.maximize else 1
    limit = sign * best.objective + error
    others = [
        trial.objective
        for trial in trials
        if trial is not best and trial.objective is not None and math.isfinite(trial.objective)
    ]
    alike = sum(sign * objective <= limit for objective in others)
    accuracy, spread = (best.metrics.get(name) for name in ("cv:accuracy", f"cv:accuracy{_ERROR}"))
    return Certainty(job.objective_metric, best.objective, error, alike, len(others), accuracy, spread)
