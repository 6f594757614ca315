"""Reads curves that other tools recorded, and makes of them a trial on which the rules that need a curve are evaluated.

TensorBoard event files, MLflow's run folders and database, W&B's exports (CSV, JSON lines) and files of runs without
network, the Trainer's state of Hugging Face, and CSV files with a column for each curve (Keras, Lightning and
Ultralytics write such). Which curve is which goes by its name: a loss, an accuracy or a learning rate, of training
or of validation.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from core.debugger import tracker_files
from core.debugger.curve_names import STEPS, meaning_of
from core.debugger.tracker_files import Curves, Runs, step_of
from core.errors import UserFacingError
from core.jobs.folder_search import folders_below
from core.translation import tr
from training_scripts.outside import UNUSABLE
from training_scripts.regular_files import open_regular, read_regular

Curve = list[tuple[int, float]]
"""(step, value), by step."""

MOST_EPOCHS = 50
"""Steps that are looked at of a training that has no evaluations to tell its epochs by."""
_LONGEST_REASON = 200
"""Characters of an error, which may quote the file."""
MOST_BYTES = 512 * 1024 * 1024
"""Of a file that is read whole; a larger one is data rather than curves. TensorBoard's, with pictures, are not."""
_EVENTS = "events.out.tfevents."
_LOGGED = "runs"
"""Where a Trainer logs to, in its output folder."""
_CHECKPOINT = re.compile(r"checkpoint-\d+")


@dataclass(frozen=True, slots=True)
class Recorded:
    """The curves of one run, by the names that they have there: those alone that mean something here.

    `unreadable` names the files below the folder that was read, of this run or others, that could not be, with why.
    """

    name: str
    curves: Mapping[str, Curve]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """What is read together: the files of a run, a later one completing those before, or one file with many runs.

    `divide` makes of what was read the runs that it is of.
    """

    files: Sequence[Path]
    read: Callable[[Path], Runs]
    most_bytes: float = MOST_BYTES
    divide: Callable[[Runs], Runs] = dict


def recorded_runs(source: str | Path) -> list[Recorded]:
    """Return the runs whose curves are in a file, or at any depth below a folder; none where there are no curves.

    Below a folder what cannot be read is left out, and named beside what can.

    Raises:
        UserFacingError: the file cannot be read, or nothing below the folder could be.
    """
    top = Path(os.path.abspath(Path(source).expanduser()))  # a run is named after its folder
    runs: list[Recorded] = []
    failed: dict[Path, Exception] = {}
    for place in [top] if top.is_file() else folders_below(top):
        for source_there in _sources(place, top):
            runs += [run for run in _recorded(source_there, failed) if meanings(run)]
    if failed and not runs:
        file, error = next(iter(failed.items()))
        reason = _reason(error)
        raise UserFacingError(
            tr("The curves in {file} cannot be read.").format(file=file),
            f"{reason[:1].upper()}{reason[1:]}.",
            tr("Export them again."),
        ) from error
    unreadable = tuple(f"{file.relative_to(top)} ({_reason(error)})" for file, error in failed.items())
    return [replace(run, unreadable=unreadable) for run in runs]


def meanings(run: Recorded) -> dict[str, str]:
    """Return which curve of a run is its train_loss, valid_loss, train_accuracy, valid_accuracy and learning_rate.

    Of several with one meaning it is the one of the shortest name: `loss` before `box_loss`.
    """
    found: dict[str, str] = {}
    for name in sorted(run.curves, key=lambda name: (len(name), name)):
        if meaning := meaning_of(name):
            found.setdefault(meaning, name)
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


def _sources(place: Path, top: Path) -> Iterator[_Source]:
    """Yield what is in one file, or in one folder without those below it; nothing in a folder that cannot be read.

    The checkpoints of Hugging Face's Trainer are of one run, that of the folder which they are in, and so are the event
    files that the same training wrote below `runs` there.
    """
    try:
        files = [place] if place.is_file() else sorted(item for item in place.iterdir() if item.is_file())
        of_mlflow = (place / "metrics").is_dir() and (place / "meta.yaml").is_file()
        metrics = sorted(file for file in (place / "metrics").rglob("*") if file.is_file()) if of_mlflow else []
        state = place if place.name == tracker_files.TRAINER else tracker_files.latest_state(place)
    except OSError:
        return
    if state is not None and (place == top or not _CHECKPOINT.fullmatch(place.name)):
        name = place.parent.name if state == place else place.name
        logged = [] if state == place else sorted((place / _LOGGED).rglob(f"{_EVENTS}*"), key=_begun)
        yield _Source([*logged, state], partial(_trainer, place), math.inf, partial(_launches, name))
    events = [file for file in files if file.name.startswith(_EVENTS)]
    if events and not _of_a_trainer(place, top):
        yield _Source(events, _tensorboard, math.inf)  # a run that was resumed has a file for each part
    if metrics:
        yield _Source(metrics, partial(_mlflow, place))
    for file in files:
        if (reader := _READERS.get(file.suffix.lower())) is not None:
            yield _Source([file], reader)


def _recorded(source: _Source, failed: dict[Path, Exception]) -> list[Recorded]:
    """Return the runs of a source; `failed` takes up the files that cannot be read."""
    found: Runs = {}
    for file in source.files:
        try:
            if file.stat().st_size > source.most_bytes:
                raise ValueError(tr("it is larger than {most:.0f} MiB").format(most=source.most_bytes / (1024 * 1024)))
            for run, curves in source.read(file).items():
                for name, curve in curves.items():
                    found.setdefault(run, {}).setdefault(name, {}).update(curve)
        except (*UNUSABLE, csv.Error) as error:
            failed[file] = error
    return [
        Recorded(run, {name: sorted(curve.items()) for name, curve in curves.items()})
        for run, curves in source.divide(found).items()
    ]


