"""`sagehound tune` and `sagehound train`: build a spec, start it, watch it to its end."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from core.cli.cloud_facts import bill_text
from core.cli.console import Console
from core.cli.data import open_for_job
from core.cli.describe import job_json
from core.cli.follow import wait_for
from core.cli.managed import launched, managed_from, say_open_rules
from core.cli.watching import debugger_config
from core.errors import UsageError
from core.jobs.hyperparameters import check_hyperparameters
from core.jobs.names import unique_name
from core.jobs.specs import MetricDefinition, Objective, Spec, Strategy, TrainingSpec, TuningSpec
from core.paths import AppPaths
from core.progress import CancelToken
from core.tuning.presets import DEFAULT_HYPERPARAMETERS, DEFAULT_METRICS, Preset, preset_by_slug
from core.tuning.ranges import parse_range
from core.workbench import Workbench

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest


def tune(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Run a tuning job to its end, or leave it running with --detach."""
    return _launch(options, paths, console, tuning_spec)


def train(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Run one training job to its end, or leave it running with --detach."""
    return _launch(options, paths, console, training_spec)


def _launch(options: argparse.Namespace, paths: AppPaths, console: Console, build: Any) -> int:
    workbench = Workbench(paths)
    try:
        spec: Spec = build(options)  # wrong use is said before the folder is read
        check_hyperparameters(spec)
        managed_from(options)
        if options.engine == "sagemaker":
            return _launch_in_cloud(workbench, spec, options, console)
        manifest = open_for_job(workbench, options, console)
        return start_and_wait(workbench, spec, manifest, console, detach=options.detach)
    finally:
        workbench.close()


def _launch_in_cloud(workbench: Workbench, spec: Spec, options: argparse.Namespace, console: Console) -> int:
    """The same on SageMaker: what it costs is said first, and afterwards what AWS made of it."""
    from core.cli import cloud
    from core.engines.sagemaker.jobs.definition import check

    spec = cloud.with_resources(spec, options)
    check(spec)
    engine = cloud.use_sagemaker(workbench, options)
    manifest = open_for_job(workbench, options, console)
    cloud.show_cost(engine, workbench, spec, manifest, options, console)
    engine.cap_usd = options.stop_at_cost
    status = launched(
        lambda spec: start_and_wait(workbench, spec, manifest, console, detach=options.detach), spec, options, console
    )
    for sentence in engine.differences(spec.name):
        console.note(sentence)
    if not options.detach:
        console.note(bill_text(engine, spec.name))
        say_open_rules(workbench.store, spec, console)
    return status


def start_and_wait(
    workbench: Workbench, spec: Spec, manifest: Manifest, console: Console, *, detach: bool = False
) -> int:
    """Launch a job; wait for its end unless `detach`. Returns the exit status."""
    name = workbench.launch(spec, manifest, console.progress, CancelToken())
    console.note(f"{name} has started.")
    if detach:
        console.result(job_json(workbench.engine.job(name)), name)
        return 0
    return wait_for(workbench, name, console)


def tuning_spec(options: argparse.Namespace) -> TuningSpec:
    """The spec that the options of `tune` ask for."""
    preset = preset_by_slug(options.preset)
    training = training_spec(options, preset)
    ranges = tuple(parse_range(text) for text in _flatten(options.range)) or preset.ranges
    # What is searched is not fixed as well, unless someone fixed it on purpose: then it is not searched.
    fixed = _fixed(options)
    if not options.range:
        ranges = tuple(item for item in ranges if item.name not in fixed)
    searched = {item.name for item in ranges} - set(fixed)
    hyperparameters = {key: value for key, value in training.hyperparameters.items() if key not in searched}
    return TuningSpec(
        training=dataclasses.replace(training, hyperparameters=hyperparameters),
        ranges=ranges,
        strategy=_strategy(options.strategy) if options.strategy else preset.strategy,
        max_jobs=options.max_jobs if options.max_jobs is not None else preset.max_jobs,
        max_parallel_jobs=_first(options.max_parallel_jobs, preset.max_parallel_jobs),
        early_stopping=options.early_stopping or preset.early_stopping,
        seed=options.seed,
        warm_start=tuple(options.warm_start),
        target=options.target,
        patience=options.patience,
        max_search_s=options.max_search_time,
        until_converged=options.until_converged,
    )


def training_spec(options: argparse.Namespace, preset: Preset | None = None) -> TrainingSpec:
    """The spec that the options of `train` ask for, over what a preset fixes."""
    hyperparameters = dict(DEFAULT_HYPERPARAMETERS)
    if preset is not None:
        hyperparameters |= preset.hyperparameters
    hyperparameters["seed"] = str(options.seed)
    hyperparameters |= _fixed(options)
    metrics = {metric.name: metric for metric in (preset.metrics if preset is not None else DEFAULT_METRICS)}
    for text in options.metric:
        name, equals, regex = text.partition("=")
        if not equals:
            raise UsageError(f"{text!r} is no metric definition.", fix="Write NAME=REGEX.")
        metrics[name] = MetricDefinition(name, regex)
    objective = preset.objective if preset is not None else Objective()
    if options.objective:
        objective = Objective(options.objective, "accuracy" in options.objective.lower())
    if options.goal:
        objective = dataclasses.replace(objective, maximize=options.goal == "maximize")
    return TrainingSpec(
        name=options.name or unique_name(options.dataset.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]),
        channels={},
        hyperparameters=hyperparameters,
        metrics=tuple(metrics.values()),
        objective=objective,
        debugger=debugger_config(options, hyperparameters),
    )


def _fixed(options: argparse.Namespace) -> dict[str, str]:
    """The hyperparameters that the command line fixes."""
    named = {key: getattr(options, key) for key in ("backbone", "weights", "mode", "head")}
    fixed = {key: value for key, value in named.items() if value is not None}
    for text in _flatten(options.static):
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"{text!r} is no hyperparameter.", fix="Write --static NAME=VALUE.")
        fixed[key] = value
    return fixed


def _strategy(text: str) -> Strategy:
    for strategy in Strategy:
        if strategy.lower() == text.lower():
            return strategy
    raise UsageError(f"{text!r} is no strategy.", fix=f"Choose one of {', '.join(Strategy)}.")


def _flatten(lists: Iterable[list[str]]) -> list[str]:
    return [text for texts in lists for text in texts]


def _first(value: int | None, default: int) -> int:
    return default if value is None else value
