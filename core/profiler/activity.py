"""What a torch.profiler trace knows beyond steps and phases: operators, kernels, copies, idle gaps and memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.profiler.traces import Floats

Intervals = tuple[Floats, Floats]
"""Starts and ends, (N,) each, in seconds since the trace began."""

_LISTED_GAPS = 10
_BUCKETS = 200
_ENOUGH_STEPS = 8
_STEADY = 0.01
"""A rise of memory, as a share of its peak, that is more than noise."""


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """One operator: `total_s` with what it called, `self_s` without, `device_s` of the kernels that it launched."""

    name: str
    calls: int
    total_s: float
    self_s: float
    device_s: float


@dataclass(frozen=True, slots=True)
class KernelRow:
    """One kernel; `occupancy` is the mean estimated share of the GPU's warps in percent, None where not recorded."""

    name: str
    calls: int
    total_s: float
    occupancy: float | None


@dataclass(frozen=True, slots=True)
class CopyRow:
    """Copies of one kind, as the trace calls it: "HtoD (Pageable -> Device)"."""

    kind: str
    count: int
    bytes: float
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class DeviceUse:
    """One GPU while the training was traced.

    `busy_s` of `span_s` seconds something ran on it; `idle` says what the training thread did in the others, by phase.
    `gaps` are the longest of those: (start, seconds, phase). `exposed_s` is communication that nothing was computed
    beside. `track` is (bucket starts, busy share 0…1).
    """

    name: str
    title: str
    span_s: float
    busy_s: float
    exposed_s: float
    idle: Mapping[str, float]
    gaps: tuple[tuple[float, float, str], ...]
    track: tuple[Floats, Floats]


@dataclass(frozen=True, slots=True, eq=False)
class MemoryUse:
    """Memory allocated on one device: `times` (N,) and `allocated` (N,) in bytes; `rise` is from the middle to the end.

    `grows` says that the most of each step kept rising in the second half.
    """

    device: str
    times: Floats
    allocated: Floats
    peak: float
    rise: float
    grows: bool


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """All of it, of all workers; the tables are sorted by what took longest."""

    operators: tuple[OperatorRow, ...] = ()
    kernels: tuple[KernelRow, ...] = ()
    copies: tuple[CopyRow, ...] = ()
    devices: tuple[DeviceUse, ...] = ()
    memory: tuple[MemoryUse, ...] = ()


def merge(parts: Sequence[Activity]) -> Activity:
    """Return the activity of several workers as one: tables added up, devices side by side."""
    operators: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0, 0.0])
    kernels: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0, 0.0])
    copies: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for part in parts:
        for row in part.operators:
            _add(operators[row.name], row.calls, row.total_s, row.self_s, row.device_s)
        for kernel in part.kernels:
            known = kernel.total_s if kernel.occupancy is not None else 0.0
            _add(kernels[kernel.name], kernel.calls, kernel.total_s, known * (kernel.occupancy or 0.0), known)
        for copy in part.copies:
            _add(copies[copy.kind], copy.count, copy.bytes, copy.seconds)
    return Activity(
        tuple(
            sorted(
                (OperatorRow(name, int(n), total, own, device) for name, (n, total, own, device) in operators.items()),
                key=lambda row: -(row.self_s + row.device_s),
            )
        ),
        tuple(
            sorted(
                (
                    KernelRow(name, int(n), total, weighted / known if known else None)
                    for name, (n, total, weighted, known) in kernels.items()
                ),
                key=lambda row: -row.total_s,
            )
        ),
        tuple(sorted((CopyRow(kind, int(n), size, spent) for kind, (n, size, spent) in copies.items()), key=_spent)),
        tuple(device for part in parts for device in part.devices),
        tuple(memory for part in parts for memory in part.memory),
    )


def union(intervals: Intervals) -> Intervals:
    """Return the intervals joined where they overlap or touch, ascending."""
    start, end = intervals
    if not len(start):
        return start, end
    order = np.argsort(start, kind="stable")
    start, reach = start[order], np.maximum.accumulate(end[order])
    first = np.concatenate(([True], start[1:] > reach[:-1]))
    last = np.concatenate((first[1:], [True]))
    return start[first], reach[last]


