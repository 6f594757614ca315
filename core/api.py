"""What `import sagehound` offers to a notebook or a script.

Every function starts the same program as the command line in a process of its own and returns its JSON as a record. So
nothing of Sagehound but this module is imported, whatever else is called `core` there, and a notebook that is restarted
loses no job. This module needs the standard library alone.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

_PROGRAM = Path(__file__).resolve().parents[1] / "__main__.py"

Record = TypeVar("Record")
PathLike = str | os.PathLike[str]
OnProgress = Callable[[str], None]


class SagehoundError(Exception):
    """A command failed; the text says what happened, why, and what to do next."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder of pictures as `scan` saw it. `counts` has pictures by class and split; `data` is the whole answer."""

    path: str
    version: str
    classes: list[str]
    counts: dict[str, dict[str, int]]
    pictures: int
    problems: list[dict[str, Any]]
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """A training or tuning job; of a tuning job, `metrics` are those of its best trial. All are the last values."""

    name: str
    kind: str
    status: str
    failure_reason: str
    metrics: dict[str, float]
    hyperparameters: dict[str, str]
    artifact: str | None
    data: dict[str, Any]

    @property
    def trials(self) -> list[Job]:
        """Return the trials of a tuning job, in the order they were started; empty for a training job."""
        return [_record(Job, trial) for trial in self.data.get("trials", ())]

    @property
    def best(self) -> Job | None:
        """Return the best trial of a tuning job; None for a training job, and while no trial has a value."""
        return next((trial for trial in self.trials if trial.name == self.data.get("best_trial")), None)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good a model is on a split: `accuracy` from 0 to 1 over `count` pictures; rows of `confusion` are truths."""

    model: str
    split: str
    accuracy: float
    count: int
    classes: list[str]
    confusion: list[list[int]]
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one picture; `probability` from 0 to 1. The other classes are in `data`.

    `unknown`: it most likely shows none of the classes; None where the model cannot say.
    """

    picture: str
    label: str | None
    probability: float | None
    data: dict[str, Any]

    @property
    def unknown(self) -> bool | None:
        """Whether the model says that it does not know what the picture shows."""
        found: bool | None = self.data.get("unknown")
        return found


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported model: `largest_difference` is that of a probability from Sagehound's own, on `compared` pictures."""

    path: str
    format: str
    compared: int
    largest_difference: float | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sorted:
    """What became of a folder's pictures: `counts` by class folder, and why others were left where they are."""

    into: str
    counts: dict[str, int]
    refused: list[str]
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that may be wrong with pictures: `kind` near_duplicate, label_suspect, odd, quality or group."""

    kind: str
    pictures: list[str]
    score: float
    suggested: str | None
    why: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What a Debugger rule says: `status` is SageMaker's (NoIssuesFound, IssuesFound, Error ...)."""

    name: str
    status: str
    first_step: int | None
    data: dict[str, Any]


def scan(pictures: PathLike, on_progress: OnProgress | None = None, **options: object) -> Dataset:
    """Return the classes, counts and problems of a folder of pictures; "sample" is the bundled dataset.

    Args:
        pictures: a folder of pictures, a file of labels, an archive, or "sample".
        on_progress: called with each line that says how far the work is.
        options: the options of `sagehound scan`, with `_` for `-`: class_folders="inner", split_seed=1.

    Raises:
        SagehoundError: the folder cannot be read, or holds no dataset.
    """
    return _record(Dataset, _start("scan", pictures, options, on_progress))


def convert(
    pictures: PathLike, to: str, target: PathLike, on_progress: OnProgress | None = None, **options: object
) -> Path:
    """Write a dataset as another format into a new folder, which is returned; the pictures are copied.

    Args:
        pictures: a folder of pictures, a file of labels, an archive, or "sample".
        to: the format: "folders", "csv", "jsonl", "coco", "label-studio", "fiftyone", "ultralytics", "huggingface".
        target: a folder that is not there yet.
        on_progress: called with each line that says how far the work is.
        options: the options of `sagehound convert`, with `_` for `-`: split="0.8,0.1,0.1", name_pattern="{label}_*".

    Raises:
        SagehoundError: the dataset cannot be read, or the format cannot hold it.
    """
    _ask(["convert", os.fspath(pictures), "--to", to, "-o", os.fspath(target), *_options(options)], on_progress)
    return Path(target)


