"""The tables of a Kineto trace: its operators, kernels and copies, each with how often and how long."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from core.profiler.activity import CopyRow, KernelRow, OperatorRow

STEP = re.compile(r"ProfilerStep#(\d+)")

Timed = tuple[float, float, Mapping[str, Any]]
"""Start, end and event of what was timed."""

OnDevice = tuple[float, float, str, str, Mapping[str, Any]]
"""Start, end, kind, name and arguments of what ran on a GPU."""


def operators(host: Sequence[Timed], launched: Mapping[Any, float]) -> Iterator[OperatorRow]:
    """Yield calls, total and own time of each name; the steps themselves are not operators."""
    calls: dict[str, int] = defaultdict(int)
    totals: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    threads: dict[tuple[Any, Any], list[Timed]] = defaultdict(list)
    for item in host:
        if not STEP.match(item[2]["name"]):
            threads[item[2].get("pid"), item[2].get("tid")].append(item)
    for items in threads.values():
        items.sort(key=lambda item: (item[0], -item[1]))
        open_items: list[tuple[float, str]] = []
        for start, end, event in items:
            while open_items and open_items[-1][0] <= start:
                open_items.pop()
            name = event["name"]
            calls[name] += 1
            if all(opened != name for _, opened in open_items):  # one that calls itself counts once
                totals[name][0] += end - start
            totals[name][1] += end - start
            if open_items:
                totals[open_items[-1][1]][1] -= min(end, open_items[-1][0]) - start
            if (own_id := external_id(event.get("args"))) is not None:
                totals[name][2] += launched.get(own_id, 0.0)
            open_items.append((end, name))
    for name, (whole, own, device) in totals.items():
        yield OperatorRow(name, calls[name], whole, max(0.0, own), device)


def kernels(events: Sequence[OnDevice]) -> Iterator[KernelRow]:
    """Yield calls, time and mean occupancy of each kernel."""
    grouped: dict[str, list[tuple[float, Any]]] = defaultdict(list)
    for start, end, kind, name, args in events:
        if kind == "kernel":
            grouped[name].append((end - start, args.get("est. achieved occupancy %")))
    for name, found in grouped.items():
        spent = sum(lasted for lasted, _ in found)
        known = [(lasted, float(share)) for lasted, share in found if isinstance(share, int | float)]
        weight = sum(lasted for lasted, _ in known)
        occupancy = sum(lasted * share for lasted, share in known) / weight if weight else None
        yield KernelRow(name, len(found), spent, occupancy)


def copies(events: Sequence[OnDevice]) -> Iterator[CopyRow]:
    """Yield number, bytes and time of each kind of copy."""
    grouped: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for start, end, kind, name, args in events:
        if kind == "gpu_memcpy":
            sums = grouped[name.removeprefix("Memcpy ")]
            sums[0] += 1
            sums[1] += finite(args.get("bytes", args.get("Bytes")))
            sums[2] += end - start
    for kind, (count, size, spent) in grouped.items():
        yield CopyRow(kind, int(count), size, spent)


def external_id(args: Any) -> Any:
    """Return what links a kernel to the operator that launched it; older traces write it small."""
    if not isinstance(args, Mapping):
        return None
    found = args.get("External id", args.get("external id"))
    return found if isinstance(found, int | str) else None


def finite(value: Any) -> float:
    """Return a value as a number, 0 where it is none."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return found if np.isfinite(found) else 0.0
