"""The chapters on the machines: how much of them was used, the GPUs, and memory."""

from __future__ import annotations

from core.profiler.results import ProfilerAnalysis
from core.profiler.wording import seconds
from core.report import charts
from core.report.activity_chapters import device_blocks, memory_blocks
from core.report.document import Block, BoxPlot, Section, Table, Text, quantity
from core.report.rule_chapters import verdict_of
from core.translation import tr

_SHOWN = ("Busiest core", "Disk read", "Disk write", "Network received", "Network sent")
_HOW_TO_READ = tr(
    "Each line is a mean; the band behind it spans the lowest and the highest sample. A box "
    "holds the middle half of the samples, its line those from 5 to 95 %."
)


def system(analysis: ProfilerAnalysis) -> Section:
    """Return how much of each resource each node used."""
    rows = tuple(
        (row.node, row.resource, *(quantity(v, row.unit) for v in (row.max, row.p99, row.p95, row.p50, row.min)))
        for row in analysis.usage
    )
    if not rows:
        return Section("system", tr("System usage"), ())
    table = Table(
        ("Node", "Resource", "max", "p99", "p95", "p50", "min"),
        rows,
        frozenset(range(2, 7)),
        (1.1, 1.7, 1, 1, 1, 1, 1),
    )
    blocks: list[Block] = [*charts.of_job(analysis, "CPU")]
    blocks += [chart for resource in _SHOWN for chart in charts.bands(analysis, resource)]
    boxes = tuple((resource, *box) for resource, box in analysis.filling)
    if boxes and analysis.samples > len(analysis.nodes):
        blocks.append(BoxPlot(tr("How full the machine was in the training loop"), boxes))
    samples = tr("{samples:,} samples, one every {interval_s} on each node.").format(
        samples=analysis.samples, interval_s=seconds(analysis.interval_s)
    )
    blocks.append(Text(f"{samples} {_HOW_TO_READ}", "muted"))
    blocks.append(table)
    blocks += verdict_of(analysis, "BatchSize")
    return Section("system", tr("System usage"), tuple(blocks))


def gpu(analysis: ProfilerAnalysis) -> Section:
    """Return how busy the GPUs were, and how alike; nothing without any, which the first page says."""
    if analysis.activity is not None:
        devices = analysis.activity.devices
        return Section("gpu", "GPU", tuple(device_blocks(devices)) if devices else ())
    if not analysis.has_gpu:
        return Section("gpu", "GPU", ())
    boxes = tuple((f"{g.node} {g.gpu}", g.p5, g.p25, g.p50, g.p75, g.p95) for g in analysis.gpu_use)
    blocks: list[Block] = [*charts.bands(analysis, "GPU")]
    if boxes:
        blocks.append(BoxPlot(tr("GPU utilisation in the training loop"), boxes))
    for rule in ("LowGPUUtilization", "CPUBottleneck", "LoadBalancing"):
        blocks += verdict_of(analysis, rule)
    if analysis.imbalance:
        blocks.append(
            Table(
                ("GPU", "GPU", "Distance"),
                tuple((first, second, f"{distance:.2f}") for first, second, distance in analysis.imbalance),
                frozenset((2,)),
            )
        )
    return Section("gpu", "GPU", tuple(blocks))


def memory(analysis: ProfilerAnalysis) -> Section:
    """Return how full the memory of machines and GPUs became."""
    blocks: list[Block] = [*charts.of_job(analysis, "Memory"), *charts.bands(analysis, "GPU memory")]
    if analysis.gpu_use:
        blocks.append(
            Table(
                ("Node", "GPU", "p50", "max", "Rise"),
                tuple(
                    (
                        g.node,
                        g.gpu,
                        quantity(g.memory_p50, "%"),
                        quantity(g.memory_max, "%"),
                        f"{g.memory_rise:+.1f} points",
                    )
                    for g in analysis.gpu_use
                ),
                frozenset((2, 3, 4)),
            )
        )
        note = tr(
            "In the training loop. Rise compares its last quarter with its second: memory fills once at the start."
        )
        blocks.append(Text(note, "muted"))
        blocks += verdict_of(analysis, "GPUMemoryIncrease")
    if analysis.activity is not None:
        blocks += memory_blocks(analysis.activity.memory)
    return Section("memory", "Memory", tuple(blocks))