def tune(
    pictures: PathLike,
    *,
    ranges: Mapping[str, str] | None = None,
    static: Mapping[str, object] | None = None,
    on_progress: OnProgress | None = None,
    **options: object,
) -> Job:
    """Search hyperparameters and return the ended tuning job; Ctrl-C leaves the job running.

    Args:
        pictures: a folder of pictures, or "sample".
        ranges: what is searched, in the command line's form: {"learning_rate": "continuous:1e-4:5e-2:log"}.
        static: hyperparameters that every trial gets.
        on_progress: called with each line that says how far the work is.
        options: every other option of `sagehound tune`, with `_` for `-`: max_jobs=20, seed=1, detach=True.

    Raises:
        SagehoundError: the job failed, or could not be started.
        ValueError: an option does not exist or has a wrong value.
    """
    return _record(Job, _start("tune", pictures, {"range": ranges, "static": static, **options}, on_progress))


def train(
    pictures: PathLike,
    *,
    static: Mapping[str, object] | None = None,
    on_progress: OnProgress | None = None,
    **options: object,
) -> Job:
    """Run one training job with fixed hyperparameters and return it; arguments and errors as for `tune`."""
    return _record(Job, _start("train", pictures, {"static": static, **options}, on_progress))


def evaluate(model: str = "best", *, split: str = "test") -> Evaluation:
    """Return how good a job's model is on a split of the dataset that it was trained on.

    Raises:
        SagehoundError: no such model, or nothing is saved of that split.
    """
    return _record(Evaluation, _ask(["evaluate", model, "--split", split]))


def classify(*pictures: PathLike, model: str = "best", top: int | None = None) -> list[Prediction]:
    """Return what a model says of pictures, in their order; one that cannot be read has the label None and a reason.

    Raises:
        SagehoundError: no such model, or none of the pictures can be read.
    """
    answer = _ask(["classify", *(os.fspath(picture) for picture in pictures), *_options({"model": model, "top": top})])
    rows = answer if isinstance(answer, list) else [answer]
    return [_record(Prediction, row) for row in rows]


def export(model: str, format: str, target: PathLike, on_progress: OnProgress | None = None) -> Exported:
    """Write a model in a form that others run, to a new folder or, by its ending, to a file; its answers are compared.

    Args:
        model: a job's name or "best", a model.tar.gz, or an exported model.
        format: "onnx", "openvino", "torchscript", "torch", "litert" or "coreml".
        target: a folder that is not there yet, or a file such as "model.onnx".
        on_progress: called with each line that says how far the work is.

    Raises:
        SagehoundError: a package is missing, or the answers would differ; nothing is written.
    """
    words = ["export", model, "--format", format, "-o", os.fspath(target)]
    return _record(Exported, _ask(words, on_progress))


def sort(
    folder: PathLike, into: PathLike, model: str = "best", on_progress: OnProgress | None = None, **options: object
) -> Sorted:
    """Sort a folder's pictures into class folders as a model says, the unsure and the unknown apart.

    Args:
        folder: the pictures.
        into: where the class folders, the journal and sorted.csv go.
        model: a job's name or "best", a model.tar.gz, an exported model or an endpoint.
        on_progress: called with each line that says how far the work is.
        options: the options of `sagehound sort`, with `_` for `-`: move=True, csv=True, threshold=0.8.

    Raises:
        SagehoundError: the folder cannot be read, or some of its pictures were left where they are.
    """
    words = ["sort", os.fspath(folder), *_options({"into": os.fspath(into), "model": model, **options})]
    return _record(Sorted, _ask(words, on_progress))


def rules(job: PathLike) -> list[RuleOutcome]:
    """Return what the Debugger rules say of a job, or of a folder or s3:// address of saved tensors.

    Raises:
        SagehoundError: no such job, or nothing was saved there.
    """
    return [_record(RuleOutcome, row) for row in _ask(["rules", os.fspath(job)])]


