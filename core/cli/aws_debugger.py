"""`--aws-debugger`: AWS's managed Debugger on a training job, and what becomes of a job that AWS refuses it to."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from core.cli.console import Console
from core.cli.spec_options import given, option_words, words
from core.cloud.interface import Cloud
from core.cloud.managed import ManagedRefused
from core.errors import UsageError
from core.jobs.managed_rules import format_rule, parse_rules, without_managed
from core.jobs.specs import ManagedDebugger, Spec, TrainingSpec
from core.translation import tr


def managed_from(options: argparse.Namespace) -> ManagedDebugger | None:
    """Return what the options ask for; None: nothing.

    Raises:
        UsageError: an option needs another one.
        SpecError: there is no such rule.
    """
    if not hasattr(options, "aws_debugger"):
        return None
    fields = given(options, ManagedDebugger)
    if not options.aws_debugger:
        if fields or options.aws_rule or options.no_aws_rules or options.without_if_refused:
            raise UsageError(tr("The options of AWS's rules need --aws-debugger."))
        return None
    if options.engine != "sagemaker":
        raise UsageError(tr("AWS's Debugger runs on AWS only."), fix=tr("Add --engine sagemaker, or leave it out."))
    if options.aws_rule or options.no_aws_rules:
        fields["rules"] = parse_rules(options.aws_rule)
    return ManagedDebugger(**fields)


def managed_words(managed: ManagedDebugger) -> list[str]:
    """Return the options that ask for the same."""
    found = ["--aws-debugger", *words(managed)]
    if not managed.rules:
        found.append("--no-aws-rules")
    elif managed.rules != ManagedDebugger().rules:
        for rule, parameters in managed.rules.items():
            found += option_words("--aws-rule", format_rule(rule, parameters))
    return found


def launched(start: Callable[[Spec], int], spec: Spec, options: argparse.Namespace, console: Console) -> int:
    """Start a job; where AWS refuses its Debugger, without it if --without-if-refused allows that.

    Raises:
        ManagedRefused: it does not.
    """
    try:
        return start(spec)
    except ManagedRefused as error:
        if not options.without_if_refused:
            fix = tr("Start it without --aws-debugger; --without-if-refused does that by itself.")
            raise ManagedRefused(error.what, error.why, fix) from error
        console.note(tr("{why} {name} is started without it.").format(why=error.why, name=spec.name))
        return start(without_managed(spec))


def say_open_rules(cloud: Cloud, spec: Spec, console: Console) -> None:
    """Say where AWS's rules are to be read, which may be evaluated after the job."""
    if isinstance(spec, TrainingSpec) and cloud.evaluates_rules(spec.name):
        console.note(
            tr("AWS still evaluates its rules: `sagehound rules {name}` says what they found.").format(name=spec.name)
        )
