"""Searches to start from.

The ranges were chosen by measurement on the sample dataset: a linear head on EfficientNet-Lite0's features (Adam,
batch 32, 10 epochs) is best between 3e-3 and 1e-2, and far from done at 1e-4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import SpecError
from core.jobs.specs import MetricDefinition, Objective, Strategy
from core.tuning.ranges import CategoricalRange, ContinuousRange, IntegerRange, Range, Scaling
from training_scripts.metrics import METRIC_DEFINITIONS

DEFAULT_METRICS = tuple(MetricDefinition(name, regex) for name, regex in METRIC_DEFINITIONS.items())
"""The metrics that training_scripts/train.py prints."""

DEFAULT_HYPERPARAMETERS: Mapping[str, str] = {
    "backbone": "efficientnet_lite0",
    "head": "linear",
    "mode": "head",
    "num_epochs": "10",
    "batch_size": "32",
}
"""What a job gets unless it is asked for otherwise; the script has its own defaults for the rest."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A search to start from; `hyperparameters` are fixed, `slug` is its name on the command line."""

    title: str
    slug: str
    description: str
    ranges: tuple[Range, ...]
    hyperparameters: Mapping[str, str] = field(default_factory=lambda: DEFAULT_HYPERPARAMETERS)
    strategy: Strategy = Strategy.BAYESIAN
    objective: Objective = field(default_factory=Objective)
    metrics: tuple[MetricDefinition, ...] = DEFAULT_METRICS
    max_jobs: int = 8
    max_parallel_jobs: int = 2
    early_stopping: bool = False


QUICK_LOOK = Preset(
    "Quick look",
    "quick-look",
    "Eight trials of a linear head on the bundled backbone: a first answer within a minute.",
    (
        ContinuousRange("learning_rate", 1e-3, 3e-2, Scaling.LOGARITHMIC),
        IntegerRange("batch_size", 8, 16),
    ),
    {"backbone": "efficientnet_lite0", "head": "linear", "mode": "head", "num_epochs": "10"},
)

THOROUGH = Preset(
    "Thorough",
    "thorough",
    "Forty trials over the head, its optimizer and its regularisation; trials that fall behind are stopped.",
    (
        ContinuousRange("learning_rate", 3e-4, 5e-2, Scaling.LOGARITHMIC),
        IntegerRange("batch_size", 8, 128, Scaling.LOGARITHMIC),
        ContinuousRange("weight_decay", 1e-6, 1e-2, Scaling.LOGARITHMIC),
        ContinuousRange("label_smoothing", 0.0, 0.2, Scaling.LINEAR),
        CategoricalRange("optimizer", ("adam", "adamw", "sgd")),
        CategoricalRange("head", ("linear", "linear_dropout_batchnorm")),
    ),
    {"backbone": "efficientnet_lite0", "mode": "head", "num_epochs": "30"},
    max_jobs=40,
    early_stopping=True,
)

NOTEBOOK = Preset(
    "ResNet-18 notebook",
    "resnet-18-notebook",
    "The search of the usual SageMaker notebook: ResNet-18, batch size, learning rate and epochs.",
    (
        IntegerRange("batch_size", 32, 128),
        ContinuousRange("learning_rate", 1e-4, 5e-2),
        IntegerRange("num_epochs", 5, 15),
    ),
    {"backbone": "resnet18", "head": "linear_dropout_batchnorm", "mode": "head"},
    objective=Objective("Average loss", maximize=False),
    max_jobs=10,
)

PRESETS = (QUICK_LOOK, THOROUGH, NOTEBOOK)


def preset_by_slug(slug: str) -> Preset:
    """Return the preset of that name.

    Raises:
        SpecError: there is none.
    """
    for preset in PRESETS:
        if preset.slug == slug:
            return preset
    known = ", ".join(preset.slug for preset in PRESETS)
    raise SpecError(f"There is no preset {slug!r}.", fix=f"Choose one of {known}.", field="preset")
