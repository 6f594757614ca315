"""AWS's managed Debugger: which rules it has, with which parameters, and how they are written in one line."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping

from core.errors import SpecError
from core.jobs.specs import ManagedDebugger, Spec, TuningSpec
from core.translation import tr
from training_scripts.debugger.rules import check_parameters, parameters_of

REPORT = "ProfilerReport"
INTERVALS_MS = (100, 200, 500, 1000, 5000, 60_000)
OWN_RULES_DO = tr("Sagehound's own rules watch them.")
_CHOICE = ("collection_names", "tensor_regex")
_LAYERS = ("threshold_inactivity", "threshold_layer")
AWS_RULES: Mapping[str, tuple[str, ...]] = {
    "AllZero": (*_CHOICE, "threshold"),
    "CheckInputImages": ("threshold_mean", "threshold_samples", "regex", "channel"),
    "ClassImbalance": (
        *("threshold_imbalance", "threshold_misprediction", "samples", "argmax", "labels_regex", "predictions_regex"),
    ),
    "Confusion": (
        *("category_no", "labels", "predictions", "labels_collection", "predictions_collection"),
        *("min_diag", "max_off_diag"),
    ),
    "DeadRelu": ("tensor_regex", *_LAYERS),
    "ExplodingTensor": (*_CHOICE, "only_nan"),
    "LossNotDecreasing": (
        *_CHOICE,
        *("use_losses_collection", "num_steps", "diff_percent", "increase_threshold_percent", "mode"),
    ),
    "Overfit": ("tensor_regex", "start_step", "patience", "ratio_threshold"),
    "Overtraining": ("patience_train", "patience_validation", "delta"),
    "PoorWeightInitialization": (*("activation_inputs_regex", "threshold", "distribution_range", "patience", "steps"),),
    "SaturatedActivation": (
        *_CHOICE,
        *("threshold_tanh_min", "threshold_tanh_max", "threshold_sigmoid_min", "threshold_sigmoid_max"),
        *_LAYERS,
    ),
    "StalledTrainingRule": ("threshold", "stop_training_on_fire", "training_job_name_prefix"),
    "TensorVariance": (*_CHOICE, "max_threshold", "min_threshold"),
    "UnchangedTensor": (*_CHOICE, "num_steps", "rtol", "atol", "equal_nan"),
    "VanishingGradient": ("threshold",),
    "WeightUpdateRatio": ("num_steps", "large_threshold", "small_threshold", "epsilon"),
}
"""AWS's built-in rules for a picture classifier and the parameters they take: a rule of ours may take more."""
TENSORS: Mapping[str, Mapping[str, str]] = {
    "AllZero": {"collection_names": "relu_output"},
    "CheckInputImages": {"regex": r"^(?!.*Loss).*_input_0$"},
    "ClassImbalance": {"labels_regex": "Loss_input_1$", "predictions_regex": "Loss_input_0$", "argmax": "true"},
    "ExplodingTensor": {"collection_names": "losses,gradients,weights"},
    "SaturatedActivation": {"tensor_regex": ".*[tT]anh_input|.*[sS]igmoid_input"},
    "TensorVariance": {"collection_names": "weights"},
    "UnchangedTensor": {"collection_names": "weights"},
}
"""What a rule is given unless one chose otherwise: AWS's defaults name no tensors, or those of other frameworks."""


def managed_of(spec: Spec) -> ManagedDebugger | None:
    """Return what of AWS's Debugger a spec asks for."""
    cloud = spec.training.cloud
    return None if cloud is None else cloud.managed


def without_managed(spec: Spec) -> Spec:
    """Return the same spec without AWS's Debugger."""
    cloud = spec.training.cloud
    return spec if cloud is None else spec.with_training(cloud=dataclasses.replace(cloud, managed=None))


