"""`sagehound classify` and `sagehound evaluate`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.console import Console, table
from core.errors import ModelError, PictureError, UsageError
from core.jobs.accuracy import percent, share_words
from core.paths import AppPaths
from core.predict.intake import gather
from core.predict.records import Answer, Prediction
from core.progress import CancelToken
from core.translation import tr
from core.workbench import Workbench

if TYPE_CHECKING:
    from core.predict.compare import Comparison
    from core.predict.evaluate import Evaluation

_SHOWN_FILES = 5
_SHARES = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


def classify(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Print the most probable classes of pictures; 1 when one could not be read."""
    if options.top < 1:
        raise UsageError("--top needs a number above 0.")
    workbench = Workbench(paths)
    try:
        workbench.models.warm_up()
        workbench.engine.refresh()
        say_best(workbench, options.model, console)
        found = classify_pictures(workbench, options.images, options.model, options.top, console)
    finally:
        workbench.close()
    errors = [*found.refused, *(answer.error for answer in found.answers if not isinstance(answer, Prediction))]
    data = [answer_json(answer, found.model) for answer in found.answers]
    data += [{"path": None, "model": found.model, "error": str(error)} for error in found.refused]
    console.result(data[0] if len(data) == 1 else data, lambda: "\n".join(map(_answer_text, found.answers)))
    for error in errors:
        console.note(f"sagehound: {error}")
    return 1 if errors else 0


def say_best(workbench: Workbench, model: str, console: Console) -> None:
    """Say which model `best` is, and what it learned from: it may be another dataset than one thinks of."""
    choice = workbench.models.best() if model == "best" else None
    if choice is not None:
        whose = (
            tr("the best trial of {tuning_job}").format(tuning_job=choice.tuning_job)
            if choice.tuning_job
            else tr("the latest training job")
        )
        where = workbench.models.dataset_of(choice.job)
        said = tr("best is {job}, {whose}, trained on {where}.") if where else tr("best is {job}, {whose}.")
        console.note(said.format(job=choice.job, whose=whose, where=where))


@dataclass(frozen=True, slots=True)
class Classified:
    """What a model says: one answer per picture, and one error for each argument that gave no picture."""

    model: str
    answers: list[Answer]
    refused: tuple[PictureError, ...]


def classify_pictures(workbench: Workbench, images: list[str], model: str, top: int, console: Console) -> Classified:
    """Ask a model (a job's, a file's or an endpoint's) about pictures and folders of them."""
    cancel = CancelToken()
    address = workbench.models.find(model)
    intake = gather([Path(image).expanduser() for image in images], console.progress, cancel)
    opened = workbench.models.open(address, console.progress, cancel)
    sources = [picture.source for picture in intake.pictures]
    answers = opened.classify(sources, top, console.progress, cancel, on_notice=console.note) if sources else []
    return Classified(opened.name, answers, intake.refused)


