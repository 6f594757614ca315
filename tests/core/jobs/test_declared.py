"""A field of a spec is declared once: bounds, capabilities, options and JSON follow from the declaration."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core.cli.main import build_parser
from core.engine import Capabilities
from core.errors import SpecError
from core.jobs.contract import default_metrics
from core.jobs.declared import check_capabilities, check_fields, declarations, declare, from_plain, to_plain
from core.jobs.ranges import ContinuousRange
from core.jobs.specs import CloudResources, DebuggerConfig, ManagedDebugger, Strategy, TrainingSpec, TuningSpec

TRAINING = TrainingSpec("pets", {}, {}, default_metrics())
RANGES = (ContinuousRange("learning_rate", 1e-4, 1e-1),)


def tuning(**fields: Any) -> TuningSpec:
    return TuningSpec(TRAINING, RANGES, **fields)


@pytest.mark.parametrize(
    ("make", "field", "words"),
    [
        (lambda: tuning(max_jobs=0), "max_jobs", "Trials is 0. Give at least 1."),
        (lambda: tuning(max_jobs=100_000), "max_jobs", "Trials is 100,000. Give at most 10,000."),
        (lambda: tuning(max_jobs=2.5), "max_jobs", "Trials is 2.5. Give a whole number."),
        (lambda: tuning(patience=0), "patience", "Patience is 0. Give at least 1."),
        (lambda: tuning(target=float("nan")), "target", "Stop at is nan. Give a finite number."),
        (lambda: tuning(until_converged=1), "until_converged", "End when converged is 1. Give true or false."),
        (lambda: CloudResources(volume_gb=0), "volume_gb", "Disk is 0 GB. Give at least 1."),
        (lambda: dataclasses.replace(TRAINING, max_runtime_s=0), "max_runtime_s", "Longest run is 0 s."),
    ],
)
def test_values_out_of_their_bounds_are_refused(make: Any, field: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert caught.value.field == field
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "capabilities", "field"),
    [
        ({"max_parallel_jobs": 11}, Capabilities(max_parallel_jobs=10), "max_parallel_jobs"),
        ({"warm_start": ("before",)}, Capabilities(warm_start=False), "warm_start"),
        ({"strategy": Strategy.GRID}, Capabilities(strategies=(Strategy.RANDOM,)), "strategy"),
    ],
)
def test_what_an_engine_cannot_do_is_refused(fields: dict[str, Any], capabilities: Capabilities, field: str) -> None:
    check_capabilities(tuning(**fields), Capabilities(max_parallel_jobs=64))
    with pytest.raises(SpecError) as caught:
        check_capabilities(tuning(**fields), capabilities)
    assert caught.value.field == field


@dataclasses.dataclass(frozen=True)
class Cake:
    layers: int = declare(2, "Layers", "how many layers", low=1, high=9)
    name: str = ""


def test_a_declaration_is_all_that_a_field_needs() -> None:
    check_fields(Cake(9))
    with pytest.raises(SpecError, match="Layers is 10"):
        check_fields(Cake(10))
    assert declarations(Cake)["layers"].hint == "How many layers."
    assert from_plain(Cake, to_plain(Cake(3, "a")) | {"of a later version": 1}) == Cake(3, "a")
    assert from_plain(Cake, {}) == Cake()


@pytest.mark.parametrize("cls", [TrainingSpec, TuningSpec, CloudResources, DebuggerConfig, ManagedDebugger])
def test_every_declared_option_is_one_of_the_command_line(cls: type) -> None:
    actions = build_parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    options = {
        option for name in ("train", "tune") for action in actions[name]._actions for option in action.option_strings
    }
    declared = {how.option for how in declarations(cls).values() if how.option}
    assert declared
    assert declared <= options
