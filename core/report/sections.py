"""The chapters of the report of one training job."""

from __future__ import annotations

import time
from collections.abc import Sequence

from core.jobs.records import RuleOutcome, TrainingJob
from core.jobs.status import RuleStatus
from core.profiler.findings import PHASE_WORDS, seconds
from core.profiler.results import ProfilerAnalysis, RuleResult, Verdict
from core.report import charts
from core.report.document import (
    Block,
    BoxPlot,
    Document,
    Figures,
    Findings,
    Section,
    Table,
    Text,
    Tone,
    quantity,
)

_TONES: dict[str, Tone] = {
    Verdict.ISSUE: "warning",
    Verdict.CLEAR: "good",
    Verdict.TOO_FEW: "muted",
    Verdict.NOT_APPLICABLE: "muted",
    RuleStatus.ISSUES_FOUND: "warning",
    RuleStatus.ERROR: "warning",
    RuleStatus.NO_ISSUES_FOUND: "good",
}


def job_document(
    analysis: ProfilerAnalysis, job: TrainingJob | None = None, outcomes: Sequence[RuleOutcome] = ()
) -> Document:
    """The report of one training job."""
    facts = [f"{len(analysis.nodes)} {'node' if len(analysis.nodes) == 1 else 'nodes'}"] if analysis.nodes else []
    if analysis.cores:
        facts.append(f"{analysis.cores} cores each" if len(analysis.nodes) > 1 else f"{analysis.cores} cores")
    if not analysis.nodes:
        facts.append("machine not known")
    elif analysis.gpus:
        facts.append(f"{analysis.gpus} {'GPU' if analysis.gpus == 1 else 'GPUs'}")
    else:
        facts.append("no GPU")
    if job is not None:
        facts.insert(0, str(job.status))
    name = job.name if job is not None else analysis.source.rstrip("/").replace("\\", "/").rpartition("/")[2]
    return Document("Profiler report", name, job_sections(analysis, outcomes), footer(), tuple(facts))


def footer() -> str:
    """Who made the report, and when."""
    return f"Made by Sagehound on {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC."


def job_sections(analysis: ProfilerAnalysis, outcomes: Sequence[RuleOutcome] = ()) -> tuple[Section, ...]:
    """All chapters, the findings first."""
    sections = [
        Section("findings", "What matters most", (Findings(analysis.findings),)),
        _summary(analysis),
        _system(analysis),
        _framework(analysis),
        _rules(analysis, outcomes),
        _steps(analysis),
        *(_gpu(analysis) if analysis.has_gpu else (_no_gpu(analysis),)),
        _loading(analysis),
        _pair(analysis, "batch", "Batch size", "BatchSize"),
        _pair(analysis, "cpu", "CPU bottlenecks", "CPUBottleneck", *charts.bands(analysis, "Busiest core")),
        _pair(analysis, "io", "I/O bottlenecks", "IOBottleneck", *charts.bands(analysis, "I/O wait")),
        _initialization(analysis),
    ]
    return tuple(section for section in sections if section.blocks)


def _summary(analysis: ProfilerAnalysis) -> Section:
    times = analysis.times
    items = [
        ("Start", *_day_and_time(times.start)),
        ("End", *_day_and_time(times.end)),
        ("Duration", _seconds(times.duration), ""),
        ("Initialization", _seconds(times.initialization), _percent(times.initialization, times.duration)),
        ("Training loop", _seconds(times.loop), _percent(times.loop, times.duration)),
        ("Finalization", _seconds(times.finalization), _percent(times.finalization, times.duration)),
    ]
    blocks: list[Block] = [Figures(tuple(items))]
    if times.loop_start is not None:
        blocks.append(Text(f"The training loop ran from {_clock(times.loop_start)} to {_clock(times.loop_end)} UTC."))
    blocks += charts.job_bar(times)
    if analysis.samples:
        blocks.append(
            Text(f"{analysis.samples:,} samples, one every {seconds(analysis.interval_s)} on each node.", "muted")
        )
    blocks += [Text(problem, "warning") for problem in analysis.problems]
    return Section("summary", "Job summary", tuple(blocks))


def _system(analysis: ProfilerAnalysis) -> Section:
    rows = tuple(
        (row.node, row.resource, *(quantity(v, row.unit) for v in (row.max, row.p99, row.p95, row.p50, row.min)))
        for row in analysis.usage
    )
    if not rows:
        return Section("system", "System usage", ())
    table = Table(
        ("Node", "Resource", "max", "p99", "p95", "p50", "min"),
        rows,
        frozenset(range(2, 7)),
        (1.1, 1.7, 1, 1, 1, 1, 1),
    )
    shown = ["CPU", "Memory", "GPU", "GPU memory", "Disk read", "Disk write", "Network received", "Network sent"]
    lines = [chart for resource in shown for chart in charts.bands(analysis, resource)]
    phases = charts.phase_area(analysis)
    note = Text("Each line is a mean; the band behind it spans the lowest and the highest sample.", "muted")
    return Section("system", "System usage", (*lines[:1], *phases, *lines[1:], note, table))


