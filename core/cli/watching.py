"""What watches a job, as options of `train` and `tune`: the rules with parameters and actions, and what is saved."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from core.errors import UsageError
from core.jobs.specs import DebuggerConfig


def add_debugger_options(parser: argparse.ArgumentParser) -> None:
    """Let the command choose what the window's Debugger tab lets choose."""
    group = parser.add_argument_group("Debugger")
    group.add_argument("--no-debugger", action="store_true", help="train without hook, rules and profiler")
    group.add_argument(
        "--rule",
        action="append",
        nargs="+",
        default=[],
        metavar=("NAME", "KEY=VALUE"),
        help="run this rule, with these parameters, beside the usual ones; action=none, notify or stop says what "
        "happens when it finds an issue, for instance --rule Overfit patience=5 action=stop",
    )
    group.add_argument("--only-these-rules", action="store_true", help="with --rule: without the usual ones")
    group.add_argument(
        "--save-interval",
        action="append",
        default=[],
        metavar="STEPS",
        help="save tensors every so many steps (otherwise as often as costs next to nothing); "
        "COLLECTION=STEPS for one of losses, gradients, weights, biases, activations, inputs, predictions",
    )
    group.add_argument("--tensor-budget", type=int, default=64, metavar="MB", help="save at most so much (default 64)")


def debugger_config(options: argparse.Namespace, hyperparameters: Mapping[str, str]) -> DebuggerConfig:
    """The rules and savings that the options ask for; a usual rule keeps those parameters that are not given.

    Raises:
        UsageError: an option cannot be read; what makes no sense is refused when the job is started.
    """
    from core.debugger.defaults import ALIASES, default_rules

    usual = default_rules(hyperparameters)
    rules: dict[str, dict[str, str]] = {}
    actions: dict[str, str] = {}
    for name, *pairs in options.rule:
        name = ALIASES.get(name, name)
        values = dict(_pair(text, f"--rule {name} KEY=VALUE") for text in pairs)
        if "action" in values:
            actions[name] = values.pop("action")
        if values or options.only_these_rules or name not in usual:
            rules[name] = usual.get(name, {}) | values
    interval, intervals = None, {}
    for text in options.save_interval:
        if "=" in text:
            collection, steps = _pair(text, "--save-interval COLLECTION=STEPS")
            intervals[collection] = _steps(steps)
        else:
            interval = _steps(text)
    return DebuggerConfig(
        enabled=not options.no_debugger,
        default_rules=not (options.only_these_rules and rules),
        rules=rules,
        actions=actions,
        save_interval=interval,
        save_intervals=intervals,
        tensor_budget_mb=options.tensor_budget,
        profiler=not options.no_debugger,
    )


def _pair(text: str, usage: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"{text!r} cannot be read.", fix=f"Write {usage}.")
    return key, value


def _steps(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{text!r} is no number of steps.", fix="Give a whole number from 1 on.") from None
