"""A run's numbers as an event file of TensorBoard: losses and accuracies, step times, and the machines' use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from core.profiler.traces import NodeSamples
from core.profiler.usage import RESOURCES, series
from core.report.reported_run import ReadRun
from training_scripts.debugger.tfevents_writer import encode_scalars, encode_version


def write_tensorboard(runs: tuple[ReadRun, ...], path: Path) -> None:
    """Write one file; of several runs the tags begin with the run's name."""
    starts = [run.analysis.times.start for run in runs if run.analysis.times.start is not None]
    with path.open("wb") as file:
        file.write(encode_version(min(starts, default=0.0)))
        for run in runs:
            prefix = f"{run.name}/" if len(runs) > 1 else ""
            for tag, step, when, value in _scalars(run):
                file.write(encode_scalars({f"{prefix}{tag}": value}, step, when))


def _scalars(run: ReadRun) -> Iterator[tuple[str, int, float, float]]:
    """Return (tag, step, Unix seconds, value); the log has no times, so an epoch's is its share of the loop."""
    start = run.analysis.times.loop_start or run.analysis.times.start or 0.0
    lasted = run.analysis.times.loop or 0.0
    for curve in run.story.curves:
        split, _, measure = curve.name.partition(":")
        for epoch, value in zip(curve.x.tolist(), curve.y.tolist(), strict=True):
            yield f"{measure}/{split}", int(epoch), start + lasted * epoch / max(curve.x[-1], 1.0), value
    for result in run.story.results:
        last = int(run.story.curves[0].x[-1]) if run.story.curves else 0
        yield f"accuracy/kept model, {result.split}", last, start + lasted, result.accuracy
    events = run.profile.events
    for mode in events.modes():
        chosen = events.steps(mode)
        rows = zip(events.step[chosen].tolist(), events.start[chosen], events.end[chosen], strict=True)
        for number, (step, began, ended) in enumerate(rows):
            at = step if step >= 0 and mode == "TRAIN" else number
            yield f"step seconds/{mode.lower()}", at, float(ended), float(ended - began)
    for node in run.profile.nodes:
        yield from _use(node)


def _use(node: NodeSamples) -> Iterator[tuple[str, int, float, float]]:
    for resource, unit, *_ in RESOURCES:
        values = series(node, resource)
        if values is None:
            continue
        for number, (when, value) in enumerate(zip(node.times.tolist(), values.tolist(), strict=True)):
            if np.isfinite(value):
                yield f"{node.node}/{resource}, {unit}", number, when, value
