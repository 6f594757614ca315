"""The model card: Markdown with the YAML head that model hubs read, made of what is known of a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.jobs.accuracy import wilson
from core.models.export.formats import TOLERANCE, ExportFormat
from core.models.export.script import packages
from core.models.info import ModelInfo
from core.predict.evaluate import Evaluation
from training_scripts.backbones import BACKBONES, FRAMES, Preprocessing

_SPLITS = {"test": "test", "valid": "valid (also used to choose the model)", "train": "train"}


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of a model besides its own folder.

    `evaluations` by split; `pictures` counts those of each split that it learned from or was judged on; `dataset` is
    the name of their folder. All may be empty: of an imported archive only the archive is known.
    """

    evaluations: Mapping[str, Evaluation] = field(default_factory=dict)
    pictures: Mapping[str, int] = field(default_factory=dict)
    dataset: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How an exported model's answers compare with `sagehound classify`'s on `count` pictures.

    `largest` is the largest difference of a probability; None where the format cannot be run here, which `why_not`
    says in a sentence.
    """

    count: int
    largest: float | None
    why_not: str = ""

    def sentence(self) -> str:
        """Return what was found, for people."""
        if self.largest is None:
            return f"Not compared with Sagehound's own answers: {self.why_not}"
        return (
            f"On {self.count} pictures no probability differed from Sagehound's own by more than {self.largest:.1e} "
            f"(allowed: {TOLERANCE:g})."
        )


def model_card(info: ModelInfo, facts: ModelFacts, format_: ExportFormat, agreement: Agreement) -> str:
    """Return the model card as Markdown."""
    parts = [
        _head(info, facts, format_),
        f"# {_line(info.name)}",
        f"An image classifier: it tells which of {len(info.classes)} classes a picture shows. "
        f"Trained with Sagehound, exported as {format_.title}.",
        "## Use",
        _use(info, format_),
        "## Figures",
        _figures(facts),
        "## Data",
        _data(info, facts),
        "## Training",
        _training(info),
        "## Limits",
        _limits(info),
        "## Agreement",
        agreement.sentence(),
        "## Licences",
        _licences(info),
    ]
    return "\n\n".join(parts) + "\n"


def _head(info: ModelInfo, facts: ModelFacts, format_: ExportFormat) -> str:
    results = [
        {
            "task": {"type": "image-classification"},
            "dataset": {"name": facts.dataset or "unnamed", "type": "imagefolder", "split": split},
            "metrics": [
                {"type": "accuracy", "value": round(found.accuracy, 4)},
                *([] if found.loss is None else [{"type": "loss", "value": round(found.loss, 4)}]),
            ],
        }
        for split, found in facts.evaluations.items()
    ]
    head: dict[str, Any] = {
        "license": "unknown",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "sagehound", format_.name, info.backbone],
    }
    if results:
        head["model-index"] = [{"name": info.name, "results": results}]
    # JSON is YAML, so every name is quoted as it must be.
    return "\n".join(
        ["---", *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()), "---"]
    )


def _use(info: ModelInfo, format_: ExportFormat) -> str:
    shape = ", ".join(map(str, info.preprocessing.shape))
    return (
        f"```\npip install {packages(format_, info.preprocessing)}\npython classify.py PICTURE ...\n```\n\n"
        f"Input `pictures`: (N, {shape}) RGB, bytes from 0 to 255. {_framing(info.preprocessing)} "
        "Scaling, mean and standard deviation are inside the graph. "
        f"Output `probabilities`: (N, {len(info.classes)}), in the order of the classes below, temperature included."
        f"{_unknown(info)}"
    )


def _unknown(info: ModelInfo) -> str:
    if info.threshold is None:
        return ""
    return (
        " Output `strangeness`: (N, 1), how unlike known pictures it is; above "
        f"{info.threshold.value:.4f} it most likely shows none of the classes. {info.threshold.sentence}"
    )


def _framing(preprocessing: Preprocessing) -> str:
    square, how = f"{preprocessing.size} x {preprocessing.size}", preprocessing.interpolation
    several = (
        "" if preprocessing.views == 1 else f" That is the first of {preprocessing.views} views; see preprocess.py."
    )
    square_of = {
        "crop": f"The shorter side is scaled to {preprocessing.resize} pixels ({how}) and the middle {square} cut out.",
        "squash": f"The whole picture is scaled to {square}, whatever its shape ({how}).",
        "pad": f"The whole picture is scaled to fit {square} ({how}), and the rest filled with the mean colour.",
    }
    return square_of[preprocessing.framing] + several + _looked_at(preprocessing)


def _looked_at(preprocessing: Preprocessing) -> str:
    """Return which frame and channels of a picture the model sees, where these were chosen."""
    said = ""
    if preprocessing.frame != FRAMES[0]:
        said += f" Of an animation or of pages it sees the {preprocessing.frame} one."
    if preprocessing.channels is not None:
        red, green, blue = preprocessing.channels
        said += f" Channel {red} of a picture is its red, {green} its green and {blue} its blue."
    return said


def _figures(facts: ModelFacts) -> str:
    if not facts.evaluations:
        return "None are known: the model came as a file, without what it was judged on."
    rows = []
    for split, found in facts.evaluations.items():
        right = sum(found.confusion[i][i] for i in range(len(found.classes)))
        low, high = wilson(right, found.count)
        loss = "-" if found.loss is None else f"{found.loss:.4f}"
        rows.append((_SPLITS[split], found.count, f"{found.accuracy:.1%}", f"{low:.1%} to {high:.1%}", loss))
    parts = [_table(("split", "pictures", "accuracy", "95 % interval", "loss"), rows)]
    split, judged = next(iter(facts.evaluations.items()))
    scores = []
    for number, score in enumerate(judged.per_class):
        low, high = wilson(judged.confusion[number][number], score.support)
        recall = "-" if score.recall is None else f"{score.recall:.1%} ({low:.1%} to {high:.1%})"
        precision = "-" if score.precision is None else f"{score.precision:.1%}"
        scores.append((score.label, score.support, precision, recall))
    parts.append(f"By class, on {split}:")
    parts.append(_table(("class", "pictures", "precision", "recall (95 % interval)"), scores))
    return "\n\n".join(parts)


def _data(info: ModelInfo, facts: ModelFacts) -> str:
    version = str(info.card.get("dataset_version") or "not known")
    counts = ", ".join(f"{split} {count:,}" for split, count in facts.pictures.items()) or "not known"
    classes = "\n".join(f"{number}. {_line(label)}" for number, label in enumerate(info.classes))
    return (
        f"Dataset: {_line(facts.dataset) or 'not known'}, version `{version}`. Pictures: {counts}.\n\n"
        f"Classes, in the order of the output:\n\n{classes}"
    )


def _training(info: ModelInfo) -> str:
    card = info.card
    backbone = BACKBONES.get(info.backbone)
    known = {
        "training job": card.get("training_job"),
        "network": backbone.title if backbone else info.backbone,
        "head": card.get("head"),
        "mode": card.get("mode"),
        "kept": card.get("kept"),
        "epochs": card.get("epochs"),
        "temperature": card.get("temperature"),
        "versions": ", ".join(f"{name} {number}" for name, number in dict(card.get("versions") or {}).items()),
    }
    rows: list[Sequence[object]] = [(name, value) for name, value in known.items() if value not in (None, "")]
    chosen = dict(card.get("hyperparameters") or {})
    shown = ("learning_rate", "batch_size", "num_epochs", "optimizer", "weight_decay", "augmentation", "seed")
    rows += [(name, chosen[name]) for name in shown if chosen.get(name) not in (None, "")]
    return _table(("what", "value"), rows)


def _limits(info: ModelInfo) -> str:
    lines = [
        "- It gives one of its classes to every picture, also to one that shows none of them."
        if info.threshold is None
        else "- What it calls unknown is a guess: some pictures of other things pass, and some of its classes do not.",
        "- Its figures hold for pictures like those of the dataset: another camera, light or background may do worse.",
        "- An interval says how far the figure of so few pictures may be from that of many of the same kind.",
    ]
    return "\n".join(lines)


def _licences(info: ModelInfo) -> str:
    backbone = BACKBONES.get(info.backbone)
    whose = "Apache-2.0 (EfficientNet-Lite)" if backbone and backbone.bundled else "BSD-3-Clause (torchvision)"
    return (
        f"The network's pretrained weights: {whose}; they were learned from ImageNet, whose pictures are for research. "
        "What was learned from your pictures is under the licence that you choose for it; put it into the first lines "
        "of this file. classify.py may be used without any condition; the folder training_scripts, which reads "
        "pictures, is under Apache-2.0 (https://www.apache.org/licenses/LICENSE-2.0)."
    )


def _table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(_line(str(cell)) for cell in line) + " |" for line in lines)


def _line(text: str) -> str:
    """Return text from outside as it may stand in a line of Markdown."""
    plain = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in plain)
