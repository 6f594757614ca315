"""The options of `train` and `tune`, and the spec that they ask for; `command_line` writes them back."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.cli.cloud_options import add_connection_options, add_managed_options, add_resource_options
from core.cli.debugger_options import add_debugger_options, debugger_config
from core.cli.spec_options import add_options, given, split_pair
from core.engine_names import ENGINES, LOCAL
from core.errors import UsageError
from core.jobs.job_names import slug, unique_name
from core.jobs.ranges import parse_range
from core.jobs.specs import MetricDefinition, Objective, Spec, TrainingSpec, TuningSpec, is_job_name
from core.translation import tr
from core.tuning.presets import DEFAULT_HYPERPARAMETERS, DEFAULT_METRICS, Preset, preset_by_slug
from training_scripts.backbones import BACKBONES, DEFAULT_BACKBONE, FRAMES, FRAMINGS
from training_scripts.heads import HEADS

_NAMED = ("backbone", "weights", "preprocessing", "frame", "channels", "mode", "head")
"""Hyperparameters that have an option of their own, besides the seed."""

MODES = ("head", "fine_tune")

DEFAULTS = Preset("Defaults", "defaults", "", (), DEFAULT_HYPERPARAMETERS)
"""What `train` starts from."""

NOTHING = Preset("Nothing", "nothing", "", (), {})
"""What --no-defaults starts from: the training script has its own defaults."""


def add_launch_options(parser: argparse.ArgumentParser, tuning: bool) -> None:
    """Add the options of `tune` or `train`."""
    parser.add_argument(
        "--despite-errors", action="store_true", help=tr("start although the scan found errors in the dataset")
    )
    parser.add_argument("--name", help=tr("what to call the job (default: made from the folder and the time)"))
    parser.add_argument("--engine", choices=list(ENGINES), default=LOCAL, help=tr("who runs it (default %(default)s)"))
    parser.add_argument(
        "--backbone",
        help=tr("the pretrained network (default {default_backbone}): {backbones}").format(
            default_backbone=DEFAULT_BACKBONE, backbones=", ".join(BACKBONES)
        ),
    )
    parser.add_argument("--weights", help=tr("`default`, `none` (untrained), or a file of weights"))
    parser.add_argument(
        "--preprocessing",
        choices=FRAMINGS,
        help=tr("how a picture becomes a square: crop its middle (default), squash the whole, or pad the whole"),
    )
    parser.add_argument(
        "--frame",
        choices=FRAMES,
        help=tr(
            "which frame of an animation, or page of a TIFF, is looked at (default first); all of them: --frames all"
        ),
    )
    parser.add_argument(
        "--channels",
        metavar="R,G,B",
        help=tr("which three channels are red, green and blue, as in 4,3,2 (default rgb)"),
    )
    parser.add_argument("--mode", choices=MODES, help=tr("train the head only, or the network too"))
    parser.add_argument("--head", choices=tuple(HEADS), help=tr("what is put on top"))
    parser.add_argument(
        "--static",
        action="append",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help=tr("a fixed hyperparameter of training_scripts/train.py, for instance num_epochs=10"),
    )
    parser.add_argument(
        "--no-defaults",
        action="store_true",
        help=tr("fix no hyperparameter but those given: the script has its defaults"),
    )
    parser.add_argument("--objective", metavar="NAME", help=tr('the metric to judge by (default "Average loss")'))
    parser.add_argument("--goal", choices=["minimize", "maximize"], help=tr("which way is better"))
    parser.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="NAME=REGEX",
        help=tr("one more metric definition; its first group is the value"),
    )
    parser.add_argument(
        "--metric-goal", action="append", default=[], metavar="NAME=GOAL", help=tr("of a metric: minimize or maximize")
    )
    parser.add_argument(
        "--metric-axis", action="append", default=[], metavar="NAME=AXIS", help=tr("of a metric: by epoch or by step")
    )
    parser.add_argument("--only-these-metrics", action="store_true", help=tr("define no metric but those given"))
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=tr("seed of search and training (default 0)"))
    add_options(parser, TrainingSpec)
    parser.add_argument("--detach", action="store_true", help=tr("return at once; the job continues"))
    if tuning:
        _add_search_options(parser)
    add_debugger_options(parser)
    add_connection_options(parser)
    add_resource_options(parser)
    if not tuning:
        add_managed_options(parser)


def _add_search_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Search")
    group.add_argument("--preset", default="quick-look", help=tr("quick-look, thorough or resnet-18-notebook"))
    group.add_argument(
        "--range",
        action="append",
        nargs="+",
        default=[],
        metavar="NAME=TYPE:…",
        help=tr(
            "learning_rate=continuous:1e-4:5e-2:log, batch_size=integer:32:128, "
            "optimizer=categorical:adam,sgd; given once or more, they take the place of the preset's"
        ),
    )
    add_options(group, TuningSpec)


def tuning_spec(options: argparse.Namespace) -> TuningSpec:
    """Return the spec that the options of `tune` ask for."""
    fixed = _fixed(options)
    preset = NOTHING if options.no_defaults else preset_by_slug(options.preset).fitting(fixed)
    if options.range and preset.at_once:  # what it fixes is of its own ranges
        preset = dataclasses.replace(preset, hyperparameters=DEFAULT_HYPERPARAMETERS, objective=DEFAULTS.objective)
    # What is searched is not fixed as well, unless someone fixed it on purpose: then it is not searched.
    ranges = tuple(parse_range(text) for text in _flatten(options.range)) or tuple(
        item for item in preset.ranges if item.name not in fixed
    )
    searched = {item.name for item in ranges} - set(fixed)
    if preset is not NOTHING:
        preset = dataclasses.replace(preset, hyperparameters={**DEFAULT_HYPERPARAMETERS, **preset.hyperparameters})
    fields: dict[str, Any] = {
        "strategy": preset.strategy,
        "max_jobs": preset.max_jobs,
        "max_parallel_jobs": preset.max_parallel_jobs,
        "early_stopping": preset.early_stopping,
    } | given(options, TuningSpec)
    return TuningSpec(_training(options, preset, searched), ranges, seed=options.seed, **fields)


def training_spec(options: argparse.Namespace) -> TrainingSpec:
    """Return the spec that the options of `train` ask for."""
    return _training(options, NOTHING if options.no_defaults else DEFAULTS, set())


def _goal(options: argparse.Namespace, definition: MetricDefinition | None) -> bool:
    """Return whether the objective is to be maximized: as its definition says, where `--goal` does not."""
    if options.goal:
        return bool(options.goal == "maximize")
    if definition is not None and definition.maximize is None:
        raise UsageError(
            tr("Say which way {objective} is better: --goal minimize or --goal maximize.").format(
                objective=options.objective
            )
        )
    return definition is not None and bool(definition.maximize)


def _training(options: argparse.Namespace, preset: Preset, searched: set[str]) -> TrainingSpec:
    hyperparameters = dict(preset.hyperparameters)
    if not options.no_defaults:
        hyperparameters["seed"] = str(options.seed)
    hyperparameters |= _fixed(options)
    hyperparameters = {name: value for name, value in hyperparameters.items() if name not in searched}
    metrics = {metric.name: metric for metric in (() if options.only_these_metrics else preset.metrics)}
    for text in options.metric:
        name, regex = split_pair(text, "--metric NAME=REGEX")
        metrics[name] = MetricDefinition(name, regex)
    for option, texts, field, words in (
        ("--metric-goal", options.metric_goal, "maximize", {"minimize": False, "maximize": True}),
        ("--metric-axis", options.metric_axis, "per_step", {"epoch": False, "step": True}),
    ):
        for text in texts:
            name, word = split_pair(text, f"{option} NAME={'|'.join(words)}")
            if name not in metrics or word not in words:
                raise UsageError(
                    tr("{option} {text} cannot be read.").format(option=option, text=text),
                    fix=tr("Name a metric and {words}.").format(words=" or ".join(words)),
                )
            changed: dict[str, Any] = {field: words[word]}
            metrics[name] = dataclasses.replace(metrics[name], **changed)
    objective = preset.objective
    if options.objective:
        objective = Objective(options.objective, _goal(options, metrics.get(options.objective)))
    if options.goal:
        objective = dataclasses.replace(objective, maximize=options.goal == "maximize")
    return TrainingSpec(
        name=_name(options.name or "")
        or unique_name(options.dataset.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]),
        channels={},
        hyperparameters=hyperparameters,
        metrics=tuple(metrics.values()),
        objective=objective,
        debugger=debugger_config(options, hyperparameters),
        **given(options, TrainingSpec),
    )


def _name(title: str) -> str:
    """Return what a job is to be called: as a person calls it, where SageMaker takes that, else a name made of it."""
    return title if is_job_name(title) else slug(title)


def has_defaults(spec: Spec) -> bool:
    """Whether a spec says of all hyperparameters that `train` and `tune` fix by themselves what they are."""
    names = spec.training.hyperparameters.keys() | {item.name for item in spec.ranges}
    return names >= {*DEFAULT_HYPERPARAMETERS, "seed"}


def has_default_metrics(spec: Spec) -> bool:
    """Whether a spec begins with the metrics that `train` and `tune` define by themselves."""
    usual = [metric.name for metric in DEFAULT_METRICS]
    return usual == [metric.name for metric in spec.training.metrics[: len(usual)]]


def _fixed(options: argparse.Namespace) -> dict[str, str]:
    """Return the hyperparameters that the command line fixes."""
    named = {key: getattr(options, key) for key in _NAMED}
    fixed = {key: value for key, value in named.items() if value is not None}
    fixed |= dict(split_pair(text, "--static NAME=VALUE") for text in _flatten(options.static))
    if (weights := Path(os.path.expanduser(fixed.get("weights", "")))).is_file():  # a user who is not there stays ~name
        fixed["weights"] = str(weights.resolve())  # a job runs in a folder of its own
    return fixed


def _flatten(lists: Iterable[list[str]]) -> list[str]:
    return [text for texts in lists for text in texts]
