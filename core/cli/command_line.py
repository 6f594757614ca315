"""A spec as the `sagehound` command that asks for the same: the inverse of `launch_options`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from core.cli.aws_debugger import managed_words
from core.cli.debugger_options import debugger_words
from core.cli.launch_options import MODES, has_default_metrics, has_defaults
from core.cli.spec_options import join_pair, option_words, words
from core.errors import UserFacingError
from core.formats.joined import folders_of
from core.jobs.ranges import format_range
from core.jobs.specs import ATTACHED, CloudResources, MetricDefinition, Spec, TrainingSpec, TuningSpec
from core.translation import tr
from core.tuning.presets import DEFAULT_METRICS
from training_scripts.backbones import FRAMES, FRAMINGS
from training_scripts.heads import HEADS

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest

_CHOICES = {
    "backbone": None,
    "weights": None,
    "preprocessing": FRAMINGS,
    "frame": FRAMES,
    "channels": None,
    "mode": MODES,
    "head": tuple(HEADS),
}
_NOTEBOOKS = ("ipykernel", "jupyter", "colab_kernel")
"""What the command of a notebook's kernel has in it."""
_USUAL_SPLIT = (0.7, 0.15, 0.15)


def command_line(spec: Spec, manifest: Manifest | None = None, named: bool = False, cloud: str = "sagemaker") -> str:
    """Return one line for a POSIX shell that asks for the same spec.

    Raises:
        UserFacingError: no command starts it: it was watched from within a notebook.

    Args:
        spec: a job's spec.
        manifest: the dataset version it learns from, for the options of its split; the usual ones when None.
        named: with the job's name; without it the same command can be given again.
        cloud: who runs it, where its spec has resources of a cloud.
    """
    training = spec.training
    if training.command:
        return _watched(training)
    found = ["sagehound", "tune" if isinstance(spec, TuningSpec) else "train", *_dataset(training.dataset_path)]
    found += ["--name", spec.name] if named else []
    found += _hyperparameters(spec)
    if isinstance(spec, TuningSpec):
        found += ["--range", *(format_range(item) for item in spec.ranges)]
        found += words(spec, always=("strategy", "max_jobs", "max_parallel_jobs"))
    found += _metrics(spec)
    found += option_words("--objective", training.objective.metric)
    found += ["--goal", "maximize" if training.objective.maximize else "minimize"]
    # In the cloud another longest run is usual than here.
    found += words(training, always=() if training.cloud is None else ("max_runtime_s",))
    found += debugger_words(training.debugger, training.hyperparameters)
    if training.cloud is not None:
        found += ["--engine", cloud, *_resources(training.cloud)]
    return shlex.join([*found, *_split(manifest)])


def _watched(spec: TrainingSpec) -> str:
    """Return the command that watches the same script again, in the folder that it ran in."""
    ending = [
        word for rule, action in spec.debugger.actions.items() if action == "stop" for word in ("--stop-on", rule)
    ]
    if ATTACHED not in spec.hyperparameters:
        command = shlex.join(["sagehound", "watch", *ending, "--", *spec.command])
    elif any(sign in word for word in spec.command for sign in _NOTEBOOKS):
        raise UserFacingError(
            tr("No command starts this training again."),
            tr("It was watched from within a notebook."),
            tr("Run the notebook's cells again, with sagehound.watch(model, loss_fn, optimizer) before the loop."),
        )
    else:  # the script asks for it by itself
        command = shlex.join(spec.command)
    folder = spec.hyperparameters.get("folder", "")
    return f"{shlex.join(['cd', folder])} && {command}" if folder else command


def _dataset(path: str) -> list[str]:
    """Return the words that name a dataset: of several folders, each of them."""
    folders = folders_of(Path(path)) if path else ()
    first, *others = [str(one.folder / one.labels) for one in folders] or [path]
    first = f"./{first}" if first.startswith("-") else first or "DATASET"
    return [first, "--also", *others] if others else [first]


def _hyperparameters(spec: Spec) -> list[str]:
    fixed, defaults = dict(spec.training.hyperparameters), has_defaults(spec)
    found = [] if defaults else ["--no-defaults"]
    for name, choices in _CHOICES.items():
        if name in fixed and (choices is None or fixed[name] in choices):
            found += option_words(f"--{name}", fixed.pop(name))
    seed = str(spec.seed) if isinstance(spec, TuningSpec) else fixed.get("seed", "0")
    if seed.isdecimal() and str(int(seed)) == seed:
        found += ["--seed", seed]
        if defaults and fixed.get("seed") == seed:
            del fixed["seed"]
    if fixed:
        found += ["--static", *(join_pair(name, value) for name, value in sorted(fixed.items()))]
    return found


def _metrics(spec: Spec) -> list[str]:
    defaults = has_default_metrics(spec)
    found = [] if defaults else ["--only-these-metrics"]
    for metric in spec.training.metrics:
        if not defaults or metric not in DEFAULT_METRICS:
            usual = MetricDefinition(metric.name, metric.regex)
            found += option_words("--metric", join_pair(metric.name, metric.regex))
            if metric.maximize != usual.maximize:
                goal = "maximize" if metric.maximize else "minimize"
                found += option_words("--metric-goal", join_pair(metric.name, goal))
            if metric.per_step != usual.per_step:
                axis = "step" if metric.per_step else "epoch"
                found += option_words("--metric-axis", join_pair(metric.name, axis))
    return found


def _resources(cloud: CloudResources) -> list[str]:
    always = ("instance_type", "instance_count")
    managed = [] if cloud.managed is None else managed_words(cloud.managed)
    return [*words(cloud, always), *managed]


def _split(manifest: Manifest | None) -> list[str]:
    """Return the options that split a folder as this dataset version was split."""
    if manifest is None:
        return []
    found = []
    if any(abs(share - usual) > 1e-9 for share, usual in zip(manifest.fractions, _USUAL_SPLIT, strict=True)):
        found += ["--split", ",".join(map(repr, manifest.fractions))]
    found += ["--split-seed", str(manifest.seed)] if manifest.seed else []
    return found + words(manifest.options)
