"""Rules about the course of the loss.

AWS Debugger's names, parameters and defaults, and two of ours. AWS looks at the losses of single saved batches. Those
scatter: a healthy training has batches that are worse than earlier ones. Sagehound's hook therefore also saves the
mean losses of each epoch (collection `metrics`), and rules that compare means use them where they are there.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from training_scripts.debugger.health import TRAIN_LOSS, VALID_LOSS, HealthRule, parse_steps

HYPERPARAMETER_LEARNING_RATE = "hyperparameters/learning_rate"
_HARDLY_MOVED = 1e-2
"""Relative to their own size; a training that learns moves its weights by more within an epoch."""


class LossNotDecreasing(HealthRule):
    """Fires when the loss has not fallen by `diff_percent` percent between two checks, `num_steps` steps apart.

    A check compares the loss at step s with the newest saved one at a step <= s - num_steps; the next follows no sooner
    than `num_steps` later. A loss that rose meanwhile may have done so by `increase_threshold_percent` percent: single
    batches scatter. `mode`: TRAIN, EVAL or GLOBAL; without it the first of EVAL, TRAIN, GLOBAL that has losses.

    Ours: `patience` is how many checks in a row must fail (1: AWS's criterion), and once the loss has fallen by
    `converged_percent` percent of its first value it may stand (100: AWS's criterion), for a training that has
    arrived does not go down for ever. The advice says in which direction the learning rate is wrong: a loss that rises
    wants a lower one, one that stands while the weights hardly move a higher one.
    """

    meaning: str = "The network is not learning: its loss does not go down."
    advice: str = "Check that the labels fit the pictures."

    def __init__(
        self,
        base_trial: Any,
        collection_names: str | None = None,
        tensor_regex: str | None = None,
        use_losses_collection: bool = True,
        num_steps: int = 10,
        diff_percent: float = 0.1,
        increase_threshold_percent: float = 5.0,
        mode: str | None = None,
        patience: int = 1,
        converged_percent: float = 100.0,
    ) -> None:
        super().__init__(base_trial)
        if mode is not None and mode.upper() not in ("TRAIN", "EVAL", "GLOBAL"):
            raise ValueError("mode must be TRAIN, EVAL or GLOBAL")
        names = ",".join(name for name in (collection_names, "losses" if use_losses_collection else None) if name)
        if not names and not tensor_regex:
            raise ValueError("collection_names, tensor_regex or use_losses_collection must say which losses to look at")
        self.collection_names, self.tensor_regex = names or None, tensor_regex
        self.num_steps, self.patience = parse_steps(num_steps, "num_steps"), parse_steps(patience, "patience")
        self.diff_percent, self.increase = diff_percent, increase_threshold_percent
        self._mode = mode.upper() if mode else None
        self.converged_percent = converged_percent
        self._losses: dict[str, list[tuple[int, float]]] = {}
        self._checked: dict[str, int] = {}
        self._failures: dict[str, int] = {}
        self._before: dict[str, float] = {}
        self._rate: float | None = None

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        if self.has(HYPERPARAMETER_LEARNING_RATE, step):
            self._rate = self.scalar(HYPERPARAMETER_LEARNING_RATE, step)
        if not self._looks_at(step):
            return False
        bad: dict[str, float] = {}
        for name in self.chosen(step, self.collection_names, self.tensor_regex):
            history = self._losses.setdefault(name, [])
            loss = self.scalar(name, step)
            earlier = [value for at, value in history if at <= step - self.num_steps]
            history.append((step, loss))
            if not earlier or step - self._checked.get(name, history[0][0]) < self.num_steps:
                continue
            self._checked[name] = step
            if self._fails(step, loss, earlier[-1], history[0][1]):
                self._failures[name] = self._failures.get(name, 0) + 1
                self._before.setdefault(name, earlier[-1])
            else:
                self._failures[name] = 0
                self._before.pop(name, None)
            if self._failures[name] >= self.patience:
                bad[name] = loss
        return self.found(self._course(step, bad), bad) if bad else False

    def _looks_at(self, step: int) -> bool:
        mode = self.mode(step)
        if self._mode is None and mode != "GLOBAL":
            evaluated = any(item.name == "EVAL" for item in self.base_trial.modes())
            return mode == ("EVAL" if evaluated and self._eval_losses() else "TRAIN")
        return self._mode in (None, "GLOBAL") or mode == self._mode

    def _eval_losses(self) -> bool:
        eval_mode = next(item for item in self.base_trial.modes() if item.name == "EVAL")
        return bool(self.base_trial.tensor_names(mode=eval_mode, regex="[Ll]oss"))

    def _fails(self, step: int, loss: float, earlier: float, first: float) -> bool:
        limit = earlier - abs(earlier) * self.diff_percent / 100
        self.note(step, loss, limit)
        if loss <= first * (1 - self.converged_percent / 100):
            return False
        if loss > earlier:
            return loss > earlier + abs(earlier) * self.increase / 100
        return not loss <= limit

    def _course(self, step: int, bad: Mapping[str, float]) -> str:
        """Return what the loss did instead, in words; sets the advice that fits it."""
        self.setting, self.change = "learning_rate", ""
        name, loss = next(iter(bad.items()))
        before = self._before[name]
        if not math.isfinite(loss):
            self.advice = "Look for what made the loss NaN or Inf first."
            self.setting = ""
            return "The loss is NaN or Inf."
        change = 100 * (loss - before) / max(abs(before), 1e-12)
        if change > self.diff_percent:
            self.advice, self.change = f"Lower the learning rate tenfold{self._tenfold(0.1)}.", "*0.1"
            much = f"{change:,.0f}" if change >= 10 else f"{change:.2g}"
            return f"The loss rose by {much} %, from {before:.4g} to {loss:.4g}."
        moved = _moved(self, step)
        if moved is None:
            self.advice = "Check that the labels fit the inputs, and try learning rates ten times lower and higher."
        elif moved < _HARDLY_MOVED:
            self.advice = f"Raise the learning rate tenfold{self._tenfold(10)}: the weights hardly move."
            self.change = "*10"
        else:
            self.advice = (
                "Check that the labels fit the pictures: the weights move and the loss does not follow; "
                f"if they do, lower the learning rate tenfold{self._tenfold(0.1)}."
            )
        return f"The loss stands still: {before:.4g}, then {loss:.4g}."

    def _tenfold(self, factor: float) -> str:
        return f", from {self._rate:g} to {self._rate * factor:g}" if self._rate else ""


class Overfit(HealthRule):
    """Fires when (validation loss - training loss) / training loss exceeds `ratio_threshold` for `patience` steps.

    Both are means: those of the epoch where they were saved (a step is then an epoch), else over the saved batches
    since the evaluation before. Ours: `min_gap`, how far the two must be apart at least, in the loss's own unit (0:
    AWS's criterion). Without it a training that has all but solved its task, with losses of 0.01 and 0.03, would fire.
    The evidence is how far they are apart, and how far they may be.
    """

    meaning: str = "The network learns the training pictures by heart and does worse on others."
    advice: str = "Train for fewer epochs, add augmentation, weight decay or dropout, or add pictures."
    setting: str = "num_epochs"
    change: str = "*0.5"

    def __init__(
        self,
        base_trial: Any,
        tensor_regex: str | None = None,
        start_step: int = 0,
        patience: int = 1,
        ratio_threshold: float = 0.1,
        min_gap: float = 0.0,
    ) -> None:
        super().__init__(base_trial)
        self.tensor_regex, self.start_step = tensor_regex, parse_steps(start_step, "start_step", 0)
        self.patience, self.ratio_threshold = parse_steps(patience, "patience"), ratio_threshold
        self.min_gap = min_gap
        self._train: list[float] = []
        self._valid: list[float] = []
        self._run = 0

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        losses = self._losses(step)
        if losses is None or step < self.start_step:
            return False
        train, valid = losses
        allowed = max(self.ratio_threshold * abs(train), self.min_gap)
        self.note(step, valid - train, allowed)
        self._run = self._run + 1 if valid - train > allowed else 0
        if self._run < self.patience:
            return False
        return self.found(f"The validation loss is {valid:.4g}, the training loss {train:.4g}.")

    def _losses(self, step: int) -> tuple[float, float] | None:
        if self.tensor_regex is None and _has_epochs(self.base_trial):
            if self.has(VALID_LOSS, step) and self.has(TRAIN_LOSS, step):
                return self.scalar(TRAIN_LOSS, step), self.scalar(VALID_LOSS, step)
            return None
        names = self.names(step, regex=self.tensor_regex) if self.tensor_regex else self.losses(step)
        if not names:
            return None
        loss = float(np.mean([self.scalar(name, step) for name in names]))
        if self.mode(step) != "EVAL":
            if self._valid:
                self._train, self._valid = [], []
            self._train.append(loss)
            return None
        self._valid.append(loss)
        return (float(np.mean(self._train)), float(np.mean(self._valid))) if self._train else None


class Overtraining(HealthRule):
    """Fires when the training loss had no new optimum for `patience_train` steps, or the validation loss for its own.

    A new optimum is lower than the best so far by more than `delta`. Steps are epochs where epoch means were saved,
    else saved steps of the mode. AWS does not say whether one of the two suffices; here it does, since either means
    that further steps bring nothing.
    """

    meaning: str = "The training continues although it has stopped getting better."
    advice: str = "Train for fewer epochs, or set a patience after which the training ends by itself."
    setting: str = "patience"
    change: str = "3"

    def __init__(
        self, base_trial: Any, patience_train: int = 5, patience_validation: int = 10, delta: float = 0.01
    ) -> None:
        super().__init__(base_trial)
        self._patience = {
            "training": parse_steps(patience_train, "patience_train"),
            "validation": parse_steps(patience_validation, "patience_validation"),
        }
        self.delta = delta
        self._best: dict[str, float] = {}
        self._since: dict[str, int] = {"training": 0, "validation": 0}

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        stopped = ""
        for kind, loss in self._losses(step).items():
            best = self._best.get(kind, math.inf)
            self.note(step, loss, best if math.isfinite(best) else None)
            if loss < best - self.delta:
                self._best[kind], self._since[kind] = loss, 0
            else:
                self._since[kind] += 1
            if self._since[kind] >= self._patience[kind]:
                stopped = kind
        if not stopped:
            return False
        return self.found(f"The {stopped} loss has been no better for {self._since[stopped]} steps.")

    def _losses(self, step: int) -> dict[str, float]:
        if _has_epochs(self.base_trial):
            pairs = (("training", TRAIN_LOSS), ("validation", VALID_LOSS))
            return {kind: self.scalar(name, step) for kind, name in pairs if self.has(name, step)}
        loss = self.batch_loss(step)
        return {} if loss is None else {"validation" if self.mode(step) == "EVAL" else "training": loss}


class NotANumber(HealthRule):
    """Fires at once when a loss, of a batch or of an epoch, is NaN or Inf. Ours.

    The hook saves the step at which it happens, whatever the save interval is.
    """

    meaning: str = "The loss is no number any more, and nothing is learned from here on."
    advice: str = "Lower the learning rate tenfold; if it happens at the first step, look for damaged pictures."
    setting: str = "learning_rate"
    change: str = "*0.1"

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        names = self.losses(step) + [name for name in (TRAIN_LOSS, VALID_LOSS) if self.has(name, step)]
        if not names:
            return False
        bad = [name for name in names if not np.isfinite(self.value(name, step)).all()]
        self.note(step, len(bad), 1.0)
        return self.found("The loss is NaN or Inf.", bad) if bad else False


class LearningRateTooHigh(HealthRule):
    """Fires when the training loss climbs or stays worse than guessing; says which learning rate to try instead. Ours.

    Climbs, where classes are predicted: the median of the last `patience` saved batch losses, or the mean of an epoch,
    exceeds exp(1.5) `climb_factor` times the first loss, or what guessing has, the logarithm of the number of classes,
    if that is more. Other losses may scatter much more: from `window` of them on their median is judged, against
    exp(3 s) `climb_factor` times the median of the first `patience`, where s is 1.05 times the median of what the
    logarithm of the loss changes by from one to the next. Losses below 0 are not judged.

    Stays worse than guessing, where classes are predicted: the mean of the last `window` saved batch losses is above
    1.2 times the logarithm of the number of classes by two standard errors, no lower in their second half than in the
    first, and the weights have moved by a tenth of their size. That losses jump is not a sign: batches of a healthy
    training scatter as much, by what is in them.
    """

    meaning: str = "The steps are too long: the training jumps over good weights and gets worse."
    advice: str = "Lower the learning rate tenfold."
    setting: str = "learning_rate"
    change: str = "*0.1"

    def __init__(self, base_trial: Any, climb_factor: float = 2.0, patience: int = 3, window: int = 10) -> None:
        super().__init__(base_trial)
        self.climb_factor, self.patience = climb_factor, parse_steps(patience, "patience")
        self._recent: deque[float] = deque(maxlen=max(parse_steps(window, "window", 5), patience))
        self.window = window
        self._first: float | None = None
        self._guess, self._seen = 0.0, 0
        self._epochs_alone = False
        self._rate: float | None = None

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        if self.has(HYPERPARAMETER_LEARNING_RATE, step):
            self._rate = self.scalar(HYPERPARAMETER_LEARNING_RATE, step)
        self._epochs_alone |= self._first is None and self.has(TRAIN_LOSS, step)
        if self.has(TRAIN_LOSS, step) and not self._epochs_alone:
            return self._climbed(step, self.scalar(TRAIN_LOSS, step), ", the mean of an epoch")
        loss = self.batch_loss(step) if self.trains(step) else None
        if loss is None or not math.isfinite(loss):
            return False
        self._recent.append(loss)
        self._seen += 1
        if self._seen == 1 or (self._seen == self.patience and not self._guess):
            self._first = float(np.median(self._recent))
        self._guess = math.log(self.class_count(step) or 1)
        last = float(np.median(list(self._recent)[-(self.patience if self._guess else self.window) :]))
        return self._climbed(step, last, "") or self._guesses(step)

    def _climbed(self, step: int, loss: float, what: str) -> bool:
        limit = self._limit()
        self.note(step, loss, limit)
        if limit is None or self._first is None or len(self._recent) < self.patience or not limit < loss < math.inf:
            return False
        self._advise(loss / self._first)
        return self.found(f"The loss climbed from {self._first:.4g} to {loss:.4g}{what}.")

    def _limit(self) -> float | None:
        """Return how high a loss may climb; without limit where too little is known, or losses go below 0."""
        if self._first is None:
            return None
        if self._guess:
            return self.climb_factor * max(self._first, self._guess) * math.exp(1.5)
        losses = np.array(self._recent)
        if len(losses) < self.window or self._first <= 0 or losses.min() <= 0:
            return None
        scatter = 1.05 * float(np.median(np.abs(np.diff(np.log(losses)))))
        return self.climb_factor * self._first * math.exp(3 * scatter)

    def _guesses(self, step: int) -> bool:
        """Whether the network is thrown about where it knows less than nothing."""
        if len(self._recent) < self.window or not self._guess:
            return False
        losses = np.array(self._recent)[-self.window :]
        before, after = losses[: self.window // 2].mean(), losses[self.window // 2 :].mean()
        error = losses.std() / math.sqrt(self.window)
        if losses.mean() - 2 * error <= 1.2 * self._guess or after < before or (_moved(self, step) or 0.0) < 0.1:
            return False
        self._advise(1.0)
        jumps = f"jumps between {losses.min():.4g} and {losses.max():.4g}"
        return self.found(f"The loss {jumps}, worse than guessing, which has {self._guess:.4g}.")

    def _advise(self, climbed: float) -> None:
        if not self._rate:
            return
        # One significant digit: the suggestion is an order of magnitude, not a measurement.
        suggestion = min(self._rate / max(10.0, climbed), 0.01)
        self.advice = f"Try a learning rate of {suggestion:.1g} instead of {self._rate:g}."
        self.change = f"{suggestion:.1g}"


def _moved(rule: HealthRule, step: int) -> float | None:
    """Return how far the saved weights have moved since the first step, in units of their size; None without any."""
    trial = rule.base_trial
    names = trial.tensor_names(collection="weights") if "weights" in trial.collections() else ()
    if not names:
        return None
    moved = [0.0]
    for name in names:
        steps = [at for at in trial.tensor(name).steps() if at <= step]
        if len(steps) > 1:
            first, last = (rule.value(name, at).astype(np.float64) for at in (steps[0], steps[-1]))
            moved.append(float(np.abs(last - first).mean() / (np.abs(first).mean() + 1e-12)))
    return max(moved)


def _has_epochs(trial: Any) -> bool:
    """Whether the trial says that it saves the means of epochs; AWS's trials have none."""
    return TRAIN_LOSS in trial.tensor_names() or "sagehound" in trial.collections()
