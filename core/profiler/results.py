"""What the analysis of a profile says: frozen records that the report and the window show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from core.profiler.activity import Activity
from core.profiler.traces import Floats


class Verdict(StrEnum):
    """What a sub-rule says."""

    ISSUE = "Issue found"
    CLEAR = "No issue"
    TOO_FEW = "Too few data"
    NOT_APPLICABLE = "Does not apply"


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One sub-rule of the profiler report.

    `triggered` is how often its condition held, of `datapoints` that it looked at; `detail` says in one sentence what
    was seen; `aws` is what AWS's own ProfilerReport counted, where its files were there.
    """

    name: str
    description: str
    recommendation: str
    verdict: Verdict
    parameters: Mapping[str, float]
    triggered: int = 0
    datapoints: int = 0
    detail: str = ""
    aws: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that matters: what is so, what to change, how much it could help.

    `gain` may be empty; `gain_s` is the most that the change could save of this job's time, in seconds; 0 where it is
    no matter of time. `severity` is "cause" for what a Debugger rule found first, "warning" for what costs time or may
    fail the job, "info" for what is good to know. `evidence` is the key of the report's section that shows it.
    """

    title: str
    text: str
    change: str
    gain: str
    gain_s: float = 0.0
    severity: str = "warning"
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class JobTimes:
    """When the job did what, Unix seconds; None where the traces do not say."""

    start: float | None = None
    end: float | None = None
    loop_start: float | None = None
    loop_end: float | None = None

    @property
    def duration(self) -> float | None:
        """Return seconds from start to end."""
        return _between(self.start, self.end)

    @property
    def initialization(self) -> float | None:
        """Return seconds before the first step."""
        return _between(self.start, self.loop_start)

    @property
    def loop(self) -> float | None:
        """Return seconds from the first step to the end of the last."""
        return _between(self.loop_start, self.loop_end)

    @property
    def finalization(self) -> float | None:
        """Return seconds after the last step."""
        return _between(self.loop_end, self.end)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """How much a node used of one resource, over all its samples; `unit` is "%", "B/s" or "1/s"."""

    node: str
    resource: str
    unit: str
    max: float
    p99: float
    p95: float
    p50: float
    min: float


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """One resource of one node over time: per bucket the lowest, mean and highest sample; NaN where there is none."""

    node: str
    resource: str
    unit: str
    times: Floats
    low: Floats
    mean: Floats
    high: Floats


@dataclass(frozen=True, slots=True, eq=False)
class PhaseTrack:
    """Shares of time per bucket: `times` (B,) bucket starts, `shares` maps each phase to (B,) values of 0…1.

    `spans` are the phases themselves, (phase, start, end) in seconds, where there are not too many to draw.
    """

    times: Floats
    shares: Mapping[str, Floats]
    spans: tuple[tuple[str, float, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class StepStatistics:
    """The durations of one mode's steps, in seconds; `outliers` are (worker, step, start, duration), longest first.

    `curve` is (step numbers, durations) of at most a thousand points, of the first worker; `starts` is when those steps
    began, in Unix seconds. `by_worker` holds the mean of each worker, `spread` its five quantiles.
    """

    mode: str
    count: int
    mean: float
    p50: float
    p95: float
    p99: float
    max: float
    outlier_count: int
    limit: float
    outliers: tuple[tuple[str, int, float, float], ...]
    histogram: tuple[Floats, Floats]
    curve: tuple[Floats, Floats]
    starts: Floats
    by_worker: Mapping[str, float] = field(default_factory=dict)
    spread: Mapping[str, tuple[float, float, float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """How values are spread: quantiles, and counts between `edges` (B + 1,); the last count has all that is above."""

    count: int
    total: float
    p5: float
    p25: float
    p50: float
    p75: float
    p95: float
    p99: float
    max: float
    edges: Floats
    counts: Floats

    @property
    def box(self) -> tuple[float, float, float, float, float]:
        """Return the five quantiles of a box plot."""
        return self.p5, self.p25, self.p50, self.p75, self.p95


@dataclass(frozen=True, slots=True)
class GpuUse:
    """One GPU in the training loop: quantiles of its use in percent, and how its memory rose, in points of percent.

    `memory_rise` compares the last quarter with the second; `memory_grows` says that it rose all the while.
    """

    node: str
    gpu: str
    p5: float
    p25: float
    p50: float
    p75: float
    p95: float
    mean: float
    memory_p50: float
    memory_max: float
    memory_rise: float
    memory_grows: bool


@dataclass(frozen=True, slots=True)
class ProfilerAnalysis:
    """All that is known of how a job used its time and its machines.

    `shares` maps each phase, and "other", to its seconds within the training loop, all workers' mean.
    `imbalance` holds (GPU, GPU, distance) of the least alike pairs. `loads` are the waits for a batch, in seconds.
    `filling` says how full the machines were in the training loop: (resource, five quantiles), in percent.
    `activity` is what torch.profiler recorded, of some steps only; None where the profile is of another kind.
    """

    source: str
    times: JobTimes
    nodes: tuple[str, ...]
    cores: int
    gpus: int
    samples: int
    interval_s: float
    usage: tuple[UsageRow, ...]
    bands: tuple[Band, ...]
    track: PhaseTrack | None
    shares: Mapping[str, float]
    framework: tuple[tuple[str, int, float], ...]
    steps: tuple[StepStatistics, ...]
    gpu_use: tuple[GpuUse, ...]
    imbalance: tuple[tuple[str, str, float], ...]
    loads: Distribution | None
    filling: tuple[tuple[str, tuple[float, float, float, float, float]], ...]
    rules: tuple[RuleResult, ...]
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    cpu_pressure: Mapping[str, float] = field(default_factory=dict)
    aws_rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    aws_report: Path | None = None
    activity: Activity | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was profiled."""
        return not self.nodes and not self.steps and not self.framework and not self.aws_rules and self.activity is None

    @property
    def has_gpu(self) -> bool:
        """Whether any node has a GPU."""
        return self.gpus > 0

    def band(self, resource: str) -> tuple[Band, ...]:
        """Return the bands of one resource, one per node that has it."""
        return tuple(band for band in self.bands if band.resource == resource)


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)
