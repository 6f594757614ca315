"""What the chapters say where torch.profiler recorded: operators, kernels, copies, the GPUs' idle gaps, and memory."""

from __future__ import annotations

import numpy as np

from core.profiler.activity import Activity, DeviceUse, MemoryUse
from core.profiler.traces import PHASES, Floats
from core.profiler.wording import PHASE_WORDS, seconds
from core.report.charts import PHASE_COLOURS
from core.report.document import Block, Line, LineChart, ShareBar, Table, Text, quantity
from core.translation import tr

_SHOWN_ROWS = 20
_SHOWN_KERNELS = 15
_NAME = 90
"""Characters of a kernel's name that are shown: templates make them longer than a page."""
_MOST_POINTS = 1200


def operator_tables(activity: Activity) -> list[Block]:
    """Return the operators and kernels that took longest, and the copies."""
    blocks: list[Block] = []
    if activity.operators:
        on_device = any(row.device_s for row in activity.operators)
        columns = ("Operator", "Calls", tr("CPU with its parts"), tr("CPU alone"), *(("GPU",) if on_device else ()))
        rows = tuple(
            (
                _short(row.name),
                f"{row.calls:,}",
                seconds(row.total_s),
                seconds(row.self_s),
                *((seconds(row.device_s),) if on_device else ()),
            )
            for row in activity.operators[:_SHOWN_ROWS]
        )
        blocks.append(Table(columns, rows, frozenset(range(1, len(columns))), (3, 1, 1.2, 1, 1)[: len(columns)]))
        left = len(activity.operators) - _SHOWN_ROWS
        if left > 0:
            blocks.append(Text(tr("{left:,} more took less.").format(left=left), "muted"))
    if activity.kernels:
        whole = sum(kernel.total_s for kernel in activity.kernels)
        blocks.append(
            Table(
                ("Kernel", "Calls", "Total", "Mean", "Share", "Occupancy"),
                tuple(
                    (
                        _short(kernel.name),
                        f"{kernel.calls:,}",
                        seconds(kernel.total_s),
                        quantity(kernel.total_s / kernel.calls, "s"),
                        f"{kernel.total_s / whole:.0%}" if whole else "—",
                        "—" if kernel.occupancy is None else quantity(kernel.occupancy, "%"),
                    )
                    for kernel in activity.kernels[:_SHOWN_KERNELS]
                ),
                frozenset(range(1, 6)),
                (3, 0.8, 1, 1, 0.7, 1),
            )
        )
    if activity.copies:
        blocks.append(
            Table(
                ("Copy", "Count", "Size", "Time", "Rate"),
                tuple(
                    (
                        copy.kind,
                        f"{copy.count:,}",
                        quantity(copy.bytes, "B"),
                        seconds(copy.seconds),
                        quantity(copy.bytes / copy.seconds, "B/s") if copy.seconds else "—",
                    )
                    for copy in activity.copies
                ),
                frozenset(range(1, 5)),
                (3, 1, 1, 1, 1),
            )
        )
    return blocks


def device_blocks(devices: tuple[DeviceUse, ...]) -> list[Block]:
    """Return how busy each GPU was over time, what it waited for, and its longest gaps."""
    lines = tuple(
        Line(device.name, number, device.track[0], 100 * device.track[1]) for number, device in enumerate(devices)
    )
    blocks: list[Block] = [
        LineChart(
            tr("GPU busy"),
            lines,
            tr("seconds since the start"),
            "%",
            100.0,
            note=tr("Kernels, copies and memory sets."),
        )
    ]
    for device in devices:
        busy = ("Busy", 2, device.busy_s, f"{device.busy_s / device.span_s:.0%}")
        idle = tuple(
            (
                f"idle, {PHASE_WORDS[phase].lower()}",
                PHASE_COLOURS[phase],
                device.idle[phase],
                f"{device.idle[phase] / device.span_s:.0%}",
            )
            for phase in (*PHASES, "other")
            if device.idle.get(phase, 0.0) > 0.005 * device.span_s
        )
        title = f"{device.name}, {device.title}" if device.title else device.name
        blocks.append(ShareBar(title, (busy, *idle)))
    blocks.append(Text(tr("While a GPU is idle, the word says what the training thread did meanwhile."), "muted"))
    longest = sorted(
        ((length, start, phase, device.name) for device in devices for start, length, phase in device.gaps),
        reverse=True,
    )[:10]
    if longest:
        blocks.append(
            Table(
                ("GPU", tr("Idle from"), "For", "Meanwhile"),
                tuple(
                    (name, seconds(start), quantity(length, "s"), PHASE_WORDS[phase])
                    for length, start, phase, name in longest
                ),
                frozenset((1, 2)),
                (2, 1, 1, 2),
            )
        )
    exposed = [(device.name, device.exposed_s / device.span_s) for device in devices if device.exposed_s]
    if exposed:
        said = ", ".join(
            tr("{share:.0%} of the time on {name}").format(share=share, name=name) for name, share in exposed
        )
        blocks.append(Text(tr("Communication that nothing was computed beside: {said}.").format(said=said)))
    return blocks


def memory_blocks(memory: tuple[MemoryUse, ...]) -> list[Block]:
    """Return the memory that was allocated over time, device by device."""
    blocks: list[Block] = []
    for number, use in enumerate(memory):
        if use.peak <= 0:
            continue
        x, y = _thin(use.times, use.allocated)
        blocks.append(
            LineChart(
                tr("Allocated on {device}").format(device=use.device),
                (Line(use.device, number, x, y),),
                tr("seconds since the start"),
                "B",
            )
        )
    if blocks:
        rows = tuple(
            (use.device, quantity(use.peak, "B"), f"{use.rise / 1e6:+,.1f} MB", "yes" if use.grows else "no")
            for use in memory
            if use.peak > 0
        )
        columns = ("Device", "Peak", tr("Rise in the second half"), tr("Grows from step to step"))
        blocks.append(Table(columns, rows, frozenset((1, 2)), (2, 1, 1.5, 1.5)))
    return blocks


def _thin(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return at most `_MOST_POINTS` points, of each run the highest: a peak is what matters."""
    if len(x) <= _MOST_POINTS:
        return x, y
    edges = np.linspace(0, len(x), _MOST_POINTS + 1).astype(np.intp)[:-1]
    return x[edges], np.maximum.reduceat(y, edges)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
