"""A spec as the `sagehound` command that asks for the same."""

from __future__ import annotations

import shlex

from core.jobs.specs import Spec, TuningSpec
from core.tuning.ranges import format_range

_OWN_OPTIONS = ("backbone", "weights", "mode", "head", "seed")


def command_line(spec: Spec) -> str:
    """One line for a POSIX shell; what equals the command's own defaults is written all the same."""
    training = spec.training if isinstance(spec, TuningSpec) else spec
    words = ["sagehound", "tune" if isinstance(spec, TuningSpec) else "train", training.dataset_path or "DATASET"]
    fixed = dict(training.hyperparameters)
    for name in _OWN_OPTIONS:
        if name in fixed:
            words += [f"--{name}", fixed.pop(name)]
    if fixed:
        words += ["--static", *(f"{name}={value}" for name, value in sorted(fixed.items()))]
    if isinstance(spec, TuningSpec):
        words += ["--range", *(format_range(item) for item in spec.ranges)]
        words += ["--strategy", str(spec.strategy), "--max-jobs", str(spec.max_jobs)]
        words += ["--max-parallel-jobs", str(spec.max_parallel_jobs)]
        words += ["--early-stopping"] if spec.early_stopping else []
        if "seed" not in training.hyperparameters:
            words += ["--seed", str(spec.seed)]
        for earlier in spec.warm_start:
            words += ["--warm-start", earlier]
    words += ["--objective", training.objective.metric]
    words += ["--goal", "maximize" if training.objective.maximize else "minimize"]
    return shlex.join(words)
