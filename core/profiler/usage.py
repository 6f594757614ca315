"""How much of the machines was used: statistics per node, and bands over time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from core.profiler.results import Band, GpuUse, UsageRow
from core.profiler.traces import Floats, NodeSamples, Values

BUCKETS = 1200
"""The most points of a band: more than a screen has columns for."""

_FEWEST_FOR_GROWTH = 40
_STEADY = 1.0
"""A rise of memory, in points of percent from quarter to quarter, that is more than noise."""

RESOURCES = (
    ("CPU", "%", "cpu", "CPUUtilization", None),
    ("CPU of the job", "%", "process", "CPUUtilization", None),
    ("Busiest core", "%", "cpu", "CPUUtilization", "max"),
    ("I/O wait", "%", "cpu", "I/OWaitPercentage", None),
    ("Memory", "%", "memory", None, None),
    ("Memory of the job", "%", "process", "MemoryUsedPercent", None),
    ("GPU", "%", "gpu", "GPUUtilization", None),
    ("GPU memory", "%", "gpu", "GPUMemoryUtilization", None),
    ("Disk read", "B/s", "i/o", None, "ReadThroughputInBytesPerSecond"),
    ("Disk write", "B/s", "i/o", None, "WriteThroughputInBytesPerSecond"),
    ("Disk operations", "1/s", "i/o", None, "IOPS"),
    ("Network received", "B/s", "network", "Algorithm", "ReceiveBytesPerSecond"),
    ("Network sent", "B/s", "network", "Algorithm", "TransmitBytesPerSecond"),
)
"""Resource, unit, and which columns: type, dimension, and a name or "max" (else the mean of the columns)."""


def series(node: NodeSamples, resource: str) -> Floats | None:
    """Return (T,) the values of one of `RESOURCES`; None where the node has none of it."""
    _, _, kind, dimension, how = next(entry for entry in RESOURCES if entry[0] == resource)
    name = how if how not in (None, "max") else None
    columns = node.columns(kind, dimension, name)
    if kind == "network" and not columns.shape[1]:
        columns = node.columns(kind, None, name)
    if not columns.shape[1]:
        return None
    return _across(columns, largest=how == "max")


def usage_rows(nodes: Iterable[NodeSamples]) -> tuple[UsageRow, ...]:
    """Return one row per node and resource that it has."""
    rows = []
    for node in nodes:
        for resource, unit, *_ in RESOURCES:
            values = series(node, resource)
            if values is None or not np.isfinite(values).any():
                continue
            known = values[np.isfinite(values)]
            low, p50, p95, p99, high = np.percentile(known, (0, 50, 95, 99, 100))
            rows.append(UsageRow(node.node, resource, unit, *(float(v) for v in (high, p99, p95, p50, low))))
    return tuple(rows)


def bands(nodes: Iterable[NodeSamples], buckets: int = BUCKETS) -> tuple[Band, ...]:
    """Return one band per node and resource that it has."""
    found = []
    for node in nodes:
        for resource, unit, *_ in RESOURCES:
            values = series(node, resource)
            if values is not None and np.isfinite(values).any():
                found.append(Band(node.node, resource, unit, *bucketed(node.times, values, buckets)))
    return tuple(found)


def bucketed(times: Floats, values: Floats, buckets: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Return times, lowest, mean and highest value of at most `buckets` runs of samples."""
    known = np.isfinite(values)
    times, values = times[known], values[known]
    if len(times) <= buckets:
        return times, values, values, values
    edges = np.linspace(0, len(times), buckets + 1).astype(np.intp)[:-1]
    counts = np.diff(np.append(edges, len(times)))
    mean = np.add.reduceat(values, edges) / counts
    return times[edges], np.minimum.reduceat(values, edges), mean, np.maximum.reduceat(values, edges)


def gpu_use(nodes: Iterable[NodeSamples], start: float | None, end: float | None) -> tuple[GpuUse, ...]:
    """Return one record per GPU that has samples, of its use from `start` to `end`, the training loop."""
    found = []
    for node in nodes:
        for metric in node.metrics:
            if (metric.type, metric.dimension) == ("gpu", "GPUUtilization"):
                looping = within(node.times, start, end)
                busy = _known(node.columns("gpu", "GPUUtilization", metric.name)[looping])
                filled = _known(node.columns("gpu", "GPUMemoryUtilization", metric.name)[looping])
                if len(busy):
                    found.append(_gpu_use(node.node, metric.name, busy, filled if len(filled) else np.zeros(1)))
    return tuple(found)


def _gpu_use(node: str, name: str, busy: Floats, filled: Floats) -> GpuUse:
    p5, p25, p50, p75, p95 = (float(value) for value in np.percentile(busy, (5, 25, 50, 75, 95)))
    memory = float(np.median(filled)), float(filled.max())
    return GpuUse(node, name, p5, p25, p50, p75, p95, float(busy.mean()), *memory, *_growth(filled))


def _growth(filled: Floats) -> tuple[float, bool]:
    """Return how far the memory rose from the second quarter to the last, and whether it kept rising in between.

    The first quarter is left out: every job fills its memory once.
    """
    if len(filled) < _FEWEST_FOR_GROWTH:
        return 0.0, False
    second, third, fourth = (float(part.mean()) for part in np.array_split(filled, 4)[1:])
    return fourth - second, third - second > _STEADY and fourth - third > _STEADY


def filling(
    nodes: Sequence[NodeSamples], start: float | None, end: float | None
) -> tuple[tuple[str, tuple[float, float, float, float, float]], ...]:
    """Return five quantiles of CPU, memory, GPU and GPU memory from `start` to `end`, over all nodes, in percent."""
    found = []
    for resource in ("CPU", "Memory", "GPU", "GPU memory"):
        parts = []
        for node in nodes:
            values = series(node, resource)
            if values is not None:
                parts.append(_known(values[within(node.times, start, end)]))
        known = np.concatenate(parts) if parts else np.empty(0)
        if len(known):
            p5, p25, p50, p75, p95 = (float(value) for value in np.percentile(known, (5, 25, 50, 75, 95)))
            found.append((resource, (p5, p25, p50, p75, p95)))
    return tuple(found)


def within(times: Floats, start: float | None, end: float | None) -> npt.NDArray[np.bool_]:
    """Return (T,) which times are in the training loop; all where it is not known or too short to hold a sample."""
    if start is None or end is None:
        return np.ones(len(times), dtype=bool)
    inside = (times >= start) & (times <= end)
    return inside if inside.any() else np.ones(len(times), dtype=bool)


def _across(columns: Values, *, largest: bool) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a row of nothing but NaN stays NaN
        across = np.nanmax(columns, axis=1) if largest else np.nanmean(columns, axis=1, dtype=np.float64)
    return np.array(across, dtype=np.float64)


def _known(columns: npt.NDArray[np.floating]) -> Floats:
    values = columns.astype(np.float64).ravel()
    known: Floats = values[np.isfinite(values)]
    return known
