"""The things that matter most, in plain words.

What a Debugger rule found comes first, for a model that does not learn is worth nothing at any speed; then what may
fail the job; then what costs time, by its gain, which is an upper bound: the time that its cause takes now, were it
gone. Good news is given only where there is nothing else to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus
from core.profiler.activity_findings import activity_risks, device_costs
from core.profiler.good_to_know import good_to_know
from core.profiler.results import Finding, ProfilerAnalysis, Verdict
from core.profiler.wording import seconds
from core.translation import plural, tr

SHOWN = 3
_WORTH = 0.05
"""Below 5% of the job's time nothing is worth a finding."""
_NEARLY_ALL = 0.9
"""From this share on "times as fast" says nothing any more."""
_WORTH_S = 60.0
"""Nor is any saving of time in a job that is over within a minute."""
_GROWTH = 5.0
"""Points of percent by which GPU memory must rise to be a finding (GPUMemoryIncrease's `increase`)."""
_OTHERS, _CROWDED = 15.0, 80.0
"""Percent of the cores that other programs use, and that are used in all, from which they are in this job's way."""


def find(analysis: ProfilerAnalysis, outcomes: Sequence[RuleOutcome] = ()) -> ProfilerAnalysis:
    """Return the same analysis with the root cause, by the first of `outcomes` that found one, and three findings."""
    found = [*_said_by_rules(outcomes), *_risks(analysis), *activity_risks(analysis.activity)]
    found += sorted(_costs(analysis), key=lambda finding: -finding.gain_s)
    found += _said_by_aws(analysis)
    if not found and not _any_issue(analysis):
        found = list(good_to_know(analysis))
    causes = sum(finding.severity == "cause" for finding in found)
    return replace(analysis, findings=tuple(found[: causes + SHOWN]))


def issues(outcomes: Sequence[RuleOutcome]) -> list[RuleOutcome]:
    """Return the outcomes that found an issue, in their order."""
    return [outcome for outcome in outcomes if outcome.status is RuleStatus.ISSUES_FOUND]


class Standing(StrEnum):
    """What can be said of a job in which no rule found an issue."""

    CLEAR = "clear"
    """Rules have looked at it to the end."""
    ERROR = "error"
    RUNNING = "running"
    """They have not come to their end; some never will."""
    BLIND = "blind"
    """They had nothing to look at."""
    UNKNOWN = "unknown"
    """There are none."""


def standing(outcomes: Sequence[RuleOutcome]) -> Standing:
    """Return what outcomes without an issue say of a job."""
    statuses = {outcome.status for outcome in outcomes}
    if not statuses:
        return Standing.UNKNOWN
    if RuleStatus.ERROR in statuses:
        return Standing.ERROR
    if statuses != {RuleStatus.NO_ISSUES_FOUND}:
        return Standing.RUNNING
    return Standing.CLEAR if any(outcome.evaluated for outcome in outcomes) else Standing.BLIND


def _said_by_rules(outcomes: Sequence[RuleOutcome]) -> Iterator[Finding]:
    """Return what fired of itself, root cause first; what only follows from another is named there, without advice."""
    fired = issues(outcomes)
    for number, first in enumerate(outcome for outcome in fired if not outcome.follows_from):
        consequences = [outcome.rule for outcome in fired if outcome.follows_from == first.rule]
        follows = (
            tr("From it follows: {consequences}.").format(consequences=", ".join(consequences)) if consequences else ""
        )
        text = " ".join(part for part in (first.details, first.meaning, where(first), follows) if part)
        severity = "warning" if number else "cause"
        yield Finding(first.rule, text, first.advice, "", severity=severity, evidence="rules")


def where(outcome: RuleOutcome) -> str:
    """Return the place in the user's script that a rule names, as a sentence; empty where it is not known."""
    if not outcome.file:
        return ""
    return f"See {outcome.file}, line {outcome.line}." if outcome.line is not None else f"See {outcome.file}."


def _total(analysis: ProfilerAnalysis) -> float:
    return analysis.times.duration or sum(analysis.shares.values()) or 0.0


def _gain(analysis: ProfilerAnalysis, saved: float) -> str:
    total = _total(analysis)
    if not total or saved >= total:
        return tr("Up to {saved}.").format(saved=seconds(saved))
    most = tr("at best {total:.2g} times as fast.").format(total=total / (total - saved))
    times = most if saved < _NEARLY_ALL * total else tr("nearly all of it.")
    if analysis.activity is not None:  # the seconds of a few traced steps say little of the whole training
        return tr("Up to {saved:.0%} of the traced time: {times}").format(saved=saved / total, times=times)
    return tr("Up to {saved} of {total}: {times}").format(saved=seconds(saved), total=seconds(total), times=times)


