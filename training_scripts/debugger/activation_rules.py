"""Rules about how a network starts and how its activations behave: AWS Debugger's names, parameters and defaults."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np

from training_scripts.debugger.health import HealthRule, parse_steps
from training_scripts.debugger.tfevents import Array

ACTIVITY = "relu_activity"


class DeadRelu(HealthRule):
    """Fires when in a layer the share of ReLUs that are hardly ever active exceeds `threshold_layer` percent.

    A ReLU (one channel of a layer) is inactive when less than `threshold_inactivity` percent of its outputs are not
    zero. Sagehound's hook saves each ReLU's activity over the whole batch (collection `relu_activity`), which is used
    where it is there; else the outputs that match `tensor_regex`, or are in the collection `relu_output`, are counted.
    """

    meaning: str = "Most ReLUs of a layer give zero for every picture and no longer learn."
    advice: str = "Lower the learning rate, or start from pretrained weights."
    setting: str = "learning_rate"
    change: str = "*0.1"

    def __init__(
        self,
        base_trial: Any,
        tensor_regex: str = ".*relu_output",
        threshold_inactivity: float = 1.0,
        threshold_layer: float = 50.0,
    ) -> None:
        super().__init__(base_trial)
        self.tensor_regex = tensor_regex
        self.threshold_inactivity, self.threshold_layer = threshold_inactivity, threshold_layer

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        dead: dict[str, float] = {}
        for name in self.names(step, collection=ACTIVITY):
            dead[name] = self._dead_percent(100.0 * self.value(name, step))
        if not dead:
            names = self.chosen(step, "relu_output", self.tensor_regex)
            for name in names:
                outputs = _per_unit(self.value(name, step))
                if len(outputs) > 1:  # of a batch of one row every other unit is silent by chance
                    dead[name] = self._dead_percent(100.0 * (outputs != 0).mean(axis=0))
        if not dead:
            return False
        self.note(step, max(dead.values()), self.threshold_layer)
        bad = [name for name, percent in dead.items() if percent > self.threshold_layer]
        if not bad:
            return False
        return self.found(f"In {len(bad)} of {len(dead)} layers more than {self.threshold_layer:g} % are dead.", bad)

    def _dead_percent(self, activity: Array) -> float:
        return 100.0 * float((activity < self.threshold_inactivity).mean())


class SaturatedActivation(HealthRule):
    """Fires when in a tanh or sigmoid layer the share of saturated nodes exceeds `threshold_layer` percent.

    A node is saturated when less than `threshold_inactivity` percent of its inputs are between the two thresholds of
    its function, beyond which float32 gives it no gradient.
    """

    meaning: str = "Most nodes of a tanh or sigmoid layer are pinned to their ends and pass no gradient."
    advice: str = "Lower the learning rate or put a batch normalisation in front of the layer."
    setting: str = "learning_rate"
    change: str = "*0.1"

    def __init__(
        self,
        base_trial: Any,
        collection_names: str | None = None,
        tensor_regex: str = ".*tanh_input|.*sigmoid_input",
        threshold_tanh_min: float = -9.4999,
        threshold_tanh_max: float = 9.4999,
        threshold_sigmoid_min: float = -23.0,
        threshold_sigmoid_max: float = 16.99999,
        threshold_inactivity: float = 1.0,
        threshold_layer: float = 50.0,
    ) -> None:
        super().__init__(base_trial)
        self.collection_names, self.tensor_regex = collection_names, tensor_regex
        self._bounds = {
            "tanh": (threshold_tanh_min, threshold_tanh_max),
            "sigmoid": (threshold_sigmoid_min, threshold_sigmoid_max),
        }
        self.threshold_inactivity, self.threshold_layer = threshold_inactivity, threshold_layer

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        saturated = {}
        collections = self.collection_names or "tanh_input,sigmoid_input"
        tanh = set(self.names(step, collection="tanh_input"))
        for name in self.chosen(step, collections, self.tensor_regex):
            low, high = self._bounds["tanh" if "tanh" in name.lower() or name in tanh else "sigmoid"]
            inputs = _per_unit(self.value(name, step))
            active = 100.0 * ((inputs > low) & (inputs < high)).mean(axis=0)
            saturated[name] = 100.0 * float((active < self.threshold_inactivity).mean())
        if not saturated:
            return False
        self.note(step, max(saturated.values()), self.threshold_layer)
        bad = [name for name, percent in saturated.items() if percent > self.threshold_layer]
        if not bad:
            return False
        limit = self.threshold_layer
        return self.found(f"In {len(bad)} of {len(saturated)} layers more than {limit:g} % are saturated.", bad)


class PoorWeightInitialization(HealthRule):
    """Fires when within the first `steps` training steps the network starts badly, in one of three ways.

    - The variance of activation inputs of one layer is more than `threshold` times that of another.
    - The gradients of a layer are so close together that percentile 95 minus percentile 5 is below
      `distribution_range`.
    - The loss has not gone below its first value for `patience` saved steps.

    AWS's criteria. Its order of magnitude for the first fits networks that start from random weights; pretrained ones
    differ more between layers and are not judged by it. Ours: `narrow_steps` is at how many saved steps in a row
    the gradients of the same layer must be close together (1: AWS's criterion), for a block that starts at zero has
    none at the first step.
    """

    meaning: str = "The network starts from weights that make it hard to learn anything."
    advice: str = "Start from pretrained weights, or from He initialisation for layers with ReLUs."
    setting: str = "weights"
    change: str = "default"

    def __init__(
        self,
        base_trial: Any,
        activation_inputs_regex: str = ".*relu_input",
        threshold: float = 10.0,
        distribution_range: float = 0.001,
        patience: int = 5,
        steps: int = 10,
        narrow_steps: int = 1,
    ) -> None:
        super().__init__(base_trial)
        self.activation_inputs_regex, self.threshold = activation_inputs_regex, threshold
        self.distribution_range = distribution_range
        self.patience, self.steps = parse_steps(patience, "patience"), parse_steps(steps, "steps")
        self.narrow_steps = parse_steps(narrow_steps, "narrow_steps")
        self._narrow_runs: Counter[str] = Counter()
        self._first_loss: float | None = None
        self._not_better = 0

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        if not self.trains(step) or self.training_step(step) >= self.steps:
            return False
        return self._uneven(step) or self._narrow(step) or self._loss_stands(step)

    def _uneven(self, step: int) -> bool:
        names = self.chosen(step, "relu_input", self.activation_inputs_regex)
        variances = {name: self.reduced(name, step, "std") ** 2 for name in names}
        if len(variances) < 2:
            return False
        ratio = max(variances.values()) / max(min(variances.values()), 1e-30)
        self.note(step, ratio, self.threshold)
        if ratio <= self.threshold:
            return False
        ends = sorted(variances, key=variances.__getitem__)
        return self.found(f"The variance of activation inputs differs {ratio:.3g}-fold.", [ends[0], ends[-1]])

    def _narrow(self, step: int) -> bool:
        ranges = {}
        for name in self.names(step, collection="gradients"):
            if name.endswith("weight"):
                low, high = np.percentile(self.value(name, step), [5, 95])
                ranges[name] = float(high - low)
        if not ranges:
            return False
        for name, width in ranges.items():
            self._narrow_runs[name] = self._narrow_runs[name] + 1 if width < self.distribution_range else 0
        self.evaluated += 1
        bad = [name for name in ranges if self._narrow_runs[name] >= self.narrow_steps]
        if not bad:
            return False
        self.note_alone(step, min(ranges.values()), self.distribution_range)
        return self.found(f"The gradients of {len(bad)} of {len(ranges)} layers hardly differ.", bad)

    def _loss_stands(self, step: int) -> bool:
        loss = self.batch_loss(step)
        if loss is None:
            return False
        if self._first_loss is None:
            self._first_loss = loss
            return False
        self._not_better = 0 if loss < self._first_loss else self._not_better + 1
        self.evaluated += 1
        if self._not_better < self.patience:
            return False
        self.note_alone(step, loss, self._first_loss)
        return self.found(f"The loss stays above its first value for {self.patience} steps.", self.losses(step))


class CheckInputImages(HealthRule):
    """Fires when, after `threshold_samples` pictures, |mean| of a channel of the inputs exceeds `threshold_mean`.

    `channel` is the axis of the channels. Pictures are found by `regex` or in the collection `input_image`.
    """

    meaning: str = "The pictures are not normalised the way the network expects."
    advice: str = "Use the preprocessing that belongs to the backbone: its mean and standard deviation, values in 0…1."

    def __init__(
        self,
        base_trial: Any,
        threshold_mean: float = 0.2,
        threshold_samples: int = 500,
        regex: str = ".*hybridsequential0_input_0",
        channel: int = 1,
    ) -> None:
        super().__init__(base_trial)
        re.compile(regex)
        self.threshold_mean, self.regex, self.channel = threshold_mean, regex, channel
        self.threshold_samples = parse_steps(threshold_samples, "threshold_samples")
        self._sums: Array | None = None
        self._pictures = 0

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        names = self.chosen(step, "input_image", self.regex)
        for name in names:
            pictures = self.value(name, step)
            if pictures.ndim <= self.channel:
                continue
            means = np.moveaxis(pictures, self.channel, 0).reshape(pictures.shape[self.channel], -1).mean(axis=1)
            self._sums = means * len(pictures) + (0 if self._sums is None else self._sums)
            self._pictures += len(pictures)
        if not names or self._sums is None:
            return False
        worst = float(np.abs(self._sums / self._pictures).max())
        self.note(step, worst, self.threshold_mean)
        if self._pictures < self.threshold_samples or worst <= self.threshold_mean:
            return False
        return self.found(f"The mean of a channel is {worst:.3g} over {self._pictures} pictures.", names)


def _per_unit(values: Array) -> Array:
    """Return (N, C, …) as (samples, C); (N,) as (N, 1)."""
    values = values.reshape(len(values), -1) if values.ndim < 3 else np.moveaxis(values, 1, -1)
    return values.reshape(-1, values.shape[-1])
