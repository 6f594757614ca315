"""How each sub-rule of the profiler report is evaluated; `report_rules.py` has their names, parameters and advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.profiler import wording
from core.profiler.results import JobTimes, Verdict
from core.profiler.traces import Events, Floats, NodeSamples
from core.translation import tr

SCAN_S = 60.0
"""AWS's rules look at new files every 60 s."""
MIN_STEPS = 100
"""StepOutlier looks at nothing shorter."""
Parameters = Mapping[str, float]
_NO_SAMPLES = tr("There are no system metrics, so it is not known.")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rules look at; `sampled`: only some steps of a longer training were traced."""

    nodes: Sequence[NodeSamples]
    events: Events
    times: JobTimes
    sampled: bool = False

    @property
    def has_gpu(self) -> bool:
        """Whether any node has a GPU."""
        return any(node.gpus for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found; `triggered` of `datapoints`."""

    verdict: Verdict
    triggered: int = 0
    datapoints: int = 0
    detail: str = ""


def _judge(triggered: int, datapoints: int, fires: bool, patience: float, detail: str) -> Outcome:
    if datapoints <= patience:
        few = tr("It needs more than {patience:g} datapoints and there are {datapoints:,}.").format(
            patience=patience, datapoints=datapoints
        )
        return Outcome(Verdict.TOO_FEW, triggered, datapoints, f"{detail} {few}".strip())
    return Outcome(Verdict.ISSUE if fires else Verdict.CLEAR, triggered, datapoints, detail)


def _nothing(detail: str) -> Outcome:
    return Outcome(Verdict.NOT_APPLICABLE, detail=detail)


def _no_gpu(evidence: Evidence) -> Outcome:
    return _nothing(tr("There is no GPU.") if evidence.nodes else _NO_SAMPLES)


def idle_and(evidence: Evidence, dimension: str, threshold: float, gpu_threshold: float) -> tuple[int, int]:
    """Return samples in which a core's `dimension` exceeds `threshold` while a GPU is below its own; and all."""
    hits = total = 0
    for node in evidence.nodes:
        cpu, gpu = node.columns("cpu", dimension), node.columns("gpu", "GPUUtilization")
        if not cpu.shape[1]:
            continue
        busy = (cpu > threshold).any(axis=1)
        if gpu.shape[1]:
            busy &= (gpu < gpu_threshold).any(axis=1)
        hits += int(busy.sum())
        total += len(node.times)
    return hits, total


def cpu_bottleneck(evidence: Evidence, p: Parameters) -> Outcome:
    """Check CPUBottleneck: a GPU is idle while a core is saturated."""
    if not evidence.nodes:
        return _nothing(_NO_SAMPLES)
    if not evidence.has_gpu:
        return _nothing(
            tr("Without a GPU the CPU does the training itself: a busy CPU is not a bottleneck of anything else.")
        )
    hits, total = idle_and(evidence, "CPUUtilization", p["cpu_threshold"], p["gpu_threshold"])
    share = 100.0 * hits / total if total else 0.0
    detail = tr("A GPU waited while a core was saturated in {share:.1f}% of the samples.").format(share=share)
    return _judge(hits, total, share > p["threshold"], p["patience"], detail)


def io_bottleneck(evidence: Evidence, p: Parameters) -> Outcome:
    """Check IOBottleneck: a GPU is under-used while a core waits for I/O."""
    if not evidence.nodes:
        return _nothing(_NO_SAMPLES)
    if not any(node.columns("cpu", "I/OWaitPercentage").shape[1] for node in evidence.nodes):
        return _nothing(tr("This machine does not tell how long its cores wait for the disk."))
    hits, total = idle_and(evidence, "I/OWaitPercentage", p["io_threshold"], p["gpu_threshold"])
    share = 100.0 * hits / total if total else 0.0
    who = tr("A GPU was under-used while a core") if evidence.has_gpu else "A core"
    detail = tr("{who} waited for the disk in {share:.1f}% of the samples.").format(who=who, share=share)
    return _judge(hits, total, share > p["threshold"], p["patience"], detail)


def low_gpu(evidence: Evidence, p: Parameters) -> Outcome:
    """Check LowGPUUtilization: quantiles of each GPU's last `window` values, at every scan."""
    if not evidence.has_gpu:
        return _no_gpu(evidence)
    triggered = total = 0
    seen: set[str] = set()
    for node in evidence.nodes:
        for column in node.columns("gpu", "GPUUtilization").T:
            values = column[np.isfinite(column)]
            total += len(values)
            for window in _windows(values, int(p["window"]), int(p["patience"]), node.times):
                p5, p95 = np.percentile(window, (5, 95))
                if p95 < p["threshold_p95"]:
                    seen.add("under-used")
                elif p5 < p["threshold_p5"]:
                    seen.add("fluctuating")
                else:
                    continue
                triggered += 1
    detail = (
        tr("GPUs were {seen}.").format(seen=" and ".join(sorted(seen, reverse=True)))
        if seen
        else tr("No GPU was under-used for long.")
    )
    longest = max((len(node.times) for node in evidence.nodes if node.gpus), default=0)
    return replace(_judge(triggered, longest, triggered > 0, p["patience"], detail), datapoints=total)


