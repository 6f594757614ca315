"""From a profile to what it means: `analyse`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from core.jobs.records import RuleOutcome, TrainingJob
from core.profiler import time_shares, usage
from core.profiler.findings import find
from core.profiler.read import read_profile
from core.profiler.report_rules import evaluate_rules, with_aws
from core.profiler.results import JobTimes, ProfilerAnalysis
from core.profiler.rule_evaluation import Evidence, imbalance
from core.profiler.traces import NodeSamples, Profile
from core.progress import CancelToken, OnProgress, Progress, ignore_progress
from core.translation import tr

_LISTED_PAIRS = 10


def analyse(
    source: Path | str,
    *,
    job: TrainingJob | None = None,
    outcomes: Sequence[RuleOutcome] = (),
    parameters: Mapping[str, str | float] | None = None,
    on_progress: OnProgress = ignore_progress,
    cancel: CancelToken | None = None,
) -> ProfilerAnalysis:
    """Read and analyse the profile at `source`: a job's folder, AWS's profiler output, or an s3:// prefix.

    `outcomes` are what the Debugger rules said of the job, first cause first. `parameters` are those of the sub-rules
    in AWS's form, {"CPUBottleneck_threshold": 60}.

    Raises:
        UserFacingError: there is no profile, or it cannot be fetched.
        UsageError: a parameter that does not exist.
        Cancelled: through `cancel`.
    """
    profile = read_profile(source, on_progress, cancel)
    on_progress(Progress(0, None, tr("Analysing the profile"), "items"))
    return analyse_profile(profile, job=job, outcomes=outcomes, parameters=parameters)


def analyse_profile(
    profile: Profile,
    *,
    job: TrainingJob | None = None,
    outcomes: Sequence[RuleOutcome] = (),
    parameters: Mapping[str, str | float] | None = None,
) -> ProfilerAnalysis:
    """Analyse what `read_profile` returned; pure."""
    nodes, events = profile.nodes, profile.events
    times = time_shares.job_times(nodes, events, job)
    rules = evaluate_rules(Evidence(nodes, events, times, profile.activity is not None), parameters)
    stddev = next(rule.parameters["stddev"] for rule in rules if rule.name == "StepOutlier")
    analysis = ProfilerAnalysis(
        source=profile.source,
        times=times,
        nodes=tuple(node.node for node in nodes),
        cores=max((node.cores for node in nodes), default=0),
        gpus=sum(node.gpus for node in nodes) or len(profile.activity.devices if profile.activity else ()),
        samples=sum(len(node.times) for node in nodes),
        interval_s=_interval(nodes),
        usage=usage.usage_rows(nodes),
        bands=usage.bands(nodes),
        track=time_shares.phase_track(events, times),
        shares=time_shares.phase_shares(events),
        framework=time_shares.framework_table(events),
        steps=time_shares.step_statistics(events, stddev),
        gpu_use=usage.gpu_use(nodes, times.loop_start, times.loop_end),
        imbalance=tuple(imbalance(nodes)[:_LISTED_PAIRS]),
        loads=time_shares.load_times(events),
        filling=usage.filling(nodes, times.loop_start, times.loop_end),
        rules=with_aws(rules, profile.aws_rules),
        findings=(),
        problems=profile.problems,
        cpu_pressure=_pressure(nodes, times),
        aws_rules=profile.aws_rules,
        aws_report=profile.aws_report,
        activity=profile.activity,
    )
    return find(analysis, outcomes)


def _interval(nodes: tuple[NodeSamples, ...]) -> float:
    gaps = [float(np.median(np.diff(node.times))) for node in nodes if len(node.times) > 1]
    return gaps[0] if gaps else 0.0


def _pressure(nodes: tuple[NodeSamples, ...], times: JobTimes) -> Mapping[str, float]:
    """Return means over the training loop and all nodes, in percent, by resource of `usage.RESOURCES`."""
    means: dict[str, float] = {}
    for resource, unit, *_ in usage.RESOURCES:
        if unit != "%":
            continue
        parts = []
        for node in nodes:
            values = usage.series(node, resource)
            if values is not None:
                inside = values[usage.within(node.times, times.loop_start, times.loop_end)]
                parts.append(inside[np.isfinite(inside)])
        known = np.concatenate(parts) if parts else np.empty(0)
        if len(known):
            means[resource] = float(known.mean())
    return means