def total(intervals: Intervals) -> float:
    """Return how long disjoint intervals are together."""
    return float((intervals[1] - intervals[0]).sum())


def gaps(busy: Intervals, start: float, end: float) -> Intervals:
    """Return what of [start, end] the disjoint, ascending intervals `busy` leave free."""
    left = np.concatenate(([start], np.maximum(busy[1], start)))
    right = np.concatenate((np.minimum(busy[0], end), [end]))
    keep = right > left
    return left[keep], right[keep]


def overlap(one: Intervals, other: Intervals) -> float:
    """Return how long two sets of disjoint, ascending intervals are both there."""
    return float((_covered_before(other, one[1]) - _covered_before(other, one[0])).sum())


def _covered_before(intervals: Intervals, when: Floats) -> Floats:
    """Return (N,) how much of the intervals is before each time."""
    start, end = intervals
    if not len(start):
        return np.zeros(len(when))
    sums = np.concatenate(([0.0], np.cumsum(end - start)))
    index = np.searchsorted(start, when, side="right")
    inside = np.where(index > 0, np.maximum(0.0, end[np.maximum(index, 1) - 1] - when), 0.0)
    covered: Floats = sums[index] - inside
    return covered


def device_use(
    name: str,
    title: str,
    working: Intervals,
    communicating: Intervals,
    span: tuple[float, float],
    phases: Mapping[str, Intervals],
) -> DeviceUse:
    """Return how busy a device was within `span`, and what the training thread did while it was not."""
    start, end = span
    busy = _within(union(_joined((working, communicating))), start, end)
    free = gaps(busy, start, end)
    computing = union(working)
    idle = {phase: overlap(free, intervals) for phase, intervals in phases.items()}
    rest = total(free) - sum(idle.values())
    idle["other"] = idle.get("other", 0.0) + max(0.0, rest)
    longest = np.argsort(-(free[1] - free[0]), kind="stable")[:_LISTED_GAPS]
    listed = tuple(
        (float(free[0][i]), float(free[1][i] - free[0][i]), _phase_in(phases, free[0][i], free[1][i])) for i in longest
    )
    edges: Floats = np.linspace(start, max(end, start + 1e-9), _BUCKETS + 1, dtype=np.float64)
    share = np.diff(_covered_before(busy, edges)) / np.diff(edges)
    talking = _within(union(communicating), start, end)
    return DeviceUse(
        name,
        title,
        end - start,
        total(busy),
        total(talking) - overlap(talking, computing),
        {phase: spent for phase, spent in idle.items() if spent > 0},
        listed,
        (edges[:-1], share),
    )


def memory_use(device: str, times: Floats, allocated: Floats, steps: Intervals) -> MemoryUse:
    """Return the curve of a device's memory, and whether the most of each step kept rising in the second half."""
    most = np.array(
        [allocated[(times >= begin) & (times < stop)].max(initial=-np.inf) for begin, stop in zip(*steps, strict=True)]
    )
    most = most[np.isfinite(most)]
    peak = float(allocated.max(initial=0.0))
    rise, grows = 0.0, False
    if len(most) >= _ENOUGH_STEPS:
        middle, third, last = (float(part.mean()) for part in np.array_split(most, 4)[1:])
        rise = last - middle
        grows = third - middle > _STEADY * peak and last - third > _STEADY * peak
    return MemoryUse(device, times, allocated, peak, rise, grows)


def _within(intervals: Intervals, start: float, end: float) -> Intervals:
    left, right = np.clip(intervals[0], start, end), np.clip(intervals[1], start, end)
    keep = right > left
    return left[keep], right[keep]


def _joined(parts: Iterable[Intervals]) -> Intervals:
    starts, ends = zip(*parts, strict=True)
    return np.concatenate(starts), np.concatenate(ends)


def _phase_in(phases: Mapping[str, Intervals], start: float, end: float) -> str:
    """Return the phase that a gap is in for the most part."""
    one = (np.array([start]), np.array([end]))
    best = max(phases, key=lambda phase: overlap(one, phases[phase]), default="other")
    return best if best in phases and overlap(one, phases[best]) > 0.5 * (end - start) else "other"


def _add(sums: list[float], *values: float) -> None:
    for index, value in enumerate(values):
        sums[index] += value


def _spent(row: CopyRow) -> float:
    return -row.seconds
