"""AWS's managed Debugger and ProfilerReport in a training job's request, and in its description.

AWS's rules read the tensors that the job's own hook saves, for it writes smdebug's format: AWS is asked to copy the
hook's folder to S3. Trials of a tuning job cannot have any of it: their definition has no such members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.engines.sagemaker.jobs.images import rules_image
from core.jobs.managed_rules import AWS_RULES, REPORT, TENSORS, managed_of
from core.jobs.specs import ManagedDebugger, TrainingSpec

_CHECKPOINTS = "/opt/ml/checkpoints"
_COLLECTIONS = {
    "losses": ("losses",),
    "gradients": ("gradients",),
    "weights": ("weights",),
    "biases": ("biases",),
    "activations": ("relu_input", "relu_output"),
    "inputs": ("inputs",),
    "predictions": ("predictions", "labels"),
}
"""Sagehound's collections, which have save intervals, and those that the hook lists tensors in."""


def members(spec: TrainingSpec, region: str, output: str) -> dict[str, Any]:
    """Return what CreateTrainingJob is asked for besides the rest; empty where AWS's Debugger is not wanted.

    `output` is the s3:// address that the job writes below.
    """
    managed = managed_of(spec)
    if managed is None:
        return {}
    image, asked = rules_image(region), dict[str, Any]()
    if managed.rules:
        asked["DebugHookConfig"] = {
            "S3OutputPath": output,
            "LocalPath": f"{_CHECKPOINTS}/{spec.name}/output/tensors",
            **_saving(spec),
        }
        asked["DebugRuleConfigurations"] = [
            _configuration(rule, image, {**TENSORS.get(rule, {}), **parameters})
            for rule, parameters in managed.rules.items()
        ]
    if managed.report:
        asked["ProfilerConfig"] = {
            "S3OutputPath": output,
            "ProfilingIntervalInMilliseconds": managed.interval_ms,
            "DisableProfiler": False,
        }
        asked["ProfilerRuleConfigurations"] = [_configuration(REPORT, image, {})]
    return asked


def managed_in(description: Mapping[str, Any]) -> ManagedDebugger | None:
    """Return what of AWS's Debugger a job's description shows, as far as it can be asked for again; None: nothing."""
    rules = {}
    for item in description.get("DebugRuleConfigurations") or ():
        parameters = dict(item.get("RuleParameters") or {})
        if (rule := parameters.pop("rule_to_invoke", "")) in AWS_RULES:
            rules[rule] = parameters
    asked = [item.get("RuleParameters") or {} for item in description.get("ProfilerRuleConfigurations") or ()]
    report = any(parameters.get("rule_to_invoke") == REPORT for parameters in asked)
    interval = int((description.get("ProfilerConfig") or {}).get("ProfilingIntervalInMilliseconds") or 500)
    return ManagedDebugger(rules, report, interval) if rules or report else None


def _saving(spec: TrainingSpec) -> dict[str, Any]:
    """Return how the job's hook saves, in AWS's words; an interval that is chosen while the job runs is left out."""
    debugger = spec.debugger
    general = {} if debugger.save_interval is None else {"save_interval": str(debugger.save_interval)}
    collections = []
    for ours, theirs in _COLLECTIONS.items():
        interval = debugger.save_intervals.get(ours)
        parameters = {} if interval is None else {"CollectionParameters": {"save_interval": str(interval)}}
        collections += [{"CollectionName": name, **parameters} for name in theirs]
    return ({"HookParameters": general} if general else {}) | {"CollectionConfigurations": collections}


def _configuration(rule: str, image: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    return {
        "RuleConfigurationName": rule,
        "RuleEvaluatorImage": image,
        "RuleParameters": {"rule_to_invoke": rule, **parameters},
    }