def check_managed(spec: Spec) -> None:
    """Raise `SpecError`, its field "managed", where AWS's Debugger cannot do what a spec asks of it."""
    managed = managed_of(spec)
    if managed is None:
        return
    if isinstance(spec, TuningSpec):
        raise _error(tr("AWS's Debugger cannot watch the trials of a tuning job."), OWN_RULES_DO, tr("Leave it out."))
    if not managed.rules and not managed.report:
        raise _error(
            tr("AWS's Debugger has nothing to do."), tr("Neither a rule nor the report is chosen."), tr("Choose one.")
        )
    if managed.rules and not spec.debugger.enabled:
        why = tr("They read the tensors that the job's own hook saves, and that is off.")
        raise _error(
            tr("AWS's rules would wait for tensors in vain."), why, tr("Turn Sagehound's rules on, or AWS's off.")
        )
    if managed.interval_ms not in INTERVALS_MS:
        known = ", ".join(map(str, INTERVALS_MS))
        raise _error(
            tr("AWS does not measure every {interval_ms} ms.").format(interval_ms=managed.interval_ms),
            tr("It takes {known}.").format(known=known),
            tr("Choose one."),
        )
    for rule, parameters in managed.rules.items():
        check_rule(rule, parameters)


def parse_rules(texts: list[str]) -> dict[str, dict[str, str]]:
    """Return AWS's rules from texts such as `Overfit` and `VanishingGradient:threshold=1e-6,…`.

    Raises:
        SpecError: a text is not a rule; AWS's rules and their parameters are named.
    """
    rules = dict(map(_read_rule, texts))
    for rule, parameters in rules.items():
        check_rule(rule, parameters)
    return rules


def _read_rule(text: str) -> tuple[str, dict[str, str]]:
    rule, colon, rest = text.partition(":")
    if rest.startswith("{"):
        return rule.strip(), _json_parameters(rest, text)
    # A value may hold a comma itself, so only one before another NAME= parts two.
    pairs = [pair.partition("=") for pair in re.split(r",(?=\s*\w+=)", rest)] if colon else []
    parameters = {name.strip(): value.strip() for name, equals, value in pairs if equals}
    if len(parameters) < len(pairs):
        raise _error(
            tr("{text!r} is not a rule with parameters.").format(text=text), fix=tr("Write RULE:NAME=VALUE,NAME=VALUE.")
        )
    return rule.strip(), parameters


def format_rule(rule: str, parameters: Mapping[str, str]) -> str:
    """Return the text that `parse_rules` reads; parameters that its short form cannot tell apart are JSON."""
    pairs = ",".join(f"{name}={value}" for name, value in parameters.items())
    text = f"{rule}:{pairs}" if parameters else rule
    return text if _read_rule(text) == (rule, dict(parameters)) else f"{rule}:{json.dumps(dict(parameters))}"


def _json_parameters(text: str, whole: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise _error(
            tr("{whole!r} is not a rule with parameters.").format(whole=whole), fix=tr('Write RULE:{"NAME": "VALUE"}.')
        )
    return found


def check_rule(rule: str, parameters: Mapping[str, str]) -> None:
    """Raise `SpecError` unless AWS has the rule and it takes these parameters."""
    if rule not in AWS_RULES:
        raise _error(
            tr("{rule!r} is not a rule of AWS's.").format(rule=rule),
            tr("AWS's rules are {aws_rules}.").format(aws_rules=", ".join(AWS_RULES)),
            tr("Choose among them."),
        )
    what = tr("AWS's rule {rule} cannot run like this.").format(rule=rule)
    if unknown := next((name for name in parameters if name not in AWS_RULES[rule]), ""):
        raise _error(
            what,
            tr("It has no parameter {unknown}, only {aws_rules}.").format(
                unknown=unknown, aws_rules=", ".join(AWS_RULES[rule])
            ),
            tr("Correct it."),
        )
    if any(len(value) > 256 for value in parameters.values()):
        raise _error(what, tr("A value has at most 256 characters."), tr("Shorten it."))
    ours = {item.name for item in parameters_of(rule)}
    combined = {**TENSORS.get(rule, {}), **parameters}
    try:
        check_parameters(rule, {name: value for name, value in combined.items() if name in ours})
    except ValueError as error:
        raise _error(what, f"{error}.", tr("Correct it.")) from None


def _error(what: str, why: str = "", fix: str = "") -> SpecError:
    return SpecError(what, why, fix, field="managed")
