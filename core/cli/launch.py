"""`sagehound tune` and `sagehound train`: build a spec, start it, watch it to its end."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from core.cli.aws_debugger import launched, managed_from, say_open_rules
from core.cli.cloud_facts import bill_text
from core.cli.console import Console
from core.cli.data import open_for_job
from core.cli.describe import job_json
from core.cli.launch_options import training_spec, tuning_spec
from core.cli.wait import wait_for
from core.engine_names import LOCAL
from core.jobs.hyperparameters import check_hyperparameters
from core.jobs.specs import Spec
from core.jobs.waiting import waits_for_features
from core.paths import AppPaths
from core.progress import CancelToken
from core.translation import tr
from core.workbench import Workbench

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest


def tune(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Run a tuning job to its end, or leave it running with --detach."""
    return _launch(options, paths, console, tuning_spec)


def train(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Run one training job to its end, or leave it running with --detach."""
    return _launch(options, paths, console, training_spec)


def ensemble(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Train the mean of a search's best trials to its end, or leave it running with --detach."""
    workbench = Workbench(paths)
    try:
        name = workbench.jobs.ensemble(options.job, options.count, console.progress, CancelToken())
        return _wait_or_not(workbench, name, console, options.detach)
    finally:
        workbench.close()


def _launch(options: argparse.Namespace, paths: AppPaths, console: Console, build: Any) -> int:
    workbench = Workbench(paths)
    try:
        spec: Spec = build(options)  # wrong use is said before the folder is read
        check_hyperparameters(spec)
        managed_from(options)
        if options.engine != LOCAL:
            return _launch_in_cloud(workbench, spec, options, console)
        manifest = open_for_job(workbench, options, console)
        say_warnings(workbench, spec, manifest, console)
        return start_and_wait(workbench, spec, manifest, console, detach=options.detach, title=options.name)
    finally:
        workbench.close()


def _launch_in_cloud(workbench: Workbench, spec: Spec, options: argparse.Namespace, console: Console) -> int:
    """Return the same on SageMaker: what it costs is said first, and afterwards what AWS made of it."""
    from core.cli import cloud

    spec = cloud.with_resources(spec, options)
    workbench.provider.check(spec)
    engine = cloud.use_cloud(workbench, options)
    manifest = open_for_job(workbench, options, console)
    say_warnings(workbench, spec, manifest, console)
    cloud.show_cost(engine, workbench, spec, manifest, options, console)
    status = launched(
        lambda spec: start_and_wait(workbench, spec, manifest, console, detach=options.detach, title=options.name),
        spec,
        options,
        console,
    )
    for sentence in engine.differences(spec.name):
        console.note(sentence)
    if not options.detach:
        console.note(bill_text(engine, spec.name))
        say_open_rules(engine, spec, console)
    return status


def say_warnings(workbench: Workbench, spec: Spec, manifest: Manifest, console: Console) -> None:
    """Say what is worth knowing before a job starts, as the window's Tuning tab does."""
    for warning in workbench.jobs.forecast(spec, manifest).warnings:
        console.note(f"WARNING  {warning.text}")


def start_and_wait(
    workbench: Workbench,
    spec: Spec,
    manifest: Manifest,
    console: Console,
    *,
    detach: bool = False,
    title: str | None = None,
) -> int:
    """Launch a job, called `title` where it cannot be named so; wait for its end unless `detach`.

    Returns the exit status.
    """
    name = workbench.jobs.launch(spec, manifest, console.progress, CancelToken(), title or "")
    return _wait_or_not(workbench, name, console, detach)


def _wait_or_not(workbench: Workbench, name: str, console: Console, detach: bool) -> int:
    console.note(tr("{name} has started.").format(name=name))
    if detach:
        if waits := waits_for_features([workbench.engine.job(name)]):
            console.note(waits)
        console.result(job_json(workbench.engine.job(name)), name)
        return 0
    return wait_for(workbench, name, console)
