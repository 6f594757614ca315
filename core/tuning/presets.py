"""Searches to start from.

The ranges were chosen by measurement (`python -m tests.benchmarks quality`). A linear head that is fitted at once is
best with a weight decay of about 1e-2 for a few hundred pictures and less for more; trained by steps on
EfficientNet-Lite0's features (Adam, batch 32, 10 epochs) its learning rate is best between 3e-3 and 1e-2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import SpecError
from core.jobs.ranges import ContinuousRange, IntegerRange, Range, Scaling
from core.jobs.specs import MetricDefinition, Objective, Strategy
from core.translation import tr
from core.tuning.wanted_features import fits_at_once
from training_scripts.arguments import DIRECT
from training_scripts.backbones import DEFAULT_BACKBONE
from training_scripts.heads import DEFAULT_HEAD
from training_scripts.metrics import METRIC_DEFINITIONS

DEFAULT_METRICS = tuple(MetricDefinition(name, regex) for name, regex in METRIC_DEFINITIONS.items())
"""The metrics that training_scripts/train.py prints."""

DEFAULT_HYPERPARAMETERS: Mapping[str, str] = {
    "backbone": DEFAULT_BACKBONE,
    "head": DEFAULT_HEAD,
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

    @property
    def at_once(self) -> bool:
        """Whether its heads are fitted at once, not by steps."""
        return fits_at_once(self.hyperparameters)

    def fitting(self, fixed: Mapping[str, str]) -> Preset:
        """Return this preset, or the one to take where what else is fixed forbids to fit heads at once."""
        if self.at_once and not fits_at_once({**self.hyperparameters, **fixed}):
            return by_steps(fixed)
        return self


BY_STEPS = Preset(
    tr("Quick look by steps"),
    "quick-look",
    tr("Eight trials over the learning rate: what a quick look is where a head cannot be fitted at once."),
    (
        ContinuousRange("learning_rate", 1e-3, 3e-2, Scaling.LOGARITHMIC),
        IntegerRange("batch_size", 8, 16),
    ),
    {"backbone": DEFAULT_BACKBONE, "head": "linear", "mode": "head", "num_epochs": "10"},
)

FINE_TUNE = Preset(
    tr("Quick look by fine-tuning"),
    "quick-look",
    tr("Eight trials over the learning rate: what a quick look is where the network learns too."),
    (ContinuousRange("learning_rate", 3e-5, 2e-3, Scaling.LOGARITHMIC),),
    {"backbone": DEFAULT_BACKBONE, "head": "linear", "mode": "fine_tune", "num_epochs": "10"},
)
"""A whole network bears a tenth of the steps that a head does: its default is 3e-4."""


def by_steps(fixed: Mapping[str, str]) -> Preset:
    """Return the search by steps for what is fixed: of heads, or of the whole network."""
    return FINE_TUNE if fixed.get("mode") == FINE_TUNE.hyperparameters["mode"] else BY_STEPS


_AT_ONCE = {"head": "linear", "mode": "head", "optimizer": DIRECT, "folds": "5", "refit": "true"}

QUICK_LOOK = Preset(
    tr("Quick look"),
    "quick-look",
    tr(
        "Eight linear heads on the bundled backbone, each fitted at once and judged by "
        "cross-validation: a first answer within a minute."
    ),
    (ContinuousRange("weight_decay", 1e-4, 0.3, Scaling.LOGARITHMIC),),
    {"backbone": DEFAULT_BACKBONE, "preprocessing": "squash", **_AT_ONCE},
    objective=Objective("cv:loss"),
)

THOROUGH = Preset(
    tr("Thorough"),
    "thorough",
    tr(
        "Ten linear heads on three views of each picture, each fitted at once and judged by "
        "cross-validation: the best model for most datasets."
    ),
    (ContinuousRange("weight_decay", 1e-4, 0.3, Scaling.LOGARITHMIC),),
    {"backbone": DEFAULT_BACKBONE, "preprocessing": "squash", "views": "3", **_AT_ONCE},
    objective=Objective("cv:loss"),
    max_jobs=10,
)

NOTEBOOK = Preset(
    tr("ResNet-18 notebook"),
    "resnet-18-notebook",
    tr("The search of the usual SageMaker notebook: ResNet-18, batch size, learning rate and epochs."),
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
    raise SpecError(
        tr("There is no preset {slug!r}.").format(slug=slug),
        fix=tr("Choose one of {known}.").format(known=known),
        field="preset",
    )
