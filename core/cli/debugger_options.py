"""What watches a job, as options of `train` and `tune`: the rules with parameters and actions, and what is saved."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from core.cli.spec_options import add_options, given, join_pair, option_words, split_pair, words
from core.debugger.job_rules import ALIASES, default_rules
from core.errors import UsageError
from core.jobs.specs import DebuggerConfig
from core.translation import tr


def add_debugger_options(parser: argparse.ArgumentParser) -> None:
    """Let the command choose what the window's Debugger tab lets choose."""
    group = parser.add_argument_group("Debugger")
    group.add_argument("--no-debugger", action="store_true", help=tr("train without hook, rules and profiler"))
    group.add_argument("--no-rules", action="store_true", help=tr("train without hook and rules"))
    group.add_argument("--no-profiler", action="store_true", help=tr("train without the profiler"))
    group.add_argument(
        "--rule",
        action="append",
        nargs="+",
        default=[],
        metavar=("NAME", "KEY=VALUE"),
        help=tr(
            "run this rule, with these parameters, beside the usual ones; action=none, notify or "
            "stop says what happens when it finds an issue, for instance --rule Overfit patience=5 "
            "action=stop"
        ),
    )
    group.add_argument("--only-these-rules", action="store_true", help=tr("leave the usual rules out"))
    group.add_argument(
        "--exact-rules", action="store_true", help=tr("with --rule: without the parameters that the usual rule has")
    )
    group.add_argument(
        "--action",
        action="append",
        default=[],
        metavar="RULE=ACTION",
        help=tr("what happens when a rule finds an issue: none, notify or stop"),
    )
    group.add_argument(
        "--save-interval",
        action="append",
        default=[],
        metavar="STEPS",
        help=tr(
            "save tensors every so many steps (otherwise as often as costs next to nothing); "
            "COLLECTION=STEPS for one of losses, gradients, weights, biases, activations, inputs, "
            "predictions"
        ),
    )
    add_options(group, DebuggerConfig)


def debugger_config(options: argparse.Namespace, hyperparameters: Mapping[str, str]) -> DebuggerConfig:
    """Return the rules and savings that the options ask for; a usual rule keeps those parameters that are not given.

    Raises:
        UsageError: an option cannot be read; what makes no sense is refused when the job is started.
    """
    usual = {} if options.exact_rules else default_rules(hyperparameters)
    rules: dict[str, dict[str, str]] = {}
    actions = {
        ALIASES.get(name, name): action
        for name, action in (split_pair(text, "--action RULE=ACTION") for text in options.action)
    }
    for name, *pairs in options.rule:
        name = ALIASES.get(name, name)
        values = dict(split_pair(text, f"--rule {name} KEY=VALUE") for text in pairs)
        if "action" in values:
            actions[name] = values.pop("action")
        if values or options.only_these_rules or name not in usual:
            rules[name] = usual.get(name, {}) | values
    interval, intervals = None, {}
    for text in options.save_interval:
        if "=" in text:
            collection, steps = split_pair(text, "--save-interval COLLECTION=STEPS")
            intervals[collection] = _steps(steps)
        else:
            interval = _steps(text)
    return DebuggerConfig(
        **given(options, DebuggerConfig),
        enabled=not (options.no_debugger or options.no_rules),
        default_rules=not options.only_these_rules,
        rules=rules,
        actions=actions,
        save_interval=interval,
        save_intervals=intervals,
        profiler=not (options.no_debugger or options.no_profiler),
    )


def debugger_words(config: DebuggerConfig, hyperparameters: Mapping[str, str]) -> list[str]:
    """Return the options that ask for the same."""
    found = words(config)
    if not config.enabled:
        found.append("--no-rules" if config.profiler else "--no-debugger")
    elif not config.profiler:
        found.append("--no-profiler")
    if not config.default_rules:
        found.append("--only-these-rules")
    if any(_would_grow(default_rules(hyperparameters).get(name), rule) for name, rule in config.rules.items()):
        found.append("--exact-rules")
    for name, parameters in config.rules.items():
        action = config.actions.get(name)
        pairs = {**parameters, **({} if action is None else {"action": action})}
        found += ["--rule", name, *(join_pair(*pair) for pair in pairs.items())]
    for name, action in config.actions.items():
        found += [] if name in config.rules else ["--action", join_pair(name, action)]
    found += [] if config.save_interval is None else option_words("--save-interval", str(config.save_interval))
    for collection, steps in config.save_intervals.items():
        found += ["--save-interval", f"{collection}={steps}"]
    return found


def _would_grow(usual: Mapping[str, str] | None, parameters: Mapping[str, str]) -> bool:
    """Whether a rule would not be kept as it is beside the usual one of its name."""
    return usual is not None and (not parameters or not usual.keys() <= parameters.keys())


def _steps(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(
            tr("{text!r} is not a number of steps.").format(text=text), fix=tr("Give a whole number from 1 on.")
        ) from None