def batch_size(evidence: Evidence, p: Parameters) -> Outcome:
    """Check BatchSize: CPU, GPU and GPU memory all have a low p95, at every scan."""
    triggered = total = longest = 0
    for node in evidence.nodes:
        cpu = node.columns("cpu", "CPUUtilization")
        if not cpu.shape[1]:
            continue
        longest = max(longest, len(node.times))
        total += len(node.times)
        limits = [(cpu.mean(axis=1), p["cpu_threshold_p95"])]
        for dimension, name in (("GPUUtilization", "gpu"), ("GPUMemoryUtilization", "gpu_memory")):
            limits += [(column, p[f"{name}_threshold_p95"]) for column in node.columns("gpu", dimension).T]
        sizes = int(p["window"]), int(p["patience"])
        below = [
            [float(np.nanpercentile(part, 95)) < limit for part in _windows(values, *sizes, node.times)]
            for values, limit in limits
        ]
        triggered += int(np.all(below, axis=0).sum()) if below and below[0] else 0
    what = tr("CPU, GPU and GPU memory") if evidence.has_gpu else tr("The CPU")
    detail = (
        tr("{what} had room for more in {triggered} evaluations.").format(what=what, triggered=triggered)
        if triggered
        else ""
    )
    if not total:
        return _nothing(_NO_SAMPLES)
    return replace(_judge(triggered, longest, triggered > 0, max(p["patience"], p["window"]), detail), datapoints=total)


def gpu_memory(evidence: Evidence, p: Parameters) -> Outcome:
    """Check GPUMemoryIncrease: the moving average of a GPU's memory rose between two scans, after `patience` values."""
    if not evidence.has_gpu:
        return _no_gpu(evidence)
    triggered = total = longest = 0
    largest, window = 0.0, int(p["window"])
    for node in evidence.nodes:
        for column in node.columns("gpu", "GPUMemoryUtilization").T:
            values = column[np.isfinite(column)].astype(np.float64)
            total, longest = total + len(values), max(longest, len(values))
            values = values[int(p["patience"]) :]  # memory fills at the start of every job
            if len(values) <= window:
                continue
            sums = np.concatenate(([0.0], np.cumsum(values)))
            means = (sums[window:] - sums[:-window]) / window
            scans = means[:: max(1, _per_scan(node.times))]
            rises = np.diff(scans)
            triggered += int((rises > p["increase"]).sum())
            largest = max(largest, float(rises.max(initial=0.0)))
    detail = tr("The largest rise of a GPU's memory from one minute to the next was {largest:.1f} points.").format(
        largest=largest
    )
    return replace(_judge(triggered, longest, triggered > 0, p["patience"], detail), datapoints=total)


def imbalance(nodes: Sequence[NodeSamples]) -> list[tuple[str, str, float]]:
    """Return (GPU, GPU, distance) of every pair, most different first.

    The distance is the square root of the Jensen-Shannon divergence (base e) of the two utilisation histograms.
    """
    names, histograms = [], []
    for node in nodes:
        busy = node.columns("gpu", "GPUUtilization")
        for index, column in enumerate(busy.T):
            values = column[np.isfinite(column)]
            if len(values):
                names.append(f"{node.node} gpu{index}")
                # AWS's edges end at 98; the last bin here takes what is above.
                histograms.append(np.histogram(np.minimum(values, 97.9), bins=np.arange(0, 100, 2))[0] / len(values))
    if len(names) < 2:
        return []
    table = np.array(histograms)
    pairs = []
    for first in range(len(names) - 1):
        distances = _distances(table[first], table[first + 1 :])
        pairs += [(names[first], names[first + 1 + i], float(value)) for i, value in enumerate(distances)]
    return sorted(pairs, key=lambda pair: -pair[2])


def load_balancing(evidence: Evidence, p: Parameters) -> Outcome:
    """Check LoadBalancing: utilisation histograms of two GPUs are far apart."""
    pairs = imbalance(evidence.nodes)
    if not pairs:
        return _nothing(tr("There are not two GPUs to compare.")) if evidence.nodes else _nothing(_NO_SAMPLES)
    apart = sum(distance > p["threshold"] for _, _, distance in pairs)
    samples = min(len(node.times) for node in evidence.nodes if node.gpus)
    detail = tr("The least alike are {pairs} and {pairs_2}, at a distance of {pairs_3:.2f} (0 to 0.83).").format(
        pairs=pairs[0][0], pairs_2=pairs[0][1], pairs_3=pairs[0][2]
    )
    return replace(_judge(apart, samples, apart > 0, p["patience"], detail), datapoints=samples)