def _tensorboard(file: Path) -> Runs:
    from training_scripts.debugger.tfevents import decode_scalars

    curves: dict[str, dict[int, float]] = {}
    with open_regular(file) as opened:
        for tag, step, value in decode_scalars(opened):
            if meaning_of(tag):
                curves.setdefault(tag, {})[step] = value
    return {file.parent.name: curves}


def _of_a_trainer(place: Path, top: Path) -> bool:
    """Whether a folder is one of those that a Trainer logs to, in a folder that is read with its state."""
    logs = [folder for folder in (place, *place.parents) if folder.name == _LOGGED and top in folder.parents]
    return any(tracker_files.latest_state(folder.parent) is not None for folder in logs)


def _begun(events: Path) -> tuple[int, Path]:
    """Return what puts event files in the order in which they were begun: their names hold the second."""
    second = events.name.removeprefix(_EVENTS).partition(".")[0]
    return int(second) if second.isdecimal() else 0, events


def _trainer(place: Path, file: Path) -> Runs:
    """Read the state of a Trainer as a run without a name, or what it logged, by the names that its state has."""
    if file.name == tracker_files.TRAINER:
        return tracker_files.trainer_state("", file)
    logged = {
        tag.removeprefix("train/").replace("eval/", "eval_", 1): curve
        for curves in _tensorboard(file).values()
        for tag, curve in curves.items()
    }
    return {file.parent.relative_to(place).as_posix(): logged} if logged else {}


def _launches(name: str, found: Runs) -> Runs:
    """Return the runs that a Trainer's state and what was logged beside it are of: those that the state completes last.

    Of several launches one that was resumed is of the run before it, one that began from the start is another run.
    """
    state = found.pop("", {})
    runs: list[tuple[str, Curves]] = []
    for folder, curves in found.items():
        if runs and _goes_on(runs[-1][1], curves):
            for metric, curve in curves.items():
                runs[-1][1].setdefault(metric, {}).update(curve)
        else:
            runs.append((folder, curves))
    of_state = next((at for at in reversed(range(len(runs))) if _may_be_one(runs[at][1], state)), None)
    if of_state is not None:
        _, curves = runs.pop(of_state)
        state = {metric: {**curves.get(metric, {}), **state.get(metric, {})} for metric in {**curves, **state}}
    return {**dict(runs), name: state}


def _goes_on(before: Curves, curves: Curves) -> bool:
    """Whether a launch began after the start: later than the one before, and later than its steps are apart.

    Of a single step it is not known how far apart they are: it is taken to be that of the launch before.
    """
    first, first_before = (min(map(min, each.values())) for each in (curves, before))
    steps, earlier = (max((sorted(curve) for curve in each.values()), key=len) for each in (curves, before))
    if len(steps) > 1:
        return first > first_before and first > steps[1] - steps[0]
    return first > first_before and (len(earlier) == 1 or first <= earlier[-1] + earlier[1] - earlier[0])


def _may_be_one(logged: Curves, state: Curves) -> bool:
    """Whether the losses at steps that both know are mostly the same; a state's are rounded."""
    same = [
        math.isclose(curve[step], state[metric][step], rel_tol=1e-3, abs_tol=1e-4)
        or (math.isnan(curve[step]) and math.isnan(state[metric][step]))
        for metric, curve in logged.items()
        if meaning_of(metric).endswith("_loss") and metric in state
        for step in curve.keys() & state[metric].keys()
    ]
    return 2 * sum(same) >= len(same)


def _mlflow(run: Path, file: Path) -> Runs:
    """Read one metric of a run of MLflow's: lines of time, value and step."""
    curve: dict[int, float] = {}
    for line in read_regular(file).decode("utf-8").splitlines():
        _, value, step = line.split()
        if (at := step_of(float(step))) is not None:
            curve[at] = float(value)
    return {run.name: {file.relative_to(run / "metrics").as_posix(): curve}}


def _table(file: Path) -> Runs:
    """Read a table with a column of steps, or a row for each; W&B's has a column for each run, `run - metric`."""
    text = io.StringIO(read_regular(file).decode("utf-8-sig", "replace"), newline=None)
    rows = csv.reader(text, delimiter="\t" if file.suffix.lower() == ".tsv" else ",")
    names = [name.strip() for name in next(rows, [])]
    lower = [name.lower() for name in names]
    at = next((lower.index(name) for name in STEPS if name in lower), None)
    columns = [
        (column, run if dash else file.stem, metric)
        for column, name in enumerate(names)
        for run, dash, metric in [name.rpartition(" - ")]
        if column != at and meaning_of(metric) and not metric.endswith(("__MIN", "__MAX"))
    ]
    runs: Runs = {}
    if not columns:
        return runs
    for number, row in enumerate(rows):
        step = step_of((_number(row[at]) if at < len(row) else None) if at is not None else number)
        if step is None:
            continue
        for column, run, metric in columns:
            if column < len(row) and (value := _number(row[column])) is not None:
                runs.setdefault(run, {}).setdefault(metric, {})[step] = value
    return runs


def _number(cell: str) -> float | None:
    """Return the number in a cell; None in an empty one or one with words."""
    try:
        return float(cell)
    except ValueError:
        return None


_READERS: Mapping[str, Callable[[Path], Runs]] = {
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