def activity_costs(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    """Yield what a trace of torch.profiler shows of the GPUs, each with what it could gain."""
    for title, text, change, evidence, saved in device_costs(analysis.activity):
        yield Finding(title, text, change, _gain(analysis, saved), saved, evidence=evidence)


def _risks(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    memory = [row for row in analysis.usage if row.resource == "Memory" and row.p99 > 90]
    if memory:
        worst = max(memory, key=lambda row: row.max)
        yield Finding(
            tr("Memory is nearly full"),
            tr("Memory on {node} reached {max:.0f}%; a job that needs more is killed.").format(
                node=worst.node, max=worst.max
            ),
            tr("Use fewer loader workers or a smaller batch, or take a machine with more memory."),
            tr("It keeps the job from being killed."),
            evidence="memory",
        )
    growing = [gpu for gpu in analysis.gpu_use if gpu.memory_grows and gpu.memory_rise > _GROWTH]
    if growing:
        worst_gpu = max(growing, key=lambda gpu: gpu.memory_rise)
        yield Finding(
            tr("GPU memory grows"),
            tr(
                "Memory of {node} {gpu} was still growing at the end of the training loop: by "
                "{memory_rise:.0f} points in its second half, to {memory_max:.0f}%."
            ).format(
                node=worst_gpu.node,
                gpu=worst_gpu.gpu,
                memory_rise=worst_gpu.memory_rise,
                memory_max=worst_gpu.memory_max,
            ),
            tr("Keep no tensors between steps: sum losses as numbers (loss.item()), not with their graph."),
            tr("It keeps a longer job from running out of memory."),
            evidence="memory",
        )


def _costs(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    if analysis.activity is None and _total(analysis) < _WORTH_S:
        return
    worth = _WORTH * _total(analysis)
    parts = [_phase_costs, _step_costs]
    parts += [_machine_costs, _edge_costs] if analysis.activity is None else [activity_costs]
    for finding in (finding for part in parts for finding in part(analysis)):
        if finding.gain_s > worth > 0:
            yield finding


def _phase_costs(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    shares, total = analysis.shares, sum(analysis.shares.values())
    loading = shares.get("data_loading", 0.0)
    if total and loading:
        yield Finding(
            tr("Training waits for data"),
            tr("Loading takes {loading:.0%} of the training loop; nothing is computed meanwhile.").format(
                loading=loading / total
            ),
            tr(
                "Load ahead with more workers (num_workers), use smaller pictures, or compute "
                "features once (head mode)."
            ),
            _gain(analysis, loading),
            loading,
            evidence="loading",
        )
    evaluation = shares.get("evaluation", 0.0)
    if total and evaluation > 0.2 * total:
        yield Finding(
            tr("Evaluation takes a large part"),
            tr("Evaluating takes {evaluation:.0%} of the training loop.").format(evaluation=evaluation / total),
            tr("Evaluate every second epoch, or with a larger batch: no gradients are kept, so twice the size fits."),
            _gain(analysis, evaluation / 2),
            evaluation / 2,
            evidence="time",
        )
    other = shares.get("other", 0.0)
    if total and other > 0.2 * total:
        yield Finding(
            tr("Much of the loop is neither data nor computing"),
            tr("{other:.0%} of the training loop lies between the traced phases: saving, printing, watching.").format(
                other=other / total
            ),
            tr("Save checkpoints and print metrics less often, and save tensors at a larger interval."),
            _gain(analysis, other),
            other,
            evidence="time",
        )


def _step_costs(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    total = sum(analysis.shares.values())
    lost = sum((lasted - mode.p50) for mode in analysis.steps for *_, lasted in mode.outliers)
    if lost > 0:
        count = sum(mode.outlier_count for mode in analysis.steps)
        longest = max(mode.max for mode in analysis.steps)
        yield Finding(
            tr("Some steps are far slower than the rest"),
            tr("{count} steps stand out; the slowest took {longest}.").format(count=count, longest=seconds(longest)),
            tr("See in the table of outliers when they happen: the first step of an epoch, a checkpoint, a slow disk."),
            _gain(analysis, lost),
            lost,
            evidence="steps",
        )
    for mode in analysis.steps:
        means = mode.by_worker
        if mode.mode == "TRAIN" and len(means) > 1:
            slowest = max(means, key=lambda worker: means[worker])
            typical = sorted(means.values())[len(means) // 2]
            saved = (means[slowest] - typical) / means[slowest] * total
            if means[slowest] > 1.1 * typical:
                yield Finding(
                    tr("One worker holds up the others"),
                    tr("A step takes {means} on {slowest} and {typical} on a typical worker.").format(
                        means=seconds(means[slowest]), slowest=slowest, typical=seconds(typical)
                    ),
                    tr("Give every worker the same amount of data, and see what else runs on that machine."),
                    _gain(analysis, saved),
                    saved,
                    evidence="steps",
                )


def _machine_costs(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    loop = analysis.times.loop or analysis.times.duration or 0.0
    loading = analysis.shares.get("data_loading", 0.0)
    working = max(0.0, loop - loading)  # loading has its own finding
    mean = analysis.cpu_pressure
    if analysis.gpu_use:
        busy = sum(gpu.mean for gpu in analysis.gpu_use) / len(analysis.gpu_use)
        saved = working * max(0.0, 1 - busy / 90)
        bound = _fired(analysis, "CPUBottleneck")
        yield Finding(
            tr("The GPU is idle for much of the time"),
            plural(
                "In the training loop the GPU is busy {busy:.0f}% of the time on average, while a core is saturated.",
                "In the training loop GPUs are busy {busy:.0f}% of the time on average, while a core is saturated.",
                len(analysis.gpu_use),
                busy=busy,
            )
            if bound
            else plural(
                "In the training loop the GPU is busy {busy:.0f}% of the time on average.",
                "In the training loop GPUs are busy {busy:.0f}% of the time on average.",
                len(analysis.gpu_use),
                busy=busy,
            ),
            tr("Move work off the CPU: decode smaller pictures, use more loader workers.")
            if bound
            else tr("Raise the batch size until GPU memory is about 80% full, or take a smaller GPU."),
            _gain(analysis, saved),
            saved,
            evidence="gpu",
        )
    elif "CPU" in mean and mean["CPU"] < 60 and analysis.cores > 1:
        saved = working * max(0.0, 1 - mean["CPU"] / 90)
        yield Finding(
            tr("Processor cores are idle"),
            tr("The {cores} cores are busy {CPU:.0f}% of the time on average.").format(
                cores=analysis.cores, CPU=mean["CPU"]
            ),
            tr("Raise the batch size, run more trials in parallel, or take a smaller machine at the same speed."),
            _gain(analysis, saved),
            saved,
            evidence="system",
        )
    others = mean.get("CPU", 0.0) - mean.get("CPU of the job", mean.get("CPU", 0.0))
    if others > _OTHERS and mean["CPU"] > _CROWDED:
        saved = loop * others / 100
        yield Finding(
            tr("Other programs use the processor"),
            tr("The cores are busy {CPU:.0f}% of the time on average, {others:.0f}% with other programs.").format(
                CPU=mean["CPU"], others=others
            ),
            tr("End them, or run the job when the machine is free: every time in this report is longer for them."),
            _gain(analysis, saved),
            saved,
            evidence="system",
        )
    wait = mean.get("I/O wait", 0.0)
    if wait > 10:
        saved = loop * wait / 100
        yield Finding(
            tr("The job waits for the disk"),
            tr("Cores spend {wait:.0f}% of the training loop waiting for input or output.").format(wait=wait),
            tr("Keep the dataset on a local disk, or make fewer and larger files of it."),
            _gain(analysis, saved),
            saved,
            evidence="loading",
        )


def _edge_costs(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    total = _total(analysis)
    before, after = analysis.times.initialization or 0.0, analysis.times.finalization or 0.0
    if total and before > 0.2 * total:
        yield Finding(
            tr("Much time passes before the first step"),
            tr("Initialization takes {before}, {before_2:.0%} of the job.").format(
                before=seconds(before), before_2=before / total
            ),
            tr("Do once what every trial repeats: compute features once, and keep weights and packages at hand."),
            _gain(analysis, before),
            before,
            evidence="time",
        )
    if total and after > 0.2 * total:
        yield Finding(
            tr("Much time passes after the last step"),
            tr("Finalization takes {after}, {after_2:.0%} of the job.").format(
                after=seconds(after), after_2=after / total
            ),
            tr("Save and evaluate less at the end: one model file, one evaluation."),
            _gain(analysis, after),
            after,
            evidence="time",
        )


def _said_by_aws(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    """Yield what AWS's own ProfilerReport found and these rules, for want of data or by other defaults, did not."""
    by_name = {rule.name.lower(): rule for rule in analysis.rules}
    fired = {name: _count(content) for name, content in analysis.aws_rules.items()}
    for name in sorted(fired, key=lambda name: -fired[name]):
        rule = by_name.get(name.lower())
        if rule is not None and fired[name] and rule.verdict is not Verdict.ISSUE:
            yield Finding(
                tr("AWS's report found: {name}").format(name=rule.name),
                tr("AWS counted {aws}. The rule looks for: {description}").format(
                    aws=rule.aws, description=rule.description
                ),
                rule.recommendation,
                tr("AWS's report does not say how much."),
                evidence="rules",
            )


def _fired(analysis: ProfilerAnalysis, rule: str) -> bool:
    return any(result.name == rule and result.verdict is Verdict.ISSUE for result in analysis.rules)


def _any_issue(analysis: ProfilerAnalysis) -> bool:
    return any(result.verdict is Verdict.ISSUE for result in analysis.rules)


def _count(content: Mapping[str, object]) -> float:
    try:
        return float(str(content.get("RuleTriggered", 0)))
    except ValueError:
        return 0.0
