"""How sure it is that the best trial of a search is the best, and not the luckiest.

A trial that was cross-validated says beside its mean how far that may be off: the standard error over the pictures.
Of others the trials with like settings say it: how far they are from each other is luck. Trials that are not further
apart than that are as good as each other (Breiman and others, "Classification and Regression Trees", 1984, the rule of
one standard error); and where a neighbourhood as a whole does better, the trial in its middle is the surer choice.

The best trial itself is the one with the best objective: a function of what is recorded, so the same seed has the same
best. The presets have it from cross-validation, by which ten seeds come out alike. Of eight searches by steps on the
sample, of 24 trials each, the surer trial was another one once: too seldom to name another than everything else does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.jobs.records import TrainingJob, TuningJob
from core.translation import plural, tr
from core.tuning.likeness import smoothed

_ERROR, _CROSS_VALIDATED = "_error", "cv:"


@dataclass(frozen=True, slots=True)
class Certainty:
    """The best trial's objective, its standard error, and how many of the `others` are as good within it.

    `accuracy` and `accuracy_error` are the best trial's shares of pictures right by cross-validation; None where it was
    not cross-validated. `surer` is the trial that is best by its neighbours, where that is another one.
    """

    metric: str
    value: float
    error: float
    alike: int
    others: int
    accuracy: float | None = None
    accuracy_error: float | None = None
    surer: str | None = None

    @property
    def text(self) -> str:
        """Return it in one or two sentences."""
        cross_validated = self.metric.startswith(_CROSS_VALIDATED) or self.accuracy_error is not None
        found = (
            tr("The best trial has {metric} {value:.4f}; trials with like settings differ by {error:.4f} by luck.")
            if not cross_validated
            else tr("Cross-validated, the best trial has {metric} {value:.4f} ± {error:.4f} (one standard error).")
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
            plural(
                "The other trial is as good within it, so which of them is best says little.",
                "{alike} of the {count} other trials are as good within it, so which of them is best says little.",
                self.others,
                alike=self.alike,
            )
            if self.alike
            else plural(
                "The other trial does not come as close.",
                "None of the {count} other trials comes as close.",
                self.others,
            )
        )
        text = f"{found} {compared}"
        if self.surer is None:
            return text
        surer = tr("By its neighbours {trial} is the surer choice: trials with settings like its do best.")
        return f"{text} {surer.format(trial=self.surer)}"


def certainty(job: TuningJob, trials: Sequence[TrainingJob]) -> Certainty | None:
    """Return how sure the choice of the best trial is; None where its trials do not say how far off they may be."""
    best = next((trial for trial in trials if trial.name == job.best_trial), None)
    if best is None or best.objective is None:
        return None
    usable = [trial for trial in trials if trial.objective is not None and math.isfinite(trial.objective)]
    error, surer = best.metrics.get(f"{job.objective_metric}{_ERROR}"), None
    if error is None or not math.isfinite(error):
        found = smoothed([t.hyperparameters for t in usable], [t.objective or 0.0 for t in usable], job.maximize)
        if found is None:
            return None
        values, error = found
        place = int(values.argmax() if job.maximize else values.argmin())
        surer = None if usable[place] is best else usable[place].name
    sign = -1 if job.maximize else 1
    limit = sign * best.objective + error
    others = [trial.objective for trial in usable if trial is not best and trial.objective is not None]
    alike = sum(sign * objective <= limit for objective in others)
    accuracy, spread = (best.metrics.get(name) for name in ("cv:accuracy", f"cv:accuracy{_ERROR}"))
    return Certainty(job.objective_metric, best.objective, error, alike, len(others), accuracy, spread, surer)
