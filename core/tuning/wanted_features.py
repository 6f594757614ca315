"""Which of train.py's ways a job takes, by its hyperparameters: what a trial needs and costs follows from it."""

from __future__ import annotations

from collections.abc import Mapping

from core.jobs.ranges import CategoricalRange
from core.jobs.specs import Spec, TrainingSpec
from training_scripts.arguments import DIRECT
from training_scripts.heads import DEFAULT_HEAD, HEADS
from training_scripts.modes import DEFAULTS, FEATURE_HYPERPARAMETERS, features_key, over_features

__all__ = [
    "DEFAULTS",
    "FEATURE_HYPERPARAMETERS",
    "choices",
    "features_hyperparameters",
    "fits_at_once",
    "over_features",
    "wanted_features",
]


def fits_at_once(hyperparameters: Mapping[str, str]) -> bool:
    """Whether a job with these hyperparameters fits its head at once: no learning rate, no epochs."""
    head = HEADS.get(hyperparameters.get("head", DEFAULT_HEAD))
    at_once = hyperparameters.get("optimizer") == DIRECT and over_features(hyperparameters)
    return at_once and head is not None and head.convex


def choices(spec: Spec) -> list[dict[str, str]]:
    """Return every combination of the deciding hyperparameters that a job may draw; one where none is searched."""
    found = [{name: spec.training.hyperparameters.get(name, value) for name, value in DEFAULTS.items()}]
    for item in spec.ranges:
        if isinstance(item, CategoricalRange) and item.name in DEFAULTS:
            found = [{**choice, item.name: value} for choice in found for value in item.values]
    return found


def wanted_features(spec: Spec) -> list[dict[str, str]]:
    """Return the distinct choices of what frozen features depend on that may be trained as a head."""
    return list({features_key(choice): choice for choice in choices(spec) if over_features(choice)}.values())


def features_hyperparameters(choice: Mapping[str, str], training: TrainingSpec) -> dict[str, str]:
    """Return the arguments of features.py for a choice; untrained weights follow from the seed."""
    found = {name: choice[name] for name in FEATURE_HYPERPARAMETERS}
    seed = training.hyperparameters.get("seed")
    return found if seed is None else {**found, "seed": seed}
