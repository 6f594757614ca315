"""All rules by name, and their parameters as they come: strings, as AWS sends them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_scripts.debugger.activation_rules import (
    CheckInputImages,
    DeadRelu,
    PoorWeightInitialization,
    SaturatedActivation,
)
from training_scripts.debugger.class_rules import ClassCollapse, ClassImbalance, Confusion
from training_scripts.debugger.data_rules import LeakageSuspicion, StalledTrainingRule
from training_scripts.debugger.health import HealthRule
from training_scripts.debugger.loss_rules import (
    LearningRateTooHigh,
    LossNotDecreasing,
    NotANumber,
    Overfit,
    Overtraining,
)
from training_scripts.debugger.reader import Trial
from training_scripts.debugger.tensor_rules import (
    AllZero,
    ExplodingTensor,
    SimilarAcrossRuns,
    TensorVariance,
    UnchangedTensor,
    VanishingGradient,
    WeightUpdateRatio,
)

RULES: dict[str, type[HealthRule]] = {
    rule.__name__: rule
    for rule in (
        VanishingGradient,
        ExplodingTensor,
        LossNotDecreasing,
        Overfit,
        Overtraining,
        PoorWeightInitialization,
        WeightUpdateRatio,
        AllZero,
        UnchangedTensor,
        DeadRelu,
        SaturatedActivation,
        TensorVariance,
        CheckInputImages,
        ClassImbalance,
        Confusion,
        SimilarAcrossRuns,
        StalledTrainingRule,
        NotANumber,
        ClassCollapse,
        LearningRateTooHigh,
        LeakageSuspicion,
    )
}
OURS = frozenset({"NotANumber", "ClassCollapse", "LearningRateTooHigh", "LeakageSuspicion"})
"""Rules that AWS Debugger does not have."""
ALIASES = {"StalledTraining": "StalledTrainingRule"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a rule: `kind` is int, float, bool or str; `default` is a string, None where it has none."""

    name: str
    kind: str
    default: str | None
    optional: bool


def rule_class(name: str) -> type[HealthRule]:
    """Return the rule of that name.

    Raises:
        ValueError: there is none.
    """
    found = RULES.get(ALIASES.get(name, name))
    if found is None:
        raise ValueError(f"there is no rule {name}")
    return found


def parameters_of(name: str) -> tuple[Parameter, ...]:
    """Return the parameters of a rule, in their order; `other_trials` is a list of folders, separated by commas."""
    found = []
    for item in list(inspect.signature(rule_class(name).__init__).parameters.values())[2:]:
        kind, _, rest = str(item.annotation).partition(" | ")
        default = None if item.default is None else str(item.default)
        kind = "str" if item.name == "other_trials" else kind
        found.append(Parameter(item.name, kind, default, rest == "None" or item.default is None))
    if rule_class(name).__init__ is HealthRule.__init__:
        return ()
    return tuple(found)


def parse_parameters(name: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return a rule's parameters as values.

    Raises:
        ValueError: one is unknown or cannot be read; the message names it.
    """
    known = {item.name: item for item in parameters_of(name)}
    values = {}
    for key, text in texts.items():
        if key not in known:
            raise ValueError(f"{name} has no parameter {key}")
        values[key] = _parse(known[key], str(text).strip())
    return values


def make_rule(name: str, trial: Any, texts: Mapping[str, str]) -> HealthRule:
    """Return a rule at work on a trial.

    Raises:
        ValueError: the parameters do not fit; the message names the one at fault.
    """
    values = parse_parameters(name, texts)
    if isinstance(values.get("other_trials"), str):
        folders = [part.strip() for part in values["other_trials"].split(",") if part.strip()]
        values["other_trials"] = [Trial.open(Path(folder)) for folder in folders]
    return rule_class(name)(trial, **values)


def check_parameters(name: str, texts: Mapping[str, str]) -> None:
    """Raise ValueError unless the rule can be made with these parameters."""
    make_rule(name, Trial.open(Path("/nonexistent-trial")), texts)


def _parse(parameter: Parameter, text: str) -> Any:
    name = parameter.name
    if parameter.optional and text.lower() in ("", "none"):
        return None
    if parameter.kind == "bool":
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(f"{name} must be true or false, not {text!r}")
        return text.lower() in ("true", "1")
    if parameter.kind == "str":
        return text
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number, not {text!r}") from None
    if not math.isfinite(value) or (parameter.kind == "int" and not value.is_integer()):
        raise ValueError(f"{name} must be a {'whole' if parameter.kind == 'int' else 'finite'} number, not {text!r}")
    return int(value) if parameter.kind == "int" else value
