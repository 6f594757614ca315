"""The things that matter most, in plain words.

What a Debugger rule found comes first, for a model that does not learn is worth nothing at any speed; then what may
fail the job; then what costs time, by its gain, which is an upper bound: the time that its cause takes now, were it
gone. Good news is given only where there is nothing else to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from core.jobs.records import RuleOutcome
from core.jobs.status import RuleStatus
from core.profiler.activity_findings import activity_risks, device_costs
from core.profiler.results import Finding, ProfilerAnalysis, Verdict

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
_EVEN_FROM = 100
"""Fewer steps than this say nothing of how even they are."""


def find(analysis: ProfilerAnalysis, outcomes: Sequence[RuleOutcome] = ()) -> ProfilerAnalysis:
    """Return the same analysis with the root cause, by the first of `outcomes` that found one, and three findings."""
    found = [*_said_by_rules(outcomes), *_risks(analysis), *activity_risks(analysis.activity)]
    found += sorted(_costs(analysis), key=lambda finding: -finding.gain_s)
    found += _said_by_aws(analysis)
    if not found and not _any_issue(analysis):
        found = list(_good_to_know(analysis))
    causes = sum(finding.severity == "cause" for finding in found)
    return replace(analysis, findings=tuple(found[: causes + SHOWN]))


def issues(outcomes: Sequence[RuleOutcome]) -> list[RuleOutcome]:
    """Return the outcomes that found an issue, in their order."""
    return [outcome for outcome in outcomes if outcome.status is RuleStatus.ISSUES_FOUND]


def _said_by_rules(outcomes: Sequence[RuleOutcome]) -> Iterator[Finding]:
    """Return what fired of itself, root cause first; what only follows from another is named there, without advice."""
    fired = issues(outcomes)
    for number, first in enumerate(outcome for outcome in fired if not outcome.follows_from):
        consequences = [outcome.rule for outcome in fired if outcome.follows_from == first.rule]
        follows = f"From it follows: {', '.join(consequences)}." if consequences else ""
        text = " ".join(part for part in (first.details, first.meaning, where(first), follows) if part)
        severity = "warning" if number else "cause"
        yield Finding(first.rule, text, first.advice, "", severity=severity, evidence="rules")


def where(outcome: RuleOutcome) -> str:
    """Return the place in the user's script that a rule names, as a sentence; empty where it is not known."""
    if not outcome.file:
        return ""
    return f"See {outcome.file}, line {outcome.line}." if outcome.line is not None else f"See {outcome.file}."


