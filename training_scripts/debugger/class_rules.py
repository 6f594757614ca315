"""Rules about labels and predictions by class: AWS Debugger's names, parameters and defaults, and one of ours."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from training_scripts.debugger.health import HealthRule, parse_steps
from training_scripts.debugger.tfevents import Array

_MORE_OF_THE_RARE = "Add pictures of the rare classes, or train on equally many of each."


_POISSON = 2.0
"""A count of n may stand for up to n + 2 sqrt(n) + 2, in 39 of 40 cases."""


_LEARNED = 2 / 3
"""A network that recognises fewer of the other classes' pictures may yet come to the one that it passes over."""


class ClassImbalance(HealthRule):
    """Fires when classes are too unequal, or when too many pictures of one class are mispredicted.

    After `samples` labels the largest class may have at most `threshold_imbalance` times as many as the smallest one
    seen, and of no class may more than the share `threshold_misprediction` be mispredicted; then counting starts again.
    `argmax`: the predictions are logits or probabilities.

    Where AWS is silent: labels are counted in training steps, mispredictions in evaluation steps (in training steps
    where there are no others), because a network that still learns mispredicts; a class is judged from 10 labels on;
    and counting lasts up to 30 labels per class, since with fewer, chance alone makes classes unequal.

    Ours: `patience` is in how many judgements in a row the same class must be mispredicted (1: AWS's criterion). From 2
    on the others must meanwhile be recognised, two thirds of their pictures at least, and no longer get better, by
    under 5 points from the first of these judgements to the last; the finding is taken back once the class is
    recognised; and classes are too unequal only where chance does not explain it, else counting goes on.
    """

    meaning: str = "Some classes are so rare that the network may ignore them."
    advice: str = _MORE_OF_THE_RARE
    setting: str = "class_weights"
    change: str = "1"

    def __init__(
        self,
        base_trial: Any,
        threshold_imbalance: float = 10.0,
        threshold_misprediction: float = 0.7,
        samples: int = 500,
        argmax: bool = False,
        labels_regex: str = ".*labels",
        predictions_regex: str = ".*predictions",
        patience: int = 1,
    ) -> None:
        super().__init__(base_trial)
        self.threshold_imbalance, self.threshold_misprediction = threshold_imbalance, threshold_misprediction
        self.samples, self.argmax = parse_steps(samples, "samples"), argmax
        self.labels_regex, self.predictions_regex = labels_regex, predictions_regex
        self.patience = parse_steps(patience, "patience")
        self._labels: Counter[int] = Counter()
        self._judged: Counter[int] = Counter()
        self._taken_for: Counter[tuple[int, int]] = Counter()
        self._others: list[float] = []
        self._unrecognised: int | None = None
        self._uneven = False

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        labels, predictions = _labels_and_predictions(self, step, self.labels_regex, self.predictions_regex)
        if labels is None:
            return False
        evaluates = self.mode(step) == "EVAL"
        if not evaluates:
            self._labels.update(labels.tolist())
        if predictions is not None and (evaluates or not _has_eval(self.base_trial)):
            predicted = predictions.argmax(axis=-1) if self.argmax and predictions.ndim > 1 else predictions
            predicted = predicted.reshape(-1)[: len(labels)]
            judged = labels[: len(predicted)]
            self._judged.update(judged.tolist())
            wrong = judged != predicted
            self._taken_for.update(zip(judged[wrong].tolist(), predicted[wrong].tolist(), strict=True))
        return self._imbalanced(step) or self._mispredicted(step)

    def _imbalanced(self, step: int) -> bool:
        total, classes = sum(self._labels.values()), len(self._labels)
        if total < max(self.samples, 30 * classes) or classes < 2:
            return False
        largest, smallest = max(self._labels.values()), min(self._labels.values())
        rare = min(self._labels, key=self._labels.__getitem__)
        most_likely = smallest + _POISSON * math.sqrt(smallest) + _POISSON
        limit = self.threshold_imbalance
        if self.patience > 1 and limit * smallest < largest <= limit * most_likely:
            return False  # the smallest of many classes may have so few labels by chance: keep counting
        self._labels.clear()
        self.note(step, largest / smallest, self.threshold_imbalance)
        if largest / smallest <= self.threshold_imbalance:
            return False
        self._uneven = True
        self.meaning, self.advice = ClassImbalance.meaning, _MORE_OF_THE_RARE
        return self.found(f"Class {rare} has {smallest} labels where the largest class has {largest}.")

    def _mispredicted(self, step: int) -> bool:
        if sum(self._judged.values()) < max(self.samples, 30 * len(self._judged)):
            return False
        wrong: Counter[int] = Counter()
        for (label, _), count in self._taken_for.items():
            wrong[label] += count
        shares = {label: wrong[label] / count for label, count in self._judged.items() if count >= 10}
        counts, taken_for = Counter(self._judged), Counter(self._taken_for)
        self._judged.clear()
        self._taken_for.clear()
        if not shares:
            return False
        worst = max(shares, key=shares.__getitem__)
        if shares[worst] <= self.threshold_misprediction:
            self._recognised(step)
            return False
        if not self._stays(worst, [1 - share for label, share in shares.items() if label != worst]):
            self.evaluated += 1
            return False
        if not self._uneven:
            self.meaning = "The network has learned the other classes and passes over this one."
            self.advice = f"Look at the pictures and labels of class {worst}; add some, or weight it in the loss."
        self.note_alone(step, shares[worst], self.threshold_misprediction)
        other = max((pair for pair in taken_for if pair[0] == worst), key=taken_for.__getitem__)[1]
        often = "never" if shares[worst] == 1 else "hardly ever"
        return self.found(
            f"Class {worst} is {often} recognised: {wrong[worst]} of {counts[worst]} of its pictures are taken for "
            f"others, most for class {other}."
        )

    def _stays(self, worst: int, others: list[float]) -> bool:
        """Whether this class was passed over long enough, by a network that has learned the others."""
        if self.patience == 1:
            return True
        if worst != self._unrecognised:
            self._unrecognised, self._others = worst, []
        self._others.append(float(np.mean(others)) if others else 0.0)
        latest = self._others[-self.patience :]
        return len(latest) == self.patience and latest[-1] >= _LEARNED and latest[-1] - latest[0] < 0.05

    def _recognised(self, step: int) -> None:
        """Note that every class is recognised well enough; what was found of one that was not is past."""
        self.evaluated += 1
        if self.patience > 1 and self._unrecognised is not None and not self._uneven:
            self.take_back(f"Class {self._unrecognised} is recognised by step {self.training_step(step):,}.")
        self._unrecognised, self._others = None, []


