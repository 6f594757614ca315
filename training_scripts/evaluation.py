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
    classes, `probabilities` (N,) those of the predicted class, `logits` (N, classes) where they were asked for.
    """

    loss: float
    positions: NDArray[np.int64]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    logits: NDArray[np.float32] | None = None

    @property
    def count(self) -> int:
        """Return how many pictures were judged."""
        return len(self.labels)

    @property
    def accuracy(self) -> float:
        """Return the share of pictures that got their own class, 0…1."""
        return float((self.labels == self.predicted).mean()) if self.count else 0.0


def confusion(outcome: Outcome, classes: int) -> NDArray[np.int64]:
    """(classes, classes): pictures of class i that were taken for class j."""
    counts = np.bincount(outcome.labels * classes + outcome.predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def report(
    outcome: Outcome, classes: Sequence[str], root: str, left_out: Sequence[LeftOut] = (), note: str = ""
) -> dict[str, Any]:
    """One split of evaluation.json; precision or recall is null where there is nothing to divide by.

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
    """Write one line per picture: path, label, predicted, probability of the predicted class."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("path", "label", "predicted", "probability"))
    for position, label, predicted, probability in zip(
        outcome.positions, outcome.labels, outcome.predicted, outcome.probabilities, strict=True
    ):
        table.writerow((paths[position], classes[label], classes[predicted], f"{probability:.6f}"))
    write_text(file, text.getvalue(), flushed=False)


def write_evaluation(folder: Path, splits: Mapping[str, dict[str, Any]], classes: Sequence[str]) -> None:
    """Write evaluation.json; a split that does not exist is null."""
    data = {"classes": list(classes), "valid": splits.get("valid"), "test": splits.get("test")}
    write_text(folder / "evaluation.json", json.dumps(data, indent=1, ensure_ascii=False), flushed=False)
