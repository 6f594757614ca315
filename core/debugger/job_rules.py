"""Which rules a job gets: the default set, the choice in its spec, and whether that choice makes sense."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from core.errors import SpecError
from core.jobs.specs import DebuggerConfig
from core.translation import tr
from training_scripts.debugger.defaults import chosen_rules, default_rules
from training_scripts.debugger.job_settings import COLLECTIONS, VARIABLE, Settings
from training_scripts.debugger.rules import ALIASES, OURS, RULES, Parameter, check_parameters, parameters_of
from training_scripts.debugger.runner import ACTIONS

__all__ = [
    "ACTIONS",
    "ALIASES",
    "COLLECTIONS",
    "OURS",
    "Parameter",
    "check",
    "curve_rules",
    "default_rules",
    "job_variables",
    "parameters_of",
    "rule_names",
    "rule_summary",
    "rules_for",
]


CURVE_RULES = ("NotANumber", "LearningRateTooHigh", "LossNotDecreasing", "Overfit", "Overtraining")
"""The rules that need nothing but the means of epochs."""


def curve_rules() -> dict[str, dict[str, str]]:
    """Return the rules for a training of which only curves are known, with their parameters."""
    chosen = default_rules({"mode": "curves"})
    return {name: chosen[name] for name in CURVE_RULES}


def rule_names() -> tuple[str, ...]:
    """Return all rules there are, AWS's first."""
    return tuple(RULES)


def rule_summary(name: str) -> str:
    """Return what a rule looks for: the first sentence of its docstring."""
    first = " ".join((RULES[name].__doc__ or "").split("\n\n")[0].split())
    return first.removesuffix(" Ours.").replace("`", "")


def rules_for(config: DebuggerConfig, hyperparameters: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return name -> parameters of the rules that a job with this config and these hyperparameters runs."""
    return chosen_rules(config.default_rules, config.rules, hyperparameters) if config.enabled else {}


def check(config: DebuggerConfig) -> None:
    """Raise `SpecError` unless every rule, parameter, action and interval can be had; `field` is the one at fault."""
    for name, parameters in config.rules.items():
        if name not in RULES and name not in ALIASES:
            raise SpecError(
                tr("There is no rule {name}.").format(name=name),
                fix=tr("Choose one of {rules}.").format(rules=", ".join(RULES)),
                field=name,
            )
        try:
            check_parameters(name, parameters)
        except ValueError as error:
            raise SpecError(
                tr("The rule {name} cannot run like this.").format(name=name),
                f"{error}.",
                tr("Correct it."),
                field=name,
            ) from None
    for name, action in config.actions.items():
        if action not in ACTIONS:
            known = ", ".join(ACTIONS)
            raise SpecError(
                tr("{action!r} is not an action.").format(action=action),
                tr("Actions are {known}.").format(known=known),
                tr("Choose one."),
                field=name,
            )
    intervals = dict(config.save_intervals)
    if config.save_interval is not None:
        intervals["save_interval"] = config.save_interval
    for name, interval in intervals.items():
        if name not in (*COLLECTIONS, "save_interval"):
            known = ", ".join(COLLECTIONS)
            raise SpecError(
                tr("{name!r} is not a collection.").format(name=name),
                tr("Collections are {known}.").format(known=known),
                tr("Choose one."),
                field=name,
            )
        if interval < 1:
            raise SpecError(
                tr("A save interval is at least 1 step."), fix=tr("Give a whole number from 1 on."), field=name
            )
    if config.tensor_budget_mb <= 0:
        raise SpecError(
            tr("The budget for tensors must be above 0 MB."), fix=tr("Give more."), field="tensor_budget_mb"
        )


def job_settings(config: DebuggerConfig, watch: bool = False) -> Settings:
    """Return what hook and watcher of a job get; `watch`: the job starts its own watcher."""
    return Settings(**{item.name: getattr(config, item.name) for item in dataclasses.fields(config)}, watch=watch)


def job_variables(config: DebuggerConfig, watch: bool = False) -> dict[str, str]:
    """Return the environment variables of a job with this config.

    `watch`: the job evaluates its rules itself, as it must in a container; the local engine's supervisor has one
    watcher for all its trials instead.
    """
    return {VARIABLE: job_settings(config, watch).to_json()}
