"""What a trace of torch.profiler shows of GPUs and memory, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from core.profiler.activity import Activity
from core.profiler.results import Finding

Cost = tuple[str, str, str, str, float]
"""Title, text, change, the section with the evidence, and the seconds that could be saved."""

_REASONS = {
    "forward": "the forward pass was launching kernels",
    "backward": "the backward pass was launching kernels",
    "optimizer": "the optimizer was launching kernels",
    "other": "Python did something else between the steps' parts",
}
_LAUNCHING = "Raise the batch size, or let torch.compile or CUDA graphs launch many kernels at once."
_BETWEEN = "Print, save and read values (.item(), .cpu()) less often: each waits for the GPU."


def activity_risks(activity: Activity | None) -> Iterator[Finding]:
    """Yield memory that grows from step to step."""
    growing = [memory for memory in (activity.memory if activity is not None else ()) if memory.grows]
    if growing:
        worst = max(growing, key=lambda memory: memory.rise)
        yield Finding(
            "Memory grows from step to step",
            f"Memory of {worst.device} rose by {worst.rise / 1e6:,.1f} MB in the second half of the traced steps, to "
            f"{worst.peak / 1e6:,.1f} MB.",
            "Keep no tensors between steps: sum losses as numbers (loss.item()), not with their graph.",
            "It keeps a longer training from running out of memory.",
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
            "The GPU is idle for much of the time",
            f"{'GPUs are' if len(devices) > 1 else 'The GPU is'} idle {whole:.0%} of the traced time, "
            f"{idle[most] / (span / len(devices)):.0%} while {_REASONS[most]}.",
            _BETWEEN if most == "other" else _LAUNCHING,
            "gpu",
            sum(idle.values()),
        )
    pageable = [copy for copy in activity.copies if "pageable" in copy.kind.lower() and "HtoD" in copy.kind]
    spent = sum(copy.seconds for copy in pageable) / len(devices)
    if pageable:
        count, size = sum(copy.count for copy in pageable), sum(copy.bytes for copy in pageable)
        yield (
            "Batches are copied from memory that is not pinned",
            f"{count:,} copies of {size / 1e6:,.0f} MB to the GPU waited for pageable memory.",
            "Set pin_memory=True in the DataLoader and copy with non_blocking=True.",
            "gpu",
            spent,
        )
    exposed = sum(device.exposed_s for device in devices) / len(devices)
    if exposed:
        yield (
            "GPUs wait for each other",
            f"Communication that nothing is computed beside takes {exposed / (span / len(devices)):.0%} of the time.",
            "Use larger gradient buckets, fewer and larger batches, or a faster network between the GPUs.",
            "gpu",
            exposed,
        )