def evaluate(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Print how many pictures were right and how sure that is, and the classes' precision and recall."""
    workbench = Workbench(paths)
    try:
        workbench.models.warm_up()
        workbench.engine.refresh()
        say_best(workbench, options.model, console)
        if options.folder is None:
            found = workbench.evaluations.of_job(
                options.model, options.split or "test", console.progress, CancelToken()
            )
        else:
            found = workbench.evaluations.of_folder(
                workbench.models.find(options.model),
                Path(options.folder).expanduser(),
                options.split,
                console.progress,
                CancelToken(),
            )
    finally:
        workbench.close()
    console.result(evaluation_json(found), lambda: evaluation_text(found))
    return 0


def compare(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Print how two jobs' models differ: pictures, settings, and how likely so much is by luck."""
    workbench = Workbench(paths)
    try:
        workbench.models.warm_up()
        workbench.engine.refresh()
        say_best(workbench, options.model, console)
        found = workbench.evaluations.compare(
            options.model, options.other, options.split, console.progress, CancelToken()
        )
    finally:
        workbench.close()
    data = {
        "models": [found.first, found.second],
        "split": found.split,
        "count": found.count,
        "both_right": found.both_right,
        "both_wrong": found.both_wrong,
        "only_first": found.only_first,
        "only_second": found.only_second,
        "p_value": found.p_value,
        "settings": {name: list(values) for name, values in found.settings.items()},
        "pictures": [
            {"path": one.path, "label": one.label, "predicted": [one.first, one.second]} for one in found.disagreements
        ],
    }
    console.result(data, lambda: _comparison_text(found))
    return 0


def lock(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Lock a held-out test folder, or unlock it, and say how often it was looked at."""
    folder = Path(options.folder).expanduser()
    workbench = Workbench(paths)
    try:
        found = workbench.folders.lock(folder, not options.off, on_progress=console.progress)
    finally:
        workbench.close()
    data = {"folder": str(folder.resolve()), "locked": found is not None}
    data |= {"looks": found.looks, "models": found.models} if found is not None else {}
    console.result(data, found.sentence if found is not None else tr("{folder} is not locked.").format(folder=folder))
    return 0


def threshold(options: argparse.Namespace, paths: AppPaths, console: Console) -> int:
    """Print when a model calls a picture unknown, and what other thresholds would do; change it if so asked."""
    if options.keep is not None and not 0 < options.keep <= 1:
        raise UsageError("--keep needs a share above 0, up to 1.")
    workbench = Workbench(paths)
    try:
        workbench.engine.refresh()
        say_best(workbench, options.model, console)
        found = workbench.evaluations.of_job(options.model, options.split, console.progress, CancelToken())
        from core.predict.coverage import coverage_curve, threshold_of_share

        curve = coverage_curve(found.pictures)
        value = options.value if options.keep is None else threshold_of_share(curve, options.keep)
        if value is not None or options.undo:
            found = replace(found, threshold=workbench.evaluations.move_threshold(found.job, value))
    finally:
        workbench.close()
    if found.threshold is None or (answered := found.answered) is None:
        raise ModelError(
            tr("The model of {job} cannot say what it does not know.").format(job=found.job),
            tr("It was trained by an earlier version, or on too few pictures."),
            tr("Train it again."),
        )
    shown = [next(point for point in curve if point.share >= share) for share in _SHARES]
    data = {
        "model": found.job,
        "split": found.split,
        "threshold": found.threshold.value,
        "trained": found.threshold.trained,
        "moves": found.threshold.moves,
        "coverage": answered.share,
        "accuracy": answered.accuracy,
        "interval": list(answered.interval),
        "curve": [
            {
                "threshold": point.threshold,
                "coverage": point.share,
                "accuracy": point.accuracy,
                "interval": list(point.interval),
            }
            for point in shown
        ],
    }
    rows = [
        (f"{point.threshold:.3f}", percent(point.share), share_words(point.right, point.answered)) for point in shown
    ]
    said = [
        found.threshold.sentence,
        tr("On {split}: {sentence}").format(split=found.split, sentence=answered.sentence),
    ]
    columns = (tr("threshold"), tr("answered"), tr("of these right"))
    console.result(data, lambda: "\n".join([*said, "", table(columns, rows)]))
    return 0


def _comparison_text(found: Comparison) -> str:
    lines = [found.sentence]
    if found.settings:
        rows = [(name, *values) for name, values in found.settings.items()]
        lines += ["", table(("setting", found.first, found.second), rows)]
    if found.disagreements:
        pictures = [(one.path, one.label, one.first, one.second) for one in found.disagreements]
        lines += ["", table(("picture", "is", found.first, found.second), pictures)]
    return "\n".join(lines)


def answer_json(answer: Answer, model: str) -> dict[str, Any]:
    """Return a prediction as plain JSON: `label`, `probability`; or `error` where the picture could not be read.

    A model that can say what it does not know adds `unknown` and `strangeness`.
    """
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
        **({} if answer.strangeness is None else {"unknown": answer.unknown, "strangeness": answer.strangeness}),
    }


def _answer_text(answer: Answer) -> str:
    name = str(answer.source) if isinstance(answer.source, Path) else "picture"
    if not isinstance(answer, Prediction):
        return f"{name}: {answer.error.what}"
    classes = ", ".join(f"{label} {probability:.1%}" for label, probability in answer.classes)
    if answer.unknown:
        classes = tr("unknown; it would have said {classes}").format(classes=classes)
    return f"{name}: {classes}  ({answer.milliseconds:.0f} ms)"


def evaluation_json(found: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain JSON, `accuracy` among it."""
    scores = found.scores
    return {
        "model": found.job,
        "split": found.split,
        "accuracy": found.accuracy,
        "interval": list(scores.interval),
        "baseline": scores.baseline,
        "balanced_accuracy": scores.balanced_accuracy,
        "macro_f1": scores.macro_f1,
        "top_5": scores.top,
        "loss": found.loss,
        "brier": scores.brier,
        "ece": scores.ece,
        "count": found.count,
        "note": found.note,
        "locked": None
        if found.held_out is None
        else {"folder": found.held_out.folder, "looks": found.held_out.looks, "models": found.held_out.models},
        "unknown": None if found.answered is None else found.answered.count - found.answered.answered,
        "left_out": [{"path": path, "reason": reason} for path, reason in found.left_out],
        "classes": list(found.classes),
        "confusion": [list(row) for row in found.confusion],
        "per_class": [
            {
                "label": item.label,
                "precision": item.precision,
                "recall": item.recall,
                "recall_interval": list(item.recall_interval),
                "support": item.support,
            }
            for item in found.per_class
        ],
    }


def evaluation_text(found: Evaluation) -> str:
    """Return an evaluation for people."""
    rows = [(item.label, item.precision, item.recall, item.support) for item in found.per_class]
    lines = [f"{found.job}: {found.sentence}", found.figures]
    if found.held_out is not None:
        lines.append(found.held_out.sentence)
    if found.note:
        lines.append(tr("These numbers are {note}.").format(note=found.note))
    if found.unreadable:
        total = found.count + found.unreadable
        lines.append(
            tr("{unreadable} of {total} pictures cannot be read and are left out, {count} remain:").format(
                unreadable=found.unreadable, total=total, count=found.count
            )
        )
        lines += [f"    {path}: {reason}" for path, reason in found.left_out[:_SHOWN_FILES]]
        if found.unreadable > _SHOWN_FILES:
            lines.append(f"    … and {found.unreadable - _SHOWN_FILES} more")
    for label, predicted, count in found.confusions[:_SHOWN_FILES]:
        said = tr("{label} taken for {predicted}: {count}").format(label=label, predicted=predicted, count=count)
        lines.append(f"    {said}")
    return "\n".join([*lines, "", table(("class", "precision", "recall", "pictures"), rows)])
