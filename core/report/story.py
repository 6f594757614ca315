"""What a training did, for the first page of its report: on what, how it went, and what came of it.

All of it is read from the job's own folder, so a job of this machine, one that was fetched from S3 and a copy of either
answer alike. What a folder does not tell is empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from core.dataset.manifest import Manifest
from core.dataset.records import SPLITS
from core.debugger.foreign_curves import Recorded, epochs_of
from core.jobs.accuracy import wilson
from core.jobs.contract import JobFolder
from core.jobs.records import TrainingJob
from core.predict.evaluate import Evaluation, read_evaluation
from core.profiler.traces import Floats
from training_scripts.metrics import METRIC_DEFINITIONS
from training_scripts.outside import read_json

_MOST_LOG = 64 * 1024 * 1024
"""Bytes of a log that are looked at, its end: the last epochs matter most."""
_EPOCH = re.compile(r"(?<![\w.])epoch=(\d{1,9})(?![\w.])")
_CURVES = {
    name: re.compile(METRIC_DEFINITIONS[name])
    for name in ("train:loss", "valid:loss", "train:accuracy", "valid:accuracy")
}


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One metric by epoch: `x` (N,) the epochs, `y` (N,) its values, which may be NaN or infinite."""

    name: str
    x: Floats
    y: Floats

    @property
    def last(self) -> float:
        """Return its value in the last epoch."""
        return float(self.y[-1])

    @property
    def broken_from(self) -> int | None:
        """Return the first epoch whose value is not a number, None where all are."""
        bad = np.flatnonzero(~np.isfinite(self.y))
        return int(self.x[bad[0]]) if len(bad) else None


@dataclass(frozen=True, slots=True)
class Result:
    """How many pictures of a split were right, and the share that always saying the largest class would have right."""

    split: str
    right: int
    count: int
    baseline: float

    @property
    def accuracy(self) -> float:
        """Return the share that was right, 0…1."""
        return self.right / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the accuracy."""
        return wilson(self.right, self.count)


@dataclass(frozen=True, slots=True, eq=False)
class Story:
    """What is known of one training; `pictures` counts them by split, `axis` says what its curves are over.

    `defaults` are the values that hyperparameters had which were not given.
    """

    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    curves: tuple[Curve, ...] = ()
    results: tuple[Result, ...] = ()
    dataset: str = ""
    classes: tuple[str, ...] = ()
    pictures: Mapping[str, int] = field(default_factory=dict)
    axis: str = "epoch"
    defaults: Mapping[str, str] = field(default_factory=dict)

    def curve(self, name: str) -> Curve | None:
        """Return the curve of a metric, None where the log has none."""
        return next((curve for curve in self.curves if curve.name == name), None)

    @property
    def result(self) -> Result | None:
        """Return the result on test, else on valid."""
        return self.results[-1] if self.results else None


def read_story(folder: Path | None, job: TrainingJob | None = None, manifest: Manifest | None = None) -> Story:
    """Read what the job in `folder` trained and how it went; damaged or missing files leave their part empty."""
    if folder is None or not folder.is_dir():
        return Story(dict(job.hyperparameters) if job is not None else {})
    paths = JobFolder(folder)
    hyperparameters = job.hyperparameters if job is not None else {}
    evaluations = [read_evaluation(paths.output_data, split) for split in ("valid", "test")]
    known = [evaluation for evaluation in evaluations if evaluation is not None and evaluation.count]
    classes, pictures = _dataset(paths)
    if manifest is not None:
        classes, pictures = manifest.classes, {split: len(manifest.of(split)) for split in manifest.splits}
    roots = [manifest.root if manifest is not None else None, *(evaluation.root for evaluation in known)]
    return Story(
        dict(hyperparameters or _json(paths.configuration / "hyperparameters.json")),
        read_curves(paths.log),
        tuple(_result(evaluation) for evaluation in known),
        next((_last_part(root) for root in roots if root is not None), ""),
        classes or next((evaluation.classes for evaluation in known), ()),
        pictures or {evaluation.split: evaluation.count for evaluation in known},
        defaults={name: str(value) for name, value in _json(paths.output_data / "args.json").items()},
    )


def read_curves(log: Path) -> tuple[Curve, ...]:
    """Read the curves of loss and accuracy out of a log; where an epoch was trained twice, the later one counts."""
    points: dict[str, dict[int, float]] = {name: {} for name in _CURVES}
    for line in _lines(log):
        epoch = _EPOCH.search(line)
        if epoch is None:
            continue
        for name, expression in _CURVES.items():
            if (found := expression.search(line)) is not None:
                points[name][int(epoch[1])] = float(found[1])
    return tuple(
        Curve(name, np.array(sorted(values), dtype=np.float64), np.array([values[epoch] for epoch in sorted(values)]))
        for name, values in points.items()
        if values
    )


def of_others(run: Recorded) -> dict[str, Any]:
    """Return the curves that another tool recorded, as fields of a `Story`."""
    points: dict[str, list[tuple[int, float]]] = {}
    for step, row in epochs_of(run):
        for meaning, value in row.items():
            points.setdefault(meaning.replace("_", ":", 1), []).append((step, value))
    curves = (
        Curve(name, np.array([step for step, _ in found], np.float64), np.array([value for _, value in found]))
        for name, found in points.items()
        if name in _CURVES
    )
    return {"curves": tuple(curves), "axis": "step"}


def _lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _MOST_LOG))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if "epoch=" in line and "_loss=" in line]


def _result(evaluation: Evaluation) -> Result:
    right = sum(row[number] for number, row in enumerate(evaluation.confusion))
    largest = max((sum(row) for row in evaluation.confusion), default=0)
    return Result(evaluation.split, right, evaluation.count, largest / evaluation.count)


def _dataset(paths: JobFolder) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """Return the classes, and how many pictures each split has, from the channels of a job."""
    for file in sorted(paths.data.glob("features/**/features.json")):
        content = _json(file)
        splits = content.get("splits", {})
        if isinstance(splits, Mapping) and splits:
            return _classes(content), {split: int(splits[split]) for split in SPLITS if split in splits}
    classes: tuple[str, ...] = ()
    pictures: dict[str, int] = {}
    for split in SPLITS:
        content = _json(paths.data / split / "manifest.json")
        if content:
            classes, pictures[split] = _classes(content), len(content.get("pictures", ()))
    return classes, pictures


def _classes(content: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(label) for label in content.get("classes", ()))


def _json(file: Path) -> dict[str, Any]:
    try:
        content = read_json(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _last_part(root: Path) -> str:
    """Return the name of a folder, which another system may have written."""
    text = str(root)
    return (PureWindowsPath(text) if "\\" in text else PurePosixPath(text)).name
