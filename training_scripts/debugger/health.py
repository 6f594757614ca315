"""What Sagehound's rules share: picking tensors, keeping evidence, and saying what a finding means."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from training_scripts.debugger.base import Rule, TensorUnavailable
from training_scripts.debugger.tfevents import Array

MAX_EVIDENCE = 200
TRAIN_LOSS, VALID_LOSS = "epoch/train_loss", "epoch/valid_loss"
TRAIN_ACCURACY, VALID_ACCURACY = "epoch/train_accuracy", "epoch/valid_accuracy"
LEARNING_RATE = "epoch/learning_rate"


class Evidence(NamedTuple):
    """A number a rule looked at: the training step, the value and the threshold it is held against."""

    step: int
    value: float
    threshold: float | None


class HealthRule(Rule):
    """A rule that can say what it saw and what to do about it.

    `meaning` says in one sentence what a finding means for a picture classifier, `advice` what to do, `setting` which
    hyperparameter of train.py that changes ("": none), `change` what it makes of it (a value, or `*0.1` for a tenth;
    "": that takes a person). `tensors` are the names concerned, `evidence` the numbers, newest last, `details` the
    finding in words. `taken_back` says why an earlier finding holds no longer, until the one who asked has heard it.
    """

    meaning: str = ""
    advice: str = ""
    setting: str = ""
    change: str = ""

    def __init__(self, base_trial: Any, other_trials: Any = None) -> None:
        super().__init__(base_trial, action_str="", other_trials=other_trials)
        self.evidence: deque[Evidence] = deque(maxlen=MAX_EVIDENCE)
        self.tensors: dict[str, None] = {}
        self.details = ""
        self.taken_back = ""
        self.evaluated = 0

    def note(self, step: int, value: float, threshold: float | None = None) -> None:
        """Keep a number as evidence; `step` is global. NaN and Inf count, but cannot be drawn or written as JSON."""
        self.evaluated += 1
        if math.isfinite(value) and (threshold is None or math.isfinite(threshold)):
            self.evidence.append(Evidence(self.training_step(step), float(value), threshold))

    def note_alone(self, step: int, value: float, threshold: float) -> None:
        """Keep a number of another kind than the earlier ones, which go: they do not fit on one axis."""
        self.evidence.clear()
        self.note(step, value, threshold)

    def found(self, details: str, tensors: Iterable[str] = ()) -> bool:
        """Say what was found; returns True, for `return self.found(…)`."""
        self.details = details
        self.tensors.update(dict.fromkeys(tensors))
        return True

    def take_back(self, details: str) -> None:
        """Say that what was found before holds no longer."""
        self.taken_back = details

    def training_step(self, step: int) -> int:
        """Return the training step reached at a global step."""
        trial = self.base_trial
        if hasattr(trial, "training_step"):
            return int(trial.training_step(step))
        mode_step = trial.mode_modestep(step)[1]
        return step if mode_step is None else int(mode_step)

    def mode(self, step: int) -> str:
        """Return TRAIN, EVAL, PREDICT or GLOBAL."""
        mode = self.base_trial.mode_modestep(step)[0]
        return "GLOBAL" if mode is None else str(mode.name)

    def trains(self, step: int) -> bool:
        """Whether this is a training step; a trial without modes only has such."""
        return self.mode(step) in ("TRAIN", "GLOBAL")

    def names(self, step: int, *, collection: str | None = None, regex: str | None = None) -> list[str]:
        """Return the tensors saved at a step, of a collection or matching a regex."""
        if collection is not None:
            if collection not in self.base_trial.collections():
                return []
            return list(self.base_trial.tensor_names(step=step, collection=collection))
        return list(self.base_trial.tensor_names(step=step, regex=regex))

    def chosen(self, step: int, collection_names: str | None, tensor_regex: str | None) -> list[str]:
        """Return the tensors selected by AWS's parameters `collection_names` and `tensor_regex`, one or more each."""
        names: dict[str, None] = {}
        for collection in _split(collection_names):
            names.update(dict.fromkeys(self.names(step, collection=collection)))
        if tensor_regex:
            names.update(dict.fromkeys(self.names(step, regex=tensor_regex)))
        return list(names)

    def value(self, name: str, step: int) -> Array:
        """Return a tensor's value, or the sample saved of it."""
        return np.asarray(self.base_trial.tensor(name).value(step))

    def scalar(self, name: str, step: int) -> float:
        """Return the value of a scalar; the mean where there are several."""
        return float(np.mean(self.value(name, step)))

    def reduced(self, name: str, step: int, reduction: str, abs: bool = False) -> float:
        """Return min, max, mean, … of the whole tensor where it was saved, else of the value."""
        with np.errstate(all="ignore"):  # numbers near the end of float32 are what some rules are after
            return float(self.base_trial.tensor(name).reduction_value(step, reduction, abs=abs))

    def has(self, name: str, step: int) -> bool:
        """Whether a tensor was saved at a step."""
        try:
            tensor = self.base_trial.tensor(name)
        except TensorUnavailable:
            return False
        return step in tensor.steps()

    def losses(self, step: int) -> list[str]:
        """Return the losses saved at a step."""
        return self.names(step, collection="losses")

    def batch_loss(self, step: int) -> float | None:
        """Return the mean of the losses saved at a step, None if there are none."""
        names = self.losses(step)
        return float(np.mean([self.scalar(name, step) for name in names])) if names else None

    def class_count(self, step: int) -> int | None:
        """Return the number of classes, from the logits saved at a step."""
        for name in self.names(step, collection="predictions"):
            return int(self.value(name, step).shape[-1])
        return None


def parse_steps(value: int | None, name: str, least: int = 1) -> int:
    """Return a whole number that a rule needs; raises ValueError when it is missing or too small."""
    if value is None or value < least:
        raise ValueError(f"{name} must be at least {least}")
    return value


def one_required(collection_names: str | None, tensor_regex: str | None) -> None:
    """Raise ValueError when neither says which tensors to look at."""
    if not collection_names and not tensor_regex:
        raise ValueError("collection_names or tensor_regex must say which tensors to look at")


def _split(names: str | None) -> list[str]:
    return [name.strip() for name in (names or "").split(",") if name.strip()]
