"""Reads curves that other tools recorded, and makes of them a trial on which the rules that need a curve are evaluated.

TensorBoard event files, MLflow's run folders and database, W&B's exports (CSV, JSON lines) and files of runs without
network, the Trainer's state of Hugging Face, and CSV files with a column for each curve (Keras, Lightning and
Ultralytics write such). Which curve is which goes by its name: a loss, an accuracy or a learning rate, of training
or of validation.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.debugger import tracker_files
from core.errors import UserFacingError
from core.jobs.folder_search import folders_below
from core.translation import tr
from training_scripts.outside import UNUSABLE
from training_scripts.regular_files import read_regular

Curve = list[tuple[int, float]]
"""(step, value), by step."""

MOST_EPOCHS = 50
"""Steps that are looked at of a training that has no evaluations to tell its epochs by."""
_LONGEST_REASON = 200
"""Characters of an error, which may quote the file."""
_EVENTS = "events.out.tfevents."
_TRAINER = "trainer_state.json"
_VALID = re.compile(r"(?<![a-z])(val|valid|validation|eval|evaluation|dev|test)(?![a-z])")
_LOSS = re.compile(r"(?<![a-z])(loss|nll|cross_entropy|crossentropy)(?![a-z])")
_ACCURACY = re.compile(r"(?<![a-z])(acc|accuracy|top1|accuracy_top1)(?![a-z])")
_RATE = re.compile(r"(?<![a-z])(lr|learning_rate)(?![a-z])")


@dataclass(frozen=True, slots=True)
class Recorded:
    """The curves of one run, by the names that they have there."""

    name: str
    curves: Mapping[str, Curve]


def recorded_runs(source: str | Path) -> list[Recorded]:
    """Return the runs whose curves are in a file, or at any depth below a folder; none where there are no curves.

    Raises:
        UserFacingError: a file cannot be read.
    """
    top = Path(source).expanduser()
    runs: list[Recorded] = []
    for place in [top] if top.is_file() else folders_below(top):
        for file, read in _sources(place):
            try:
                runs += read()
            except (*UNUSABLE, csv.Error) as error:
                raise UserFacingError(
                    tr("The curves in {file} cannot be read.").format(file=file),
                    f"{_reason(error)}.",
                    tr("Export them again."),
                ) from error
    return [run for run in runs if meanings(run)]


def meanings(run: Recorded) -> dict[str, str]:
    """Return which curve of a run is its train_loss, valid_loss, train_accuracy, valid_accuracy and learning_rate.

    Of several with one meaning it is the one of the shortest name: `loss` before `box_loss`.
    """
    found: dict[str, str] = {}
    for name in sorted(run.curves, key=lambda name: (len(name), name)):
        words = name.lower().replace("-", "_")
        part = words.replace("_", " ")
        kind = "loss" if _LOSS.search(part) else "accuracy" if _ACCURACY.search(part) else ""
        if kind:
            found.setdefault(f"{'valid' if _VALID.search(part) else 'train'}_{kind}", name)
        elif _RATE.search(part) or _RATE.search(words):
            found.setdefault("learning_rate", name)
    return found if any(key.endswith("_loss") for key in found) else {}


def epochs_of(run: Recorded) -> list[tuple[int, dict[str, float]]]:
    """Return what a run reached at the end of each epoch: (step, means since the epoch before, by meaning).

    An epoch ends with an evaluation; where there are none, all steps are divided into 50 parts at most. A mean with
    NaN in it is NaN.
    """
    curves = {meaning: run.curves[name] for meaning, name in meanings(run).items()}
    evaluated = curves.get("valid_loss") or curves.get("valid_accuracy")
    steps = [step for step, _ in evaluated or curves["train_loss"]]
    ends = steps if evaluated else [steps[-1 - at] for at in range(0, len(steps), math.ceil(len(steps) / MOST_EPOCHS))]
    ends = sorted(set(ends))
    rows = []
    for before, end in zip([-math.inf, *ends], ends, strict=False):
        row = {}
        for meaning, curve in curves.items():
            values = [value for step, value in curve if before < step <= end]
            if values:
                # Each is divided first: the sum of two losses of 1.5e308 would be infinite.
                mean = sum(value / len(values) for value in values)
                row[meaning] = mean if all(map(math.isfinite, values)) else math.nan
        rows.append((end, row))
    return rows


def write_trial(run: Recorded, folder: Path) -> None:
    """Write a run's epochs as a trial of ours."""
    import numpy as np

    from training_scripts.debugger.health import TRAIN_LOSS
    from training_scripts.debugger.writer import Saved, TrialWriter

    writer = TrialWriter(folder)
    writer.write_collections({"sagehound": []}, {"metrics": ["^epoch/"], "losses": [f"^{TRAIN_LOSS}$"]}, 1)
    for number, (step, row) in enumerate(epochs_of(run)):
        saved = [Saved(f"epoch/{meaning}", np.float64(value)) for meaning, value in row.items()]
        writer.write_step(number, "GLOBAL", number, saved, step)
    writer.close()