def _framework(analysis: ProfilerAnalysis) -> Section:
    if not analysis.framework:
        return Section("framework", "Framework metrics", ())
    total = sum(analysis.shares.values())
    shares: Block = Text("The trace has steps but not their phases, so what they were spent on is not known.", "muted")
    if total:
        shares = Table(
            ("Part of the training loop", "Time", "Share"),
            tuple(
                (PHASE_WORDS[phase], seconds(spent), quantity(100 * spent / total, "%"))
                for phase, spent in analysis.shares.items()
            ),
            frozenset((1, 2)),
            (3, 1, 1),
        )
    events = Table(
        ("Event", "Count", "Total", "Mean"),
        tuple((name, f"{n:,}", seconds(spent), seconds(spent / n)) for name, n, spent in analysis.framework[:20]),
        frozenset((1, 2, 3)),
        (3, 1, 1, 1),
    )
    note = Text(
        "Times are those of the training thread: what a GPU does meanwhile counts where the thread waits for it.",
        "muted",
    )
    return Section("framework", "Framework metrics", (*charts.share_bar(analysis), shares, events, note))


def _rules(analysis: ProfilerAnalysis, outcomes: Sequence[RuleOutcome]) -> Section:
    order = list(Verdict)
    results = sorted(analysis.rules, key=lambda rule: (order.index(rule.verdict), -rule.triggered))
    with_aws = any(rule.aws for rule in results)
    columns = ("Rule", "Verdict", "Triggered", "Datapoints", "Parameters", *(("AWS counted",) if with_aws else ()))
    table = Table(
        columns,
        tuple(_rule_row(rule, with_aws) for rule in results),
        frozenset((2, 3)),
        (2, 1.2, 1, 1.1, 3, *((2,) if with_aws else ())),
        tuple(_TONES[rule.verdict] for rule in results),
    )
    advice = Table(
        ("Rule", "Looks for", "What it saw", "What to do when it fires"),
        tuple(
            (rule.name, rule.description, rule.detail or "Nothing to remark.", rule.recommendation)
            for rule in results
            if rule.verdict is not Verdict.NOT_APPLICABLE
        ),
        widths=(1.9, 2.2, 2.6, 3),
    )
    left_out = [rule for rule in results if rule.verdict is Verdict.NOT_APPLICABLE]
    blocks: list[Block] = [table, advice]
    if left_out:
        reasons = " ".join(f"{rule.name}: {rule.detail}" for rule in left_out)
        blocks.append(Text(f"Rules that do not apply here. {reasons}", "muted"))
    blocks += _outcomes(outcomes)
    return Section("rules", "Rules", tuple(blocks))


def _rule_row(rule: RuleResult, with_aws: bool) -> tuple[str, ...]:
    parameters = ", ".join(f"{name} {value:g}" for name, value in rule.parameters.items()) or "none"
    row = (rule.name, str(rule.verdict), f"{rule.triggered:,}", f"{rule.datapoints:,}", parameters)
    return (*row, rule.aws or "—") if with_aws else row


def _outcomes(outcomes: Sequence[RuleOutcome]) -> tuple[Block, ...]:
    """The Debugger rules: those with something to say as a table, the others in one sentence."""
    if not outcomes:
        return ()
    quiet = sorted(outcome.rule for outcome in outcomes if outcome.status == RuleStatus.NO_ISSUES_FOUND)
    loud = sorted(
        (outcome for outcome in outcomes if outcome.status != RuleStatus.NO_ISSUES_FOUND),
        key=lambda outcome: (outcome.status != RuleStatus.ISSUES_FOUND, outcome.rule),
    )
    blocks: list[Block] = [Text("Debugger rules, on the tensors of this job:")]
    if loud:
        rows = tuple(
            (
                outcome.rule,
                str(outcome.status),
                _step_range(outcome),
                " ".join(part for part in (outcome.meaning, outcome.details) if part) or "—",
                outcome.advice or "—",
            )
            for outcome in loud
        )
        tones = tuple(_TONES.get(outcome.status, "muted") for outcome in loud)
        columns = ("Rule", "Status", "Steps", "Meaning", "Advice")
        blocks.append(Table(columns, rows, frozenset(), (1.6, 1.3, 0.9, 3, 2.4), tones))
    if quiet:
        blocks.append(Text(f"✓ {len(quiet)} found no issue: {', '.join(quiet)}.", "muted"))
    return tuple(blocks)


def _step_range(outcome: RuleOutcome) -> str:
    if outcome.first_step is None:
        return "—"
    last = outcome.last_step
    return f"{outcome.first_step}" if last in (None, outcome.first_step) else f"{outcome.first_step} to {last}"


