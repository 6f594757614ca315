"""Rules about gradients, weights and activations: AWS Debugger's names, parameters and defaults.

Each looks at one saved step at a time. A step is global; evidence is counted in training steps.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from training_scripts.debugger.health import HealthRule, one_required, parse_steps
from training_scripts.debugger.tfevents import Array

_LEARNED = 1e-3
"""A loss below this has next to no gradient, however well that comes through the layers."""


class VanishingGradient(HealthRule):
    """Fires when the mean of |gradient| of a gradient is below `threshold` at a training step.

    AWS's criterion, over weights and biases alike. Ours: `patience` is at how many saved steps in a row it must be so
    of the same gradient (1: AWS's criterion), for a block that starts at zero has none at the first step; from 2 on
    steps do not count whose loss is below `_LEARNED`, for nothing is left to learn there. Left out are
    the biases that Sagehound's hook lists as standing in front of a batch normalisation (`before_normalisation`): it
    takes them out again, so that they have no gradient by construction.
    """

    meaning: str = "The gradients of a layer are so small that it does not learn."
    advice: str = "Take a ReLU or batch normalisation in place of saturating layers, or a larger learning rate."
    setting: str = "learning_rate"
    change: str = "*10"

    def __init__(self, base_trial: Any, threshold: float = 1e-7, patience: int = 1) -> None:
        super().__init__(base_trial)
        self.threshold, self.patience = threshold, parse_steps(patience, "patience")
        self._runs: Counter[str] = Counter()

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        shadowed = set(self.names(step, collection="before_normalisation"))
        names = [name for name in self.names(step, collection="gradients") if name not in shadowed]
        means = {name: self.reduced(name, step, "mean", abs=True) for name in names}
        if not means:
            return False
        self.note(step, min(means.values()), self.threshold)
        loss = self.batch_loss(step)
        if self.patience > 1 and loss is not None and loss < _LEARNED:
            self._runs.clear()
            return False
        self._runs.update(name for name, mean in means.items() if mean < self.threshold)
        for name in [name for name in self._runs if means.get(name, 0.0) >= self.threshold]:
            del self._runs[name]
        small = [name for name in means if self._runs[name] >= self.patience]
        if not small:
            return False
        return self.found(f"{len(small)} of {len(means)} gradients are below {self.threshold:g} on average.", small)


class ExplodingTensor(HealthRule):
    """Fires when an inspected tensor holds NaN or Inf (NaN alone with `only_nan`). Without a choice: any tensor."""

    meaning: str = "Numbers inside the network have grown beyond what can be computed with."
    advice: str = "Lower the learning rate, and check the pictures' normalisation."
    setting: str = "learning_rate"
    change: str = "*0.1"

    def __init__(
        self,
        base_trial: Any,
        collection_names: str | None = None,
        tensor_regex: str | None = None,
        only_nan: bool = False,
    ) -> None:
        super().__init__(base_trial)
        self.collection_names, self.only_nan = collection_names, only_nan
        self.tensor_regex = tensor_regex or (None if collection_names else ".*")

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        names = self.chosen(step, self.collection_names, self.tensor_regex)
        if not names:
            return False
        bad = [name for name in names if self._exploded(name, step)]
        self.note(step, len(bad), 1.0)
        if not bad:
            return False
        kind = "NaN" if self.only_nan else "NaN or Inf"
        return self.found(f"{len(bad)} of {len(names)} tensors hold {kind}.", bad)

    def _exploded(self, name: str, step: int) -> bool:
        value = self.value(name, step)
        if value.dtype.kind != "f":
            return False
        # A sample may miss the one bad number; the extremes were taken over the whole tensor and cannot.
        extremes = np.array([self.reduced(name, step, "min"), self.reduced(name, step, "max")])
        test = np.isnan if self.only_nan else _not_finite
        return bool(test(value).any() or test(extremes).any())


class WeightUpdateRatio(HealthRule):
    """Fires when weights move too much or too little between two training steps.

    The ratio is |w - w_previous| / (|w_previous| + epsilon), each the mean over the tensor: AWS does not document how
    it aggregates, and a mean per tensor is not thrown by single weights near zero. `num_steps`: compare with the
    newest saved step at least that many steps earlier; None: the previous saved one. Weights that were never saved
    twice (frozen layers) are not judged.
    """

    meaning: str = "Weights jump or stand still from one step to the next."
    advice: str = "Lower the learning rate."
    setting: str = "learning_rate"
    change: str = "*0.1"

    def __init__(
        self,
        base_trial: Any,
        num_steps: int | None = None,
        large_threshold: float = 10.0,
        small_threshold: float = 1e-8,
        epsilon: float = 1e-9,
    ) -> None:
        super().__init__(base_trial)
        self.num_steps = None if num_steps is None else parse_steps(num_steps, "num_steps")
        self.large_threshold, self.small_threshold, self.epsilon = large_threshold, small_threshold, epsilon
        self._earlier: dict[str, list[tuple[int, Array]]] = {}

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        if not self.trains(step):
            return False
        ratios: dict[str, float] = {}
        for name in self.names(step, collection="weights"):
            value = self.value(name, step).astype(np.float64)
            previous = self._previous(name, step)
            self._earlier.setdefault(name, []).append((step, value))
            if previous is not None and previous.shape == value.shape:
                moved = float(np.abs(value - previous).mean())
                ratios[name] = moved / (float(np.abs(previous).mean()) + self.epsilon)
        if not ratios:
            return False
        large = [name for name, ratio in ratios.items() if ratio > self.large_threshold]
        small = [name for name, ratio in ratios.items() if ratio < self.small_threshold]
        if small and not large:
            self.note(step, min(ratios.values()), self.small_threshold)
            self.advice = "Raise the learning rate, and check that the optimizer was given these weights."
            self.change = "*10"
            return self.found(f"{len(small)} of {len(ratios)} weights do not move.", small)
        self.note(step, max(ratios.values()), self.large_threshold)
        if not large:
            return False
        self.advice, self.change = WeightUpdateRatio.advice, WeightUpdateRatio.change
        return self.found(f"{len(large)} of {len(ratios)} weights move by more than {self.large_threshold:g}.", large)

    def _previous(self, name: str, step: int) -> Array | None:
        """Return the value to compare with; those older than it are dropped."""
        history = self._earlier.get(name, [])
        latest = step - (self.num_steps or 1)
        usable = [index for index, (at, _) in enumerate(history) if at <= latest]
        if not usable:
            return None
        del history[: usable[-1]]
        return history[0][1]


class AllZero(HealthRule):
    """Fires when the percentage of zeros in an inspected tensor is at least `threshold`. Choose the tensors."""

    meaning: str = "A part of the network is switched off: all its numbers are zero."
    advice: str = "Lower the learning rate or start from other weights; a layer that gives zeros passes nothing on."
    setting: str = "learning_rate"
    change: str = "*0.1"

    def __init__(
        self,
        base_trial: Any,
        collection_names: str | None = None,
        tensor_regex: str | None = None,
        threshold: float = 100.0,
    ) -> None:
        super().__init__(base_trial)
        one_required(collection_names, tensor_regex)
        self.collection_names, self.tensor_regex, self.threshold = collection_names, tensor_regex, threshold

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        names = self.chosen(step, self.collection_names, self.tensor_regex)
        if not names:
            return False
        zeros = {name: 100.0 * float((self.value(name, step) == 0).mean()) for name in names}
        self.note(step, max(zeros.values()), self.threshold)
        bad = [name for name, share in zeros.items() if share >= self.threshold]
        return self.found(f"{len(bad)} of {len(zeros)} tensors are {self.threshold:g} % zeros.", bad) if bad else False


class UnchangedTensor(HealthRule):
    """Fires when an inspected tensor was the same (numpy.allclose) over its last `num_steps` saved steps.

    Only steps of one mode are compared: weights are, and should be, the same through an evaluation.
    """

    meaning: str = "A part of the network does not change although it is being trained."
    advice: str = "Check that the optimizer was given this layer, and that the learning rate is not 0."
    setting: str = "learning_rate"
    change: str = "*10"

    def __init__(
        self,
        base_trial: Any,
        collection_names: str | None = None,
        tensor_regex: str | None = None,
        num_steps: int = 3,
        rtol: float = 1e-5,
        atol: float = 1e-8,
        equal_nan: bool = False,
    ) -> None:
        super().__init__(base_trial)
        one_required(collection_names, tensor_regex)
        self.collection_names, self.tensor_regex = collection_names, tensor_regex
        self.num_steps = parse_steps(num_steps, "num_steps", 2)
        self.rtol, self.atol, self.equal_nan = rtol, atol, equal_nan
        self._runs: dict[str, tuple[Array, int]] = {}

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        if not self.trains(step):
            return False
        longest, bad = 0, []
        names = self.chosen(step, self.collection_names, self.tensor_regex)
        for name in names:
            value = self.value(name, step)
            previous, run = self._runs.get(name, (None, 0))
            same = previous is not None and previous.shape == value.shape and self._close(previous, value)
            run = run + 1 if same else 1
            self._runs[name] = (value, run)
            longest = max(longest, run)
            if run >= self.num_steps:
                bad.append(name)
        if not names:
            return False
        self.note(step, longest, self.num_steps)
        if not bad:
            return False
        return self.found(f"{len(bad)} of {len(names)} tensors stayed the same for {self.num_steps} saved steps.", bad)

    def _close(self, previous: Array, value: Array) -> bool:
        return bool(np.allclose(value, previous, rtol=self.rtol, atol=self.atol, equal_nan=self.equal_nan))


class TensorVariance(HealthRule):
    """Fires when the variance of an inspected tensor is above `max_threshold` or below `min_threshold`."""

    meaning: str = "The numbers of a layer are spread out too far or hardly at all."
    advice: str = "Check how the layer starts, and the learning rate."
    setting: str = "learning_rate"

    def __init__(
        self,
        base_trial: Any,
        collection_names: str | None = None,
        tensor_regex: str | None = None,
        max_threshold: float | None = None,
        min_threshold: float | None = None,
    ) -> None:
        super().__init__(base_trial)
        one_required(collection_names, tensor_regex)
        if max_threshold is None and min_threshold is None:
            raise ValueError("max_threshold or min_threshold must be given")
        self.collection_names, self.tensor_regex = collection_names, tensor_regex
        self.max_threshold, self.min_threshold = max_threshold, min_threshold

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        names = self.chosen(step, self.collection_names, self.tensor_regex)
        variances = {name: self.reduced(name, step, "std") ** 2 for name in names}
        if not variances:
            return False
        high, low = self.max_threshold, self.min_threshold
        wide = [name for name, variance in variances.items() if high is not None and variance > high]
        narrow = [name for name, variance in variances.items() if low is not None and variance < low]
        if narrow or high is None:
            self.note(step, min(variances.values()), low)
        else:
            self.note(step, max(variances.values()), high)
        if not wide and not narrow:
            return False
        return self.found(f"The variance of {len(wide) + len(narrow)} tensors is out of bounds.", [*wide, *narrow])


class SimilarAcrossRuns(HealthRule):
    """Fires when a tensor equals (numpy.allclose) that of another trial at the same global step.

    AWS does not document its criterion. The first step both trials saved is left out: two runs may start from the same
    weights. Tensors that do not change within this trial (frozen layers) are left out too. Without a choice: weights.
    """

    meaning: str = "This trial repeats another one: it teaches the search nothing."
    advice: str = "Check that the trials differ in a hyperparameter that has an effect, or in their seed."

    def __init__(
        self,
        base_trial: Any,
        other_trials: Any = None,
        collection_names: str | None = None,
        tensor_regex: str | None = None,
    ) -> None:
        if not other_trials:
            raise ValueError("other_trials must name the trials to compare with")
        super().__init__(base_trial, other_trials)
        self.collection_names = collection_names or (None if tensor_regex else "weights")
        self.tensor_regex = tensor_regex
        self._first: dict[str, Array] = {}

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        if not self.trains(step):
            return False
        compared, alike = 0, []
        for name in self.chosen(step, self.collection_names, self.tensor_regex):
            value = self.value(name, step)
            first = self._first.setdefault(name, value)
            if first is value or np.array_equal(first, value):
                continue
            for other in self.other_trials or ():
                if other.has_tensor(name) and step in other.tensor(name).steps():
                    compared += 1
                    theirs = np.asarray(other.tensor(name).value(step))
                    if theirs.shape == value.shape and np.allclose(theirs, value):
                        alike.append(name)
        if not compared:
            return False
        self.note(step, len(alike), 1.0)
        return self.found(f"{len(set(alike))} tensors are the same as in another trial.", alike) if alike else False


def _not_finite(values: Array) -> Array:
    return ~np.isfinite(values)
