"""Which of train.py's ways a job takes, told from its hyperparameters: what a trial needs and costs follows from it."""

from __future__ import annotations

from collections.abc import Mapping

from core.jobs.specs import Spec
from core.tuning.ranges import CategoricalRange
from training_scripts.arguments import DIRECT
from training_scripts.backbones import DEFAULT_BACKBONE
from training_scripts.heads import DEFAULT_HEAD, HEADS

DEFAULTS: Mapping[str, str] = {
    "backbone": DEFAULT_BACKBONE,
    "weights": "default",
    "preprocessing": "crop",
    "views": "1",
    "mode": "head",
    "features": "auto",
    "unfreeze": "last_block",
}
"""train.py's own defaults of the hyperparameters that decide (a test compares)."""


def over_features(hyperparameters: Mapping[str, str]) -> bool:
    """Whether a job with these hyperparameters trains a head on frozen features: seconds, not minutes."""
    values = {**DEFAULTS, **hyperparameters}
    return values["mode"] == "head" and values["features"] == "auto"


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
