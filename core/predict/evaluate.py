"""How well a model does on a split: what the training job found itself, else computed picture by picture."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ModelError
from core.predict.records import Prediction
from core.progress import CancelToken, OnProgress, ignore_progress
from training_scripts.outside import UNUSABLE, read_json

if TYPE_CHECKING:
    from core.dataset.manifest import Manifest
    from core.predict.predictor import Predictor

_SMALLEST = 1e-12  # a probability of 0 would make the loss infinite


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Precision and recall of one class, 0…1; None where nothing was predicted as it, or none of it was there."""

    label: str
    precision: float | None
    recall: float | None
    support: int


@dataclass(frozen=True, slots=True)
class EvaluatedPicture:
    """One picture of the split: what it is, what the model said, and how sure it was (0…1)."""

    path: str
    label: str
    predicted: str
    probability: float

    @property
    def right(self) -> bool:
        """Whether the model was right."""
        return self.label == self.predicted


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's result on one split.

    `confusion[i][j]` counts pictures of class i that were taken for class j. `loss` is the mean cross-entropy in nats,
    None where it is not known. `pictures` may be empty when the job kept none; their paths are relative to `root`.
    `left_out` are the pictures that could not be read, with the reason; they count for nothing.
    """

    job: str
    split: str
    classes: tuple[str, ...]
    count: int
    accuracy: float
    loss: float | None
    confusion: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassScore, ...]
    pictures: tuple[EvaluatedPicture, ...] = ()
    root: Path | None = None
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def unreadable(self) -> int:
        """Return how many pictures were left out."""
        return len(self.left_out)

    @property
    def wrong(self) -> tuple[EvaluatedPicture, ...]:
        """Return the pictures the model got wrong, the surest mistakes first."""
        mistakes = (picture for picture in self.pictures if not picture.right)
        return tuple(sorted(mistakes, key=lambda picture: -picture.probability))

    def confused(self, label: str, predicted: str) -> tuple[EvaluatedPicture, ...]:
        """Return the pictures of class `label` that were taken for `predicted`: one cell of the confusion matrix."""
        return tuple(p for p in self.pictures if p.label == label and p.predicted == predicted)


def evaluate(
    model_folder: Path,
    split: str = "test",
    *,
    job_folder: Path | None = None,
    manifest: Manifest | None = None,
    predictor: Predictor | None = None,
    name: str = "",
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> Evaluation:
    """Return the evaluation that the job kept; where there is none, the predictor classifies the manifest's split.

    Raises:
        ModelError: the job kept none and there is nothing to compute one from.
        Cancelled: through `cancel`.
    """
    if job_folder is not None:
        kept = read_evaluation(job_folder / "output" / "data", split, name)
        if kept is not None:
            return kept
    if manifest is None or predictor is None:
        raise ModelError(
            f"{name or model_folder.name} has no evaluation on {split}.",
            "The job kept none, and the dataset it was trained on is not known here.",
            "Open the dataset again, then train again.",
        )
    return compute_evaluation(predictor, model_folder, manifest, split, name, on_progress, cancel)


def read_evaluation(folder: Path, split: str, job: str = "") -> Evaluation | None:
    """Return what train.py wrote to its output folder about `split`; None if that is missing or damaged."""
    try:
        data = read_json(folder / "evaluation.json")
        found = data.get(split)
        if not found:
            return None
        return _from_json(data["classes"], found, split, job, _read_pictures(folder / f"predictions_{split}.csv"))
    except UNUSABLE:
        return None


def compute_evaluation(
    predictor: Predictor,
    model_folder: Path,
    manifest: Manifest,
    split: str,
    job: str = "",
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> Evaluation:
    """Classify every picture of `split` and count.

    Raises:
        ModelError: the split is empty, none of it can be read, or the model knows other classes.
        Cancelled: through `cancel`.
    """
    entries = manifest.of(split)
    if not entries:
        raise ModelError(f"The dataset has no {split} pictures.", fix="Choose another split.")
    model = predictor.load(model_folder, job, on_progress, cancel)
    if set(manifest.classes) - set(model.classes):
        missing = ", ".join(sorted(set(manifest.classes) - set(model.classes)))
        raise ModelError(f"The model does not know these classes of the dataset: {missing}.", fix="Choose its dataset.")
    answers = predictor.classify([manifest.path_of(entry) for entry in entries], None, on_progress, cancel)
    judged: list[EvaluatedPicture] = []
    left_out: list[tuple[str, str]] = []
    loss = 0.0
    for entry, answer in zip(entries, answers, strict=True):
        if isinstance(answer, Prediction):
            label = manifest.classes[entry.label]
            judged.append(EvaluatedPicture(entry.path, label, answer.label, answer.probability))
            loss -= math.log(max(dict(answer.classes)[label], _SMALLEST))
        else:
            left_out.append((entry.path, answer.error.what))
    if not judged:
        raise ModelError(f"None of the {split} pictures can be read.", f"They should lie in {manifest.root}.")
    return summarise(judged, model.classes, split, job, loss / len(judged), left_out, manifest.root)


def summarise(
    judged: Sequence[EvaluatedPicture],
    classes: Sequence[str],
    split: str,
    job: str,
    loss: float | None,
    left_out: Sequence[tuple[str, str]] = (),
    root: Path | None = None,
) -> Evaluation:
    """Count single answers into an evaluation."""
    index = {label: number for number, label in enumerate(classes)}
    confusion = [[0] * len(classes) for _ in classes]
    for picture in judged:
        confusion[index[picture.label]][index[picture.predicted]] += 1
    right = sum(picture.right for picture in judged)
    return Evaluation(
        job=job,
        split=split,
        classes=tuple(classes),
        count=len(judged),
        accuracy=right / len(judged) if judged else 0.0,
        loss=loss,
        confusion=tuple(tuple(row) for row in confusion),
        per_class=_scores(classes, confusion),
        pictures=tuple(judged),
        root=root,
        left_out=tuple(left_out),
    )


def _scores(classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> tuple[ClassScore, ...]:
    scores: list[ClassScore] = []
    for number, label in enumerate(classes):
        hits = confusion[number][number]
        support, predicted = sum(confusion[number]), sum(row[number] for row in confusion)
        precision = hits / predicted if predicted else None
        scores.append(ClassScore(label, precision, hits / support if support else None, support))
    return tuple(scores)


def _from_json(
    classes: Sequence[str], data: Mapping[str, Any], split: str, job: str, pictures: tuple[EvaluatedPicture, ...]
) -> Evaluation:
    confusion = tuple(tuple(int(cell) for cell in row) for row in data["confusion"])
    if len(confusion) != len(classes) or any(len(row) != len(classes) for row in confusion):
        raise ValueError("the confusion matrix does not match the classes")
    left_out = tuple((str(picture["path"]), str(picture["reason"])) for picture in data.get("left_out", ()))
    loss = float(data["loss"]) if data.get("loss") is not None else math.nan
    return Evaluation(
        job=job,
        split=split,
        classes=tuple(str(label) for label in classes),
        count=int(data["count"]),
        accuracy=float(data["accuracy"]),
        loss=loss if math.isfinite(loss) else None,
        confusion=confusion,
        per_class=_scores(classes, confusion),
        pictures=pictures,
        root=Path(data["root"]) if data.get("root") else None,
        left_out=left_out,
    )


def _read_pictures(path: Path) -> tuple[EvaluatedPicture, ...]:
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            EvaluatedPicture(row["path"], row["label"], row["predicted"], float(row["probability"]))
            for row in csv.DictReader(file)
        )