def suggest(pictures: PathLike, count: int = 20) -> list[Prediction]:
    """Return which pictures of a folder to label next, best first, with what they probably are.

    Raises:
        SagehoundError: the folder cannot be read.
    """
    return [
        _record(Prediction, row) for row in _ask(["suggest", os.fspath(pictures), "--count", str(count)])["suggestions"]
    ]


def check(pictures: PathLike, on_progress: OnProgress | None = None) -> list[Finding]:
    """Return what may be wrong with a folder's pictures and labels, gravest first.

    Raises:
        SagehoundError: the folder cannot be read.
    """
    return [_record(Finding, row) for row in _start("check", pictures, {}, on_progress)["findings"]]


def label(pictures: PathLike, names: Mapping[str, str]) -> int:
    """Label pictures, by their paths in the folder, as one action; returns how many changed.

    Raises:
        SagehoundError: one of them is not there; then none is labelled.
    """
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "python.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("path", "class"), *names.items()])
        changed: int = _ask(["label", os.fspath(pictures), "--csv", str(table)])["changed"]
    return changed


def report(job: PathLike, target: PathLike) -> Path:
    """Write the profiler report of a job, or of a folder of profiles, to an .html or .pdf file; returns its path.

    Raises:
        SagehoundError: nothing was profiled there, or the file cannot be written.
    """
    _ask(["report", os.fspath(job), "-o", os.fspath(target)])
    return Path(target)


def jobs() -> list[Job]:
    """Return all jobs, newest first."""
    return [_record(Job, row) for row in _ask(["jobs"])]


def show(job: str) -> Job:
    """Return one job. Raises SagehoundError where there is none of that name."""
    return _record(Job, _ask(["show", job]))


def open_workbench(pictures: PathLike | None = None) -> subprocess.Popen[bytes]:
    """Open the window, perhaps on a folder of pictures; returns its process, which outlives this one."""
    command = [sys.executable, str(_PROGRAM), "gui", *([os.fspath(pictures)] if pictures is not None else [])]
    return subprocess.Popen(command, start_new_session=True)


def _start(command: str, pictures: PathLike, options: Mapping[str, object], on_progress: OnProgress | None) -> Any:
    return _ask([command, os.fspath(pictures), *_options(options)], on_progress)


def _options(values: Mapping[str, object]) -> list[str]:
    """Return keyword arguments as command line options: mappings as name=value words, True as a bare flag."""
    words: list[str] = []
    for name, value in values.items():
        if value is None or value is False or value == {}:
            continue
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, Mapping):
            words += [f"{option}={key}={item}" for key, item in value.items()]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            words += [option, *map(str, value)]
        else:
            words.append(option if value is True else f"{option}={value}")
    return words


def _ask(arguments: Sequence[str], on_progress: OnProgress | None = None) -> Any:
    """Return the JSON that a command printed."""
    command = [sys.executable, str(_PROGRAM), *arguments, "--json"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said: list[str] = []
        reader = threading.Thread(target=_collect, args=(process.stderr, said, on_progress), daemon=True)
        reader.start()
        answer = process.stdout.read()
        status = process.wait()
        reader.join()
    if status == 2:
        raise ValueError(_reason(said, arguments[0]))
    if status:
        raise SagehoundError(_reason(said, arguments[0]))
    return json.loads(answer)


def _collect(stream: Any, said: list[str], on_progress: OnProgress | None) -> None:
    for line in stream:
        said.append(line.rstrip("\n"))
        if on_progress is not None:
            on_progress(said[-1])


def _reason(said: Sequence[str], command: str) -> str:
    """Return the sentence with which a command ended."""
    last = next((line for line in reversed(said) if line.strip()), f"`sagehound {command}` failed without a word.")
    return last.removeprefix("sagehound: ").removeprefix(f"sagehound {command}: error: ")


def _record(kind: type[Record], data: Mapping[str, Any]) -> Record:
    names = [field.name for field in fields(kind) if field.name != "data"]  # type: ignore[arg-type]
    values: dict[str, Any] = {name: data.get(name) for name in names} | {"data": dict(data)}
    return kind(**values)
