"""How well a model does on a split: loss, accuracy, confusion, precision and recall, and every single prediction."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training_scripts.durable import write_text
from training_scripts.left_out import LeftOut


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a model said of N pictures.

    `loss` is the mean cross-entropy in nats. `positions` (N,) are those of the source, `labels`, `predicted` (N,) are
    classes, `probabilities` (N,) those of the predicted class, `logits` (N, classes) where they were asked for, and
    `strangeness` (N,) where the model can say so.
    """

    loss: float
    positions: NDArray[np.int64]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32] | None = None
    strangeness: NDArray[np.float32] | None = None

    @property
    def count(self) -> int:
        """Return how many pictures were judged."""
        return len(self.labels)

    @property
    def right(self) -> int:
        """Return how many pictures got their own class."""
        return int((self.labels == self.predicted).sum())

    @property
    def accuracy(self) -> float:
        """Return the share of pictures that got their own class, 0…1."""
        return float((self.labels == self.predicted).mean()) if self.count else 0.0


def confusion(outcome: Outcome, classes: int) -> NDArray[np.int64]:
    """Return (classes, classes): pictures of class i that were taken for class j."""
    counts = np.bincount(outcome.labels * classes + outcome.predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def weakest_class(outcome: Outcome, classes: Sequence[str]) -> str:
    """Return the class that is recognised least often, of such the largest; "" where all always are."""
    counts = confusion(outcome, len(classes))
    right, actual = counts.diagonal(), counts.sum(axis=1)
    missed = np.flatnonzero(right < actual).tolist()
    return classes[min(missed, key=lambda place: (right[place] / actual[place], -actual[place]))] if missed else ""


def report(
    outcome: Outcome, classes: Sequence[str], root: str, left_out: Sequence[LeftOut] = (), note: str = ""
) -> dict[str, Any]:
    """Return one split of evaluation.json; precision or recall is null where there is nothing to divide by.

    `note` says what must be known of these numbers, where they are not simply the saved model's.
    """
    counts = confusion(outcome, len(classes))
    right, actual, claimed = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    per_class = [
        {
            "label": label,
            "precision": float(right[i] / claimed[i]) if claimed[i] else None,
            "recall": float(right[i] / actual[i]) if actual[i] else None,
            "support": int(actual[i]),
        }
        for i, label in enumerate(classes)
    ]
    return {
        "accuracy": outcome.accuracy,
        "loss": outcome.loss if np.isfinite(outcome.loss) else None,
        "count": outcome.count,
        "note": note,
        "left_out": [{"path": picture.path, "reason": picture.reason} for picture in left_out],
        "root": root,
        "confusion": counts.tolist(),
        "per_class": per_class,
    }


def write_predictions(file: Path, outcome: Outcome, classes: Sequence[str], paths: Sequence[str]) -> None:
    """Write one line per picture: path, label, predicted, and the probability of the predicted class.

    Where the logits are known also the probability of its own class, the place of that among the answers (1 is the
    first), and the squared distance of all probabilities from the truth (Brier 1950, 0…2). `strangeness` says
    how unlike known pictures it is, where the model can say so.
    """
    columns = {
        "path": [paths[position] for position in outcome.positions],
        "label": [classes[label] for label in outcome.labels],
        "predicted": [classes[label] for label in outcome.predicted],
        "probability": [f"{value:.6f}" for value in outcome.probabilities],
    }
    if outcome.logits is not None:
        logits, rows = outcome.logits.astype(np.float64), np.arange(outcome.count)
        probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        own = probabilities[rows, outcome.labels]
        brier = (probabilities**2).sum(axis=1) - 2 * own + 1
        columns["label_probability"] = [f"{value:.6f}" for value in own]
        columns["label_rank"] = [str(value) for value in 1 + (probabilities > own[:, None]).sum(axis=1)]
        columns["brier"] = [f"{value:.6f}" for value in brier]
    if outcome.strangeness is not None:
        columns["strangeness"] = [f"{value:.6f}" for value in outcome.strangeness]
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(zip(*columns.values(), strict=True))
    write_text(file, text.getvalue(), flushed=False)


def write_evaluation(folder: Path, splits: Mapping[str, dict[str, Any]], classes: Sequence[str]) -> None:
    """Write evaluation.json; a split that does not exist is null."""
    data = {"classes": list(classes), "valid": splits.get("valid"), "test": splits.get("test")}
    write_text(folder / "evaluation.json", json.dumps(data, indent=1, ensure_ascii=False), flushed=False)
