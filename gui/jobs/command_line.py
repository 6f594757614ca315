"""A spec as the `sagehound` command that asks for the same."""

from __future__ import annotations

import shlex

from core.jobs.contract import default_metrics
from core.jobs.specs import CloudResources, Spec, TuningSpec
from core.tuning.ranges import format_range

_OWN_OPTIONS = ("backbone", "weights", "preprocessing", "mode", "head", "seed")


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
        words += ["--target", repr(spec.target)] if spec.target is not None else []
        words += ["--patience", str(spec.patience)] if spec.patience is not None else []
        words += ["--max-search-time", str(spec.max_search_s)] if spec.max_search_s is not None else []
        words += ["--until-converged"] if spec.until_converged else []
    usual = {metric.name: metric.regex for metric in default_metrics()}
    for metric in training.metrics:
        if usual.get(metric.name) != metric.regex:
            words += ["--metric", f"{metric.name}={metric.regex}"]
    if not training.debugger.enabled:
        words.append("--no-debugger")
    words += ["--objective", training.objective.metric]
    words += ["--goal", "maximize" if training.objective.maximize else "minimize"]
    words += _resources(training.cloud, training.max_runtime_s) if training.cloud is not None else []
    return shlex.join(words)


def _resources(cloud: CloudResources, max_runtime_s: int) -> list[str]:
    words = ["--engine", "sagemaker", "--instance-type", cloud.instance_type, "--volume-gb", str(cloud.volume_gb)]
    words += ["--instance-count", str(cloud.instance_count), "--max-runtime", str(max_runtime_s)]
    words += ["--spot"] if cloud.spot else []
    words += ["--max-wait", str(cloud.max_wait_s)] if cloud.max_wait_s is not None else []
    words += [part for subnet in cloud.subnets for part in ("--subnet", subnet)]
    words += [part for group in cloud.security_groups for part in ("--security-group", group)]
    words += ["--network-isolation"] if cloud.network_isolation else []
    words += ["--encrypt-traffic"] if cloud.encrypt_traffic else []
    words += ["--output-kms-key", cloud.output_kms_key] if cloud.output_kms_key else []
    words += ["--volume-kms-key", cloud.volume_kms_key] if cloud.volume_kms_key else []
    return words + [part for key, value in sorted(cloud.tags.items()) for part in ("--tag", f"{key}={value}")]
