"""A run's metrics for other trackers: a CSV with a row for each value, and a folder that MLflow reads."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

from core.report.reported_run import ReadRun

EXPERIMENT = "sagehound"
_NOT_IN_NAMES = re.compile(r"[^\w./ -]")
"""MLflow takes no other characters in the names of metrics and parameters."""

_FINISHED = 3


def write_csv(runs: tuple[ReadRun, ...], path: Path) -> None:
    """Write run, metric, epoch and value; what is measured once, at the end, has no epoch."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("run", "metric", "epoch", "value"))
        for run in runs:
            for metric, epoch, _, value in values_of(run):
                writer.writerow((run.name, metric, "" if epoch is None else epoch, repr(value)))


def write_mlflow(runs: tuple[ReadRun, ...], folder: Path) -> None:
    """Write a folder that `mlflow ui --backend-store-uri FOLDER` shows: one experiment, a run for each of ours."""
    experiment = str(int(hashlib.sha256(EXPERIMENT.encode()).hexdigest()[:14], 16))
    times = [run.analysis.times.start or 0.0 for run in runs]
    root = folder / experiment
    _yaml(
        root / "meta.yaml",
        artifact_location=f"mlruns/{experiment}",
        creation_time=milliseconds(min(times, default=0.0)),
        experiment_id=experiment,
        last_update_time=milliseconds(max(times, default=0.0)),
        lifecycle_stage="active",
        name=EXPERIMENT,
    )
    for run, start in zip(runs, times, strict=True):
        number = run_number(run)
        _write_run(run, root / number, experiment, number, start)


def run_number(run: ReadRun) -> str:
    """Return what a run is known by: the same for the same job."""
    return hashlib.sha256(f"{run.name} {run.analysis.times.start or 0.0}".encode()).hexdigest()[:32]


def _write_run(run: ReadRun, folder: Path, experiment: str, number: str, start: float) -> None:
    end = start + (run.analysis.times.loop or 0.0)
    _yaml(
        folder / "meta.yaml",
        artifact_uri=f"mlruns/{experiment}/{number}/artifacts",
        end_time=milliseconds(end),
        entry_point_name="",
        experiment_id=experiment,
        lifecycle_stage="active",
        run_id=number,
        run_name=run.name,
        run_uuid=number,
        source_name="",
        source_type=4,
        source_version="",
        start_time=milliseconds(start),
        status=_FINISHED,
        tags=[],
        user_id="",
    )
    for name in ("artifacts", "metrics", "params", "tags"):
        (folder / name).mkdir()
    metrics: dict[str, list[str]] = {}
    for metric, epoch, when, value in values_of(run):
        shown = "nan" if math.isnan(value) else repr(value)
        metrics.setdefault(metric, []).append(f"{milliseconds(when)} {shown} {epoch or 0}\n")
    for metric, lines in metrics.items():
        _write(folder / "metrics" / metric_name(metric), "".join(lines))
    for name, setting in run.story.hyperparameters.items():
        _write(folder / "params" / metric_name(name), setting)
    for name, text in {"mlflow.runName": run.name, "dataset": run.story.dataset}.items():
        _write(folder / "tags" / name, text)


def values_of(run: ReadRun) -> Iterator[tuple[str, int | None, float, float]]:
    """Yield (metric, epoch or None, Unix seconds, value); the log has no times: an epoch's is its share of the loop."""
    start = run.analysis.times.loop_start or run.analysis.times.start or 0.0
    lasted = run.analysis.times.loop or 0.0
    for curve in run.story.curves:
        for epoch, value in zip(curve.x.tolist(), curve.y.tolist(), strict=True):
            yield curve.name, int(epoch), start + lasted * epoch / max(curve.x[-1], 1.0), value
    for result in run.story.results:
        yield f"{result.split}:accuracy of the kept model", None, start + lasted, result.accuracy


def metric_name(name: str) -> str:
    """Return a name as MLflow takes it, which is a path of files too: a colon becomes a folder."""
    parts = [_NOT_IN_NAMES.sub("_", part).strip(". ") for part in name.replace(":", "/").split("/")]
    return "/".join(part for part in parts if part) or "_"


def milliseconds(seconds: float) -> int:
    """Return a time as MLflow has it."""
    return round(seconds * 1000)


def _yaml(path: Path, **values: object) -> None:
    """Write plain values as YAML, of which JSON is a part."""
    _write(path, "".join(f"{name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
