"""The ensemble of a search: one model that is the mean of the heads of its best trials."""

from __future__ import annotations

import dataclasses
import json
import math
import secrets
from collections.abc import Sequence

from core.errors import SpecError
from core.jobs.records import TrainingJob
from core.jobs.specs import LONGEST_NAME, TrainingSpec, TuningSpec
from core.jobs.status import JobStatus
from core.translation import tr
from core.tuning.wanted_features import DEFAULTS, over_features
from training_scripts.modes import features_key

COUNT = 3
"""How many heads an ensemble has unless another number is asked for."""


def ensemble_spec(spec: TuningSpec, trials: Sequence[TrainingJob], count: int = COUNT) -> TrainingSpec:
    """Return the training job of the mean of a search's best trials, the first of which the others' features follow.

    Raises:
        SpecError: there are no two finished trials with heads over the same features.
    """
    if count < 2:
        raise SpecError(tr("An ensemble has two heads or more, not {count}.").format(count=count), field="count")
    sign = -1 if spec.training.objective.maximize else 1
    finished = sorted(
        (sign * trial.objective, place, trial)
        for place, trial in enumerate(trials)
        if trial.status is JobStatus.COMPLETED and trial.objective is not None and math.isfinite(trial.objective)
    )
    heads = [{**DEFAULTS, **trial.hyperparameters} for _, _, trial in finished]
    usable = [head for head in heads if over_features(head) and features_key(head) == features_key(heads[0])][:count]
    if len(usable) < 2:
        raise SpecError(
            tr("{name} has no two finished trials whose heads look at the same features.").format(name=spec.name),
            tr("An ensemble is the mean of several heads over one network."),
            tr("Search more trials in head mode, with one backbone and one preprocessing."),
        )
    asked = [trial.hyperparameters for _, _, trial in finished if {**DEFAULTS, **trial.hyperparameters} in usable]
    varied = [name for name in asked[0] if len({settings.get(name) for settings in asked[:count]}) > 1]
    members = [{name: settings[name] for name in varied if name in settings} for settings in asked[: len(usable)]]
    name = f"-mean-of-{len(usable)}-{secrets.token_hex(2)}"
    return dataclasses.replace(
        spec.training,
        name=spec.name[: LONGEST_NAME - len(name)].rstrip("-") + name,
        hyperparameters={**asked[0], "members": json.dumps(members)},
    )