def initialization(evidence: Evidence, p: Parameters) -> Outcome:
    """Check MaxInitializationTime: no step within `threshold` minutes."""
    if evidence.sampled:
        return _nothing(tr("Only some steps were traced, not the start."))
    seconds = evidence.times.initialization
    if seconds is None:
        return _nothing(tr("The traces do not say when the first step began."))
    late = seconds > 60 * p["threshold"]
    detail = tr("The first step began {time} after the start.").format(time=wording.seconds(seconds))
    return Outcome(Verdict.ISSUE if late else Verdict.CLEAR, int(late), 1, detail)


def step_outlier(evidence: Evidence, p: Parameters) -> Outcome:
    """Check StepOutlier: per worker and mode, more than `n_outliers` steps far above the mean."""
    events, total, triggered, most = evidence.events, 0, 0, 0
    long_enough = False
    for mode in events.modes():
        of_mode = events.steps(mode)
        for worker in np.unique(events.worker[of_mode]):
            chosen = of_mode & (events.worker == worker)
            durations = events.end[chosen] - events.start[chosen]
            total += len(durations)
            if len(durations) <= MIN_STEPS:
                continue
            long_enough = True
            outliers = int((durations > outlier_limit(durations, p["stddev"])).sum())
            most = max(most, outliers)
            triggered += outliers if outliers > p["n_outliers"] else 0
    if not total:
        return _nothing(tr("There is no step trace."))
    if not long_enough:
        return Outcome(
            Verdict.TOO_FEW,
            0,
            total,
            tr("It needs more than {min_steps} steps of one mode on one worker.").format(min_steps=MIN_STEPS),
        )
    detail = (
        tr("Up to {most} steps of a worker were far longer than its others.").format(most=most)
        if most
        else tr("All steps are alike.")
    )
    return Outcome(Verdict.ISSUE if triggered else Verdict.CLEAR, triggered, total, detail)


def outlier_limit(durations: Floats, stddev: float) -> float:
    """Return the duration above which a step is an outlier: mean plus `stddev` standard deviations."""
    return float(durations.mean() + stddev * durations.std())


def dataloader(evidence: Evidence, p: Parameters) -> Outcome:
    """Check Dataloader: loader processes per second against the number of cores."""
    events = evidence.events
    loaders = events.of("loader_worker")
    if not loaders.any():
        return _nothing(
            tr("No loader processes are in the trace: pictures were loaded by the training process itself.")
        )
    if not evidence.nodes:
        return _nothing(tr("Without system metrics the number of cores is not known."))
    cores = max(node.cores for node in evidence.nodes)
    second = np.floor(events.start[loaders]).astype(np.int64)
    both = np.unique(np.stack((second, events.pid[loaders])), axis=1)
    per_second = np.unique(both[0], return_counts=True)[1]
    median = float(np.median(per_second))
    low, high = cores * p["min_threshold"] / 100, cores * p["max_threshold"] / 100
    detail = tr("{median:g} loader processes ran at a time on {cores} cores.").format(median=median, cores=cores)
    outside = int(((per_second < low) | (per_second > high)).sum())
    return _judge(outside, len(per_second), not low <= median <= high, 10, detail)


def system_usage(evidence: Evidence, _: Parameters) -> Outcome:
    """Take OverallSystemUsage: measures only."""
    samples = sum(len(node.times) for node in evidence.nodes)
    if not samples:
        return _nothing(_NO_SAMPLES)
    return Outcome(Verdict.CLEAR, 0, samples, tr("It measures and never fires; see System usage."))


def framework_metrics(evidence: Evidence, _: Parameters) -> Outcome:
    """Take OverallFrameworkMetrics: measures only."""
    count = len(evidence.events.start)
    if not count:
        return _nothing(tr("There is no step trace."))
    return Outcome(Verdict.CLEAR, 0, count, tr("It measures and never fires; see Framework metrics."))


def _distances(one: Floats, others: Floats) -> Floats:
    middle = (one + others) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(one > 0, one * np.log(one / middle), 0.0).sum(axis=1)
        right = np.where(others > 0, others * np.log(others / middle), 0.0).sum(axis=1)
    result: Floats = np.sqrt(np.maximum(0.0, (left + right) / 2))
    return result


def _per_scan(times: Floats) -> int:
    """Return how many samples are between two scans."""
    interval = float(np.median(np.diff(times))) if len(times) > 1 else SCAN_S
    return max(1, round(SCAN_S / max(interval, 1e-3)))


def _windows(
    values: npt.NDArray[np.floating], window: int, patience: int, times: Floats
) -> list[npt.NDArray[np.floating]]:
    """Return the last `window` values at every scan after `patience` values."""
    ends = range(max(window, patience) + 1, len(values) + 1, _per_scan(times))
    return [values[end - window : end] for end in ends]
