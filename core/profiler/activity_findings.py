"""What a trace of torch.profiler shows of GPUs and memory, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from core.profiler.activity import Activity
from core.profiler.results import Finding
from core.translation import plural, tr

Cost = tuple[str, str, str, str, float]
"""Title, text, change, the section with the evidence, and the seconds that could be saved."""

_REASONS = {
    "forward": tr("the forward pass was launching kernels"),
    "backward": tr("the backward pass was launching kernels"),
    "optimizer": tr("the optimizer was launching kernels"),
    "other": tr("Python did something else between the steps' parts"),
}
_LAUNCHING = tr("Raise the batch size, or let torch.compile or CUDA graphs launch many kernels at once.")
_BETWEEN = tr("Print, save and read values (.item(), .cpu()) less often: each waits for the GPU.")


def activity_risks(activity: Activity | None) -> Iterator[Finding]:
    """Yield memory that grows from step to step."""
    growing = [memory for memory in (activity.memory if activity is not None else ()) if memory.grows]
    if growing:
        worst = max(growing, key=lambda memory: memory.rise)
        yield Finding(
            tr("Memory grows from step to step"),
            tr(
                "Memory of {device} rose by {rise:,.1f} MB in the second half of the traced steps, to {peak:,.1f} MB."
            ).format(device=worst.device, rise=worst.rise / 1000000.0, peak=worst.peak / 1000000.0),
            tr("Keep no tensors between steps: sum losses as numbers (loss.item()), not with their graph."),
            tr("It keeps a longer training from running out of memory."),
            evidence="memory",
        )


def device_costs(activity: Activity | None) -> Iterator[Cost]:
    """Yield what keeps the GPUs from computing; waiting for data has a finding of its own."""
    devices = activity.devices if activity is not None else ()
    if activity is None or not devices:
        return
    span = sum(device.span_s for device in devices)
    idle = {
        phase: sum(device.idle.get(phase, 0.0) for device in devices) / len(devices)
        for phase in {phase for device in devices for phase in device.idle} - {"data_loading"}
    }
    if idle and span:
        most = max(idle, key=lambda phase: idle[phase])
        whole = 1 - sum(device.busy_s for device in devices) / span
        yield (
            tr("The GPU is idle for much of the time"),
            plural(
                "The GPU is idle {whole:.0%} of the traced time, {idle:.0%} while {reasons}.",
                "GPUs are idle {whole:.0%} of the traced time, {idle:.0%} while {reasons}.",
                len(devices),
                whole=whole,
                idle=idle[most] / (span / len(devices)),
                reasons=_REASONS[most],
            ),
            _BETWEEN if most == "other" else _LAUNCHING,
            "gpu",
            sum(idle.values()),
        )
    pageable = [copy for copy in activity.copies if "pageable" in copy.kind.lower() and "HtoD" in copy.kind]
    spent = sum(copy.seconds for copy in pageable) / len(devices)
    if pageable:
        count, size = sum(copy.count for copy in pageable), sum(copy.bytes for copy in pageable)
        yield (
            tr("Batches are copied from memory that is not pinned"),
            tr("{count:,} copies of {size:,.0f} MB to the GPU waited for pageable memory.").format(
                count=count, size=size / 1000000.0
            ),
            tr("Set pin_memory=True in the DataLoader and copy with non_blocking=True."),
            "gpu",
            spent,
        )
    exposed = sum(device.exposed_s for device in devices) / len(devices)
    if exposed:
        yield (
            tr("GPUs wait for each other"),
            tr("Communication that nothing is computed beside takes {exposed:.0%} of the time.").format(
                exposed=exposed / (span / len(devices))
            ),
            tr("Use larger gradient buckets, fewer and larger batches, or a faster network between the GPUs."),
            "gpu",
            exposed,
        )
