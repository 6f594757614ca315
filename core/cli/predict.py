"""`sagehound classify` and `sagehound evaluate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.cli.console import Console, table
from core.errors import UsageError
from core.paths import AppPaths
from core.predict.intake import collect
from core.predict.records import Answer, Prediction
from core.progress import CancelToken
from core.workbench import Workbench


def classify(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Print the most probable classes of pictures; 1 when one could not be read."""
    if options.top < 1:
        raise UsageError("--top needs a number above 0.")
    workbench = Workbench(paths)
    try:
        answers, model = classify_pictures(workbench, options.images, options.model, options.top, console)
    finally:
        workbench.close()
    data = [answer_json(answer, model) for answer in answers]
    console.result(data[0] if len(data) == 1 else data, lambda: "\n".join(_answer_text(answer) for answer in answers))
    for answer in answers:
        if not isinstance(answer, Prediction):
            console.note(f"sagehound: {answer.error}")
    return 0 if all(isinstance(answer, Prediction) for answer in answers) else 1


def classify_pictures(
    workbench: Workbench, images: list[str], model: str, top: int, console: Console
) -> tuple[list[Answer], str]:
    """Ask the model of the job `model` about pictures and folders of them."""
    name, folder = workbench.model_folder(model, console.progress, CancelToken())
    sources = collect([Path(image).expanduser() for image in images])
    predictor = workbench.predictor()
    predictor.load(folder, name)
    return list(predictor.classify(sources, top_k=top, report=console.progress, cancel=CancelToken())), name


def evaluate(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Print accuracy, loss and the classes' precision and recall."""
    workbench = Workbench(paths)
    try:
        found = workbench.evaluation(options.job, options.split, console.progress, CancelToken())
    finally:
        workbench.close()
    console.result(evaluation_json(found), lambda: evaluation_text(found))
    return 0


def answer_json(answer: Answer, model: str) -> dict[str, Any]:
    """A prediction as plain JSON: `label`, `probability`; or `error` where the picture could not be read."""
    path = str(answer.source) if isinstance(answer.source, Path) else None
    if not isinstance(answer, Prediction):
        return {"path": path, "model": model, "error": str(answer.error)}
    return {
        "path": path,
        "model": model,
        "label": answer.label,
        "probability": answer.probability,
        "classes": [{"label": label, "probability": probability} for label, probability in answer.classes],
        "milliseconds": round(answer.milliseconds, 3),
    }


def _answer_text(answer: Answer) -> str:
    name = str(answer.source) if isinstance(answer.source, Path) else "picture"
    if not isinstance(answer, Prediction):
        return f"{name}: {answer.error.what}"
    classes = ", ".join(f"{label} {probability:.1%}" for label, probability in answer.classes)
    return f"{name}: {classes}  ({answer.milliseconds:.0f} ms)"


def evaluation_json(found: Any) -> dict[str, Any]:
    """An evaluation as plain JSON, `accuracy` among it."""
    return {
        "model": found.model,
        "split": found.split,
        "accuracy": found.accuracy,
        "loss": found.loss,
        "count": found.count,
        "classes": list(found.classes),
        "confusion": [list(row) for row in found.confusion],
        "per_class": [
            {"label": item.label, "precision": item.precision, "recall": item.recall, "support": item.support}
            for item in found.per_class
        ],
    }


def evaluation_text(found: Any) -> str:
    """An evaluation for people."""
    rows = [(item.label, item.precision, item.recall, item.support) for item in found.per_class]
    loss = "" if found.loss is None else f", loss {found.loss:.4f}"
    return f"{found.model} on {found.split}: accuracy {found.accuracy:.1%} of {found.count} pictures{loss}\n\n" + table(
        ("class", "precision", "recall", "pictures"), rows
    )