def _reason(error: Exception) -> str:
    """Return in a few words why a file could not be read."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, ValueError | csv.Error):
        return str(error)[:_LONGEST_REASON].rstrip(".")
    return tr("it is damaged ({kind})").format(kind=type(error).__name__)


def _sources(place: Path) -> Iterator[tuple[Path, Callable[[], Iterable[Recorded]]]]:
    """Yield what reads the runs of one file, or of one folder without those below it, and which file that reads."""
    files = [place] if place.is_file() else sorted(item for item in place.iterdir() if item.is_file())
    if events := [file for file in files if file.name.startswith(_EVENTS)]:
        yield events[0], lambda: [_tensorboard(events)]
    if (place / "metrics").is_dir() and (place / "meta.yaml").is_file():
        yield place, lambda: [_mlflow(place)]
    for file in files:
        reader = _READERS.get(file.suffix.lower())
        if file.name == _TRAINER:
            reader = tracker_files.trainer_state
        if reader is not None:
            yield file, partial(_recorded, reader, file)


def _recorded(reader: Callable[[Path], tracker_files.Runs], file: Path) -> list[Recorded]:
    return [
        Recorded(name, {metric: sorted(curve.items()) for metric, curve in curves.items()})
        for name, curves in reader(file).items()
    ]


def _tensorboard(files: Sequence[Path]) -> Recorded:
    from training_scripts.debugger.tfevents import decode_scalars

    curves: dict[str, dict[int, float]] = {}
    for file in files:  # a run that was resumed has a file for each part
        for tag, step, value in decode_scalars(read_regular(file)):
            curves.setdefault(tag, {})[step] = value
    return Recorded(files[0].parent.name, {tag: sorted(curve.items()) for tag, curve in curves.items()})


def _mlflow(folder: Path) -> Recorded:
    """Read a line of MLflow's: time, value and step."""
    curves: dict[str, dict[int, float]] = {}
    for file in sorted((folder / "metrics").rglob("*")):
        if file.is_file():
            name = file.relative_to(folder / "metrics").as_posix()
            for line in read_regular(file).decode("utf-8").splitlines():
                _, value, step = line.split()
                if (at := tracker_files.step_of(float(step))) is not None:
                    curves.setdefault(name, {})[at] = float(value)
    return Recorded(folder.name, {name: sorted(curve.items()) for name, curve in curves.items()})


def _table(file: Path) -> tracker_files.Runs:
    """Read a table with a column of steps, or a row for each; W&B's has a column for each run, `run - metric`."""
    text = read_regular(file).decode("utf-8-sig", "replace")
    if not text.strip():
        return {}
    rows = list(csv.reader(text.splitlines(), delimiter="\t" if file.suffix.lower() == ".tsv" else ","))
    names = [name.strip() for name in rows[0]]
    lower = [name.lower() for name in names]
    at = next((lower.index(name) for name in tracker_files.STEPS if name in lower), None)
    runs: tracker_files.Runs = {}
    for number, row in enumerate(rows[1:]):
        cells = [_number(cell) for cell in row]
        step = tracker_files.step_of(cells[at] if at is not None and at < len(cells) else number)
        if step is None:
            continue
        for column, (name, value) in enumerate(zip(names, cells, strict=False)):
            run, dash, metric = name.rpartition(" - ")
            if value is None or column == at or metric.endswith(("__MIN", "__MAX")):
                continue
            runs.setdefault(run if dash else file.stem, {}).setdefault(metric, {})[step] = value
    return runs


def _number(cell: str) -> float | None:
    """Return the number in a cell; None in an empty one or one with words."""
    try:
        return float(cell)
    except ValueError:
        return None


_READERS: Mapping[str, Callable[[Path], tracker_files.Runs]] = {
    ".csv": _table,
    ".tsv": _table,
    ".jsonl": tracker_files.json_lines,
    ".ndjson": tracker_files.json_lines,
    ".db": tracker_files.mlflow_database,
    ".sqlite": tracker_files.mlflow_database,
    ".sqlite3": tracker_files.mlflow_database,
    ".wandb": tracker_files.wandb_run,
}
"""What reads a file, by its ending."""
