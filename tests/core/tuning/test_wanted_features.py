"""What a job's hyperparameters say about how it trains."""

from __future__ import annotations

from core.jobs.ranges import CategoricalRange, ContinuousRange
from core.jobs.specs import MetricDefinition, TrainingSpec, TuningSpec
from core.tuning.wanted_features import DEFAULTS, choices, over_features
from training_scripts.arguments import get_args_parser


def test_the_defaults_are_those_of_the_script():
    args = vars(get_args_parser().parse_args([]))
    assert {name: str(args[name]) for name in DEFAULTS} == DEFAULTS


def test_head_mode_trains_over_features_unless_it_is_told_not_to():
    assert over_features({})
    assert not over_features({"features": "off"})
    assert not over_features({"mode": "fine_tune"})


def test_searched_choices_multiply():
    training = TrainingSpec("t", {}, {"unfreeze": "all"}, (MetricDefinition("Average loss", "(.)"),))
    ranges = (
        CategoricalRange("backbone", ("resnet18", "resnet50")),
        CategoricalRange("mode", ("head", "fine_tune")),
        ContinuousRange("learning_rate", 0.1, 0.2),
    )
    found = choices(TuningSpec(training, ranges))
    assert len(found) == 4
    assert {choice["unfreeze"] for choice in found} == {"all"}
    assert choices(training) == [{**DEFAULTS, "unfreeze": "all"}]
