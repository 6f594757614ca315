"""The rules that run when none were chosen, by kind of training, and why their parameters differ from AWS's.

AWS's defaults were made for networks trained from random weights on single saved batches. On a pretrained network over
a small dataset several of them fire on a training that is perfectly well; each change below is there for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training_scripts.debugger.rules import ALIASES

_FOREIGN: dict[str, dict[str, str]] = {
    "LossNotDecreasing": {"patience": "3", "converged_percent": "50", "increase_threshold_percent": "0"},
    "Overtraining": {"patience_train": "50", "patience_validation": "50", "delta": "0.001"},
    "AllZero": {"tensor_regex": ".*[rR]e[lL][uU]_output"},
    "DeadRelu": {"tensor_regex": ".*[rR]e[lL][uU]_output", "threshold_layer": "80"},
}


def default_rules(hyperparameters: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return name -> parameters of the rules for a training with these hyperparameters of train.py.

    Without any, they are for a trial that another script wrote: through AWS Debugger it has losses of batches only.
    """
    rules: dict[str, dict[str, str]] = {
        "NotANumber": {},
        "ExplodingTensor": {"collection_names": "gradients,weights,biases"},
        "VanishingGradient": {"patience": "3"},
        "LearningRateTooHigh": {},
        # Epoch means instead of single batches, three failures in a row, and none once the loss has halved.
        "LossNotDecreasing": {
            "tensor_regex": "^epoch/train_loss$",
            "use_losses_collection": "false",
            "num_steps": "1",
            "patience": "3",
            "converged_percent": "50",
            "increase_threshold_percent": "0",
        },
        # A ratio alone fires on every training that has all but solved its task.
        "Overfit": {"patience": "3", "ratio_threshold": "0.5", "min_gap": "0.5"},
        "Overtraining": {"patience_train": "20", "patience_validation": "20", "delta": "0.001"},
        "WeightUpdateRatio": {},
        # Behind a branch that starts at zero weights move by less than AWS's tolerance at first.
        "UnchangedTensor": {"collection_names": "weights", "rtol": "1e-7"},
        "ClassImbalance": {
            "labels_regex": "_input_1$",
            "predictions_regex": "Loss_input_0$",
            "argmax": "true",
            "samples": "200",
            "threshold_misprediction": "0.95",
            "patience": "3",
        },
        "ClassCollapse": {},
        "LeakageSuspicion": {"compare_losses": "false" if _train_loss_is_inflated(hyperparameters) else "true"},
        "StalledTrainingRule": {"threshold": "600"},
    }
    if hyperparameters.get("mode") != "head" or str(hyperparameters.get("features")) == "off":
        # White pictures reach 2.6 under ImageNet's normalisation; values of 0…255 are far beyond.
        rules["CheckInputImages"] = {"threshold_mean": "3", "threshold_samples": "100", "regex": "^$"}
    if hyperparameters.get("mode") != "head":
        rules["AllZero"] = {"collection_names": "relu_output"}
        # Channels of a pretrained network answer to few things: 41 % of a layer of efficientnet_lite0 were silent on a
        # batch of a healthy training.
        rules["DeadRelu"] = {} if str(hyperparameters.get("weights")) == "none" else {"threshold_layer": "80"}
        rules["SaturatedActivation"] = {}
        if str(hyperparameters.get("weights")) == "none":
            # From random weights only, and only what is wrong by orders of magnitude.
            rules["PoorWeightInitialization"] = {
                "threshold": "1000",
                "distribution_range": "1e-7",
                "narrow_steps": "2",
            }
    if hyperparameters.get("mode") == "watch":
        # What the invariants of a watched script say better, with its line (training_scripts/watch/catalogue.py), or
        # what holds for one network alone: of two that train against each other no loss need go down.
        for name in ("LeakageSuspicion", "CheckInputImages", "PoorWeightInitialization"):
            rules.pop(name, None)
        if str(hyperparameters.get("classifies_inputs")).lower() == "true":
            # Whose labels are uncertain rests above half of its first loss; what rests too high is Underfitting there,
            # which looks at no other losses.
            rules["LossNotDecreasing"]["converged_percent"] = "15"
    return rules if hyperparameters else rules | _FOREIGN


def chosen_rules(
    default: bool, chosen: Mapping[str, Mapping[str, str]], hyperparameters: Mapping[str, Any]
) -> dict[str, dict[str, str]]:
    """Return the default set, if wanted, with the chosen rules added, whose parameters replace the default ones."""
    rules = default_rules(hyperparameters) if default else {}
    rules.update({ALIASES.get(name, name): dict(parameters) for name, parameters in chosen.items()})
    return rules


def _train_loss_is_inflated(hyperparameters: Mapping[str, Any]) -> bool:
    """Whether dropout, augmentation or label smoothing make the training loss larger than the validation loss."""
    smoothing = str(hyperparameters.get("label_smoothing", "0"))
    return (
        "dropout" in str(hyperparameters.get("head", ""))
        or str(hyperparameters.get("augmentation", "none")) != "none"
        or smoothing not in ("0", "0.0", "")
    )
