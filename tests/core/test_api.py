"""The words that `import sagehound` gives the command line."""

from __future__ import annotations

import pytest

from core import api
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


def test_a_model_is_exported_and_put_to_work_by_the_commands_of_these_names(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(words: list[str], _on_progress: object) -> dict[str, object]:
        asked.append(build_parser().parse_args(list(words)))
        return {"path": "out", "compared": 3, "largest_difference": 0.0, "counts": {"cat": 1}, "into": "out"}

    monkeypatch.setattr(api, "_ask", answer)
    assert (found := api.export("best", "onnx", "out")).compared == 3
    assert found.path == "out"
    assert api.sort("in", "out", move=True, threshold=0.8).counts == {"cat": 1}
    assert (asked[0].command, asked[0].format, asked[0].output) == ("export", "onnx", "out")
    assert (asked[1].into, asked[1].way, asked[1].threshold) == ("out", "move", 0.8)