def seconds(value: float) -> str:
    """Return a duration for people: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if value < 0.0995:
        return f"{1000 * value:.3g} ms"
    if value < 99.5:
        return f"{value:.2g} s" if value < 9.95 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _total(analysis: ProfilerAnalysis) -> float:
    return analysis.times.duration or sum(analysis.shares.values()) or 0.0


def _gain(analysis: ProfilerAnalysis, saved: float) -> str:
    total = _total(analysis)
    if not total or saved >= total:
        return f"Up to {seconds(saved)}."
    most = f"at best {total / (total - saved):.2g} times as fast."
    times = most if saved < _NEARLY_ALL * total else "nearly all of it."
    if analysis.activity is not None:  # the seconds of a few traced steps say little of the whole training
        return f"Up to {saved / total:.0%} of the traced time: {times}"
    return f"Up to {seconds(saved)} of {seconds(total)}: {times}"


def activity_costs(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    """Yield what a trace of torch.profiler shows of the GPUs, each with what it could gain."""
    for title, text, change, evidence, saved in device_costs(analysis.activity):
        yield Finding(title, text, change, _gain(analysis, saved), saved, evidence=evidence)


def _risks(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    memory = [row for row in analysis.usage if row.resource == "Memory" and row.p99 > 90]
    if memory:
        worst = max(memory, key=lambda row: row.max)
        yield Finding(
            "Memory is nearly full",
            f"Memory on {worst.node} reached {worst.max:.0f}%; a job that needs more is killed.",
            "Use fewer loader workers or a smaller batch, or take a machine with more memory.",
            "It keeps the job from being killed.",
            evidence="memory",
        )
    growing = [gpu for gpu in analysis.gpu_use if gpu.memory_grows and gpu.memory_rise > _GROWTH]
    if growing:
        worst_gpu = max(growing, key=lambda gpu: gpu.memory_rise)
        yield Finding(
            "GPU memory grows",
            f"Memory of {worst_gpu.node} {worst_gpu.gpu} was still growing at the end of the training loop: by "
            f"{worst_gpu.memory_rise:.0f} points in its second half, to {worst_gpu.memory_max:.0f}%.",
            "Keep no tensors between steps: sum losses as numbers (loss.item()), not with their graph.",
            "It keeps a longer job from running out of memory.",
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
            "Training waits for data",
            f"Loading takes {loading / total:.0%} of the training loop; nothing is computed meanwhile.",
            "Load ahead with more workers (num_workers), use smaller pictures, or compute features once (head mode).",
            _gain(analysis, loading),
            loading,
            evidence="loading",
        )
    evaluation = shares.get("evaluation", 0.0)
    if total and evaluation > 0.2 * total:
        yield Finding(
            "Evaluation takes a large part",
            f"Evaluating takes {evaluation / total:.0%} of the training loop.",
            "Evaluate every second epoch, or with a larger batch: no gradients are kept, so twice the size fits.",
            _gain(analysis, evaluation / 2),
            evaluation / 2,
            evidence="time",
        )
    other = shares.get("other", 0.0)
    if total and other > 0.2 * total:
        yield Finding(
            "Much of the loop is neither data nor computing",
            f"{other / total:.0%} of the training loop lies between the traced phases: saving, printing, watching.",
            "Save checkpoints and print metrics less often, and save tensors at a larger interval.",
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
            "Some steps are far slower than the rest",
            f"{count} steps stand out; the slowest took {seconds(longest)}.",
            "See in the table of outliers when they happen: the first step of an epoch, a checkpoint, a slow disk.",
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
                    "One worker holds up the others",
                    f"A step takes {seconds(means[slowest])} on {slowest} and {seconds(typical)} on a typical worker.",
                    "Give every worker the same amount of data, and see what else runs on that machine.",
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
            "The GPU is idle for much of the time",
            f"In the training loop {'GPUs are' if len(analysis.gpu_use) > 1 else 'the GPU is'} busy {busy:.0f}% of "
            "the time on average" + (", while a core is saturated." if bound else "."),
            "Move work off the CPU: decode smaller pictures, use more loader workers."
            if bound
            else "Raise the batch size until GPU memory is about 80% full, or take a smaller GPU.",
            _gain(analysis, saved),
            saved,
            evidence="gpu",
        )
    elif "CPU" in mean and mean["CPU"] < 60 and analysis.cores > 1:
        saved = working * max(0.0, 1 - mean["CPU"] / 90)
        yield Finding(
            "Processor cores are idle",
            f"The {analysis.cores} cores are busy {mean['CPU']:.0f}% of the time on average.",
            "Raise the batch size, run more trials in parallel, or take a smaller machine at the same speed.",
            _gain(analysis, saved),
            saved,
            evidence="system",
        )
    others = mean.get("CPU", 0.0) - mean.get("CPU of the job", mean.get("CPU", 0.0))
    if others > _OTHERS and mean["CPU"] > _CROWDED:
        saved = loop * others / 100
        yield Finding(
            "Other programs use the processor",
            f"The cores are busy {mean['CPU']:.0f}% of the time on average, {others:.0f}% with other programs.",
            "End them, or run the job when the machine is free: every time in this report is longer for them.",
            _gain(analysis, saved),
            saved,
            evidence="system",
        )
    wait = mean.get("I/O wait", 0.0)
    if wait > 10:
        saved = loop * wait / 100
        yield Finding(
            "The job waits for the disk",
            f"Cores spend {wait:.0f}% of the training loop waiting for input or output.",
            "Keep the dataset on a local disk, or make fewer and larger files of it.",
            _gain(analysis, saved),
            saved,
            evidence="loading",
        )


def _edge_costs(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    total = _total(analysis)
    before, after = analysis.times.initialization or 0.0, analysis.times.finalization or 0.0
    if total and before > 0.2 * total:
        yield Finding(
            "Much time passes before the first step",
            f"Initialization takes {seconds(before)}, {before / total:.0%} of the job.",
            "Do once what every trial repeats: compute features once, and keep weights and packages at hand.",
            _gain(analysis, before),
            before,
            evidence="time",
        )
    if total and after > 0.2 * total:
        yield Finding(
            "Much time passes after the last step",
            f"Finalization takes {seconds(after)}, {after / total:.0%} of the job.",
            "Save and evaluate less at the end: one model file, one evaluation.",
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
                f"AWS's report found: {rule.name}",
                f"AWS counted {rule.aws}. The rule looks for: {rule.description}",
                rule.recommendation,
                "AWS's report does not say how much.",
                evidence="rules",
            )


_WITH_THEIR_OWN = ("data_loading", "evaluation", "other", "untraced")
"""Parts of the loop that have a finding of their own when they are its largest, or of which nothing is known."""


def _good_to_know(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    shares, total = analysis.shares, sum(analysis.shares.values())
    computing = sum(shares.get(phase, 0.0) for phase in ("forward", "backward", "optimizer"))
    if total and computing > 0.5 * total:
        yield Finding(
            "The training loop computes most of the time",
            f"Forward, backward and optimizer take {computing / total:.0%} of the training loop.",
            "To be faster still, take a faster machine or a smaller network.",
            "",
            severity="info",
            evidence="time",
        )
    elif total and (largest := max(shares, key=lambda phase: shares[phase])) not in _WITH_THEIR_OWN:
        yield Finding(
            f"The largest share of the loop is {PHASE_WORDS[largest].lower()}",
            f"It takes {shares[largest] / total:.0%} of the training loop, {seconds(shares[largest])}.",
            "A change would pay most here.",
            "",
            severity="info",
            evidence="time",
        )
    even = [mode for mode in analysis.steps if mode.count >= _EVEN_FROM and mode.p99 < 2 * mode.p50]
    if analysis.steps and len(even) == len(analysis.steps):
        mode = even[0]
        yield Finding(
            "Steps are even",
            f"Of {mode.count:,} steps the median took {seconds(mode.p50)}, the longest {seconds(mode.max)}.",
            "",
            "",
            severity="info",
            evidence="steps",
        )
    yield from _good_to_know_of_the_machine(analysis)


def _good_to_know_of_the_machine(analysis: ProfilerAnalysis) -> Iterator[Finding]:
    memory = [row for row in analysis.usage if row.resource == "Memory"]
    if memory and max(row.max for row in memory) < 60:
        most = max(row.max for row in memory)
        yield Finding(
            "There is room in memory",
            f"Memory never went above {most:.0f}%.",
            "A larger batch, more loader workers or a second trial beside this one would fit.",
            "",
            severity="info",
            evidence="memory",
        )
    if "CPU" in analysis.cpu_pressure:
        yield Finding(
            "How busy the processor was",
            f"Its cores were busy {analysis.cpu_pressure['CPU']:.0f}% of the time on average.",
            "A machine with more cores helps only where this is high.",
            "",
            severity="info",
            evidence="system",
        )


PHASE_WORDS = {
    "data_loading": "Data loading",
    "forward": "Forward",
    "backward": "Backward",
    "optimizer": "Optimizer",
    "evaluation": "Evaluation",
    "other": "Other",
    "untraced": "Not traced",
}


def _fired(analysis: ProfilerAnalysis, rule: str) -> bool:
    return any(result.name == rule and result.verdict is Verdict.ISSUE for result in analysis.rules)


def _any_issue(analysis: ProfilerAnalysis) -> bool:
    return any(result.verdict is Verdict.ISSUE for result in analysis.rules)


def _count(content: Mapping[str, object]) -> float:
    try:
        return float(str(content.get("RuleTriggered", 0)))
    except ValueError:
        return 0.0
