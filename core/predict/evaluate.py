"""How well a model does on a split: what the training job found itself, else computed picture by picture."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ModelError
from core.jobs.accuracy import Accuracy, percent, share_words, wilson
from core.predict.coverage import Coverage, coverage_at
from core.predict.records import Answer, Prediction
from core.predict.scores import TOP, ReliabilityBin, Scores, calibration_error, of_confusion, reliability
from core.progress import CancelToken, OnProgress, ignore_progress
from core.translation import tr
from training_scripts.outside import UNUSABLE, read_json

if TYPE_CHECKING:
    from core.models import Model
    from core.models.threshold import Threshold
    from core.store.held_out import HeldOut

_SMALLEST = 1e-12  # a probability of 0 would make the loss infinite


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Precision and recall of one class, 0…1; None where nothing was predicted as it, or none of it was there."""

    label: str
    precision: float | None
    recall: float | None
    support: int

    @property
    def right(self) -> int:
        """Return how many pictures of the class got it."""
        return round((self.recall or 0.0) * self.support)

    @property
    def recall_interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the recall."""
        return wilson(self.right, self.support)


@dataclass(frozen=True, slots=True)
class EvaluatedPicture:
    """One picture of the split: what it is, what the model said, and how sure it was (0…1).

    `label_probability` is that of the class it is, `rank` that class's place among the answers (1 is the first), and
    `brier` the squared distance of all probabilities from the truth (0…2); `strangeness` says how
    unlike known pictures it is. None in evaluations of earlier versions.
    """

    path: str
    label: str
    predicted: str
    probability: float
    label_probability: float | None = None
    rank: int | None = None
    brier: float | None = None
    strangeness: float | None = None

    @classmethod
    def of_answer(cls, path: str, label: str, answer: Prediction) -> EvaluatedPicture:
        """Judge an answer."""
        classes = dict(answer.classes)
        if label not in classes:  # an endpoint of others may name the first few only
            return cls(path, label, answer.label, answer.probability, strangeness=answer.strangeness)
        own = classes[label]
        rank = 1 + sum(probability > own for probability in classes.values())
        brier = sum((probability - (name == label)) ** 2 for name, probability in classes.items())
        return cls(path, label, answer.label, answer.probability, own, rank, brier, answer.strangeness)

    @property
    def right(self) -> bool:
        """Whether the model was right."""
        return self.label == self.predicted


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model's result on one split.

    `confusion[i][j]` counts pictures of class i that were taken for class j. `loss` is the mean cross-entropy in nats,
    None where it is not known. `pictures` may be empty when the job kept none; their paths are relative to `root`.
    `left_out` are the pictures that could not be read, with the reason; they count for nothing. `note` says whose
    numbers they are where they are not the saved model's own. `threshold` is the model's at this moment, None where it
    cannot say what it does not know. `held_out` is what is known of the locked test folder that the pictures are from.
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
    note: str = ""
    threshold: Threshold | None = None
    held_out: HeldOut | None = None

    @property
    def answered(self) -> Coverage | None:
        """Return how many pictures the threshold lets be answered; None where that is not known."""
        if self.threshold is None or all(picture.strangeness is None for picture in self.pictures):
            return None
        return coverage_at(self.pictures, self.threshold.value)

    def is_unknown(self, picture: EvaluatedPicture) -> bool:
        """Whether the model says that it does not know what a picture shows."""
        threshold = self.threshold
        return threshold is not None and picture.strangeness is not None and picture.strangeness > threshold.value

    @property
    def right(self) -> int:
        """Return how many pictures were recognised."""
        return sum(row[place] for place, row in enumerate(self.confusion))

    @property
    def scores(self) -> Scores:
        """Return the figures beside accuracy and loss."""
        found = of_confusion(self.confusion)
        if not self.pictures:
            return found
        briers = [picture.brier for picture in self.pictures if picture.brier is not None]
        ranks = [picture.rank for picture in self.pictures if picture.rank is not None]
        whole = len(self.pictures)
        return replace(
            found,
            ece=calibration_error(self.reliability),
            brier=sum(briers) / whole if len(briers) == whole else None,
            top=sum(rank <= TOP for rank in ranks) / whole
            if len(ranks) == whole and len(self.classes) > 2 * TOP
            else None,
        )

    @property
    def reliability(self) -> tuple[ReliabilityBin, ...]:
        """Return how right the answers were by how sure they were."""
        return reliability([p.probability for p in self.pictures], [p.right for p in self.pictures])

    @property
    def weakest(self) -> ClassScore | None:
        """Return the class that is recognised least often; None where all are recognised always."""
        missed = [score for score in self.per_class if score.recall is not None and score.recall < 1]
        return min(missed, key=lambda score: (score.recall or 0.0, -score.support), default=None)

    @property
    def confusions(self) -> tuple[tuple[str, str, int], ...]:
        """Return which class was taken for which, and how often; the most frequent first."""
        pairs = [
            (self.classes[i], self.classes[j], count)
            for i, row in enumerate(self.confusion)
            for j, count in enumerate(row)
            if i != j and count
        ]
        return tuple(sorted(pairs, key=lambda pair: -pair[2]))

    @property
    def sentence(self) -> str:
        """Return the result for people: how many were right, how sure that is, and where it is weakest."""
        weakest = self.weakest.label if self.weakest is not None else ""
        accuracy = Accuracy(self.split, self.accuracy, self.count, weakest)
        return tr("Gets {result}").format(result=accuracy.sentence)

    @property
    def figures(self) -> str:
        """Return the other figures in one line; those that are not known are left out."""
        scores = self.scores
        found = {
            tr("Balanced accuracy"): percent(scores.balanced_accuracy),
            tr("macro F1"): f"{scores.macro_f1:.3f}",
            tr("right within the first {top}").format(top=TOP): None if scores.top is None else percent(scores.top),
            tr("always saying the largest class"): percent(scores.baseline),
            tr("loss"): None if self.loss is None else f"{self.loss:.4f}",
            tr("Brier"): None if scores.brier is None else f"{scores.brier:.3f}",
            tr("calibration error"): None if scores.ece is None else f"{scores.ece:.3f}",
            tr("left out as unreadable"): f"{self.unreadable:,}" if self.unreadable else None,
        }
        words = [f"{name} {value}" for name, value in found.items() if value is not None]
        if (answered := self.answered) is not None and answered.accuracy is not None:
            said = tr("{accuracy} right of the {share} that it does not call unknown")
            words.append(
                said.format(accuracy=share_words(answered.right, answered.answered), share=percent(answered.share))
            )
        return ", ".join(words)

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
    model: Model,
    root: Path,
    labelled: Sequence[tuple[str, str]],
    split: str,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> Evaluation:
    """Classify pictures and count. `labelled` are their paths below `root`, each with its class; `split` names them.

    Raises:
        ModelError: there are no such pictures, none of them can be read, or the model knows other classes.
        EngineError: an endpoint does not answer.
        Cancelled: through `cancel`.
    """
    if not labelled:
        raise ModelError(
            tr("There are no {split} pictures to evaluate on.").format(split=split), fix=tr("Choose another split.")
        )
    labels = {label for _, label in labelled}
    if missing := labels - set(model.classes) if model.classes else set():
        known = _some(model.classes)
        raise ModelError(
            tr("The model does not know these classes of the pictures: {missing}.").format(
                missing=_some(sorted(missing))
            ),
            tr("It knows {known}.").format(known=known),
            tr("Choose pictures whose folders have the names of its classes."),
        )
    answers = model.classify([root / path for path, _ in labelled], None, on_progress, cancel)
    return judge_answers(model, root, labelled, answers, split)


def judge_answers(
    model: Model, root: Path, labelled: Sequence[tuple[str, str]], answers: Sequence[Answer], split: str
) -> Evaluation:
    """Count what a model answered about labelled pictures, one answer for each.

    Raises:
        ModelError: none of them could be read.
    """
    judged: list[EvaluatedPicture] = []
    left_out: list[tuple[str, str]] = []
    for (path, label), answer in zip(labelled, answers, strict=True):
        if isinstance(answer, Prediction):
            judged.append(EvaluatedPicture.of_answer(path, label, answer))
        else:
            left_out.append((path, answer.error.what))
    if not judged:
        raise ModelError(
            tr("None of the {split} pictures can be read.").format(split=split),
            tr("They should lie in {root}.").format(root=root),
        )
    owns = [picture.label_probability for picture in judged]
    loss = None if None in owns else -sum(math.log(max(own or 0.0, _SMALLEST)) for own in owns) / len(owns)
    found = {label for _, label in labelled} | {picture.predicted for picture in judged}
    classes = model.classes or tuple(sorted(found))
    threshold = model.info.threshold if model.info is not None else None
    return replace(summarise(judged, classes, split, model.name, loss, left_out, root), threshold=threshold)


def _some(names: Sequence[str], shown: int = 5) -> str:
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest


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
        note=str(data.get("note", "")),
    )


def _read_pictures(path: Path) -> tuple[EvaluatedPicture, ...]:
    if not path.is_file():
        return ()
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            EvaluatedPicture(
                row["path"],
                row["label"],
                row["predicted"],
                float(row["probability"]),
                _number(row.get("label_probability")),
                int(row["label_rank"]) if row.get("label_rank") else None,
                _number(row.get("brier")),
                _number(row.get("strangeness")),
            )
            for row in csv.DictReader(file)
        )


def _number(text: str | None) -> float | None:
    return float(text) if text else None