class Confusion(HealthRule):
    """Fires when the confusion matrix has too little on its diagonal or too much beside it.

    Of the pictures with one label at least the share `min_diag` must be predicted right, and of those with any label
    at most `max_off_diag` as one certain other class. AWS's printed formula divides the diagonal by its own sum, which
    would fail a perfect network with ten classes; rows are normalised by their labels instead. Evaluations are
    counted one by one, training steps only where there are no others; a label needs 10 pictures to be judged.
    `category_no` is the number of classes, found out if None.
    """

    meaning: str = "The network mixes up certain classes."
    advice: str = "Look at the pictures of the confused classes: wrong labels, or classes that look alike."

    def __init__(
        self,
        base_trial: Any,
        category_no: int | None = None,
        labels: str = "labels",
        predictions: str = "predictions",
        labels_collection: str = "labels",
        predictions_collection: str = "predictions",
        min_diag: float = 0.9,
        max_off_diag: float = 0.1,
    ) -> None:
        super().__init__(base_trial)
        self.category_no = None if category_no is None else parse_steps(category_no, "category_no", 2)
        self._names = (labels, predictions)
        self._collections = (labels_collection, predictions_collection)
        self.min_diag, self.max_off_diag = min_diag, max_off_diag
        self._counts: Counter[tuple[int, int]] = Counter()

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        evaluates = self.mode(step) == "EVAL"
        if not evaluates and _has_eval(self.base_trial):
            fired = self._judge(step)
            self._counts.clear()
            return fired
        labels, predictions = _labels_and_predictions(self, step, *self._names, *self._collections)
        if labels is None or predictions is None:
            return False
        predicted = predictions.argmax(axis=-1) if predictions.ndim > 1 else np.rint(predictions).astype(np.int64)
        self._counts.update(zip(labels.tolist(), predicted.reshape(-1).tolist(), strict=False))
        return False if evaluates else self._judge(step)

    def _judge(self, step: int) -> bool:
        if not self._counts:
            return False
        size = self.category_no or 1 + max(max(pair) for pair in self._counts)
        matrix = np.zeros((size, size))
        for (label, predicted), count in self._counts.items():
            if label < size and 0 <= predicted < size:
                matrix[label, predicted] = count
        rows = matrix.sum(axis=1)
        shares = matrix[rows >= 10] / rows[rows >= 10, None]
        kept = np.flatnonzero(rows >= 10)
        if not len(kept):
            return False
        right = shares[np.arange(len(kept)), kept]
        shares[np.arange(len(kept)), kept] = 0
        self.note(step, float(right.min()), self.min_diag)
        if right.min() >= self.min_diag and shares.max() <= self.max_off_diag:
            return False
        label = int(kept[right.argmin()])
        other = int(shares[right.argmin()].argmax())
        return self.found(
            f"Of class {label} {100 * right.min():.0f} % are recognised; most others go to class {other}."
        )


