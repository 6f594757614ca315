"""The words that `import sagehound` gives the command line."""

from __future__ import annotations

from core.api import _options
from core.cli.launch_options import tuning_spec
from core.cli.main import build_parser


def test_keyword_arguments_become_the_options_of_the_command() -> None:
    words = _options(
        {
            "range": {"learning_rate": "continuous:1e-4:1e-1:log", "batch_size": "integer:8:32"},
            "static": {"num_epochs": 3},
            "tag": {"team": "vision", "cost": "a=b"},
            "target": -0.5,
            "early_stopping": True,
            "detach": False,
            "name": None,
        }
    )
    options = build_parser().parse_args(["tune", "pets", *words])
    spec = tuning_spec(options)
    assert [item.name for item in spec.ranges] == ["learning_rate", "batch_size"]
    assert spec.training.hyperparameters["num_epochs"] == "3"
    assert (spec.target, spec.early_stopping, options.detach) == (-0.5, True, False)
    assert options.tags == ["team=vision", "cost=a=b"]
