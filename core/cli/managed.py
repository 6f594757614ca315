"""`--aws-debugger`: AWS's managed Debugger on a training job, and what becomes of a job that AWS refuses it to."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable

from core.cli.console import Console
from core.engines.sagemaker.connection.eligibility import ManagedRefused
from core.engines.sagemaker.jobs.managed import parse_rules, without_managed
from core.engines.sagemaker.tracking.evaluations import evaluating
from core.errors import UsageError
from core.jobs.specs import ManagedDebugger, Spec, TrainingSpec
from core.store import Store


def managed_from(options: argparse.Namespace) -> ManagedDebugger | None:
    """What the options ask for; None: nothing.

    Raises:
        UsageError: an option needs another one.
        SpecError: there is no such rule.
    """
    rules = getattr(options, "aws_rule", [])
    if not getattr(options, "aws_debugger", False):
        if rules or getattr(options, "no_aws_report", False) or getattr(options, "without_if_refused", False):
            raise UsageError("The options of AWS's rules need --aws-debugger.")
        return None
    if options.engine != "sagemaker":
        raise UsageError("AWS's Debugger runs on AWS only.", fix="Add --engine sagemaker, or leave it out.")
    managed = ManagedDebugger(report=not options.no_aws_report)
    return dataclasses.replace(managed, rules=parse_rules(rules)) if rules else managed


def launched(start: Callable[[Spec], int], spec: Spec, options: argparse.Namespace, console: Console) -> int:
    """Start a job; where AWS refuses its Debugger, without it if --without-if-refused allows that.

    Raises:
        ManagedRefused: it does not.
    """
    try:
        return start(spec)
    except ManagedRefused as error:
        if not options.without_if_refused:
            fix = "Start it without --aws-debugger; --without-if-refused does that by itself."
            raise ManagedRefused(error.what, error.why, fix) from error
        console.note(f"{error.why} {spec.name} is started without it.")
        return start(without_managed(spec))


def say_open_rules(store: Store, spec: Spec, console: Console) -> None:
    """AWS's rules may go on after the job: say where they are to be read."""
    if isinstance(spec, TrainingSpec) and evaluating(store, spec.name):
        console.note(f"AWS still evaluates its rules: `sagehound rules {spec.name}` tells what they found.")