class ClassCollapse(HealthRule):
    """Fires when nearly all predictions are one class although the labels are not. Ours.

    At the end of an evaluation at least `share` of its predictions are one class, the commonest label has less than
    `label_share`, at least `samples` were seen, and it was so in `patience` evaluations in a row: after the first
    epoch many a healthy network still guesses one class. It is taken back after an evaluation in which it was not so.
    Logits and labels are the inputs of the loss.
    """

    meaning: str = "The network answers with one class whatever the picture shows."
    advice: str = "Lower the learning rate, and check that the labels fit the pictures."
    setting: str = "learning_rate"
    change: str = "*0.1"

    def __init__(
        self, base_trial: Any, share: float = 0.98, label_share: float = 0.9, samples: int = 20, patience: int = 2
    ) -> None:
        super().__init__(base_trial)
        self.share, self.label_share = share, label_share
        self.samples, self.patience = parse_steps(samples, "samples"), parse_steps(patience, "patience")
        self._labels: Counter[int] = Counter()
        self._predicted: Counter[int] = Counter()
        self._run = 0

    def invoke_at_step(self, step: int) -> bool:
        """See the class."""
        if self.mode(step) != "EVAL":
            fired = self._judge(step)
            self._labels.clear()
            self._predicted.clear()
            return fired
        names = ("Loss_input_1$", "Loss_input_0$", "labels", "predictions")
        labels, predictions = _labels_and_predictions(self, step, *names)
        if labels is not None and predictions is not None and predictions.ndim > 1:
            self._predicted.update(predictions.argmax(axis=-1).tolist())
            self._labels.update(labels.tolist())
        return False

    def _judge(self, step: int) -> bool:
        total = sum(self._predicted.values())
        if total < self.samples:
            return False
        label, count = self._predicted.most_common(1)[0]
        self.note(step, count / total, self.share)
        varied = self._labels.most_common(1)[0][1] < self.label_share * sum(self._labels.values())
        self._run = self._run + 1 if varied and count >= self.share * total else 0
        if not self._run:
            self.take_back(f"By step {self.training_step(step):,} the answers differ.")
        if self._run < self.patience:
            return False
        return self.found(f"{count} of {total} evaluated pictures are predicted as class {label}.")


def _labels_and_predictions(
    rule: HealthRule,
    step: int,
    labels_regex: str,
    predictions_regex: str,
    labels_collection: str = "",
    predictions_collection: str = "",
) -> tuple[Array | None, Array | None]:
    """Return labels (N,) and predictions (N,) or (N, classes) saved at a step, None where there are none."""
    labels = rule.chosen(step, labels_collection, labels_regex)
    predictions = rule.chosen(step, predictions_collection, predictions_regex)
    if not labels:
        return None, None
    values = rule.value(labels[0], step).reshape(-1)
    if not predictions:
        return values, None
    answers = rule.value(predictions[0], step)
    count = min(len(values), len(answers))
    return values[:count], answers[:count]


def _has_eval(trial: Any) -> bool:
    return any(mode.name == "EVAL" for mode in trial.modes())
