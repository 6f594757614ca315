"""The hyperparameters of a job, checked against what its training script takes before anything starts."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from core.errors import SpecError
from core.jobs.contract import hyperparameter_arguments
from core.jobs.ranges import CategoricalRange, Range
from core.jobs.specs import Spec
from core.translation import tr
from training_scripts.arguments import DIRECT, get_args_parser, parse_args, unknown_name
from training_scripts.job import JobError


@lru_cache(maxsize=1)
def defaults() -> Mapping[str, Any]:
    """Return the hyperparameters of training_scripts/train.py with their defaults, as one would write them."""
    parser = _parser()
    return {name: parser.get_default(name) for name in vars(parser.parse_args([]))}


def declared_names(script: str) -> frozenset[str]:
    """Return the hyperparameters that a user's own script declares, read off its `add_argument("--name")` calls.

    Empty where it declares them in another way, or cannot be read as Python: then no name can be said to be wrong.
    """
    try:
        tree = ast.parse(script)
    except (SyntaxError, ValueError):
        return frozenset()
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    flags = [
        argument.value
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
    return frozenset(flag.lstrip("-") for flag in flags if flag.startswith("-"))


def check_hyperparameters(spec: Spec, script: str | None = None) -> None:
    """Refuse what the training script would refuse or overlook; `SpecError.field` is the hyperparameter at fault.

    Args:
        spec: the job that is about to start.
        script: the source of the user's own training script; None for training_scripts/train.py.

    Raises:
        SpecError: a name is unknown (the nearest is named), a value is wrong, or two do not fit together.
    """
    fixed = spec.training.hyperparameters
    searched = {item.name for item in spec.ranges}
    known = defaults().keys() if script is None else declared_names(script)
    for name in [*fixed, *searched]:
        if known and name not in known:
            raise SpecError(unknown_name(name, known), field=name)
    if script is not None:
        return
    unfolded = "folds" not in searched and fixed.get("folds", "0") in ("", "0")
    if unfolded and spec.training.objective.metric.startswith("cv:"):
        raise SpecError(
            tr("There is no {metric}: nothing is cross-validated.").format(metric=spec.training.objective.metric),
            fix=tr("Set optimizer {direct} and folds 5, or judge by another metric.").format(direct=DIRECT),
            field="objective",
        )
    values = [*fixed.items(), *((item.name, value) for item in spec.ranges for value in extremes(item))]
    for name, value in values:
        if (problem := check_value(name, value)) is not None:
            raise problem
    if not searched & {"mode", "features", "augmentation", "head", "batch_size"}:
        try:
            parse_args(hyperparameter_arguments(fixed))
        except JobError as error:
            raise SpecError(str(error), field="mode") from None


def check_name(name: str) -> SpecError | None:
    """Return what is wrong with the name of a hyperparameter of training_scripts/train.py; None if it has it."""
    return None if name in defaults() else SpecError(unknown_name(name, defaults()), field=name)


def check_value(name: str, value: str) -> SpecError | None:
    """Return what training_scripts/train.py would say to a value; None if it takes it, or does not know the name."""
    if name not in defaults():
        return None
    try:
        _parser().parse_known_args([f"--{name}", value])
    except JobError as error:
        return SpecError(str(error), fix=tr("Change it: the training script would refuse it."), field=name)
    return None


def extremes(item: Range) -> Iterator[str]:
    """Yield the values of a range that say whether all of them are taken."""
    if isinstance(item, CategoricalRange):
        yield from item.values
    else:
        yield from (str(item.low), str(item.high))


@lru_cache(maxsize=1)
def _parser() -> argparse.ArgumentParser:
    return get_args_parser()  # made once: every change of the window's form checks every value with it
