"""Which of train.py's ways a job takes, by its hyperparameters: what a trial needs and costs follows from it."""

from __future__ import annotations

from collections.abc import Mapping

from training_scripts.backbones import DEFAULT_BACKBONE

DEFAULTS: Mapping[str, str] = {
    "backbone": DEFAULT_BACKBONE,
    "weights": "default",
    "preprocessing": "crop",
    "views": "1",
    "frame": "first",
    "channels": "rgb",
    "mode": "head",
    "features": "auto",
    "unfreeze": "last_block",
}
"""train.py's own defaults of the hyperparameters that decide (a test compares)."""

FEATURE_HYPERPARAMETERS = ("backbone", "weights", "preprocessing", "views", "frame", "channels")
"""What decides, besides the pictures, which features a trial needs."""


def over_features(hyperparameters: Mapping[str, str]) -> bool:
    """Whether a job with these hyperparameters trains a head on frozen features: seconds, not minutes."""
    values = {**DEFAULTS, **hyperparameters}
    return values["mode"] == "head" and values["features"] == "auto"


def features_key(hyperparameters: Mapping[str, str]) -> str:
    """Return what tells one set of frozen features from another of the same pictures."""
    return " ".join(hyperparameters.get(name, DEFAULTS[name]) for name in FEATURE_HYPERPARAMETERS)