def _steps(analysis: ProfilerAnalysis) -> Section:
    blocks: list[Block] = []
    stddev = next(rule.parameters["stddev"] for rule in analysis.rules if rule.name == "StepOutlier")
    for mode in analysis.steps:
        values = (mode.mean, mode.p50, mode.p95, mode.p99, mode.max)
        names = ("mean", "p50", "p95", "p99", "max")
        blocks.append(
            Figures(
                (
                    (f"{mode.mode} steps", f"{mode.count:,}", ""),
                    *((name, quantity(value, "s"), "") for name, value in zip(names, values, strict=True)),
                )
            )
        )
        blocks += charts.step_charts(mode)
        if mode.outliers:
            blocks.append(
                Text(
                    f"{mode.outlier_count:,} outliers, longer than the mean plus {stddev:g} standard deviations of "
                    "their worker."
                )
            )
            blocks.append(
                Table(
                    ("Worker", "Step", "Began (UTC)", "Duration", "Times the median"),
                    tuple(
                        (worker, f"{step:,}", _clock(start), quantity(lasted, "s"), f"{lasted / mode.p50:.1f}")
                        for worker, step, start, lasted in mode.outliers
                    ),
                    frozenset((1, 3, 4)),
                )
            )
        elif mode.count:
            blocks.append(Text("No step stands out from the rest.", "muted"))
    return Section("steps", "Step durations", tuple(blocks))


def _no_gpu(analysis: ProfilerAnalysis) -> Section:
    text = (
        "There is no GPU on this machine, so GPU utilisation, load balancing between GPUs and GPU memory are left out. "
        "The processor does the training; how busy it is stands under System usage."
        if analysis.nodes
        else "There are no system metrics, so whether there was a GPU, and how busy it was, is not known."
    )
    return Section("gpu", "GPU", (Text(text, "muted"),))


def _gpu(analysis: ProfilerAnalysis) -> tuple[Section, ...]:
    boxes = tuple((f"{g.node} {g.gpu}", g.p5, g.p25, g.p50, g.p75, g.p95) for g in analysis.gpu_use)
    utilisation = Section(
        "gpu", "GPU utilisation", (*_verdict(analysis, "LowGPUUtilization"), BoxPlot("GPU utilisation", boxes))
    )
    pairs = Table(
        ("GPU", "GPU", "Distance"),
        tuple((first, second, f"{distance:.2f}") for first, second, distance in analysis.imbalance),
        frozenset((2,)),
    )
    balancing = Section(
        "balance",
        "Load balancing",
        (*_verdict(analysis, "LoadBalancing"), *((pairs,) if analysis.imbalance else ())),
    )
    memory = Table(
        ("Node", "GPU", "p50", "max", "Rise"),
        tuple(
            (g.node, g.gpu, quantity(g.memory_p50, "%"), quantity(g.memory_max, "%"), f"{g.memory_rise:+.1f} points")
            for g in analysis.gpu_use
        ),
        frozenset((2, 3, 4)),
    )
    note = Text(
        "All of the training loop. Rise compares its last quarter with its second: memory fills once at the start.",
        "muted",
    )
    return (
        utilisation,
        balancing,
        Section("gpumemory", "GPU memory", (*_verdict(analysis, "GPUMemoryIncrease"), memory, note)),
    )


def _loading(analysis: ProfilerAnalysis) -> Section:
    blocks: list[Block] = []
    total, loading = sum(analysis.shares.values()), analysis.shares.get("data_loading")
    if loading and total:
        blocks.append(
            Text(
                f"The training loop waited {seconds(loading)} for data, {loading / total:.0%} of its time. "
                f"With loading entirely hidden behind the computing it would take {seconds(total - loading)}."
            )
        )
    elif analysis.framework:
        blocks.append(Text("The trace says nothing of the time spent on loading data.", "muted"))
    return Section(
        "loading", "Data loading", (*blocks, *_verdict(analysis, "Dataloader")) if analysis.framework else ()
    )


def _pair(analysis: ProfilerAnalysis, key: str, title: str, rule: str, *more: Block) -> Section:
    return Section(key, title, (*_verdict(analysis, rule), *more) if analysis.nodes else ())


def _initialization(analysis: ProfilerAnalysis) -> Section:
    return Section("initialization", "Initialization", _verdict(analysis, "MaxInitializationTime"))


def _verdict(analysis: ProfilerAnalysis, name: str) -> tuple[Block, ...]:
    result = next(rule for rule in analysis.rules if rule.name == name)
    tone: Tone = "plain" if result.verdict in (Verdict.ISSUE, Verdict.CLEAR) else "muted"
    text = f"{name}: {result.verdict.lower()}. {result.detail}".strip()
    if result.verdict is Verdict.ISSUE:
        return (Text(text, "warning"), Text(result.recommendation))
    return (Text(text, tone),)


def _clock(when: float | None) -> str:
    return "—" if when is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(when))


def _day_and_time(when: float | None) -> tuple[str, str]:
    day, _, hour = _clock(when).partition(" ")
    return (hour, f"{day} UTC") if hour else (day, "")


def _seconds(value: float | None) -> str:
    return "—" if value is None else seconds(value)


def _percent(part: float | None, whole: float | None) -> str:
    return "" if part is None or not whole else f"{part / whole:.0%} of the job"
